"""Which examples stand side by side: token-budget batches of similar lengths, a function of seed and epoch alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from frostline.errors import UserError

__all__ = ["batches_of_epoch", "cut_batches"]

POOL_BATCHES = 32
"""Batches whose examples are drawn together and then sorted by length: more = less padding, less chance."""


def cut_batches(lengths: NDArray[np.integer], order: NDArray[np.intp], max_tokens: int) -> list[NDArray[np.intp]]:
    """Cut `order` into runs whose padded size, rows times longest, is at most `max_tokens`.

    Raises
    ------
    UserError
        One example alone is longer.
    """
    batches: list[NDArray[np.intp]] = []
    start = longest = 0
    for i, row in enumerate(order.tolist()):
        length = int(lengths[row])
        if length > max_tokens:
            raise UserError(
                f"An example of {length} tokens does not fit into a batch of {max_tokens}.",
                hint="allow more batch tokens",
            )
        if max(longest, length) * (i - start + 1) > max_tokens:
            batches.append(order[start:i])
            start, longest = i, 0
        longest = max(longest, length)
    return [*batches, order[start:]] if len(order) else []


def batches_of_epoch(lengths: Sequence[int], max_tokens: int, seed: int, epoch: int) -> list[NDArray[np.intp]]:
    """Every example once, in random order, among others of its length.

    Parameters
    ----------
    lengths : sequence of n int
        Tokens of each example.
    max_tokens : int
        Largest padded size of a batch.
    seed, epoch : int
        Decide the order; nothing else does, so that an interrupted epoch can be taken up.

    Returns
    -------
    list of int arrays
        Row numbers.
    """
    rng = np.random.default_rng([seed, epoch])
    sizes = np.asarray(lengths)
    order = rng.permutation(len(sizes))
    pool = max(1, int(POOL_BATCHES * max_tokens / max(1.0, float(sizes.mean()))))
    found: list[NDArray[np.intp]] = []
    for start in range(0, len(order), pool):
        part = order[start : start + pool]
        found += cut_batches(sizes, part[np.argsort(sizes[part], kind="stable")], max_tokens)
    return [found[i] for i in rng.permutation(len(found))]
