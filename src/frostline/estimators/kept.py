"""What a predictor keeps of the rows it was trained on: vectors for neighbors, digests and targets for further training."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from frostline.contracts import KeyArray
from frostline.errors import ArtifactError, UserError
from frostline.estimators.several import refuse_several
from frostline.features import Features, PlainTexts
from frostline.numerics.neighbors import nearest

if TYPE_CHECKING:
    from frostline.candidates import Candidate
    from frostline.estimators.base import TextEstimator

__all__ = [
    "MAX_BYTES",
    "Neighbors",
    "TrainingRows",
    "check_neighbors",
    "digests",
    "extremes",
    "find_neighbors",
    "kept_rows",
]

MAX_BYTES = 2**27
"""Bytes of vectors that are kept at most, 128 MiB: of more rows a random sample is, and the report says so."""

_BLOBS = ("names", "texts")
_ARRAYS = ("keys", "targets", "groups", "vectors", "mean", "scale", "where")


@dataclass(frozen=True)
class Neighbors:
    """The training rows nearest to each of n rows, nearest first.

    Attributes
    ----------
    rows : list of n lists of k
        What the training rows are called: their ids or the numbers of their lines where a file had them (from 1), else
        their places among the rows that `fit` was given (from 0).
    targets : array of shape (n, k), or (n, k, n_targets)
        Labels or numbers.
    similarities : float64 array of shape (n, k)
        Cosines, -1 to 1, of vectors whose columns were standardized on the training rows.
    texts : list of n lists of k str, or None
        The rows as the backbone read them; None where they are not kept.
    """

    rows: list[list[Any]]
    targets: NDArray[Any]
    similarities: NDArray[np.float64]
    texts: list[list[str]] | None = None

    def as_lists(self) -> list[list[dict[str, Any]]]:
        """For each row a list of plain dicts: row, target, similarity, and text where it is known."""
        targets, similarities = self.targets.tolist(), self.similarities.tolist()
        return [
            [
                {"row": row, "target": targets[i][j], "similarity": round(similarities[i][j], 4)}
                | ({} if self.texts is None else {"text": self.texts[i][j]})
                for j, row in enumerate(rows)
            ]
            for i, rows in enumerate(self.rows)
        ]


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """The n rows of a fit.

    Attributes
    ----------
    keys : uint64 array of shape (n, 2) or (n, 2 * number of backbones)
        Digests of what the backbone read; of words, of the texts.
    targets : array of shape (n,) or (n, n_targets)
        Class numbers, or numbers as they were given.
    groups : uint64 array of shape (n,), or None
        Digests of the groups that the fit was given.
    vectors : float16 array of shape (m, F)
        Fused vectors, standardized by column: within 0.05 % of the exact numbers, for finding and ordering rows. Width 0
        where no backbone is read.
    mean, scale : float32 arrays of shape (F,)
        ``vectors * scale + mean`` are the backbone's.
    where : int array of shape (m,)
        Rows that have a vector: all of them up to 128 MiB.
    names : list of n, or None
        What the rows are called; None = by their place.
    texts : list of n str, or None
    """

    keys: KeyArray
    targets: NDArray[Any]
    groups: NDArray[np.uint64] | None
    vectors: NDArray[np.float16]
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    where: NDArray[np.int64]
    names: list[Any] | None = None
    texts: list[str] | None = None

    @classmethod
    def of(
        cls,
        features: Features,
        candidate: Candidate | None,
        fused: NDArray[np.float32],
        targets: NDArray[Any],
        groups: Any,
        *,
        seed: int,
    ) -> Self:
        """Keep what was trained on.

        Parameters
        ----------
        features : Features
            Of the n rows.
        candidate : Candidate or None
            What the predictor reads of the backbones; None = words.
        fused : float32 array of shape (n, F)
            What the head reads; F = 0 where it reads words.
        targets : array of shape (n, ...)
        groups : sequence of length n, or None
        seed : int
            Of the sample where the rows are too many.
        """
        keys = _keys_read(features, candidate)
        where = np.arange(len(fused), dtype=np.int64)
        most = max(1, MAX_BYTES // max(1, 2 * fused.shape[1]))
        if len(where) > most:
            where = np.sort(np.random.default_rng(seed).choice(where, most, replace=False))
        mean, scale = _moments(fused)
        vectors = np.empty((len(where), fused.shape[1]), dtype=np.float16)
        for own in _runs(*vectors.shape):  # no entry is larger than the root of n, far within half precision
            vectors[own] = (fused[where[own]] - mean) / scale
        digested = None if groups is None else digests(groups)
        return cls(keys, targets, digested, vectors, mean, scale, where, None, list(features.texts))

    def __len__(self) -> int:
        return len(self.keys)

    def named(self, names: Sequence[Any]) -> Self:
        """The same rows by other names."""
        return replace(self, names=list(names))

    def name(self, row: int) -> Any:
        """What row number `row` is called."""
        return int(row) if self.names is None else self.names[row]

    def standardized(self, fused: NDArray[np.float32]) -> NDArray[np.float64]:
        """Vectors of other rows on the scale of the kept ones."""
        return (fused.astype(np.float64) - self.mean) / self.scale

    def describe(self, *, keep_texts: bool) -> str:
        """A sentence for reports on what a folder holds of these rows."""
        size = sum(array.nbytes for array in self.get_state(keep_texts=keep_texts).values()) / 1e6
        kept = f"{len(self.where):,}" if len(self.where) == len(self) else f"{len(self.where):,} of {len(self):,}"
        what = f"vectors (half precision) of {kept} training rows" if self.vectors.shape[1] else "digests of the rows"
        return f"The folder keeps {what} and targets, {'with' if keep_texts else 'without'} their texts: {size:.1f} MB."

    def get_state(self, *, keep_texts: bool) -> dict[str, NDArray[Any]]:
        """Arrays to write; texts only where they are asked for."""
        kept = {name: array for name in _ARRAYS if (array := getattr(self, name)) is not None}
        kept |= {"names": _blob(self.names)} if self.names is not None else {}
        return kept | ({"texts": _blob(self.texts)} if keep_texts and self.texts is not None else {})

    @classmethod
    def from_state(cls, tensors: Mapping[str, NDArray[Any]]) -> Self:
        """Restore from :meth:`get_state`.

        Raises
        ------
        ArtifactError
            Arrays are missing or unknown, or do not fit together.
        """
        needed = {*_ARRAYS} - {"groups"}
        if not needed <= set(tensors) <= {*_ARRAYS, *_BLOBS}:
            raise ArtifactError(f"Kept rows are {', '.join(sorted(needed))}; got {', '.join(sorted(tensors))}.")
        lists = {name: json.loads(tensors[name].tobytes()) for name in _BLOBS if name in tensors}
        rows = cls(**{"groups": None, **{name: tensors[name] for name in _ARRAYS if name in tensors}, **lists})
        lengths = {len(rows.targets), *(len(v) for v in (rows.groups, rows.names, rows.texts) if v is not None)}
        if lengths != {len(rows)} or len(rows.where) != len(rows.vectors):
            raise ArtifactError("The kept rows do not fit together: their arrays differ in length.")
        return rows


def _keys_read(features: Features, candidate: Candidate | None) -> KeyArray:
    """Digests of what the predictor reads from now on: the texts where it reads words, else by the backbones it has kept."""
    if candidate is None:
        return PlainTexts()(features.texts).keys
    names = list(dict.fromkeys(tap.backbone for tap in features.taps))
    kept = {tap.backbone for tap in candidate.taps}
    own = [features.keys[:, 2 * i : 2 * i + 2] for i, name in enumerate(names) if name in kept]
    return np.ascontiguousarray(np.hstack(own))


def digests(groups: Any) -> NDArray[np.uint64]:
    """Digest each group, so that equal ones are found again while none can be read."""
    values = groups.tolist() if isinstance(groups, np.ndarray) else list(groups)
    found = (blake2b(repr(value).encode("utf-8", "surrogatepass"), digest_size=8).digest() for value in values)
    return np.frombuffer(b"".join(found), dtype=np.uint64)


def find_neighbors(estimator: TextEstimator, fused: NDArray[np.float32], k: int) -> Neighbors:
    """Find the training rows nearest to vectors.

    Parameters
    ----------
    estimator : TextClassifier or TextRegressor
        Fitted.
    fused : float32 array of shape (n, F)
    k : int

    Raises
    ------
    UserError
        No rows are kept, the predictor reads words only, or fewer than `k` rows are known.
    """
    rows = check_neighbors(estimator, k)
    indices, distances = nearest(rows.standardized(fused), rows.vectors.astype(np.float32), k, "cosine")
    found = rows.where[indices]
    return Neighbors(
        [[rows.name(row) for row in line] for line in found],
        estimator.as_given(rows.targets)[found],
        1 - distances,
        None if rows.texts is None else [[rows.texts[row] for row in line] for line in found],
    )


def extremes(rows: TrainingRows, direction: NDArray[np.float64], n: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The distinct texts that lie furthest along a direction and furthest against it; none where they are not kept."""
    if rows.texts is None:
        return (), ()
    scores = rows.vectors.astype(np.float32) @ (direction * rows.scale).astype(np.float32)
    order = [rows.texts[rows.where[i]] for i in np.argsort(-scores, kind="stable")]
    distinct = list(dict.fromkeys(order))
    return tuple(distinct[:n]), tuple(list(dict.fromkeys(reversed(order)))[:n])


def check_neighbors(estimator: TextEstimator, k: int) -> TrainingRows:
    """Refuse what :func:`find_neighbors` cannot answer, before anything runs.

    Raises
    ------
    UserError
    """
    rows = kept_rows(estimator)
    if not rows.vectors.shape[1]:
        raise UserError(
            "This predictor reads words, not vectors, so no row is near another.", hint="fit with features='embedding'"
        )
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= len(rows.where):
        raise UserError(f"The number of neighbors must be a whole number from 1 to {len(rows.where)}, got {k!r}.")
    return rows


def kept_rows(estimator: TextEstimator) -> TrainingRows:
    """The rows that a fitted predictor keeps.

    Raises
    ------
    UserError
        It keeps none.
    """
    check_is_fitted(estimator, "arms_")
    refuse_several(estimator, "what is asked")
    if estimator.rows_ is None:
        raise UserError(
            "This folder keeps nothing of the training rows.", hint="fit again without --no-neighbors (keep_rows=False)"
        )
    return estimator.rows_


def _moments(fused: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of each column; 1 instead of that of a constant column."""
    mean, square = np.zeros(fused.shape[1]), np.zeros(fused.shape[1])
    for own in _runs(*fused.shape):
        mean += fused[own].sum(axis=0, dtype=np.float64) / len(fused)
    for own in _runs(*fused.shape):
        square += ((fused[own] - mean) ** 2).sum(axis=0) / len(fused)
    scale = np.sqrt(square)
    return mean.astype(np.float32), np.where(scale <= 1e-9 * np.abs(mean), 1, scale).astype(np.float32)


def _runs(n: int, width: int) -> Iterator[slice]:
    """Rows in runs that take 16 MB in double precision, so that no table is copied whole."""
    step = max(1, 2**21 // max(1, width))
    return (slice(start, start + step) for start in range(0, n, step))


def _blob(values: Sequence[Any]) -> NDArray[np.uint8]:
    return np.frombuffer(json.dumps(list(values), ensure_ascii=True, default=str).encode(), dtype=np.uint8)
