"""What the cells found, arm by arm: means over seeds, intervals over test rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.contracts import canonical_json
from frostline.reports.study import Estimate
from frostline.studies.cells import Outcome
from frostline.studies.elm.arms import Arm
from frostline.studies.regression.results import mean_over

__all__ = ["Results"]

Floats = NDArray[np.float64]

_SHARES = ("top1", "top1_shuffled", "top1_neighbor", "top1_true_text", "invented", "copied", "empty")
"""Scores that are shown in percent."""


class Results:
    """Looks results up.

    Parameters
    ----------
    outcomes : iterable of Outcome
    """

    def __init__(self, outcomes: Iterable[Outcome]) -> None:
        self._found: dict[str, dict[int, Mapping[str, Any]]] = {}
        for outcome in outcomes:
            if outcome.result:
                own = self._found.setdefault(canonical_json(dict(outcome.key["arm"])), {})
                own[outcome.key["seed"]] = outcome.result

    def of(self, arm: Arm) -> list[Mapping[str, Any]]:
        """An arm's results, seed by seed."""
        return list(self._by_seed(arm).values())

    def _by_seed(self, arm: Arm) -> Mapping[int, Mapping[str, Any]]:
        return self._found.get(canonical_json(arm.key), {})

    def rows(self, arm: Arm, score: str) -> Floats | None:
        """A score of each test row, the mean over seeds; None where nothing was found."""
        found = [result["rows"][score] for result in self.of(arm) if score in result["rows"]]
        return np.mean(np.array(found, dtype=np.float64), axis=0) if found else None

    def score(self, arm: Arm, name: str) -> Estimate | None:
        """Mean over test rows with a 95 % bootstrap interval."""
        rows = self.rows(arm, name)
        return None if rows is None else _estimate(rows, name)

    def minus(self, one: tuple[Arm, str], other: tuple[Arm, str]) -> Estimate | None:
        """Difference on the same test rows; 95 % bootstrap of the paired difference."""
        a, b = self.rows(*one), self.rows(*other)
        return None if a is None or b is None else _estimate(a - b, one[1], signed=True)

    def signs(self, one: Arm, other: Arm, score: str) -> list[float]:
        """Of each seed that both have: 1 where the first has more, -1 where it has less, 0."""
        a, b = self._by_seed(one), self._by_seed(other)
        gains = [np.mean(a[seed]["rows"][score]) - np.mean(b[seed]["rows"][score]) for seed in a if seed in b]
        return [float(np.sign(gain)) for gain in gains]

    def mean(self, arm: Arm, name: str) -> float | None:
        """Of a number that each seed has once, such as seconds."""
        found = [result[name] for result in self.of(arm)]
        return float(np.mean(found)) if found else None

    def attribute(self, arm: Arm, name: str, who: str) -> Estimate | None:
        """How often an attribute's values are right: ``text``, ``probe`` or ``majority``."""
        found = [result["attributes"][name] for result in self.of(arm) if name in result["attributes"]]
        if not found:
            return None
        if who == "majority":
            return Estimate(float(np.mean([one[who] for one in found])))
        return _estimate(np.mean(np.array([one[who] for one in found], dtype=np.float64), axis=0), "top1")

    def attributes(self, arm: Arm) -> list[str]:
        """Those that a linear probe could be made for."""
        return list(dict.fromkeys(name for result in self.of(arm) for name in result["attributes"]))


def _estimate(rows: Floats, score: str, *, signed: bool = False) -> Estimate | None:
    found = mean_over({str(i): value for i, value in enumerate(rows.tolist())}, signed=signed)
    return None if found is None else replace(found, percent=score in _SHARES)
