"""The headline of a report: whether the language model is worth its cost, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from frostline.reports.model import FitReport
from frostline.reports.scores import PRIMARY, Metric, metric_named, show, standard_error, uses_backbone

__all__ = ["Verdict", "judge"]

_NAMES = {"text": "TF-IDF", "raw_columns": "boosting on the raw columns", "dummy": "a dummy"}
_SECOND = {"accuracy": "macro_f1", "subset_accuracy": "micro_f1", "kendall_tau": "mae"}

Outcome = Literal["better", "level", "worse", "unknown"]


@dataclass(frozen=True)
class Verdict:
    """How Frostline stands against its best baseline.

    Attributes
    ----------
    outcome : {"better", "level", "worse", "unknown"}
        Level: the difference is smaller than one standard error. Unknown: something to compare is absent.
    headline : str
        One sentence.
    evidence : str
        The numbers behind it, in sentences.
    """

    outcome: Outcome
    headline: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.headline} {self.evidence}"


def judge(report: FitReport) -> Verdict:
    """Compare Frostline with its best baseline by the task's primary metric.

    Parameters
    ----------
    report : FitReport

    Returns
    -------
    Verdict
        The yardstick is the larger of the two scores' standard errors, so that a perfect score on few rows, whose own
        error is zero, does not look certain.
    """
    metric = metric_named(PRIMARY[report.task])
    mine = report.metrics.get(metric.key, math.nan)
    if not math.isfinite(mine):
        return Verdict("unknown", f"Frostline has no {metric.name} on the test rows.", "Nothing can be compared.")
    scored = {k: v[metric.key] for k, v in report.baselines.items() if math.isfinite(v.get(metric.key, math.nan))}
    error = standard_error(metric.key, mine, report.n_test)
    if not scored:
        headline = f"Frostline reaches {_score(metric, mine)}, with no baseline to stand beside."
        known = "Its standard error is not known" if math.isnan(error) else f"Standard error {_points(metric, error)}"
        return Verdict("unknown", headline, f"{known}; {_rows(report)}.")
    best = max(scored, key=lambda key: scored[key])
    gain = mine - scored[best]
    yardstick = max(error, standard_error(metric.key, scored[best], report.n_test))  # both are NaN, or neither
    outcome = _outcome(gain, yardstick)
    evidence = f"{metric.name[0].upper()}{metric.name[1:]} {show(metric, mine)} against {show(metric, scored[best])}, "
    evidence += _certainty(metric, abs(gain), yardstick) + f"; {_rows(report)}."
    return Verdict(
        outcome, _headline(report, outcome, best, metric, abs(gain)), evidence + _second_opinion(report, best, gain)
    )


def _outcome(gain: float, yardstick: float) -> Outcome:
    if math.isnan(yardstick):
        return "unknown"
    if gain == 0 or abs(gain) < yardstick:
        return "level"
    return "better" if gain > 0 else "worse"


def _headline(report: FitReport, outcome: Outcome, best: str, metric: Metric, gain: float) -> str:
    name = _NAMES.get(best, best)
    amount = f"{_points(metric, gain)} {'of' if metric.style == 'percent' else 'in'} {metric.name}"
    if outcome == "unknown":
        return f"There are too few test rows to tell Frostline from {name}."
    if outcome == "better":
        return f"Frostline beats {name} by {amount}."
    if best == "dummy":
        return "Frostline does no better than a dummy: nothing was learned from this input."
    if outcome == "level":
        return f"Frostline is level with {name}{', which costs less' if uses_backbone(report) else ''}."
    lesson = ": the language model is not worth its cost here" if uses_backbone(report) else ""
    return f"{name[0].upper()}{name[1:]} is better by {amount}{lesson}."


def _certainty(metric: Metric, gain: float, yardstick: float) -> str:
    if math.isnan(yardstick):
        return "standard error unknown"
    side = "smaller" if gain < yardstick else "larger" if gain > yardstick else "not larger"
    return f"a difference {side} than the standard error of {_points(metric, yardstick)}"


def _second_opinion(report: FitReport, best: str, gain: float) -> str:
    """Say so where the other metric a reader looks at points the other way."""
    metric = metric_named(_SECOND[PRIMARY[report.task]])
    mine, other = (v.get(metric.key, math.nan) for v in (report.metrics, report.baselines[best]))
    difference = (mine - other) * (1 if metric.better == "higher" else -1)
    if not difference * gain < 0 or show(metric, mine) == show(metric, other):
        return ""
    return f" By {metric.name} it is the other way round: {show(metric, mine)} against {show(metric, other)}."


def _rows(report: FitReport) -> str:
    if report.n_test == 0:
        return "no test rows"
    return f"{report.n_test:,} test rows" + (", mean over folds" if report.metrics_std is not None else "")


def _score(metric: Metric, value: float) -> str:
    return f"{show(metric, value)} accuracy" if metric.key == "accuracy" else f"{metric.name} {show(metric, value)}"


def _points(metric: Metric, value: float) -> str:
    if math.isnan(value):
        return "unknown"
    return f"{100 * value:.1f} points" if metric.style == "percent" else show(metric, value)
