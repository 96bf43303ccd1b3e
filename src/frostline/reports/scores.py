"""How a score reads: names, order, direction and digits of the metrics, the same in every face of a report."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from frostline.contracts import EmbedStats
from frostline.reports.model import FitReport

__all__ = [
    "MISSING",
    "PRIMARY",
    "Metric",
    "ScoreRow",
    "data_sentence",
    "digits",
    "duration",
    "metric_named",
    "metrics_of",
    "overlap_sentence",
    "phrase",
    "score_rows",
    "show",
    "show_spread",
    "standard_error",
    "target_rows",
    "truncation_sentence",
    "uses_backbone",
    "when",
]

MISSING = "–"
"""Stands where a number is absent or not finite."""


@dataclass(frozen=True)
class Metric:
    """One column of the score table.

    Attributes
    ----------
    key, name, meaning : str
        Key in the report, how it is called in words, and what it is.
    style : {"percent", "decimals", "digits"}
        One decimal of a percent; three decimals, for what has a scale of its own; three significant digits, for what
        is measured in units of the target.
    better : {"higher", "lower", ""}
        Which way is good; empty where neither is by itself.
    """

    key: str
    name: str
    meaning: str = ""
    style: Literal["percent", "decimals", "digits"] = "digits"
    better: Literal["higher", "lower", ""] = ""


_METRICS = (
    Metric("accuracy", "accuracy", "share of rows whose class is right", "percent", "higher"),
    Metric("subset_accuracy", "exact sets", "share of rows whose set of labels is exactly right", "percent", "higher"),
    Metric("micro_f1", "micro F1", "F1 over all labels of all rows together", "percent", "higher"),
    Metric("macro_f1", "macro F1", "F1 of each class, averaged over classes", "percent", "higher"),
    Metric("hamming_loss", "Hamming loss", "share of wrong decisions, of all labels in all rows", "decimals", "lower"),
    Metric(
        "average_precision",
        "avg precision",
        "precision at each step of recall, averaged over labels",
        "decimals",
        "higher",
    ),
    Metric("log_loss", "log loss", "mean negative log probability of the true class", "decimals", "lower"),
    Metric("ece", "ECE", "expected calibration error: gap between confidence and accuracy", "decimals", "lower"),
    Metric("cost", "cost", "mean cost of a prediction, by the cost matrix", "digits", "lower"),
    Metric("kendall_tau", "Kendall's tau", "agreement of the ranking with the true one, -1 to 1", "decimals", "higher"),
    Metric("spearman", "Spearman", "correlation of predicted and true ranks", "decimals", "higher"),
    Metric("r2", "R²", "share of the variance explained; below 0 is worse than the mean", "decimals", "higher"),
    Metric("mae", "MAE", "mean absolute error, in units of the target", "digits", "lower"),
    Metric("rmse", "RMSE", "root of the mean squared error, in units of the target", "digits", "lower"),
    Metric("coverage", "coverage", "share of rows whose true value lies in its interval", "decimals"),
    Metric("width", "width", "mean width of the intervals, in units of the target"),
)

_BY_KEY = {m.key: m for m in _METRICS}

PRIMARY = {"classification": "accuracy", "multilabel": "subset_accuracy", "regression": "kendall_tau"}
"""The metric that decides the verdict, by task."""

_BASELINES = {
    "text": "text (TF-IDF + linear)",
    "raw_columns": "raw_columns (boosting)",
    "dummy": "dummy (ignores the input)",
}
"""Baselines in the order of the table, and how their row is called."""


@dataclass(frozen=True)
class ScoreRow:
    """One row of the score table; `kind` is what the row is, for faces that style it."""

    name: str
    values: Mapping[str, float]
    kind: Literal["frostline", "spread", "without_overlap", "baseline"]
    key: str


def metric_named(key: str) -> Metric:
    """Look a metric up; one that is not known is shown under its key, with three significant digits."""
    return _BY_KEY.get(key) or Metric(key, key)


def metrics_of(report: FitReport) -> list[Metric]:
    """List the columns of the score table: known metrics in their fixed order, then any others as they come."""
    keys = dict.fromkeys(key for values in (report.metrics, *report.baselines.values()) for key in values)
    return [metric_named(key) for key in [*(k for k in _BY_KEY if k in keys), *(k for k in keys if k not in _BY_KEY)]]


def score_rows(report: FitReport) -> Iterator[ScoreRow]:
    """List the rows of the score table: Frostline, its spread over folds and score without overlap, the baselines."""
    yield ScoreRow("frostline", report.metrics, "frostline", "frostline")
    if report.metrics_std is not None:
        yield ScoreRow("std over folds", report.metrics_std, "spread", "metrics_std")
    if report.metrics_without_overlap is not None:
        yield ScoreRow("without overlap", report.metrics_without_overlap, "without_overlap", "metrics_without_overlap")
    known = [key for key in _BASELINES if key in report.baselines]
    for key in known + [key for key in report.baselines if key not in _BASELINES]:
        yield ScoreRow(_BASELINES.get(key, key), report.baselines[key], "baseline", key)


def target_rows(report: FitReport) -> list[list[str]]:
    """Of several targets a line of scores for each, a header first; nothing of one target."""
    if not report.targets:
        return []
    metrics = metrics_of(report)
    lines = [[name, *(show(m, own.metrics.get(m.key)) for m in metrics)] for name, own in report.targets.items()]
    return [["target", *(m.name for m in metrics)], *lines]


def digits(value: float) -> str:
    """Write a number with three significant digits; from 1000 on with all digits before the point."""
    if not math.isfinite(value):
        return MISSING
    if abs(value) >= 1e7:
        return f"{value:.2e}"
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:#.3g}".removesuffix(".")


def show(metric: Metric, value: float | None) -> str:
    """Write a score as its metric asks; what is absent or not finite is a dash."""
    if value is None or not math.isfinite(value):
        return MISSING
    if metric.style == "percent":
        return f"{100 * value:.1f} %"
    if metric.style == "decimals" and abs(value) < 100:
        return f"{value:z.3f}"
    return digits(value)


def show_spread(metric: Metric, value: float | None) -> str:
    """Write a standard deviation or error on the scale of its metric."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"± {100 * value:.1f}" if metric.style == "percent" else f"± {show(metric, value)}"


def standard_error(key: str, value: float, n: int) -> float:
    """Find the standard error of a score on `n` independent rows; NaN where no closed form is known.

    Parameters
    ----------
    key : str
        ``"accuracy"`` or ``"subset_accuracy"`` (binomial) or ``"kendall_tau"``.
    value : float
        The score.
    n : int
        Number of test rows.

    Returns
    -------
    float

    References
    ----------
    Fieller, Hartley and Pearson, 1957, Biometrika 44: the variance of atanh(tau) is near 0.437 / (n - 4).
    """
    if key in ("accuracy", "subset_accuracy") and n > 0:
        return math.sqrt(max(value * (1 - value), 0.0) / n)
    if key == "kendall_tau" and n > 4:
        return (1 - value**2) * math.sqrt(0.437 / (n - 4))
    return math.nan


def duration(seconds: float) -> str:
    """Write a time in the unit a reader would use."""
    if not math.isfinite(seconds):
        return MISSING
    if seconds < 120:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def phrase(value: Any) -> str:
    """Write a setting, of whatever plain type, in a line of text."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {phrase(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(phrase(item) for item in value)
    return str(value)


def when(created: str) -> str:
    """Write an ISO 8601 time for a reader; anything else stays as it is."""
    try:
        moment = datetime.fromisoformat(created)
    except ValueError:
        return created
    return f"{moment:%Y-%m-%d %H:%M} {moment.tzname() or ''}".rstrip()


def uses_backbone(report: FitReport) -> bool:
    """Whether a language model is part of the predictor at all, or a baseline's features were chosen in its place."""
    return not set(str(report.chosen.get("features", "embedding")).split("+")) <= {"tfidf", "raw"}


def data_sentence(report: FitReport) -> str:
    """Say how many rows it was trained and tested on."""
    tested = f"tested on {report.n_test:,}" if report.n_test else "with no test rows set aside"
    return f"Trained on {report.n_train:,} rows, {tested}."


def truncation_sentence(report: FitReport) -> str:
    """Say how many rows were cut to the backbone's window; nothing where no embedding job was recorded."""
    n = report.embed.n_truncated
    if n == report.embed.n_rows == 0:
        return ""
    if n == 0:
        return "No row was truncated."
    n_rows = f" of {report.embed.n_rows:,}" if report.embed.n_rows else ""
    own = ", ".join(f"{name} {stats.n_truncated:,}" for name, stats in report.embed.backbones.items())
    by = f" By backbone: {own}." if own else ""
    alone = ", ".join(
        f"{name} in {stats.n_truncated:,}" for name, stats in report.embed.fields.items() if stats.n_truncated
    )
    by += f" Also cut where columns are read each on its own: {alone}." if alone else ""
    return f"{n:,}{n_rows} rows did not fit the window and were truncated{_by_column(report.embed)}.{by}"


def _by_column(stats: EmbedStats) -> str:
    """Name the columns that lost text to a cut, in parentheses after a space; nothing where none is known."""
    lost = ", ".join(f"{column} in {n:,}" for column, n in stats.truncated_columns.items())
    return f" (lost text of {lost})" if lost else ""


def overlap_sentence(report: FitReport) -> str:
    """Say how many test rows also stand among the training rows; nothing where there is no test row."""
    if report.n_test == 0:
        return ""
    if report.overlap == 0:
        return "No test row stands among the training rows."
    start = f"{report.overlap:,} of {report.n_test:,} test rows also stand among the training rows"
    if report.metrics_without_overlap is None:
        return f"{start}; no score without them is known."
    return f'{start}; the row "without overlap" leaves them out.'
