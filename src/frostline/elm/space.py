"""What an explainer keeps of a space: its training rows, how far vectors lie from them, probes, and how texts are read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from frostline.elm.explanation import Neighbor, Outlier
from frostline.elm.probes import Probe
from frostline.elm.scores import Reader
from frostline.errors import UserError, nearest
from frostline.numerics.neighbors import nearest as nearest_rows

__all__ = ["SpaceState", "rounded"]

N_NEAR = 5
ALPHA = 0.05


def rounded(vectors: NDArray[Any], mean: NDArray[Any], scale: NDArray[Any]) -> NDArray[np.float16]:
    """Standardized vectors as a folder keeps them."""
    return np.asarray(np.clip((vectors - mean) / scale, -6e4, 6e4), dtype=np.float16)


@dataclass
class SpaceState:
    """A space after a fit.

    Attributes
    ----------
    name : str
    mean, scale : float32 arrays of shape (D,)
    ids : list of n str
        Training rows first, then held-out ones.
    kept : float16 array of shape (n, D)
        Their standardized vectors.
    n_train : int
    calibration : float array, ascending
        Distances of rows to the training rows that are not themselves.
    probes : list of Probe
    reader : Reader or None
    source : mapping
        How the vectors were made, as far as it is known.
    """

    name: str
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    ids: list[str]
    kept: NDArray[np.float16]
    n_train: int
    calibration: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    probes: list[Probe] = field(default_factory=list)
    reader: Reader | None = None
    source: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._place = {name: i for i, name in enumerate(self.ids)}
        self._near = self.kept[: self.n_train].astype(np.float32)

    @property
    def dim(self) -> int:
        """Width D."""
        return len(self.mean)

    @property
    def training_vectors(self) -> NDArray[np.float32]:
        """Vectors of the training rows in their own units, as kept."""
        return np.asarray(self._near * self.scale + self.mean, dtype=np.float32)

    def vector(self, id: str) -> NDArray[np.float32]:
        """The vector of a known row.

        Raises
        ------
        UserError
        """
        if id not in self._place:
            some = ", ".join(map(repr, self.ids[:3]))
            raise UserError(
                f"The id {id!r} is not among the {len(self.ids)} rows of this explainer, such as {some}.",
                hint=nearest(id, self.ids[:2000]) or "give the vector itself",
            )
        return np.asarray(self.kept[self._place[id]].astype(np.float32) * self.scale + self.mean, dtype=np.float32)

    def is_training(self, id: str) -> bool:
        """Whether the model learnt from this row."""
        return self._place.get(id, self.n_train) < self.n_train

    def checked(self, vector: ArrayLike) -> NDArray[np.float32]:
        """A vector of this space.

        Raises
        ------
        UserError
            Another width, NaN, or zero.
        """
        found = np.asarray(vector)
        if found.ndim != 1 or found.dtype.kind not in "fiu" or len(found) != self.dim:
            raise UserError(
                f"The space {self.name!r} has vectors of width {self.dim}; got {found.dtype} of shape {found.shape}."
            )
        if not np.isfinite(found).all():
            raise UserError("The vector holds NaN or infinity.")
        if not found.any():
            raise UserError("The vector is zero: there is nothing to explain.")
        return found.astype(np.float32)

    def standardized(self, vectors: NDArray[Any]) -> NDArray[np.float32]:
        """Vectors in standard deviations from the mean."""
        return np.asarray((vectors - self.mean) / self.scale, dtype=np.float32)

    def calibrate(self) -> None:
        """Measure how far held-out rows (where they are few, training rows from the others) lie away."""
        own = self.kept[self.n_train :].astype(np.float32)
        if len(own) >= 50:
            found = self._distances(own)
        elif self.n_train > N_NEAR:
            sample = self._near[:2000]
            found = nearest_rows(sample, sample, N_NEAR, skip_self=True)[1].mean(axis=1)
        else:
            found = np.empty(0)
        self.calibration = np.sort(found / self.dim**0.5)

    def _distances(self, standardized: NDArray[Any]) -> NDArray[np.float64]:
        k = min(N_NEAR, self.n_train)
        return np.asarray(nearest_rows(standardized, self._near, k)[1].mean(axis=1))

    def outliers(self, vectors: NDArray[Any]) -> list[Outlier]:
        """How far each vector lies from the training rows."""
        found = self._distances(self.standardized(vectors)) / self.dim**0.5
        n = len(self.calibration)
        further = n - np.searchsorted(self.calibration, found - 1e-9, side="left")
        ps = (1 + further) / (1 + n)
        return [Outlier(bool(p < ALPHA), float(d), float(p)) for d, p in zip(found, ps, strict=True)]

    def recognized(self, ids: Sequence[str], vectors: NDArray[Any]) -> list[Any]:
        """The id of each vector that is the one which this space keeps under that id; else the vector.

        So a row that the explainer learnt from is no stranger because it comes from a file: it is not its own neighbor, and what
        reads its text has not learnt from it.
        """
        if vectors.ndim != 2 or vectors.shape[1] != self.dim:
            return list(vectors)
        own = rounded(vectors, self.mean, self.scale)
        places = [self._place.get(id) for id in ids]
        same = [i is not None and np.array_equal(row, self.kept[i]) for i, row in zip(places, own, strict=True)]
        return [id if yes else vector for id, yes, vector in zip(ids, same, vectors, strict=True)]

    def neighbors(
        self,
        vectors: NDArray[Any],
        ids: Sequence[str | None],
        texts: Mapping[str, str],
        k: int = 3,
        *,
        with_text: bool = False,
    ) -> list[list[Neighbor]]:
        """The training rows nearest to each vector by cosine, other than the row itself; of those with a text, where asked."""
        rows = self.training_vectors
        told = [i for i in range(self.n_train) if texts.get(self.ids[i])] if with_text else []
        rows = rows[told] if told else rows
        places, distances = nearest_rows(np.asarray(vectors, np.float32), rows, min(k + 1, len(rows)), "cosine")
        places = np.array(told)[places] if told else places
        found = []
        for own, near, far in zip(ids, places, distances, strict=True):
            kept = [(int(i), float(d)) for i, d in zip(near, far, strict=True) if self.ids[i] != own][:k]
            found.append([Neighbor(self.ids[i], 1.0 - d, texts.get(self.ids[i], "")) for i, d in kept])
        return found

    def direction(self, concept: str) -> NDArray[np.float64]:
        """The direction of ``attribute=value``, as long as one standard deviation of the training rows along it.

        Raises
        ------
        UserError
            No probe of this attribute and value.
        """
        attribute, _, value = concept.partition("=")
        known = [f"{probe.attribute}={name}" for probe in self.probes for name in probe.values]
        for probe in self.probes:
            if probe.attribute == attribute and value in probe.values:
                way = probe.weights[probe.values.index(value), :-1] / self.scale
                unit = np.asarray(way / np.linalg.norm(way), dtype=np.float64)
                return unit * float((self.training_vectors @ unit).std())
        raise UserError(
            f"Unknown concept {concept!r}. Known: {', '.join(known[:20]) or 'none: no attribute had enough rows'}.",
            hint=nearest(concept, known) or "write ATTRIBUTE=VALUE",
        )
