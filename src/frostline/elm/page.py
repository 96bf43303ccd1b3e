"""The report of an explainer as one HTML file: scores beside controls, texts of held-out rows, training, tasks, data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from frostline.elm.card import CAVEAT, scores_in_words, space_sentence
from frostline.elm.explaining import Explainer
from frostline.elm.space import SpaceState
from frostline.elm.tasks import Pack
from frostline.elm.training import Evaluation, TrainingLog
from frostline.reports.markup import Markup, element
from frostline.reports.page import document, figure, pairs, section, table
from frostline.reports.scores import MISSING, duration
from frostline.reports.svg import Scale, canvas, label, padded, polyline, tick_text, x_axis, y_axis

__all__ = ["elm_page"]


def elm_page(explainer: Explainer, pack: Pack, report: Mapping[str, Any]) -> str:
    """Write the page.

    Parameters
    ----------
    explainer : Explainer
    pack : Pack
    report : mapping
        As :meth:`frostline.elm.fitting.FitReport.to_json` gives it; without ``examples`` where no text is to be shown.
    """
    title = f"An explainer of {pack.noun}s"
    lead = f"{report['n_train']:,} ids learnt, {report['n_val']:,} held out. Start: {report['start']}."
    top = element(
        "header",
        element("p", "Frostline report · explainer", class_="eyebrow"),
        element("h1", title),
        element("p", lead, class_="lead"),
    )
    parts = [_scores(space, report["scores"].get(name, {}), report["probes"].get(name, {}))
             for name, space in explainer.spaces.items()]  # fmt: skip
    parts += [_examples(name, own) for name, own in report.get("examples", {}).items()]
    parts += [_training(report), *_tasks(pack, report), _data(explainer, report)]
    return document(f"{title} – Frostline report", top, *parts, element("footer", CAVEAT))


def _scores(space: SpaceState, scores: Mapping[str, float], probes: Mapping[str, Mapping[str, float]]) -> Markup:
    """What was written of held-out rows, beside controls."""
    caption = f"Means over {scores.get('n', 0):.0f} held-out ids; {space_sentence(space)}"
    parts = [table(caption, ("", "score"), [(said, f"{value:.3f}") for said, value in scores_in_words(scores).items()])]
    keys = ("text", "probe", "probe_as_many", "majority")
    rows = [(name, *(_number(own.get(key)) for key in keys)) for name, own in probes.items() if own]
    if rows:
        header = ("attribute", "text", "linear probe", "probe naming as many", "majority")
        parts.append(
            table(
                "How often the values that a text names are the row's, beside who reads the vector only", header, rows
            )
        )
    return section(f"How texts of {space.name!r} score beside their controls", *parts)


def _number(value: float | None) -> str:
    return MISSING if value is None or not math.isfinite(value) else f"{value:.3f}"


def _examples(name: str, examples: Sequence[Mapping[str, Any]]) -> Markup:
    """The first held-out rows, as they come."""
    text = f"The first {len(examples)} held-out ids, not chosen: what is written from the vector alone, and what the row says."
    shown = []
    for one in examples:
        scores = ", ".join(f"{key.replace('_', ' ')} {value:.3f}" for key, value in one["scores"].items())
        kept = {
            "written": one["written"],
            "as a target": one["target"],
            "the row's own": one["text"],
            "scores": scores,
        }
        shown.append(element("details", element("summary", str(one["id"])), pairs(kept), open=""))
    return section(f"Held-out rows of {name!r}", element("p", text), *shown)


def _training(report: Mapping[str, Any]) -> Markup:
    """The looks at held-out ids, and which state was kept."""
    looks = [Evaluation(**look) for look in report["log"]["evaluations"]]
    kept = TrainingLog(looks).best
    how = "lowest held-out loss" if kept.score == -kept.loss else "highest consistency"
    text = (
        f"{report['n_examples']:,} examples, {report['log']['n_steps']:,} steps, {duration(report['seconds'])}. Kept: "
        f"{kept.stage}, step {kept.step}, by the {how}; its held-out loss is {kept.loss:.3f} nats a target token."
    )
    rows = [(f"{e.stage}, {e.step}", _number(e.train_loss), _number(e.loss), _number(e.score)) for e in looks]
    numbers = table("Every look", ("stage, step", "training loss", "held-out loss", "chosen by"), rows)
    chart = figure(_curves(looks, kept), "Loss over all stages, nats a target token; ringed: the state that was kept.")
    return section(
        "Training", element("p", text), chart, element("details", element("summary", "The numbers"), numbers)
    )


def _curves(looks: Sequence[Evaluation], kept: Evaluation) -> Markup:
    last = {look.stage: look.step for look in looks}
    before = dict(zip(last, accumulate(last.values(), initial=0), strict=False))
    steps = [before[look.stage] + look.step for look in looks]
    lines = {
        "held out": [(step, look.loss) for step, look in zip(steps, looks, strict=True)],
        "training": [
            (step, look.train_loss) for step, look in zip(steps, looks, strict=True) if look.train_loss is not None
        ],
    }
    drawn = {name: [(step, loss) for step, loss in line if math.isfinite(loss)] for name, line in lines.items()}
    x = Scale(*padded(steps), 76, 560)
    y = Scale(*padded(loss for line in drawn.values() for _, loss in line), 250, 16)
    parts = [x_axis(x, 250, 16, "step", tick_text), y_axis(y, 76, 560, "loss", tick_text)]
    for i, (name, line) in enumerate((name, line) for name, line in drawn.items() if line):
        points = [(x(step), y(loss)) for step, loss in line]
        parts += [polyline(points, f"line l{i}"), label(570, 28 + 18 * i, name, anchor="start", class_="small")]
        parts += [element("path", d=f"M570 {34 + 18 * i}H600", class_=f"line l{i}")]
        parts += [element("circle", cx=px, cy=py, r=3.0, class_=f"dot-l l{i}") for px, py in points]
    if math.isfinite(kept.loss):
        parts.append(element("circle", cx=x(steps[looks.index(kept)]), cy=y(kept.loss), r=6.0, class_="hollow"))
    return canvas("loss", 660, 300, "Loss over steps", f"held-out loss {kept.loss:.3f} where it was kept", *parts)


def _tasks(pack: Pack, report: Mapping[str, Any]) -> Iterator[Markup]:
    counts, empty = report.get("tasks", {}), report["empty"]
    rows = [
        (t.name, t.prompt, *(f"{n:,}" for n in (*counts[t.name], empty.get(t.name, 0))))
        for t in pack.tasks
        if t.name in counts
    ]
    parts = [element("li", element("b", name), f": {why}") for name, why in report["skipped"].items()]
    if rows:
        header = ("task", "what is asked", "examples", "held out", "without a target")
        yield section("Tasks", table("Examples of each task", header, rows, "pairs"))
    if parts:
        yield section("Tasks that were not learnt", element("ul", *parts))


def _data(explainer: Explainer, report: Mapping[str, Any]) -> Markup:
    llm = explainer.model.llm
    facts = {"language model": f"{llm.name} (weights {llm.identity.get('weights', '')[:16]})"}
    facts |= {key.replace("_", " "): f"{n:,}" for key, n in report["counts"].items()}
    facts["targets cut"] = f"{report['n_truncated']:,}"
    if "n_generalized" in report:
        facts["texts from which names or titles were taken"] = f"{report['n_generalized']:,}"
    return section("What it is made of", pairs(facts))
