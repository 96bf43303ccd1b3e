"""The search over penalty strengths that linear heads share: half-decade steps, as far as the score asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from frostline.errors import UserError

__all__ = ["StrengthScore", "best_strength", "check_strengths", "search"]

_LOWEST, _HIGHEST = -12, 6
"""Range of the search in half-decades: strengths 1e-6 to 1e3."""


class StrengthScore(NamedTuple):
    """Held-out loss at one strength: its mean over rows, and the standard deviation of the folds' means."""

    strength: float
    mean: float
    std: float


def check_strengths(strengths: str | Iterable[float]) -> list[float] | None:
    """Read the `strengths` parameter: None for ``"auto"``, else distinct positive numbers, strongest first."""
    if isinstance(strengths, str):
        if strengths == "auto":
            return None
        raise UserError(f"strengths must be 'auto' or positive numbers; got {strengths!r}.")
    values = np.unique(np.asarray(list(strengths), dtype=np.float64))[::-1]
    if not values.size or not np.isfinite(values).all() or values[-1] <= 0:
        raise UserError(f"strengths must be 'auto' or positive numbers; got {list(strengths)!r}.")
    return [float(value) for value in values]


def best_strength(scores: Sequence[StrengthScore]) -> float:
    """The strength of lowest mean loss; of equals the strongest."""
    return min(scores, key=lambda score: (score.mean, -score.strength)).strength


def search(evaluate: Callable[[list[float]], list[StrengthScore]], start: int, chunk: int) -> list[StrengthScore]:
    """Walk from a strong penalty to weaker ones until the loss has turned; where the start is best, walk up as well.

    Parameters
    ----------
    evaluate : callable
        From a few strengths, descending or ascending in walking order, to their scores.
    start : int
        Where to begin, in half-decades: ``10 ** (start / 2)``.
    chunk : int
        How many strengths to evaluate at a time.

    Returns
    -------
    list of StrengthScore
        Strongest first.
    """
    down = _walk(evaluate, range(start, _LOWEST - 1, -1), chunk)
    if best_strength(down) < down[0].strength:
        return down
    up = _walk(evaluate, range(start + 1, _HIGHEST + 1), chunk, before=down[0])
    return up[::-1] + down


def _walk(
    evaluate: Callable[[list[float]], list[StrengthScore]],
    steps: Sequence[int],
    chunk: int,
    before: StrengthScore | None = None,
) -> list[StrengthScore]:
    scores: list[StrengthScore] = []
    for i in range(0, len(steps), chunk):
        scores += evaluate([10 ** (step / 2) for step in steps[i : i + chunk]])
        if _turned(np.array([score.mean for score in ([before] if before else []) + scores])):
            break
    return scores


def _turned(losses: NDArray[Any]) -> bool:
    """Whether the loss has risen by 1 % from its lowest, or not fallen by 0.1 % in the last two steps."""
    lowest = np.minimum.accumulate(losses)
    risen = losses[-1] > 1.01 * lowest[-1]
    flat = len(losses) > 2 and lowest[-1] > 0.999 * lowest[-3]
    return bool(risen or flat)
