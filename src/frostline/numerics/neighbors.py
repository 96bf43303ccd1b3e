"""Exact nearest neighbors, block by block: no index, no approximation, memory that does not grow with the queries."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from frostline.errors import UserError
from frostline.errors import nearest as nearest_name

__all__ = ["METRICS", "nearest"]

METRICS = ("euclidean", "cosine")

_BLOCK_NUMBERS = 2**22
"""Distances, and entries of points in double precision, that are held at a time: 32 MiB each."""

_ROUNDING = 1e-12
"""Share of the squared norms by which two squared distances may differ through floating-point noise alone."""


def nearest(
    queries: ArrayLike,
    points: ArrayLike,
    k: int,
    metric: str = "euclidean",
    *,
    block: int | None = None,
    skip_self: bool = False,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Find the k nearest of `points` for each query; of equally near ones the earlier comes first.

    Parameters
    ----------
    queries : array of shape (n, F)
    points : array of shape (m, F)
        Of any precision; never copied whole.
    k : int
        From 1 to m, with `skip_self` to m - 1.
    metric : {"euclidean", "cosine"}
        Cosine distance is one minus the cosine, 0 to 2; a vector of zeros has the cosine 0 with everything.
    block : int, optional
        Queries at a time; None = as many as 32 MiB of distances allow.
    skip_self : bool
        Whether `queries` are the `points` themselves, in their order: none is its own neighbor then.

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
    Q, P = _checked(queries, points, k, metric, skip_self)
    # Distances do not change by a shift, and near the origin their squares lose fewer digits.
    shift = P.mean(axis=0, dtype=np.float64)
    Q = _unit(Q, 0) if metric == "cosine" else Q - shift
    indices, squares = np.full((len(Q), k), -1, dtype=np.intp), np.full((len(Q), k), np.inf)
    n_points = max(k + 1, _BLOCK_NUMBERS // max(1, P.shape[1]))
    step = block or max(1, _BLOCK_NUMBERS // min(n_points, len(P)))
    for first in range(0, len(P), n_points):
        part = P[first : first + n_points].astype(np.float64)
        part = _unit(part, 1) if metric == "cosine" else part - shift
        norms = np.einsum("ij,ij->i", part, part)
        for start in range(0, len(Q), step):
            rough = norms - 2 * (Q[start : start + step] @ part.T)  # squares, but for the query's own norm
            for i, row in enumerate(rough, start):
                found, exact = _best(row, Q[i], part, k, i - first if skip_self else -1)
                # The sort is stable and points come in their order, so of equally near ones the earlier stays in front.
                at, near = np.r_[indices[i], found + first], np.r_[squares[i], exact]
                order = np.argsort(near, kind="stable")[:k]
                indices[i], squares[i] = at[order], near[order]
    return indices, squares / 2 if metric == "cosine" else np.sqrt(squares)


def _best(
    rough: NDArray[np.float64], query: NDArray[np.float64], part: NDArray[np.float64], k: int, own: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The k nearest of one query, but not point `own`: all that may be among them, measured anew and sorted."""
    if 0 <= own < len(rough):
        rough[own] = np.inf
    last = np.partition(rough, min(k, len(rough)) - 1)[min(k, len(rough)) - 1]
    slack = _ROUNDING * (1 + float(query @ query) + abs(float(last)))
    found = np.flatnonzero((rough <= last + slack) & (rough < np.inf))
    exact = ((part[found] - query) ** 2).sum(axis=1)
    order = np.argsort(exact, kind="stable")[:k]
    return found[order], exact[order]


def _unit(vectors: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Vectors of length one; those of zeros point into a dimension of their side's own, at right angles to all others."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    own = np.zeros((len(vectors), 2))
    own[norms[:, 0] == 0, side] = 1
    return np.hstack([vectors / np.where(norms > 0, norms, 1), own])


def _checked(
    queries: ArrayLike, points: ArrayLike, k: int, metric: str, skip_self: bool
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    if metric not in METRICS:
        raise UserError(
            f"Unknown metric {metric!r}. Allowed: {', '.join(map(repr, METRICS))}.",
            hint=nearest_name(metric, METRICS) or None,
        )
    Q, P = np.asarray(queries, dtype=np.float64), np.asarray(points)
    if Q.ndim != 2 or P.ndim != 2 or Q.shape[1] != P.shape[1]:
        raise UserError(f"Neighbors need vectors of shapes (n, F) and (m, F); got {Q.shape} and {P.shape}.")
    if not (np.isfinite(Q).all() and np.isfinite(P).all()):
        raise UserError("Neighbors need finite vectors; got NaN or infinity.")
    if skip_self and len(Q) != len(P):
        raise UserError(f"skip_self needs the points themselves as queries; got {len(Q)} queries and {len(P)} points.")
    most = len(P) - skip_self
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= most:
        raise UserError(f"The number of neighbors must be a whole number from 1 to {most}, got {k!r}.")
    return Q, P
