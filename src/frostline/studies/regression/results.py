"""What the cells found, by problem, encoding and head; means over draws, intervals over problems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from frostline.contracts import canonical_json
from frostline.numerics.proportions import wilson
from frostline.reports.study import Estimate
from frostline.studies.cells import Outcome
from frostline.studies.regression.encodings import Encoding

__all__ = ["Arm", "Place", "Results", "correlation", "mean_over", "minus", "share"]

Floats = NDArray[np.float64]
_DRAWS = 1000

Place = tuple[str, int]
"""Which problems: the family, and of functions the number of parameters, of tables 0."""

Arm = tuple[Encoding, str] | tuple[Encoding, str, float]
"""An encoding, a head and, where it is not 1, the share of the rows to learn from."""


class Results:
    """Looks results up.

    Parameters
    ----------
    outcomes : iterable of Outcome
    """

    def __init__(self, outcomes: Iterable[Outcome]) -> None:
        self._found: dict[tuple[Any, ...], dict[tuple[str, int], Mapping[str, Any]]] = {}
        for outcome in outcomes:
            key = outcome.key
            if outcome.result and "problem" in key:
                problem = key["problem"]
                place = _place(problem["family"], problem["dof"])
                how = _address(key["kind"], place, key["encoding"], key.get("head"), key.get("share", 1.0))
                self._found.setdefault(how, {})[problem["name"], problem["repetition"]] = outcome.result

    def of_first_draw(self) -> Results:
        """The same of one draw, the only one in which everything was measured."""
        first = Results([])
        first._found = {how: {at: own[at] for at in own if at[1] == 0} for how, own in self._found.items()}
        return first

    def scores(self, place: Place, encoding: Encoding, head: str, share: float = 1.0) -> dict[str, float]:
        """Kendall tau of each problem, the mean over draws."""
        found = self._scores(place, encoding, head, share)
        return _by_name({at: result["kendall_tau"] for at, result in found.items()})

    def gain(self, place: Place, arm: Arm, other: Arm) -> dict[str, float]:
        """Kendall tau of one arm minus that of another, problem by problem: the mean over the draws that both have."""
        return _by_name(self._gains(place, arm, other))

    def _gains(self, place: Place, arm: Arm, other: Arm) -> dict[tuple[str, int], float]:
        a, b = (self._scores(place, *one) for one in (arm, other))
        return {at: a[at]["kendall_tau"] - b[at]["kendall_tau"] for at in a if at in b}

    def draws(self, name: str, place: Place, encoding: Encoding, head: str, share: float = 1.0) -> dict[int, float]:
        """Kendall tau of one problem, draw by draw."""
        found = self._scores(place, encoding, head, share)
        return {draw: result["kendall_tau"] for (own, draw), result in found.items() if own == name}

    def gaps_and_gains(
        self, place: Place, arm: tuple[Encoding, str], other: tuple[Encoding, str], scaling: str = "multiply"
    ) -> dict[str, tuple[float, float]]:
        """Z of each problem beside :meth:`gain`, means over the same draws.

        Z above 0: the target is smoother over the encoding of the first arm than over that of the other.
        """
        gains = self._gains(place, arm, other)
        own, baseline = (self._smooth(place, encoding) for encoding, _ in (arm, other))
        both = [at for at in gains if at in own and at in baseline]
        gaps = _by_name({at: _z(baseline[at][scaling], own[at][scaling]) for at in both})
        means = _by_name({at: gains[at] for at in both})
        return {name: (gaps[name], means[name]) for name in gaps}

    def table_gaps(self, place: Place, encoding: Encoding) -> dict[str, Estimate]:
        """Z of each table with its interval, of the first draw."""
        found = self._smooth(place, encoding)
        return {
            name: Estimate(result["gap"][0], result["gap"][1], result["gap"][2], percent=False)
            for (name, draw), result in found.items()
            if draw == 0 and "gap" in result
        }

    def factors(self, place: Place, encoding: Encoding, names: Sequence[str]) -> Floats:
        """Lipschitz factors of some problems, all together."""
        own = [result["factors"] for (name, _), result in self._smooth(place, encoding).items() if name in names]
        return np.concatenate([np.asarray(factors, dtype=np.float64) for factors in own]) if own else np.empty(0)

    def _scores(
        self, place: Place, encoding: Encoding, head: str, share: float = 1.0
    ) -> dict[tuple[str, int], Mapping[str, Any]]:
        return self._found.get(_address("score", place, encoding.key, head, share), {})

    def _smooth(self, place: Place, encoding: Encoding) -> dict[tuple[str, int], Mapping[str, Any]]:
        return self._found.get(_address("smoothness", place, encoding.key), {})


def _address(
    kind: str, place: Place, encoding: dict[str, Any], head: str | None = None, share: float = 1.0
) -> tuple[Any, ...]:
    return kind, place, canonical_json(encoding), head, share


def _place(family: str, dof: int) -> Place:
    return family, dof if family == "functions" else 0


def _by_name(found: Mapping[tuple[str, int], float]) -> dict[str, float]:
    names = dict.fromkeys(name for name, _ in found)
    return {name: float(np.mean([value for (own, _), value in found.items() if own == name])) for name in names}


def _z(baseline: Sequence[float], embedding: Sequence[float]) -> float:
    spread = float(np.hypot(baseline[1], embedding[1]))
    return (baseline[0] - embedding[0]) / spread if spread > 0 else 0.0


def minus(a: Mapping[str, float], b: Mapping[str, float]) -> dict[str, float]:
    """Differences where both have a figure."""
    return {name: a[name] - b[name] for name in a if name in b}


def mean_over(values: Mapping[str, float], *, signed: bool = False) -> Estimate | None:
    """Mean over problems with a 95 % percentile bootstrap over them; None without a problem."""
    found: Floats = np.array(list(values.values()), dtype=np.float64)
    if not found.size:
        return None
    mean = round(float(found.mean()), 12) + 0.0
    if found.size < 3:
        return Estimate(mean, percent=False, signed=signed)
    drawn = found[np.random.default_rng(0).integers(0, found.size, (_DRAWS, found.size))].mean(axis=1)
    lower, upper = (round(end, 12) + 0.0 for end in np.quantile(drawn, [0.025, 0.975]).tolist())
    return Estimate(mean, lower, upper, percent=False, signed=signed)


def share(wins: Mapping[str, float]) -> Estimate | None:
    """Share of problems with a difference above 0, with Wilson's 95 % interval."""
    n, won = len(wins), sum(value > 0 for value in wins.values())
    return Estimate(won / n, *wilson(won, n)) if n else None


def correlation(x: ArrayLike, y: ArrayLike) -> Estimate | None:
    """Pearson's r with Fisher's 95 % interval; None for fewer than four points or a constant."""
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if len(a) < 4 or not np.ptp(a) or not np.ptp(b):
        return None
    found = stats.pearsonr(a, b)
    interval = found.confidence_interval(0.95)
    return Estimate(float(found.statistic), float(interval.low), float(interval.high), percent=False)
