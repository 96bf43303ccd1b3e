"""The tables and plots of the LLMEmbed study, from what its cells found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from frostline.backbones.written import is_untrained
from frostline.reports.study import Estimate, StudyPlot, StudyReport, StudySection, StudyTable
from frostline.studies.arms import Arm
from frostline.studies.cells import Outcome, failures
from frostline.studies.prompting import PromptArm
from frostline.studies.published import CARP, DIFFERENCES, STATEMENTS
from frostline.studies.sets import StudySet
from frostline.studies.tally import Tally, tallies

__all__ = ["Layout", "make_report"]

_FINAL = Arm()
_INTERVALS = "In brackets 95 % intervals, by the bootstrap over test rows; means over seeds."


@dataclass(frozen=True)
class Layout:
    """Which sets, backbones and arms the tables show.

    Attributes
    ----------
    sets : sequence of StudySet
    backbones : sequence of str
    single, ablations, heads, few_arms : sequences of Arm
    few : sequence of int
        Labels a class.
    """

    sets: Sequence[StudySet]
    backbones: Sequence[str]
    single: Sequence[Arm]
    ablations: Sequence[Arm]
    heads: Sequence[Arm]
    few_arms: Sequence[Arm]
    few: Sequence[int]


class _Results:
    """Tallies by set, backbones, arm and number of labels."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        by_place: dict[tuple[Any, ...], list[Outcome]] = {}
        for outcome in outcomes:
            by_place.setdefault(_place(outcome), []).append(outcome)
        self._found = {place: tally for place, own in by_place.items() for tally in tallies(own).values()}

    def __call__(self, data: StudySet, backbones: Sequence[str], arm: Arm | PromptArm, n_few: int = 0) -> Tally | None:
        named = tuple(backbones) if isinstance(arm, PromptArm) or arm.kind in ("vectors", "auto") else ()
        return self._found.get((data.name, named, arm.name, n_few))


def _place(outcome: Outcome) -> tuple[Any, ...]:
    key = outcome.key
    if "prompt" in key:
        return key["set"], (key["llm"]["name"],), PromptArm(**key["prompt"]).name, 0
    return key["set"], tuple(one["name"] for one in key["backbones"]), Arm(**key["arm"]).name, key["per_class"]


def make_report(layout: Layout, outcomes: Sequence[Outcome]) -> StudyReport:
    """Lay the results out.

    Parameters
    ----------
    layout : Layout
    outcomes : sequence of Outcome

    Returns
    -------
    StudyReport
    """
    results = _Results(outcomes)
    parts = [_data(layout), _main(layout, results), _backbones(layout, results), _layers(layout, results)]
    parts += [
        _heads(layout, results),
        _few(layout, results),
        _prompts(layout, outcomes, results),
        _paper(layout, results),
    ]
    parts.append(failures(outcomes, lambda one: f"{_place(one)[0]}: {_place(one)[2]}"))
    return StudyReport(
        name="llmembed",
        title="LLMEmbed: text classification from the depths of a frozen model",
        lead=f"{len(layout.sets)} sets, backbone {layout.backbones[0]}; every figure is the accuracy on test rows that nothing "
        f"was chosen on. {_INTERVALS}",
        sections=[part for part in parts if part is not None],
        cells=[{"key": dict(o.key), **_brief(o)} for o in outcomes],
        n_cells=len(outcomes),
        n_run=sum(outcome.fresh for outcome in outcomes),
        n_failed=sum(bool(outcome.error) for outcome in outcomes),
        facts={"sets": [data.name for data in layout.sets], "backbones": list(layout.backbones)},
    )


def _brief(outcome: Outcome) -> dict[str, Any]:
    if outcome.error:
        return {"error": outcome.error}
    return {"result": {name: value for name, value in outcome.result.items() if name not in ("hits", "rows")}}


def _data(layout: Layout) -> StudySection:
    rows = [
        [data.name, len(data.classes), len(data.train.texts), len(data.test.texts), *data.n_given, data.n_overlap]
        for data in layout.sets
    ]
    columns = [
        "set",
        "classes",
        "rows to train on",
        "to test on",
        "training rows there are",
        "test rows",
        "test texts also in training",
    ]
    return StudySection("Data", tables=[StudyTable("The makers' own splits", columns, rows)])


def _grid(
    title: str,
    first: str,
    layout: Layout,
    rows: Sequence[tuple[str, Callable[[StudySet], Estimate | None]]],
    note: str = "",
) -> StudyTable:
    """A row a method, a column a set, and the mean over the sets where all have a figure."""
    table: list[list[Any]] = []
    for name, cell in rows:
        found = [cell(data) for data in layout.sets]
        known = [one for one in found if one is not None]
        if not known:
            continue
        mean = [Estimate(float(np.mean([one.value for one in known])), signed=known[0].signed)]
        table.append([name, *found, *(mean if len(known) == len(found) else [None])])
    many = len(layout.sets) > 1
    columns = [first, *(data.name for data in layout.sets), *(["mean"] if many else [])]
    return StudyTable(title, columns, table if many else [row[:-1] for row in table], note)


def _accuracy(tally: Tally | None) -> Estimate | None:
    return None if tally is None else tally.accuracy


def _minus(tally: Tally | None, other: Tally | None) -> Estimate | None:
    return None if tally is None or other is None else tally.minus(other)


def _main(layout: Layout, results: _Results) -> StudySection:
    own = layout.backbones[:1]

    def score(arm: Arm, data: StudySet) -> Estimate | None:
        return _accuracy(results(data, own, arm))

    def gain(arm: Arm, data: StudySet) -> Estimate | None:
        return _minus(results(data, own, arm), results(data, own, _FINAL))

    rows = [(arm.name, lambda data, arm=arm: score(arm, data)) for arm in layout.single]
    gains = [(arm.name, lambda data, arm=arm: gain(arm, data)) for arm in layout.single if arm != _FINAL]
    plots = [
        StudyPlot(data.name, "", "accuracy", {"": [(a.name, e) for a in layout.single if (e := score(a, data))]})
        for data in layout.sets
    ]
    tables = [
        _grid("Accuracy, percent", "method", layout, rows),
        _grid("Points above the final layer with a linear head, same test rows", "method", layout, gains),
    ]
    return StudySection(f"Fusions, heads and baselines: {own[0]}", tables=tables, plots=plots)


def _backbones(layout: Layout, results: _Results) -> StudySection | None:
    real = [name for name in layout.backbones if not is_untrained(name)]
    groups = [[name] for name in layout.backbones] + ([real] if len(real) > 1 else [])
    arms = [_FINAL, *(arm for arm in layout.single if arm.fusion == "mean" or arm.head == "cooccurrence")]
    rows = [
        (f"{' + '.join(group)}: {arm.name}", lambda data, group=group, arm=arm: _accuracy(results(data, group, arm)))
        for group in groups
        for arm in arms
    ]
    if len(groups) < 2:
        return None
    note = "random: the same architecture with random weights. vocabulary: its token embeddings, no block runs."
    table = _grid("Accuracy, percent", "backbone and method", layout, rows, note)
    return StudySection("Backbones and controls", tables=[table])


def _layers(layout: Layout, results: _Results) -> StudySection | None:
    own = layout.backbones[:1]
    rows = [(arm.name, lambda data, arm=arm: _accuracy(results(data, own, arm))) for arm in layout.ablations]
    kinds = {
        "linear, side by side": ("linear", "concat"),
        "linear, mean": ("linear", "mean"),
        "co-occurrence": ("cooccurrence", "concat"),
    }
    plots = []
    for data in layout.sets:
        lines: dict[str, list[tuple[int, Estimate]]] = {}
        for title, (head, fusion) in kinds.items():
            arms = [
                a
                for a in layout.ablations
                if a.head == head and (a.fusion == fusion or (a == _FINAL and head == "linear"))
            ]
            line = [(arm.n_layers, e) for arm in arms if (e := _accuracy(results(data, own, arm)))]
            lines |= {title: line} if len(line) > 1 else {}
        plots += [StudyPlot(data.name, "layers read, from the final one down", "accuracy", lines)] if lines else []
    table = _grid("Accuracy, percent, by the number of layers", "method", layout, rows)
    return StudySection("How many layers", tables=[table], plots=plots) if len(table.rows) > 1 else None


def _heads(layout: Layout, results: _Results) -> StudySection:
    own = layout.backbones[:1]
    rows: list[list[Any]] = []
    plots = []
    for data in layout.sets:
        found = [(arm, tally) for arm in layout.heads if (tally := results(data, own, arm)) is not None]
        sized = sorted(((int(tally.mean("n_parameters")), arm, tally) for arm, tally in found), key=lambda one: one[0])
        rows += [[f"{data.name}: {arm.head}", n, tally.accuracy, tally.mean("fit_seconds")] for n, arm, tally in sized]
        line = [(n, tally.accuracy) for n, _, tally in sized]
        plots += [StudyPlot(data.name, "trained numbers", "accuracy", {"heads": line}, log=True)] if line else []
    note = "Seconds are wall-clock of training and prediction on this machine, whatever else it did."
    table = StudyTable(
        "Trained numbers and accuracy", ["head", "trained numbers", "accuracy, percent", "seconds"], rows, note
    )
    return StudySection("Size of the head, from a linear probe upwards", tables=[table], plots=plots)


def _few(layout: Layout, results: _Results) -> StudySection:
    own = layout.backbones[:1]
    rows: list[list[Any]] = []
    plots = []
    for data in layout.sets:
        lines: dict[str, list[tuple[int, Estimate]]] = {}
        for arm in layout.few_arms:
            found = [(n, tally) for n in layout.few if (tally := results(data, own, arm, n)) is not None]
            lines |= {arm.name: [(n, tally.over_draws) for n, tally in found]} if found else {}
            for n, tally in found:
                base = results(data, own, _FINAL, n)
                gain = None if base is None or arm == _FINAL else tally.minus_over_draws(base)
                rows.append([f"{data.name}, {n} a class: {arm.name}", tally.over_draws, gain])
        plots += [StudyPlot(data.name, "labels a class", "accuracy", lines, log=True)] if lines else []
    columns = ["method", "accuracy, percent", "points above the final layer"]
    note = "Draws of training rows; in brackets Student's 95 % interval over the draws. Fewer where a class has fewer rows."
    return StudySection("Few labels", tables=[StudyTable("Few labels", columns, rows, note)], plots=plots)


def _prompts(layout: Layout, outcomes: Sequence[Outcome], results: _Results) -> StudySection | None:
    asked = list(dict.fromkeys(
        (o.key["set"], o.key["llm"]["name"], PromptArm(**o.key["prompt"])) for o in outcomes if "prompt" in o.key
    ))  # fmt: skip
    by_name = {data.name: data for data in layout.sets}
    rows = [row for name, lm, arm in asked for row in _prompt_rows(by_name[name], lm, arm, layout, results)]
    if not rows:
        return None
    columns = ["set, model, way of asking", "accuracy, percent", "points above auto", "invalid", "failed", "tokens read a row",
               "written a row", "seconds", "joules"]  # fmt: skip
    energy = {o.result["energy"] for o in outcomes if "energy" in o.result}
    note = f"On the same test rows. An answer that is no label counts as wrong. Energy: {', '.join(sorted(energy))}."
    return StudySection("Asking a language model", tables=[StudyTable("Prompts", columns, rows, note)])


def _prompt_rows(data: StudySet, lm: str, arm: PromptArm, layout: Layout, results: _Results) -> Iterator[list[Any]]:
    tally = results(data, [lm], arm)
    if tally is None:
        return
    first = tally.results[0]
    auto = results(data, layout.backbones[:1], Arm("auto"))
    gain = None if auto is None else tally.minus(auto, np.array(first["rows"]))
    joules = [result["joules"] for result in tally.results]
    n = len(first["rows"])
    yield [
        f"{data.name}, {lm}: {arm.name}",
        tally.accuracy,
        gain,
        Estimate(tally.mean("invalid")),
        Estimate(tally.mean("failed")),
        tally.mean("n_prompt_tokens") / n,
        tally.mean("n_tokens") / n,
        tally.mean("asking_seconds"),
        None if None in joules else float(np.mean(joules)),
    ]


def _paper(layout: Layout, results: _Results) -> StudySection:
    own = layout.backbones[:1]
    paper = [data for data in layout.sets if data.is_paper]
    shown = Layout(paper, layout.backbones, layout.single, (), (), (), ())
    depth = max((arm.n_layers for arm in layout.single), default=1)
    mean, largest, beside = (Arm(n_layers=depth, fusion=fusion) for fusion in ("mean", "max", "concat"))
    tables = []
    if paper:
        rows: list[tuple[str, Callable[[StudySet], Estimate | None]]] = [
            (f"ours: {arm.name}", lambda data, arm=arm: _accuracy(results(data, own, arm)))  # type: ignore[misc]
            for arm in layout.single
            if arm.kind == "auto" or arm.head.startswith("cooc")
        ]
        rows += [
            (name, lambda data, scores=scores: Estimate(scores[data.name]) if data.name in scores else None)  # type: ignore[misc]
            for name, scores in CARP.items()
        ]
        note = "Below ours: as printed in the CARP paper (whole training sets, means of five runs, no intervals)."
        tables.append(_grid("Accuracy beside published figures, percent", "method", shown, rows, note))
    if depth > 1:
        rows = [
            ("mean minus max (paper: +0.1 to +0.2)", lambda d: _minus(results(d, own, mean), results(d, own, largest))),
            (
                "mean minus side by side (paper: +3 to +10)",
                lambda d: _minus(results(d, own, mean), results(d, own, beside)),
            ),
        ]
        tables.append(_grid("Ways to fuse, points, linear head", "difference", layout, rows))
    text = "\n".join([*STATEMENTS, "What differs from ours:", *DIFFERENCES])
    return StudySection("The paper's figures beside ours", text, tables)
