"""Shares of rows with their intervals: how sure a precision or a recall is."""

from __future__ import annotations

from scipy import stats

from frostline.errors import UserError

__all__ = ["clopper_pearson", "f1_interval", "lower_bound", "wilson"]


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of a share: it covers the true one with probability at least `level`, however few the rows.

    Parameters
    ----------
    successes, trials : int
        Without trials nothing is known: (0, 1).
    level : float, default=0.95

    Returns
    -------
    lower, upper : float

    References
    ----------
    Clopper and Pearson, 1934, Biometrika 26.
    """
    outside = (1 - _checked(successes, trials, level)) / 2
    return lower_bound(successes, trials, 1 - outside), 1 - lower_bound(trials - successes, trials, 1 - outside)


def lower_bound(successes: int, trials: int, level: float) -> float:
    """The exact one-sided bound: a true share below it would give so many successes with probability 1 - `level` at most.

    Parameters
    ----------
    successes, trials : int
    level : float
    """
    _checked(successes, trials, level)
    return float(stats.beta.ppf(1 - level, successes, trials - successes + 1)) if successes else 0.0


def wilson(successes: float, trials: float, level: float = 0.95) -> tuple[float, float]:
    """The score interval of a share: covers the true one with probability `level` on average, shorter than the exact one.

    Parameters
    ----------
    successes, trials : float
        Without trials nothing is known: (0, 1).
    level : float, default=0.95

    Returns
    -------
    lower, upper : float

    References
    ----------
    Wilson, 1927, JASA 22. Brown, Cai and DasGupta, 2001, Statistical Science 16, recommend it for small n.
    """
    _checked(successes, trials, level)
    if not trials:
        return 0.0, 1.0
    z = float(stats.norm.ppf((1 + level) / 2))
    share, spread = successes / trials, z * z / trials
    center = (share + spread / 2) / (1 + spread)
    reach = z / (1 + spread) * (share * (1 - share) / trials + spread / (4 * trials)) ** 0.5
    return max(0.0, center - reach), min(1.0, center + reach)


def f1_interval(hits: int, true: int, predicted: int, level: float = 0.95) -> tuple[float, float]:
    """An interval of F1 = 2 hits / (true + predicted).

    Of the rows that are of the class or predicted as it, the share of hits J is a proportion, and F1 = 2 J / (1 + J)
    rises with it: the interval is that of J, carried over.

    Parameters
    ----------
    hits, true, predicted : int
        Rows of the class that were predicted as it, rows of the class, rows predicted as it.
    level : float, default=0.95

    Returns
    -------
    lower, upper : float
    """
    lower, upper = (2 * share / (1 + share) for share in wilson(hits, true + predicted - hits, level))
    return lower, upper


def _checked(successes: float, trials: float, level: float) -> float:
    if not 0 <= successes <= trials or not 0 < level < 1:
        raise UserError(
            f"A share needs 0 <= successes <= trials and a level between 0 and 1; got {successes}, {trials}, {level}."
        )
    return level
