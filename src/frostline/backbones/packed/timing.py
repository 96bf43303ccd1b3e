"""The clock by which whole paths are chosen, never kernels: only what differs by a multiple is told apart by it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

__all__ = ["best_ms", "preferred"]

_ROUNDS = 5

_CLEARLY_FASTER = 2.0
"""Two processes of one job shall choose alike, since another path has other last digits, and a busy moment looks like a
slow path: so what stands later must be faster by this much. Packed float32 is 2 to 5 times faster than the reference, so
the choice would flip only under a disturbance of a factor of 4 that spares one of two interleaved calls five times."""


def best_ms(calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Time calls in turn by the processor's clock, round after round, so that other work on the machine counts little.

    Parameters
    ----------
    calls : mapping of str to callable
        Each has been called before: none pays for warming up.

    Returns
    -------
    dict of str to float
        Processor milliseconds, over all threads, of each call's best round.
    """
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(_ROUNDS):
        for name, call in calls.items():
            began = time.process_time()
            call()
            best[name] = min(best[name], 1e3 * (time.process_time() - began))
    return best


def preferred(milliseconds: Mapping[str, float]) -> str:
    """Name the first of several that no later one beats clearly.

    Parameters
    ----------
    milliseconds : mapping of str to float
        In order of preference.
    """
    limit = _CLEARLY_FASTER * min(milliseconds.values())
    return next(name for name, taken in milliseconds.items() if taken <= limit)
