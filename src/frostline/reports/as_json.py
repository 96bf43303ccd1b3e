"""A report as a JSON-safe dict and back: what ``report.json`` holds and what ``fit --json`` prints."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import numpy as np

from frostline.contracts import EmbedStats, FloatArray, IntArray, Task
from frostline.errors import ArtifactError, FrostlineError, nearest
from frostline.reports.classes import class_from, class_json, mistake_from
from frostline.reports.comparison import arm_from, arm_json
from frostline.reports.model import CandidateScore, FitReport, LayerScore

__all__ = ["MAX_SCATTER", "load_report", "thinned", "to_json"]

MAX_SCATTER = 2000
"""Points of the scatter that are kept in a file."""

_COUNTS = ("n_rows", "n_texts", "n_embedded", "n_truncated", "n_tokens")
_TEXTS = ("title", "target", "split", "layer_metric", "created", "version")
_WHOLE = ("n_train", "n_test", "overlap", "n_unlabeled")
_PARTS = ("backbones", "fields")
_EMBED = (*_COUNTS, "truncated_columns", *_PARTS)
_KEYS = (
    *("task", "title", "target", "split", "n_train", "n_test", "metrics", "metrics_std", "metrics_without_overlap"),
    *(
        "baselines",
        "chosen",
        *_COUNTS,
        "overlap",
        "n_unlabeled",
        "seconds",
        "layer_scores",
        "layer_metric",
        "candidates",
    ),
    *("targets", "labels", "confusion", "classes", "mistakes", "decision"),
    *("truncated_columns", *_PARTS, "reliability", "scatter", "comparisons", "notes", "created", "version"),
)

T = TypeVar("T")


def to_json(report: FitReport) -> dict[str, Any]:
    """Turn a report into plain JSON values.

    Parameters
    ----------
    report : FitReport

    Returns
    -------
    dict
        The keys that CONTRACTS names for ``fit``, and the rest of the report. Numbers that are not finite are None.
        A scatter of more than 2000 points is thinned to 2000, evenly spaced in row order.

    Raises
    ------
    FrostlineError
        `chosen` holds a value that JSON has no form for.
    """
    plain = {name: getattr(report, name) for name in _KEYS if name not in _EMBED}
    plain |= {name: getattr(report.embed, name) for name in _EMBED}
    for part in _PARTS:
        plain[part] = {name: asdict(stats) for name, stats in plain[part].items()}
    plain["seconds"] = {"embed": report.embed.seconds} | report.seconds
    plain["layer_scores"] = [{"layer": s.layer, "score": s.score, "std": s.std} for s in report.layer_scores]
    plain["candidates"] = [asdict(candidate) for candidate in report.candidates]
    plain["classes"] = [class_json(score) for score in report.classes]
    plain["mistakes"] = [asdict(mistake) for mistake in report.mistakes]
    plain["comparisons"] = [arm_json(arm) for arm in report.comparisons]
    plain["scatter"] = thinned(report.scatter)
    plain["targets"] = {name: to_json(own) for name, own in report.targets.items()}
    return {name: _safe(plain[name], name) for name in _KEYS}


def thinned(scatter: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Keep at most 2000 points of a scatter, evenly spaced in row order, the first and the last among them."""
    n = max((len(values) for values in scatter.values()), default=0)
    rows = np.linspace(0, n - 1, min(n, MAX_SCATTER)).round().astype(np.int64)
    return {name: np.asarray(values)[rows] for name, values in scatter.items()}


def _safe(value: Any, where: str) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _safe(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_safe(item, f"{where}[{i}]") for i, item in enumerate(value)]
    raise FrostlineError(f"The report's {where} is a {type(value).__name__}, which JSON has no form for.")


def load_report(d: Mapping[str, Any]) -> FitReport:
    """Turn what :func:`to_json` made back into a report, enough for every rendering of it.

    Parameters
    ----------
    d : mapping
        The parsed JSON.

    Returns
    -------
    FitReport
        None among numbers comes back as NaN; the scatter has the points that were kept.

    Raises
    ------
    ArtifactError
        A key is unknown or missing, or a value has the wrong form.
    """
    if not isinstance(d, Mapping):
        raise ArtifactError(f"A report is a JSON object, got a {type(d).__name__}.")
    if unknown := sorted(set(d) - set(_KEYS)):
        raise ArtifactError(f"Unknown key {unknown[0]!r} in the report.", hint=nearest(unknown[0], _KEYS) or None)
    if missing := [key for key in _KEYS if key not in d]:
        raise ArtifactError(f"The report has no {missing[0]!r}; it is cut off, or not a report of Frostline.")
    if d["task"] not in get_args(Task):
        raise ArtifactError(f"The report's task is {d['task']!r}; allowed are {', '.join(map(repr, get_args(Task)))}.")
    plain: dict[str, Any] = {key: _read(d, key, _text) for key in _TEXTS} | {key: _read(d, key, int) for key in _WHOLE}
    seconds = _read(d, "seconds", _numbers)
    report = FitReport(
        **plain,
        task=cast(Task, d["task"]),
        metrics=_read(d, "metrics", _numbers),
        metrics_std=_read(d, "metrics_std", _maybe_numbers),
        metrics_without_overlap=_read(d, "metrics_without_overlap", _maybe_numbers),
        baselines=_read(d, "baselines", lambda v: {name: _numbers(values) for name, values in v.items()}),
        chosen=_read(d, "chosen", dict),
        embed=_embed(d, seconds.get("embed", 0.0)),
        seconds=seconds,
        layer_scores=_read(d, "layer_scores", _layer_scores),
        candidates=_read(d, "candidates", lambda v: [CandidateScore(**item) for item in v]),
        targets={name: load_report(own) for name, own in _read(d, "targets", dict).items()},
        labels=_read(d, "labels", lambda v: [_text(item) for item in v]),
        confusion=_read(d, "confusion", _counts),
        **_about_classes(d),
        reliability=_read(d, "reliability", lambda v: [(_number(c), _number(a), int(n)) for c, a, n in v]),
        scatter=_read(d, "scatter", lambda v: {name: _array(values) for name, values in v.items()}),
        comparisons=_read(d, "comparisons", lambda v: [arm_from(item) for item in v]),
        notes=_read(d, "notes", lambda v: [_text(item) for item in v]),
    )
    _check_shapes(report)
    return report


def _about_classes(d: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "classes": _read(d, "classes", lambda v: [class_from(item) for item in v]),
        "mistakes": _read(d, "mistakes", lambda v: [mistake_from(item) for item in v]),
        "decision": _read(d, "decision", dict),
    }


def _embed(d: Mapping[str, Any], seconds: float) -> EmbedStats:
    counts: dict[str, Any] = {key: _read(d, key, int) for key in _COUNTS}
    counts["truncated_columns"] = _read(d, "truncated_columns", lambda v: {name: int(n) for name, n in v.items()})
    counts |= {part: _read(d, part, lambda v: {name: EmbedStats(**own) for name, own in v.items()}) for part in _PARTS}
    return EmbedStats(**counts, seconds=seconds)


def _check_shapes(report: FitReport) -> None:
    if report.confusion is not None and report.confusion.shape != (len(report.labels),) * 2:
        n = len(report.labels)
        raise ArtifactError(
            f"The report's confusion has shape {report.confusion.shape}; its {n} labels ask ({n}, {n})."
        )
    if report.scatter and not {"y_true", "y_pred"} <= set(report.scatter):
        raise ArtifactError(f"The report's scatter lacks y_true or y_pred; it has {sorted(report.scatter)}.")
    if ("lower" in report.scatter) != ("upper" in report.scatter):
        raise ArtifactError("The report's scatter must have both lower and upper, or neither.")
    if len({len(values) for values in report.scatter.values()}) > 1:
        lengths = {name: len(values) for name, values in report.scatter.items()}
        raise ArtifactError(f"The arrays of the report's scatter differ in length: {lengths}.")


def _read(d: Mapping[str, Any], key: str, form: Callable[[Any], T]) -> T:
    try:
        return form(d[key])
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise ArtifactError(f"The report's {key!r} has the wrong form: {error}.") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got a {type(value).__name__}")
    return value


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _numbers(value: Any) -> dict[str, float]:
    return {name: _number(item) for name, item in value.items()}


def _maybe_numbers(value: Any) -> dict[str, float] | None:
    return None if value is None else _numbers(value)


def _array(value: Any) -> FloatArray:
    return np.array([_number(item) for item in value], dtype=np.float64)


def _counts(value: Any) -> IntArray | None:
    return None if value is None else np.array(value, dtype=np.int64).reshape(len(value), -1)


def _layer_scores(value: Any) -> list[LayerScore]:
    return [LayerScore(_text(item["layer"]), _number(item["score"]), _number(item["std"])) for item in value]
