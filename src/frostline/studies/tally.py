"""Cells that differ in nothing but the seed, taken together: means, and intervals over test rows or over draws."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from frostline.contracts import canonical_json
from frostline.reports.study import Estimate
from frostline.studies.arms import unpack
from frostline.studies.cells import Outcome

__all__ = ["Tally", "student", "tallies"]

_DRAWS = 1000


class Tally:
    """Results of one measurement under several seeds.

    Parameters
    ----------
    results : list of mapping
        Each with ``hits``, see :func:`frostline.studies.arms.pack`.
    """

    def __init__(self, results: list[Mapping[str, Any]]) -> None:
        self.results = results
        self.hits: NDArray[np.float64] = np.array([unpack(result["hits"]) for result in results], dtype=np.float64)

    def mean(self, name: str) -> float:
        """Mean of a metric over the seeds."""
        return float(np.mean([result[name] for result in self.results]))

    @property
    def accuracy(self) -> Estimate:
        """Mean over seeds and test rows; 95 % percentile bootstrap over test rows (Efron, 1979)."""
        return _bootstrap(self.hits.mean(axis=0), signed=False)

    def minus(self, other: Tally, rows: NDArray[np.intp] | None = None) -> Estimate:
        """Difference of accuracies on the same test rows; 95 % bootstrap of the paired difference.

        Parameters
        ----------
        other : Tally
        rows : int array, optional
            Of the other's test rows those that this one has.
        """
        theirs = other.hits.mean(axis=0)
        return _bootstrap(self.hits.mean(axis=0) - (theirs if rows is None else theirs[rows]), signed=True)

    @property
    def over_draws(self) -> Estimate:
        """Mean accuracy over draws of training rows; Student's 95 % interval over the draws."""
        return student(self.hits.mean(axis=1), signed=False)

    def minus_over_draws(self, other: Tally) -> Estimate:
        """Difference of accuracies draw by draw; Student's 95 % interval."""
        return student(self.hits.mean(axis=1) - other.hits.mean(axis=1), signed=True)


def tallies(outcomes: Iterable[Outcome]) -> dict[str, Tally]:
    """Group outcomes by their keys without the seed, written as canonical JSON; failed ones are left out."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for outcome in outcomes:
        if outcome.result:
            key = {name: value for name, value in outcome.key.items() if name != "seed"}
            found.setdefault(canonical_json(key), []).append(outcome.result)
    return {key: Tally(results) for key, results in found.items()}


def _bootstrap(rows: NDArray[np.float64], *, signed: bool) -> Estimate:
    if len(rows) < 2:
        return Estimate(float(rows.mean()), signed=signed)
    rng = np.random.default_rng(0)
    draws = [rows[rng.integers(0, len(rows), len(rows))].mean() for _ in range(_DRAWS)]
    lower, upper = np.quantile(draws, [0.025, 0.975]).tolist()
    return Estimate(float(rows.mean()), lower, upper, signed=signed)


def student(draws: NDArray[np.float64], *, signed: bool) -> Estimate:
    """Mean over draws with Student's 95 % interval, cut at 0 (signed: at -1) and 1; without one for a single draw."""
    mean = float(draws.mean())
    if len(draws) < 2:
        return Estimate(mean, signed=signed)
    reach = float(stats.t.ppf(0.975, len(draws) - 1) * draws.std(ddof=1) / np.sqrt(len(draws)))
    least = -1.0 if signed else 0.0  # no accuracy lies outside its range
    return Estimate(mean, max(mean - reach, least), min(mean + reach, 1.0), signed=signed)
