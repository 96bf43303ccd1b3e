"""The batch plan: which texts run together. Pure functions of the texts, never of what a store already holds.

A plan that depended on what is stored would give an interrupted and resumed job other batches, other padding and so
other last digits than an undisturbed one. Here the same window of rows always yields the same batches.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from frostline.contracts import IntArray, KeyArray

__all__ = ["BATCH_TOKENS", "WINDOW_ROWS", "distinct_keys", "plan_batches", "row_windows"]

BATCH_TOKENS = 2048
"""Positions of one batch, padding included. On CPUs 1k to 4k is fastest: larger outputs leave the caches."""

WINDOW_ROWS = 4096
"""Rows that are planned together: enough to sort by length, few enough that a million rows need no more memory."""


def row_windows(n_rows: int, size: int = WINDOW_ROWS) -> list[slice]:
    """Cut ``range(n_rows)`` into consecutive windows of at most `size` rows."""
    return [slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]


def distinct_keys(keys: KeyArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find the distinct token sequences of a window.

    Parameters
    ----------
    keys : uint64 array of shape (n, 2)
        Digests.

    Returns
    -------
    first : int array of shape (u,)
        For each distinct key, the first row that has it; keys in ascending order.
    inverse : int array of shape (n,)
        For each row, which of the distinct keys it has.
    """
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return first, inverse.reshape(-1)


def plan_batches(
    lengths: IntArray, keys: KeyArray, budget: int = BATCH_TOKENS, max_texts: int | None = None
) -> list[NDArray[np.intp]]:
    """Sort texts by length and cut them into batches of at most `budget` positions.

    Parameters
    ----------
    lengths : int array of shape (u,)
        Tokens of each distinct text.
    keys : uint64 array of shape (u, 2)
        Their digests: equal lengths are ordered by content, not by the order of arrival.
    budget : int
        Positions of a batch, padding included; a longer text is a batch of its own.
    max_texts : int, optional
        Texts of a batch, whatever their lengths; None = no limit.

    Returns
    -------
    list of int arrays
        Positions into `lengths`; longest texts first, so that a batch that does not fit fails at once.
    """
    order = np.lexsort((keys[:, 1], keys[:, 0], -np.asarray(lengths, dtype=np.int64)))
    batches = []
    start = 0
    while start < len(order):
        longest = max(int(lengths[order[start]]), 1)
        n_fitting = max(1, budget // longest)
        stop = start + (n_fitting if max_texts is None else min(n_fitting, max_texts))
        batches.append(order[start:stop])
        start = stop
    return batches
