"""Exact nearest neighbors, block by block: no index, no approximation, memory that does not grow with the queries."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from frostline.errors import UserError
from frostline.errors import nearest as nearest_name

__all__ = ["METRICS", "nearest"]

METRICS = ("euclidean", "cosine")

_BLOCK_NUMBERS = 2**22
"""Distances held at a time: 32 MiB."""

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
    Q, P = (_unit(Q, 0), _unit(P, 1)) if metric == "cosine" else (Q - P.mean(axis=0), P - P.mean(axis=0))
    norms = np.einsum("ij,ij->i", P, P)
    step = block or max(1, _BLOCK_NUMBERS // len(P))
    indices, squares = np.empty((len(Q), k), dtype=np.intp), np.empty((len(Q), k))
    for start in range(0, len(Q), step):
        own = slice(start, start + step)
        rough = norms - 2 * (Q[own] @ P.T)  # squared distances, but for the query's own norm
        if skip_self:
            rough[np.arange(len(rough)), np.arange(start, start + len(rough))] = np.inf
        for i, row in enumerate(rough, start):
            indices[i], squares[i] = _best(row, Q[i], P, k, i if skip_self else -1)
    return indices, squares / 2 if metric == "cosine" else np.sqrt(squares)


def _best(
    rough: NDArray[np.float64], query: NDArray[np.float64], P: NDArray[np.float64], k: int, own: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The k nearest of one query: all that may be among them by rough distance, measured anew and sorted."""
    last = np.partition(rough, k - 1)[k - 1]
    slack = _ROUNDING * (1 + float(query @ query) + abs(float(last)))
    found = np.flatnonzero(rough <= last + slack)
    found = found[found != own]
    exact = ((P[found] - query) ** 2).sum(axis=1)
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
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if metric not in METRICS:
        raise UserError(
            f"Unknown metric {metric!r}. Allowed: {', '.join(map(repr, METRICS))}.",
            hint=nearest_name(metric, METRICS) or None,
        )
    Q, P = np.asarray(queries, dtype=np.float64), np.asarray(points, dtype=np.float64)
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
