"""How smoothly a target varies over vectors: Lipschitz factors between nearest neighbors, and the gap between two embeddings.

References
----------
Understanding LLM Embeddings for Regression (Tang, Yang and Song, 2024, arXiv 2411.14708): the Normalized Lipschitz Factor
Distribution and the gap Z. We differ in four ways, each said where it is done: factors are multiplied by the root of the width
(the paper's words, taken literally, divide), equal vectors count as one, constant columns do not count as width, and tables
that cannot be queried anew get several neighbors and an interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from frostline.errors import UserError
from frostline.errors import nearest as nearest_name
from frostline.numerics.neighbors import nearest

__all__ = ["SCALINGS", "SmoothnessGap", "neighbor_ratio", "nlfd", "smoothness_gap", "table_smoothness_gap"]

Floats = NDArray[np.float64]

SCALINGS = ("multiply", "divide", "none")


@dataclass(frozen=True)
class SmoothnessGap:
    """How much smoother one embedding is than another on a fixed table.

    Attributes
    ----------
    gap : float
        Z; above 0 the embedding is smoother than the baseline.
    lower, upper : float
        Ends of its bootstrap interval.
    n_rows, k : int
        Rows, and neighbors of each.
    """

    gap: float
    lower: float
    upper: float
    n_rows: int
    k: int


def nlfd(
    vectors: ArrayLike, y: ArrayLike, *, k: int = 1, scaling: str = "multiply", standardize_y: bool = False
) -> Floats:
    """Collect the Normalized Lipschitz Factor Distribution: mass near zero means that y is smooth over the vectors.

    Each coordinate is brought to mean 0 and variance 1 over the rows. The factor of a row is |y - y'| / ||z - z'||, with z' the
    nearest other vector; then the vectors are brought to a mean square length of 1, which multiplies factors by the root of
    the width.

    Parameters
    ----------
    vectors : array of shape (n, F)
    y : array of shape (n,)
    k : int, default=1
        Neighbors of each row. With more than one, a factor is the sum of their |y - y'| over the sum of their distances, which
        noise in y moves less.
    scaling : {"multiply", "divide", "none"}, default="multiply"
        By the root of the width. ``"divide"`` is the paper's wording; its stated aim, vectors of one norm, asks for
        ``"multiply"``, and division makes the factors of wide vectors vanish whatever they are.
    standardize_y : bool, default=False
        Whether y is brought to variance 1 first: of no consequence for :func:`smoothness_gap`, handy for plots.

    Returns
    -------
    float64 array of shape (m,)
        One factor for each distinct vector, in the order of their first rows. Rows with equal vectors, between which no factor
        exists, count as one, with the mean of their y.

    Raises
    ------
    UserError
        Shapes that do not fit, numbers that are not finite, fewer than k + 1 distinct vectors, or an unknown scaling.

    References
    ----------
    Tang, Yang and Song, 2024, arXiv 2411.14708, section on smoothness.
    """
    return _factors(*_standardized(vectors, y, standardize_y), k, scaling)[0]


def smoothness_gap(baseline: ArrayLike, embedding: ArrayLike) -> float:
    """Compare two distributions of factors: Z = (mean(baseline) - mean(embedding)) / sqrt(var(baseline) + var(embedding)).

    Parameters
    ----------
    baseline, embedding : arrays of shapes (m,) and (l,)
        Factors of :func:`nlfd`, with the same scaling and over the same y.

    Returns
    -------
    float
        Above 0 where the embedding is smoother; 0 where neither varies and both are equal, else infinite where neither varies.

    Raises
    ------
    UserError
        No factor, or one that is not finite.

    References
    ----------
    Tang, Yang and Song, 2024, arXiv 2411.14708. Variances are those of the population.
    """
    a, b = np.asarray(baseline, dtype=np.float64), np.asarray(embedding, dtype=np.float64)
    if a.ndim != 1 or b.ndim != 1 or not a.size or not b.size or not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise UserError(f"The gap needs two arrays of finite factors; got shapes {a.shape} and {b.shape}.")
    distance, spread = float(a.mean() - b.mean()), float(np.sqrt(a.var() + b.var()))
    return distance / spread if spread > 0 else float(np.sign(distance) * np.inf) if distance else 0.0


def table_smoothness_gap(
    baseline: ArrayLike,
    embedding: ArrayLike,
    y: ArrayLike,
    *,
    k: int = 5,
    scaling: str = "multiply",
    n_boot: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> SmoothnessGap:
    """Compare the smoothness of two embeddings on a table that cannot be queried anew: several neighbors, and an interval.

    Parameters
    ----------
    baseline, embedding : arrays of shapes (n, F) and (n, G)
        Such as raw columns, and vectors of a language model.
    y : array of shape (n,)
    k : int, default=5
        Neighbors of each row; fewer where there are not so many distinct vectors.
    scaling : {"multiply", "divide", "none"}, default="multiply"
        See :func:`nlfd`.
    n_boot : int, default=1000
        Draws of rows. Neighbors are not sought anew in each, so the interval holds for these rows as neighbors.
    level : float, default=0.95
    seed : int, default=0

    Returns
    -------
    SmoothnessGap

    Raises
    ------
    UserError
        See :func:`nlfd`; or a level that is not between 0 and 1, or no draw.
    """
    if not 0 < level < 1 or n_boot < 1:
        raise UserError(f"An interval has a level between 0 and 1 and at least one draw; got {level!r} and {n_boot}.")
    rows = []
    for vectors in (baseline, embedding):
        factors, group = _factors(*_standardized(vectors, y, False), k, scaling, fewer=True)
        rows.append(factors[group])
    if len(rows[0]) != len(rows[1]):
        raise UserError(f"Both embeddings have the same rows; got {len(rows[0])} and {len(rows[1])}.")
    rng = np.random.default_rng(seed)
    gaps = np.empty(n_boot)
    for i in range(n_boot):
        drawn = rng.integers(0, len(rows[0]), len(rows[0]))
        gaps[i] = smoothness_gap(rows[0][drawn], rows[1][drawn])
    lower, upper = np.quantile(gaps, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return SmoothnessGap(smoothness_gap(*rows), lower, upper, len(rows[0]), k)


def neighbor_ratio(vectors: ArrayLike, y: ArrayLike, *, k: int = 5) -> Floats:
    """How far y is among neighbors, beside how far it is among any two rows: below 1 where vectors say something of y.

    Parameters
    ----------
    vectors : array of shape (n, F)
    y : array of shape (n,) or (n, T)
        Numbers, or T columns of them such as class indicators, compared by the sum of absolute differences.
    k : int, default=5
        Neighbors of each row; fewer where there are not so many.

    Returns
    -------
    float64 array of shape (n,)
        For each row the mean difference to its neighbors, over the mean difference of all pairs of rows. Its mean is 1 in
        expectation where y is drawn at random; all 1 where y is constant.
    """
    Z, target = _standardized(vectors, np.zeros(len(np.asarray(vectors))), False)[0], np.asarray(y, dtype=np.float64)
    target = target.reshape(len(target), -1)
    index, _ = nearest(Z, Z, min(k, len(Z) - 1), skip_self=True)
    near = np.abs(target[index] - target[:, None]).sum(axis=2).mean(axis=1)
    # sum over pairs of |a - b| = 2 sum over i of (2 i - n + 1) a_(i), of sorted a
    n, ordered = len(target), np.sort(target, axis=0)
    all_pairs = 2 * ((2 * np.arange(n) - n + 1)[:, None] * ordered).sum() / (n * (n - 1))
    return np.asarray(near / all_pairs) if all_pairs > 0 else np.ones(n)


def _standardized(vectors: ArrayLike, y: ArrayLike, standardize_y: bool) -> tuple[Floats, Floats]:
    """Columns with mean 0 and variance 1; constant ones are left out, since no distance comes from them."""
    Z, target = np.asarray(vectors, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if Z.ndim != 2 or target.shape != (len(Z),) or not Z.size:
        raise UserError(
            f"Smoothness needs vectors of shape (n, F) and y of shape (n,); got {Z.shape} and {target.shape}."
        )
    if not (np.isfinite(Z).all() and np.isfinite(target).all()):
        raise UserError("Smoothness needs finite vectors and finite y; got NaN or infinity.")
    varies = np.ptp(Z, axis=0) > 0
    if not varies.any():
        raise UserError("All vectors are equal, so no two of them are neighbors at a distance.")
    Z = Z[:, varies]
    Z = Z - Z.mean(axis=0)
    spread = float(target.std())
    return Z / Z.std(axis=0), target / spread if standardize_y and spread > 0 else target


def _factors(Z: Floats, y: Floats, k: int, scaling: str, *, fewer: bool = False) -> tuple[Floats, NDArray[np.intp]]:
    """A factor for each distinct vector, and for each row which of these it is."""
    if scaling not in SCALINGS:
        hint = nearest_name(scaling, SCALINGS) or None
        raise UserError(f"Unknown scaling {scaling!r}. Allowed: {', '.join(map(repr, SCALINGS))}.", hint=hint)
    _, first, group = np.unique(Z, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    group = rank[group.reshape(-1)]
    distinct, mean_y = Z[first[order]], np.bincount(group, y) / np.bincount(group)
    k = min(k, len(distinct) - 1) if fewer else k
    index, distance = nearest(distinct, distinct, k, skip_self=True)
    factors = np.abs(mean_y[index] - mean_y[:, None]).sum(axis=1) / distance.sum(axis=1)
    root = np.sqrt(Z.shape[1])
    return factors * {"multiply": root, "divide": 1 / root, "none": 1.0}[scaling], group
