"""The plots of a report: scores side by side, score per layer, reliability, predicted against true."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from frostline.contracts import FloatArray
from frostline.reports.markup import Markup, element, join
from frostline.reports.model import FitReport, LayerScore
from frostline.reports.scores import (
    PRIMARY,
    Metric,
    metric_named,
    phrase,
    score_rows,
    show,
    show_spread,
    standard_error,
)
from frostline.reports.svg import Scale, canvas, label, padded, polyline, shorten, tick_text, x_axis, y_axis

__all__ = ["chosen_layers", "layer_chart", "reliability_chart", "scatter_chart", "score_chart"]


def score_chart(report: FitReport) -> Markup:
    """Draw the task's primary metric as bars, Frostline first, with one standard error where it is known."""
    metric = metric_named(PRIMARY[report.task])
    rows = [r for r in score_rows(report) if r.kind in ("frostline", "baseline")]
    values = [r.values.get(metric.key, math.nan) for r in rows]
    finite = [v for v in values if math.isfinite(v)]
    percent = metric.style == "percent"
    scale = Scale(min([0.0, *finite]), 1.0 if percent else max([0.1, *finite]) * 1.05, 190, 560)
    parts = [x_axis(scale, 20 + 38 * len(rows), 10, metric.name, lambda t, ts: tick_text(t, ts, percent=percent))]
    for i, (row, value) in enumerate(zip(rows, values, strict=True)):
        y = 18 + 38 * i
        parts.append(label(180, y + 17, row.name, anchor="end", class_="strong" if i == 0 else "name"))
        parts.append(_bar(scale, y, value, standard_error(metric.key, value, report.n_test), metric, first=i == 0))
    description = "; ".join(f"{r.name}: {show(metric, v)}" for r, v in zip(rows, values, strict=True))
    return canvas("scores", 640, 70 + 38 * len(rows), f"{metric.name} beside the baselines", description, *parts)


def _bar(scale: Scale, y: float, value: float, error: float, metric: Metric, *, first: bool) -> Markup:
    if not math.isfinite(value):
        return label(scale(0) + 8, y + 17, show(metric, value), anchor="start", class_="tick")
    left, right = sorted((scale(0), scale(value)))
    parts = [element("rect", x=left, y=y, width=right - left, height=24, rx=3, class_="mark" if first else "base")]
    end = right
    if math.isfinite(error):
        low, high = scale(max(value - error, scale.low)), scale(min(value + error, scale.high))
        parts.append(element("path", d=f"M{low:.1f} {y + 12}H{high:.1f}", class_="whisker"))
        end = max(right, high)
    return join(
        *parts, label(end + 8, y + 17, show(metric, value), anchor="start", class_="strong" if first else "name")
    )


def chosen_layers(report: FitReport) -> set[str]:
    """Names of the layers that the predictor reads, as they stand in `layer_scores`."""
    layers = report.chosen.get("layers", ())
    names = layers.split(",") if isinstance(layers, str) else np.ravel(layers).tolist()
    return {str(name).strip() for name in names}


def layer_chart(report: FitReport) -> Markup:
    """Draw the cross-validated score of each layer with one standard error; chosen layers are filled."""
    metric = metric_named(report.layer_metric or "score")
    scores, chosen = report.layer_scores, chosen_layers(report)
    drawn = [i for i, s in enumerate(scores) if math.isfinite(s.score)]
    y = Scale(*padded(scores[i].score + sign * _spread(scores[i]) for i in drawn for sign in (-1, 1)), 250, 16)
    x = Scale(-0.5, len(scores) - 0.5, 76, 580)
    percent = metric.style == "percent"
    parts = [y_axis(y, 76, 580, metric.name, lambda t, ts: tick_text(t, ts, percent=percent))]
    every = math.ceil(len(scores) / 20)
    for i, s in enumerate(scores):
        if i % every == 0 or s.layer in chosen:
            class_ = "strong" if s.layer in chosen else "tick"
            parts.append(label(x(i), 270, shorten(s.layer, 12), class_=class_))
    parts.append(label(328, 294, "layer", class_="axis"))
    parts.append(polyline([(x(i), y(scores[i].score)) for i in drawn], "line"))
    parts += [_layer_mark(scores[i], x(i), y, metric, chosen=scores[i].layer in chosen) for i in drawn]
    description = "; ".join(f"{s.layer}: {show(metric, s.score)}" for s in scores)
    return canvas("layers", 600, 304, f"{metric.name} of each layer alone", description, *parts)


def _spread(score: LayerScore) -> float:
    return score.std if math.isfinite(score.std) else 0.0


def _layer_mark(score: LayerScore, x: float, y: Scale, metric: Metric, *, chosen: bool) -> Markup:
    std = _spread(score)
    tip = element("title", f"layer {score.layer}: {show(metric, score.score)} {show_spread(metric, score.std)}")
    bar = element("path", d=f"M{x:.1f} {y(score.score - std):.1f}V{y(score.score + std):.1f}", class_="whisker")
    dot = element("circle", cx=x, cy=y(score.score), r=5.5 if chosen else 4.0, class_="mark" if chosen else "hollow")
    return element("g", tip, bar, dot)


def reliability_chart(bins: Sequence[tuple[float, float, int]]) -> Markup:
    """Draw accuracy against confidence with one binomial standard error, over a strip of row counts.

    Parameters
    ----------
    bins : sequence of (float, float, int)
        Mean confidence, accuracy and number of rows of each bin; bins without rows are left out.

    Returns
    -------
    Markup

    References
    ----------
    DeGroot and Fienberg, 1983, The Statistician 32: the reliability diagram.
    """
    bins = [b for b in bins if b[2] > 0 and math.isfinite(b[0]) and math.isfinite(b[1])]
    low = min(0.9, math.floor(10 * min([1.0, *(c for c, _, _ in bins)])) / 10)
    lowest = min([low, *(a - standard_error("accuracy", a, n) for _, a, n in bins)])
    x, y = Scale(low, 1, 76, 476), Scale(max(0.0, math.floor(10 * lowest) / 10), 1, 300, 16)
    most = max([1, *(n for _, _, n in bins)])
    counts = Scale(0, most, 412, 366)
    parts = [
        x_axis(x, 412, 16, "confidence of the prediction", lambda t, ts: tick_text(t, ts, percent=True)),
        y_axis(y, 76, 476, "accuracy", lambda t, ts: tick_text(t, ts, percent=True)),
        element("line", x1=x(low), y1=y(low), x2=x(1), y2=y(1), class_="ideal"),
        polyline([(x(c), y(a)) for c, a, _ in bins], "line") if bins else Markup(),
        label(14, 389, "rows", class_="axis", rotate=-90),
    ]
    parts += [_bin(x(c), y, a, n, counts) for c, a, n in bins]
    parts += _count_labels([(x(c), counts(n) - 6, n) for c, _, n in bins])
    description = "; ".join(f"confidence {c:.3f}: accuracy {a:.3f} in {n:,} rows" for c, a, n in bins)
    return canvas("reliability", 500, 460, "Reliability: accuracy against confidence", description, *parts)


def _bin(x: float, y: Scale, accuracy: float, n: int, counts: Scale) -> Markup:
    error = standard_error("accuracy", accuracy, n)
    low, high = y(max(accuracy - error, y.low)), y(min(accuracy + error, 1.0))
    return element(
        "g",
        element("title", f"accuracy {100 * accuracy:.1f} % in {n:,} rows"),
        element("path", d=f"M{x:.1f} {low:.1f}V{high:.1f}", class_="whisker"),
        element("circle", cx=x, cy=y(accuracy), r=5.0, class_="mark"),
        element("rect", x=x - 7, y=counts(n), width=14, height=counts(0) - counts(n), class_="base"),
    )


def _count_labels(places: list[tuple[float, float, int]]) -> list[Markup]:
    """Write counts above their bars wherever the one before leaves room; the table beside the plot has them all."""
    parts, free_from = [], -math.inf
    for x, y, n in sorted(places):
        half = 3.5 * len(f"{n:,}") + 1
        if x - half >= free_from:
            parts.append(label(x, y, f"{n:,}", class_="small"))
            free_from = x + half
    return parts


def scatter_chart(scatter: dict[str, FloatArray]) -> Markup:
    """Draw true against predicted values with the diagonal, and the interval of each row as an upright bar.

    Parameters
    ----------
    scatter : dict of arrays of shape (n,)
        ``y_true``, ``y_pred``, and where intervals are on ``lower`` and ``upper``. Predicted values run along the
        horizontal axis, so that a row lies in its interval where its dot lies on its bar.

    Returns
    -------
    Markup
    """
    finite = np.isfinite(scatter["y_true"]) & np.isfinite(scatter["y_pred"])
    true, predicted = scatter["y_true"][finite], scatter["y_pred"][finite]
    bounds = np.column_stack([scatter[name][finite] for name in ("lower", "upper")]) if "lower" in scatter else None
    x = Scale(*padded(predicted.tolist(), 0.03), 92, 612)
    heights = true if bounds is None else np.concatenate([true, bounds.ravel()])
    y = Scale(*padded(heights.tolist(), 0.03), 380, 16)
    low, high = max(x.low, y.low), min(x.high, y.high)
    parts = [
        x_axis(x, 380, 16, "predicted", tick_text),
        y_axis(y, 92, 612, "true", tick_text),
        Markup() if bounds is None else element("path", d=_upright(x, y, predicted, bounds), class_="interval"),
        element("line", x1=x(low), y1=y(low), x2=x(high), y2=y(high), class_="ideal") if low < high else Markup(),
    ]
    outside = np.zeros(len(true), dtype=np.bool_) if bounds is None else (true < bounds[:, 0]) | (true > bounds[:, 1])
    for class_, mask in (("dot", ~outside), ("dot outside", outside)):
        dots = [element("circle", cx=x(p), cy=y(t), r=2.6) for p, t in zip(predicted[mask], true[mask], strict=True)]
        parts.append(element("g", *dots, class_=class_))
    spoken = _spoken(true, predicted, None if bounds is None else outside)
    return canvas("scatter", 632, 428, "True against predicted values", spoken, *parts)


def _upright(x: Scale, y: Scale, predicted: FloatArray, bounds: FloatArray) -> str:
    """One path for all finite intervals: where they overlap the ink does not add up, and many read as a band."""
    pairs = zip(predicted, bounds, strict=True)
    return "".join(f"M{x(p):.1f} {y(lo):.1f}V{y(hi):.1f}" for p, (lo, hi) in pairs if math.isfinite(hi - lo))


def _spoken(true: FloatArray, predicted: FloatArray, outside: NDArray[np.bool_] | None) -> str:
    if not len(true):
        return "No point to draw."
    span = f"true values from {phrase(float(true.min()))} to {phrase(float(true.max()))}, predicted ones from "
    span += f"{phrase(float(predicted.min()))} to {phrase(float(predicted.max()))}"
    misses = f"; {int(outside.sum()):,} outside their interval" if outside is not None else ""
    return f"{len(true):,} points: {span}{misses}."
