"""A report as one HTML file that needs nothing else: no script, no font, no picture from anywhere."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from frostline.contracts import IntArray
from frostline.reports import charts, confusion
from frostline.reports.as_json import thinned
from frostline.reports.classes import class_rows, confusions, decision_sentences
from frostline.reports.comparison import ARM_HEADER, arm_rows
from frostline.reports.markup import Markup, element
from frostline.reports.model import FitReport
from frostline.reports.page import document, pairs
from frostline.reports.page import figure as _figure
from frostline.reports.page import section as _section
from frostline.reports.page import table as _table
from frostline.reports.scores import (
    Metric,
    ScoreRow,
    data_sentence,
    duration,
    metric_named,
    metrics_of,
    overlap_sentence,
    phrase,
    score_rows,
    show,
    show_spread,
    target_rows,
    truncation_sentence,
    uses_backbone,
    when,
)
from frostline.reports.verdict import judge

__all__ = ["to_html"]

_BADGES = {
    "better": "ahead of its baselines",
    "level": "level with a baseline",
    "worse": "behind a baseline",
    "unknown": "not comparable",
}
_UNMARKED = ("ece", "coverage", "width")  # a dummy that answers one constant wins these; alone they say little


def to_html(report: FitReport) -> str:
    """Render a report as one self-contained page.

    Parameters
    ----------
    report : FitReport

    Returns
    -------
    str
        A whole HTML document, light or dark as the reader's system asks, with plots as inline SVG. All text of the
        user's is escaped.
    """
    title = f"{report.target} in {report.title}" if report.title else report.target
    top = element(
        "header",
        element("p", f"Frostline report · {report.task}", class_="eyebrow"),
        element("h1", title),
        element("p", data_sentence(report), class_="lead"),
        _verdict(report),
    )
    learned = (*_plots(report), _layers(report), _choice(report))
    sections = [
        _scores(report),
        _targets(report),
        _comparison(report),
        _decision(report),
        *learned,
        _facts(report),
        _notes(report),
    ]
    end = element("footer", " · ".join(filter(None, (f"Frostline {report.version}".strip(), when(report.created)))))
    return document(f"{title} – Frostline report", top, *sections, end)


def _targets(report: FitReport) -> Markup:
    """Of several targets the scores of each, and what a report on that target alone shows."""
    if not (lines := target_rows(report)):
        return Markup()
    table = _table("Scores of each target, in its own units where they have one", lines[0], lines[1:])
    own = [
        _details(name, _scores(one), *_plots(one), _layers(one), _choice(one)) for name, one in report.targets.items()
    ]
    return _section("Each target", table, *own)


def _details(summary: str, *content: str) -> Markup:
    return element("details", element("summary", summary), *content)


def _verdict(report: FitReport) -> Markup:
    verdict = judge(report)
    badge = element("span", _BADGES[verdict.outcome], class_="badge")
    text = (element("p", verdict.headline, class_="headline"), element("p", verdict.evidence))
    return element("div", badge, *text, class_=f"verdict {verdict.outcome}")


def _scores(report: FitReport) -> Markup:
    metrics = metrics_of(report)
    rows = list(score_rows(report))
    best = {m.key: _best(m, rows) if report.baselines else None for m in metrics}
    lines = []
    for row in rows:
        values = (_score(m, row, best[m.key]) for m in metrics)
        lines.append(element("tr", element("th", row.name, scope="row"), *values, class_=row.kind))
    arrows = {"higher": " ↑", "lower": " ↓", "": ""}
    names = (element("th", m.name + arrows[m.better], scope="col", title=m.meaning or None) for m in metrics)
    head = element("thead", element("tr", element("th", "model", scope="col"), *names))
    where = "Scores on the test rows." if report.n_test else "No test rows: how it was tested is said below."
    bold = "; the best is bold" if report.baselines else ""
    caption = element("caption", f"{where} ↑ higher is better, ↓ lower is better{bold}.")
    table = element("div", element("table", caption, head, element("tbody", *lines), class_="scores"), class_="scroll")
    meanings = (element("li", element("b", m.name), f": {m.meaning}.") for m in metrics if m.meaning)
    legend = _details("What the columns mean", element("ul", *meanings))
    if not report.baselines:
        return _section("Score", table, legend)
    chart = _figure(charts.score_chart(report), "Whiskers: one standard error, by the number of test rows.")
    return _section("Score beside its baselines", chart, table, legend)


def _best(metric: Metric, rows: Sequence[ScoreRow]) -> str | None:
    """How the best score of a column reads, so that equal-looking scores are marked alike."""
    values = [r.values.get(metric.key, math.nan) for r in rows if r.kind in ("frostline", "baseline")]
    finite = [v for v in values if math.isfinite(v)]
    if not finite or not metric.better or metric.key in _UNMARKED:
        return None
    return show(metric, max(finite) if metric.better == "higher" else min(finite))


def _score(metric: Metric, row: ScoreRow, best: str | None) -> Markup:
    value = row.values.get(metric.key)
    if row.kind == "spread":
        return element("td", show_spread(metric, value))
    text = show(metric, value)
    is_best = text == best and row.kind in ("frostline", "baseline")
    return element("td", element("b", text) if is_best else text)


def _plots(report: FitReport) -> list[Markup]:
    parts = [_scatter(report)] if report.scatter else []
    if report.confusion is not None and report.labels:
        parts.append(_confusion(report, report.labels, report.confusion))
    elif report.classes:
        parts.append(_section("How each label fares", *_per_class(report)))
    return parts + ([_reliability(report)] if report.reliability else [])


def _confusion(report: FitReport, labels: list[str], counts: IntArray) -> Markup:
    shown = confusion.shown_classes(labels, counts)
    caption = "Counts of test rows; the stronger the color, the larger the share of the true class."
    caption += " Blank cells are 0." if (shown.counts == 0).any() else ""
    if shown.n_left_out:
        caption += f" Of {len(labels)} classes the {len(labels) - shown.n_left_out} with the most errors are drawn;"
        caption += f" the other {shown.n_left_out} are summed in the last row and column."
    parts = [_figure(confusion.confusion_chart(shown), caption)]
    top = confusion.top_confusions(labels, counts) if len(labels) > 2 else []
    if top:
        rows = [(c.true, c.predicted, f"{c.n:,}", f"{100 * c.share:.1f} %") for c in top]
        n_pairs = int((counts > 0).sum() - (counts.diagonal() > 0).sum())
        title = f"Most frequent confusions ({len(top)} of {n_pairs:,} pairs)"
        parts.append(_table(title, ("true", "predicted as", "rows", "of true class"), rows, "pairs"))
    return _section("Which classes are taken for which", *parts, *_mistakes(report), *_per_class(report))


def _mistakes(report: FitReport) -> Iterator[Markup]:
    rows = [
        (f"{pair.true} as {pair.predicted}", show(metric_named("accuracy"), m.confidence), m.text)
        for pair, mistakes in confusions(report)
        for m in mistakes
    ]
    if rows:
        title = f"The most confident mistakes ({len(rows)})"
        yield _details(title, _table(title, ("true as predicted", "confidence", "what was read"), rows, "texts"))


def _per_class(report: FitReport) -> Iterator[Markup]:
    if report.classes:
        title = f"Score of each class ({len(report.classes)}, the worst first; 95 % intervals)"
        header = ("class", "precision", "recall", "F1", "test rows", "training rows")
        yield _details(title, _table(title, header, class_rows(report)))


def _comparison(report: FitReport) -> Markup:
    if not report.comparisons:
        return Markup()
    text = (
        "The same backbone fine-tuned on the same training rows, its rate and epochs chosen on a part of them, and judged on the "
        "same test rows. Differences are to the frozen one, row by row; in brackets 95 % intervals."
    )
    return _section("Beside fine-tuning", element("p", text), _table("Arms", ARM_HEADER, arm_rows(report)))


def _decision(report: FitReport) -> Markup:
    sentences = list(decision_sentences(report))
    return _section("How labels are decided", *(element("p", text) for text in sentences)) if sentences else Markup()


def _reliability(report: FitReport) -> Markup:
    caption = (
        "On the dashed line, confidence is as good as its word; below it the predictor is too sure. Whiskers: one "
    )
    caption += "standard error. Bars: number of test rows with such a confidence."
    share = metric_named("accuracy")
    rows = [(show(share, c), show(share, a), f"{n:,}") for c, a, n in report.reliability]
    table = _table("Bins of the plot", ("mean confidence", "accuracy", "rows"), rows)
    figure = _figure(charts.reliability_chart(report.reliability), caption)
    return _section("Can its confidence be believed?", figure, _details("The numbers behind the plot", table))


def _scatter(report: FitReport) -> Markup:
    scatter = thinned(report.scatter)
    n = len(scatter["y_true"])
    caption = f"{n:,} test rows." if n >= report.n_test else f"{n:,} of {report.n_test:,} test rows, evenly spaced."
    caption += " On the dashed line the prediction is exact."
    drawn = np.isfinite(scatter["y_true"]) & np.isfinite(scatter["y_pred"])
    if not drawn.all():
        caption += f" {n - int(drawn.sum()):,} rows hold a number that is not finite and are not drawn."
    if "lower" in scatter:
        caption += " Shaded: the interval of each prediction; rows outside theirs are marked."
        if endless := int((~np.isfinite(scatter["lower"]) | ~np.isfinite(scatter["upper"])).sum()):
            caption += f" {endless:,} rows have no finite interval."
        if math.isfinite(coverage := report.metrics.get("coverage", math.nan)):
            caption += f" The intervals hold {100 * coverage:.1f} % of the true values."
    return _section("True against predicted", _figure(charts.scatter_chart(scatter), caption))


def _layers(report: FitReport) -> Markup:
    if not uses_backbone(report) and not report.layer_scores:
        return Markup()
    if len(report.layer_scores) < 2:
        text = "The layers were not compared, so there is no curve to draw: "
        hint = element("p", text, element("code", "--layers all"), " shows the score of every layer of the backbone.")
        return _section("Which layer holds it?", hint)
    metric = metric_named(report.layer_metric or "score")
    chosen = charts.chosen_layers(report) & {s.layer for s in report.layer_scores}
    caption = "Cross-validated on the training rows, each layer alone; whiskers: one standard error."
    caption += f" Filled: the layers that the predictor reads ({', '.join(sorted(chosen))})." if chosen else ""
    rows = [(s.layer, show(metric, s.score), show_spread(metric, s.std)) for s in report.layer_scores]
    table = _table("Score of each layer", ("layer", metric.name, "std over folds"), rows)
    figure = _figure(charts.layer_chart(report), caption)
    return _section("Which layer holds it?", figure, _details("The numbers behind the plot", table))


def _choice(report: FitReport) -> Markup:
    """What was compared to choose, the best first."""
    if not report.candidates:
        return Markup()
    metric = metric_named(report.layer_metric or "score")
    tried = sorted(report.candidates, key=lambda c: c.loss)
    rows = [
        (
            c.name,
            show(metric, c.score),
            show_spread(metric, c.std),
            *(f"{v:.4f}" for v in (c.loss, c.behind, c.behind_std)),
            c.note,
        )
        for c in tried
    ]
    header = ("candidate", metric.name, "std error", "loss", "behind its best", "std error", "")
    text = (
        "Cross-validated on the training rows; the loss decides. Of those whose loss lies within one standard error of "
        "the best, rows compared pair by pair, the cheapest wins: first layers and fusion, then what is learnt on."
    )
    return _section(
        "How it was chosen", element("p", text), _details("All candidates", _table("Candidates", header, rows))
    )


def _facts(report: FitReport) -> Markup:
    embed, seconds = report.embed, report.seconds
    cost = {
        "distinct texts": f"{embed.n_texts:,}",
        "run through the backbone": f"{embed.n_embedded:,}",
        "tokens": f"{embed.n_tokens:,}",
        **{f"time, {name}": duration(value) for name, value in ({"embed": embed.seconds} | seconds).items()},
    }
    chosen = {name.replace("_", " "): phrase(value) for name, value in report.chosen.items()}
    sentences = (report.split, overlap_sentence(report), truncation_sentence(report))
    split = [element("li", text) for text in sentences if text]
    return element(
        "div",
        _section("What was chosen", pairs(chosen)) if chosen else Markup(),
        _section("What it cost", pairs(cost)) if embed.n_rows else Markup(),
        _section("How it was tested", element("ul", *split)) if split else Markup(),
        class_="facts",
    )


def _notes(report: FitReport) -> Markup:
    if not report.notes:
        return Markup()
    return _section("Notes", element("ul", *(element("li", note) for note in report.notes)))
