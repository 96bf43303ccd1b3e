"""Exact nearest neighbors in blocks: a fast matrix product finds the candidates, differences in double precision rank them.

The product ||a||^2 - 2ab + ||b||^2 in single precision loses what near-duplicates differ by, so it only proposes a few more
candidates than are asked for. Its rounding error has a bound; rows whose candidates lie closer together than that are
looked at again, against every point that the bound cannot exclude.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from frostline.errors import UserError
from frostline.errors import nearest as nearest_name

__all__ = ["METRICS", "nearest"]

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

METRICS = ("euclidean", "cosine")

BLOCK = 4096
"""Rows of a tile of distances: 64 MiB in single precision."""

SPARE = 5
"""Candidates beyond those that are asked for, so that few rows must be looked at twice."""

SINGLE_FROM = 32
"""Width from which single precision pays; below it the tile's memory, not its arithmetic, takes the time."""

_GROUP = 32  # columns of a tile that are reduced to their minimum before anything is sorted
_FAR = 1e30  # squared distance of the rows that fill up the last tile; data are scaled to norms of at most 1
_RERANKED = 1 << 21  # numbers of differences held at once


def nearest(
    queries: ArrayLike,
    points: ArrayLike,
    k: int,
    metric: str = "euclidean",
    *,
    block: int | None = None,
    skip_self: bool = False,
) -> tuple[Indices, Floats]:
    """Find the k nearest of `points` for each query, exactly: of equally near ones the earlier comes first.

    Distances are those of float64 differences. Where `queries` and `points` are the same object, each pair is computed once.
    Memory beyond the input is one copy of it in single precision and a few tiles.

    Parameters
    ----------
    queries : array of shape (n, F)
    points : array of shape (m, F)
    k : int
        From 1 to m, with `skip_self` to m - 1.
    metric : {"euclidean", "cosine"}
        Cosine distance is one minus the cosine, 0 to 2; a vector of zeros has the cosine 0 with everything.
    block : int, optional
        Rows of a tile of distances; None = 4,096.
    skip_self : bool
        Whether `queries` are the `points` themselves, in their order: none is its own neighbor then, but an equal row
        elsewhere is, at distance 0.

    Returns
    -------
    indices : int array of shape (n, k)
        Nearest first.
    distances : float64 array of shape (n, k)

    Raises
    ------
    UserError
        Shapes that do not match, vectors that are not finite, a `k` out of range or an unknown metric.
    """
    if metric not in METRICS:
        hint = nearest_name(metric, METRICS) or None
        raise UserError(f"Unknown metric {metric!r}. Allowed: {', '.join(map(repr, METRICS))}.", hint=hint)
    P = _Cloud.of(points, metric, side=1)
    # A zero has the cosine 0 even with itself, which only two different sides can say.
    same = queries is points and not P.has_zeros
    Q = P if same else _Cloud.of(queries, metric, side=0)
    _check(Q, P, k, skip_self, block)
    first, group = P.distinct()
    if same:
        found, squared = _search(P.take(first), P.take(first), min(k, len(first) - 1), True, block or BLOCK)
        own = np.arange(len(first))[:, None]
        found, squared = np.hstack([own, found])[group], np.hstack([np.zeros(own.shape), squared])[group]
    else:
        found, squared = _search(Q, P.take(first), min(k + skip_self, len(first)), False, block or BLOCK)
    if len(first) < P.n or same or skip_self:
        rows = np.arange(Q.n) if skip_self else np.full(Q.n, -1)
        found, squared = _expand(found, squared, _members(group, k + skip_self), rows, k)
    return found, squared / 2 if metric == "cosine" else np.sqrt(squared)


def _check(Q: _Cloud, P: _Cloud, k: int, skip_self: bool, block: int | None) -> None:
    if Q.rows.shape[1] != P.rows.shape[1]:
        raise UserError(f"Neighbors need vectors of shapes (n, F) and (m, F); got {Q.rows.shape} and {P.rows.shape}.")
    if skip_self and Q.n != P.n:
        raise UserError(f"skip_self needs the points themselves as queries; got {Q.n} queries and {P.n} points.")
    most = P.n - skip_self
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= most:
        raise UserError(f"The number of neighbors must be a whole number from 1 to {most}, got {k!r}.")
    if block is not None and block < 1:
        raise UserError(f"A block has at least 1 row; got {block}.")


@dataclass(frozen=True, eq=False)
class _Cloud:
    """Rows as they were given, and what they are divided by."""

    rows: NDArray[np.floating[Any]]
    length: Floats | None = None
    has_zeros: bool = False

    @classmethod
    def of(cls, given: ArrayLike, metric: str, side: int) -> _Cloud:
        rows: Any = np.asarray(given)
        rows = rows if rows.dtype in (np.float32, np.float64) else rows.astype(np.float64)
        if rows.ndim != 2 or not rows.size:
            raise UserError(f"Neighbors need vectors of shapes (n, F) and (m, F), neither empty; got {rows.shape}.")
        if not np.isfinite(rows).all():
            row = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
            raise UserError(f"Neighbors need finite vectors; row {row} holds NaN or infinity.")
        if metric == "euclidean":
            return cls(np.ascontiguousarray(rows))
        length = np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64))
        own = np.zeros((len(rows), 2), dtype=rows.dtype)  # zeros point into a dimension of their side's own
        own[length == 0, side] = 1
        return cls(np.hstack([rows, own]), np.where(length == 0, 1, length), has_zeros=bool(own.any()))

    @property
    def n(self) -> int:
        return len(self.rows)

    def take(self, index: Indices) -> _Cloud:
        if len(index) == self.n:  # all of them, and `distinct` keeps their order
            return self
        return _Cloud(self.rows[index], None if self.length is None else self.length[index])

    def exact(self, index: Any) -> Floats:
        """Some rows in double precision."""
        rows: Floats = self.rows[index].astype(np.float64)
        return rows if self.length is None else rows / self.length[index][..., None]

    def distinct(self) -> tuple[Indices, Indices]:
        """The first of all equal rows, in order, and for each row which of these it equals."""
        rows = self.rows + 0.0  # -0.0 equals 0.0
        keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1])))[:, 0]
        _, first, group = np.unique(keys, return_index=True, return_inverse=True)
        order = np.argsort(first, kind="stable")
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        return first[order], rank[group]


@dataclass(frozen=True, eq=False)
class _Coarse:
    """Rows [b, 1, ||b||^2], shifted and scaled, so that a product of two such rows is a squared distance."""

    rows: NDArray[np.floating[Any]]
    n: int

    @classmethod
    def of(cls, cloud: _Cloud, center: Floats, scale: float, dtype: Any) -> _Coarse:
        dim = cloud.rows.shape[1]
        rows = np.zeros((-(-cloud.n // _GROUP) * _GROUP, dim + 2), dtype=dtype)
        rows[:, dim], rows[cloud.n :, dim + 1] = 1, _FAR
        for part in _slices(cloud.n, max(1, _RERANKED // dim)):
            rows[part, :dim] = (cloud.exact(part) - center) * scale
            rows[part, dim + 1] = np.einsum("nd,nd->n", rows[part, :dim], rows[part, :dim], dtype=np.float64)
        return cls(rows, cloud.n)

    def tile(self, index: Any, points: _Coarse, columns: slice) -> NDArray[np.floating[Any]]:
        """Squared distances of some rows to some points."""
        own = self.rows[index]
        left = np.hstack([-2 * own[:, :-2], own[:, -1:], own[:, -2:-1]])
        return np.asarray(left @ points.rows[columns].T)

    @cached_property
    def norms(self) -> Floats:
        return np.sqrt(self.rows[: self.n, -1].astype(np.float64))

    @property
    def rounding(self) -> float:
        """Relative error of a tile: each of d + 2 products and sums, and both factors, are rounded once."""
        return float((self.rows.shape[1] + 8) * np.finfo(self.rows.dtype).eps)


def _slices(n: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def _search(Q: _Cloud, P: _Cloud, k: int, same: bool, block: int) -> tuple[Indices, Floats]:
    """The k nearest of distinct points, with squared distances; with `same`, a row is not its own neighbor."""
    available = P.n - same
    if k == 0:
        return np.empty((Q.n, 0), dtype=np.intp), np.empty((Q.n, 0))
    center = P.rows.mean(axis=0, dtype=np.float64) if P.length is None else np.zeros(P.rows.shape[1])
    reach = max(float(np.abs(c.rows - center).max()) if c.length is None else 1.0 for c in (Q, P))
    scale = 1 / max(reach * np.sqrt(P.rows.shape[1]), np.finfo(np.float64).tiny)
    dtype = np.float32 if P.rows.shape[1] >= SINGLE_FROM else np.float64
    points = _Coarse.of(P, center, scale, dtype)
    queries = points if same else _Coarse.of(Q, center, scale, dtype)
    best = _propose(queries, points, min(k + SPARE, available), same, block)
    found, squared = np.empty((Q.n, k), dtype=np.intp), np.empty((Q.n, k))
    for part in _slices(Q.n, max(1, _RERANKED // (best.index.shape[1] * P.rows.shape[1]))):
        gaps = Q.exact(part)[:, None, :] - P.exact(best.index[part])
        exact = np.einsum("nkd,nkd->nk", gaps, gaps)
        order = np.lexsort((best.index[part], exact))[:, :k]
        found[part] = np.take_along_axis(best.index[part], order, 1)
        squared[part] = np.take_along_axis(exact, order, 1)
    # A point that was not proposed lies beyond the last one that was, up to the rounding of points as near as this.
    limit = squared[:, -1] * scale**2
    limit += queries.rounding * (2 * queries.norms + np.sqrt(limit)) ** 2
    unsure = (best.value[:, -1] <= limit) & (best.index.shape[1] < available)
    for row, near in _within(queries, points, np.flatnonzero(unsure), limit, same):
        gaps = Q.exact([row]) - P.exact(near)
        exact = np.einsum("nd,nd->n", gaps, gaps)
        order = np.lexsort((near, exact))[:k]
        found[row], squared[row] = near[order], exact[order]
    return found, squared


def _within(
    queries: _Coarse, points: _Coarse, rows: Indices, limit: Floats, same: bool
) -> Iterator[tuple[int, Indices]]:
    """For each of some rows, all points whose coarse distance is at most its limit."""
    for part in _slices(len(rows), max(1, (BLOCK * BLOCK) // len(points.rows))):
        tile = queries.tile(rows[part], points, slice(points.n))
        for row, distances in zip(rows[part].tolist(), tile, strict=True):
            near = np.flatnonzero(distances <= limit[row])
            yield row, near[near != row] if same else near


@dataclass(frozen=True, eq=False)
class _Best:
    """The nearest points so far, ascending: shape (n, width)."""

    index: Indices
    value: NDArray[np.floating[Any]]

    def update(self, rows: slice, tile: NDArray[np.floating[Any]], start: int) -> None:
        """Take in distances to the points from `start` on."""
        width, n_groups = self.index.shape[1], tile.shape[1] // _GROUP
        minima = tile.reshape(len(tile), _GROUP, n_groups).min(axis=1)
        bound = self.value[rows, -1]
        if n_groups > width:  # so many groups have a member below the width-th smallest minimum
            bound = np.minimum(bound, np.partition(minima, width - 1, axis=1)[:, width - 1])
        row, group = np.nonzero(minima <= bound[:, None])
        column = group[:, None] + n_groups * np.arange(_GROUP)
        value = tile[row[:, None], column]
        hit = value <= bound[row][:, None]
        touched, place = np.unique(row, return_inverse=True)
        old = np.repeat(np.arange(len(touched)), width)
        where = np.concatenate([old, np.broadcast_to(place[:, None], hit.shape)[hit]])
        index = np.concatenate([self.index[rows][touched].ravel(), start + column[hit]])
        value = np.concatenate([self.value[rows][touched].ravel(), value[hit]])
        order = np.lexsort((value, where))
        counts = np.bincount(where, minlength=len(touched))
        rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        kept = order[rank < width].reshape(len(touched), width)
        self.index[rows.start + touched] = index[kept]
        self.value[rows.start + touched] = value[kept]


def _propose(queries: _Coarse, points: _Coarse, width: int, same: bool, block: int) -> _Best:
    """Some candidates for each row by coarse distance; of equal clouds only one half of the pairs is computed."""
    n = len(queries.rows)
    best = _Best(np.zeros((n, width), dtype=np.intp), np.full((n, width), np.inf, dtype=points.rows.dtype))
    size = -(-block // _GROUP) * _GROUP
    for rows in _slices(n, size):
        for columns in _slices(len(points.rows), size):
            if same and columns.start < rows.start:
                continue
            tile = queries.tile(rows, points, columns)
            if same and rows == columns:
                np.fill_diagonal(tile, np.inf)
            best.update(rows, tile, columns.start)
            if same and rows != columns:
                best.update(columns, tile.T, rows.start)
    return _Best(best.index[: queries.n], best.value[: queries.n])


def _members(group: Indices, most: int) -> Indices:
    """The first rows of each group, shape (n_groups, at most `most`), filled up with -1."""
    order = np.argsort(group, kind="stable")
    counts = np.bincount(group)
    rank = np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)
    members = np.full((len(counts), min(most, int(counts.max()))), -1, dtype=np.intp)
    kept = rank < members.shape[1]
    members[group[order][kept], rank[kept]] = order[kept]
    return members


def _expand(found: Indices, squared: Floats, members: Indices, own: Indices, k: int) -> tuple[Indices, Floats]:
    """From distinct points to rows: all rows that equal them, but not a query's `own`."""
    indices, distances = np.empty((len(found), k), dtype=np.intp), np.empty((len(found), k))
    for part in _slices(len(found), max(1, _RERANKED // (found.shape[1] * members.shape[1]))):
        rows = members[found[part]].reshape(part.stop - part.start, -1)
        values = np.repeat(squared[part], members.shape[1], axis=1)
        values[(rows < 0) | (rows == own[part, None])] = np.inf
        order = np.lexsort((rows, values))[:, :k]
        indices[part] = np.take_along_axis(rows, order, 1)
        distances[part] = np.take_along_axis(values, order, 1)
    return indices, distances
