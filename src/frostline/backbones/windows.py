"""Texts that are read in several windows: which window is whose, and how their vectors become one. Pure functions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from frostline.contracts import KeyArray, Tap, Tokens
from frostline.store import keys_of

__all__ = ["join_windows", "text_keys", "windows_per_row"]


def windows_per_row(
    tokens: Tokens, inverse: NDArray[np.intp], text_of_row: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Spell out the windows of every row from those of every distinct text."""
    n_windows = np.bincount(tokens.owner)
    start = np.concatenate([[0], np.cumsum(n_windows)[:-1]])
    counts = n_windows[text_of_row]
    owner = np.repeat(np.arange(len(text_of_row)), counts)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    return inverse[start[text_of_row][owner] + within], owner


def text_keys(tokens: Tokens, keys: KeyArray) -> KeyArray:
    """One key a text: its only window's, or that of all its windows joined."""
    if len(tokens.ids) == len(tokens.n_full):
        return keys
    firsts = np.flatnonzero(np.r_[True, np.diff(tokens.owner) > 0])
    found = keys[firsts].copy()
    bounds = np.r_[firsts, len(tokens.ids)]
    for text in np.flatnonzero(np.diff(bounds) > 1):
        found[text] = keys_of([np.concatenate(tokens.ids[bounds[text] : bounds[text + 1]])])[0]
    return found


def join_windows(
    vectors: NDArray[np.float32], lengths: NDArray[np.int64], owner: NDArray[np.intp], tap: Tap
) -> NDArray[np.float32]:
    """Join the windows of each row as the pooling asks: means by token count, the extreme, or the outermost token."""
    starts = np.flatnonzero(np.r_[True, np.diff(owner) > 0])
    ends = np.r_[starts[1:], len(owner)] - 1
    if tap.pooling == "max":
        joined = np.maximum.reduceat(vectors, starts)
    elif tap.pooling in ("first_token", "last_token"):
        joined = vectors[starts if tap.pooling == "first_token" else ends]
    else:
        weights = lengths.astype(np.float64)[:, None]
        joined = (np.add.reduceat(vectors * weights, starts) / np.add.reduceat(weights, starts)).astype(np.float32)
    if tap.normalize:
        joined = joined / np.linalg.norm(joined, axis=1, keepdims=True)
    return joined
