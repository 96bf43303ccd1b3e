"""How well scores rank held-out items: recall and NDCG at k, in plain NumPy."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from frostline.errors import UserError

__all__ = ["ranking_scores", "top_k"]


def top_k(scores: ArrayLike, k: int) -> NDArray[np.intp]:
    """List the k best columns of each row, best first; of equal scores the lower column goes first.

    Parameters
    ----------
    scores : array of shape (n, n_items)
        Higher is better; -inf puts an item last.
    k : int
        At least 1; cut at n_items.

    Returns
    -------
    int array of shape (n, min(k, n_items))

    Raises
    ------
    UserError
        Scores of another shape, NaN among them, or k below 1.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 2 or k < 1 or np.isnan(values).any():
        raise UserError(f"Ranking needs scores of shape (n, items), none NaN, and k >= 1; got {values.shape} and {k}.")
    return np.argsort(-values, axis=1, kind="stable")[:, :k]


def ranking_scores(
    ranked: ArrayLike, relevant: Sequence[Collection[int]], k: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Score the first k items of each ranking against what was relevant.

    Parameters
    ----------
    ranked : int array of shape (n, at least 1)
        Items of each row, best first, as from :func:`top_k`; those after the k-th do not count.
    relevant : n collections of int, none empty
        The items that should stand first.
    k : int

    Returns
    -------
    recall : array of shape (n,)
        Hits among the first k, divided by what a perfect ranking hits: min(k, number of relevant items).
    ndcg : array of shape (n,)
        Each hit at place i, counted from 1, gains 1 / log2(i + 1); divided by the gain of a perfect ranking.

    Raises
    ------
    UserError
        Different lengths, or a row without a relevant item.
    """
    items = np.asarray(ranked)[:, :k]
    if len(items) != len(relevant) or not all(len(wanted) for wanted in relevant):
        raise UserError(f"{len(items)} rankings need as many sets of relevant items, none empty; got {len(relevant)}.")
    hits = np.array([np.isin(row, list(wanted)) for row, wanted in zip(items, relevant, strict=True)], dtype=np.float64)
    hits = hits.reshape(items.shape)
    possible = np.array([min(k, len(wanted)) for wanted in relevant])
    gains = 1 / np.log2(np.arange(2, max(k, items.shape[1]) + 2))
    ideal = np.concatenate([[0.0], np.cumsum(gains)])[possible]
    return hits.sum(axis=1) / possible, hits @ gains[: items.shape[1]] / ideal
