"""The clock: for people to read, and to tell float32 from bfloat16 where `fast` allows both."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

__all__ = ["best_ms", "preferred"]

_ROUNDS = 5

_CLEARLY_FASTER = 2.0
"""Two processes of one job shall choose alike, and a busy moment looks like a slow path: so what stands later must be
faster by this much. Where a CPU multiplies bfloat16 it is; elsewhere bfloat16 is many times slower than float32."""


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
