"""The page of the ELM study, from what its cells found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from textwrap import shorten
from typing import Any

from frostline.reports.study import Estimate, StudyPlot, StudyReport, StudySection, StudyTable
from frostline.studies.cells import Outcome, failures
from frostline.studies.elm.arms import Arm
from frostline.studies.elm.claims import claims_section
from frostline.studies.elm.plan import Plan
from frostline.studies.elm.published import DIFFERENCES
from frostline.studies.elm.results import Results

__all__ = ["make_report"]

_TITLES = {
    "vectors": "Real, shuffled and random vectors",
    "pairs": "Number of training pairs",
    "soft tokens": "Number of soft tokens",
    "adapter": "Adapter",
    "stages": "Stages",
    "language model": "Language models",
    "start": "Cold and warm start",
}

_COLUMNS = (
    ("loss", "loss"),
    ("top1", "finds its vector, %"),
    ("consistency", "cosine"),
    ("shuffled", "cosine, another row's text"),
    ("copied", "copied, %"),
    ("invented", "invented name, %"),
)

_NOTE = (
    "Means over seeds and test rows; in brackets 95 % bootstrap intervals over test rows. Loss: bits a byte of what is to be "
    "written. Finds its vector: the text, read back, is nearer to its own vector than to {others} others; chance is {chance:.1f} %."
)

_MORE = ("worth of the vector", "finds, by seed", "steps", "numbers of the adapter", "seconds")

_WORTH = (
    "Worth of the vector: loss with another row's vector minus that with its own. The loss itself also falls where a language "
    "model that is trained learns how this table's texts are worded."
)


def make_report(plan: Plan, outcomes: Sequence[Outcome]) -> StudyReport:
    """Lay the results out.

    Parameters
    ----------
    plan : Plan
    outcomes : sequence of Outcome

    Returns
    -------
    StudyReport
    """
    results = Results(outcomes)
    groups = plan.groups()
    parts: list[StudySection | None] = [
        claims_section(plan, results),
        _yardsticks(plan, results),
        *(_varied(name, groups[name], results) for name in groups),
    ]
    parts += [_samples(plan.base, results), StudySection("What differs from the paper", "\n".join(DIFFERENCES))]
    parts.append(failures(outcomes, _name))
    options, data = plan.options, plan.data
    sizes = {name: len(part.ids) for name, part in data.parts.items()}
    without = f" {data.n_without} rows without a text or a vector are left out." if data.n_without else ""
    return StudyReport(
        name="elm",
        title="ELM: can a language model say what a vector means?",
        lead=f"{data.name}: {sizes['train']} rows to learn from, {sizes['valid']} to choose the best state by, {sizes['test']} to "
        f"judge, which share no text, title or vector.{without} {options.n_steps} steps for every explainer, {options.n_seeds} "
        f"seed{'s' if options.n_seeds > 1 else ''}; texts are read back by {_reader(data.reader.kind)}.",
        sections=[part for part in parts if part is not None],
        cells=[_brief(outcome) for outcome in outcomes],
        n_cells=len(outcomes),
        n_run=sum(outcome.fresh for outcome in outcomes),
        n_failed=sum(bool(outcome.error) for outcome in outcomes),
        facts={
            "data": data.name,
            "rows": sizes,
            "llms": list(options.llms),
            "quick": options.quick,
            "steps": options.n_steps,
        },
    )


def _reader(kind: str) -> str:
    return "the encoder that made the vectors" if kind == "encoder" else "a reconstructor, learnt from training rows"


def _name(outcome: Outcome) -> str:
    arm = Arm(**outcome.key["arm"])
    return f"{arm.llm}, {arm.name}, seed {outcome.key['seed']}"


def _brief(outcome: Outcome) -> dict[str, Any]:
    """A cell without its numbers for single rows, which stand in its file."""
    key = {"key": dict(outcome.key)}
    if outcome.error:
        return {**key, "error": outcome.error}
    rows = {name: sum(values) / len(values) for name, values in outcome.result["rows"].items() if values}
    kept = {
        name: outcome.result[name]
        for name in ("n_steps", "n_adapter", "n_train", "start", "seconds")
        if name in outcome.result
    }
    return {**key, "result": {"scores": rows, **kept}}


def _yardsticks(plan: Plan, results: Results) -> StudySection:
    """The usual explainer's texts beside others for the same rows, and what a probe reads."""
    base, note = plan.base, _NOTE.format(others=plan.n_choices - 1, chance=100 / plan.n_choices)
    kinds = (
        ("text of the explainer", "top1", "consistency"),
        ("text about another row", "top1_shuffled", "shuffled"),
        ("the nearest training row's own text", "top1_neighbor", "neighbor"),
        ("the row's own text", "top1_true_text", "true_text"),
    )
    rows = [[name, results.score(base, top1), results.score(base, cosine)] for name, top1, cosine in kinds]
    tables = [StudyTable("The usual explainer", ["", "finds its vector, %", "cosine"], rows, note)]
    named = [
        [name, *(results.attribute(base, name, who) for who in ("text", "probe", "majority"))]
        for name in results.attributes(base)
    ]
    if named:
        note = "Percent of test rows on which the values are right. A text that names none counts as wrong."
        tables.append(
            StudyTable("Attributes", ["", "named in the text", "linear probe on the vectors", "majority"], named, note)
        )
    usual = f"{base.llm}, {base.n_soft_tokens} soft tokens, {base.adapter} adapter, stage {base.stages}, from random weights"
    return StudySection("Beside other texts, probe and majority", f"The usual explainer: {usual}.", tables)


def _varied(group: str, arms: Sequence[Arm], results: Results) -> StudySection:
    names = {arm: arm.llm if group == "language model" else _value(group, arm) for arm in arms}
    rows = [[names[arm], *_line(results, arm)] for arm in arms]
    columns = [group, *(title for _, title in _COLUMNS), *_MORE]
    attributes = list(dict.fromkeys(name for arm in arms for name in results.attributes(arm)))
    tables = [StudyTable(_TITLES[group], columns, rows, _WORTH)]
    if attributes:
        said = [[names[arm], *(results.attribute(arm, name, "text") for name in attributes)] for arm in arms]
        tables.append(
            StudyTable(f"{_TITLES[group]}: attributes that the text names, % right", [group, *attributes], said)
        )
    return StudySection(_TITLES[group], "", tables, _plots(group, arms, names, results))


def _plots(group: str, arms: Sequence[Arm], names: dict[Arm, str], results: Results) -> list[StudyPlot]:
    places: dict[str, Callable[[Arm], Any]] = {
        "pairs": lambda arm: results.mean(arm, "n_train"),
        "soft tokens": lambda arm: arm.n_soft_tokens,
    }
    place = places.get(group, names.__getitem__)
    beside = {"nearest training row's own text": "top1_neighbor"} if group in ("pairs", "language model") else {}
    shown = {"loss": {"loss": "loss"}, "finds its vector, %": {"text of the explainer": "top1"} | beside}
    found = []
    for title, scores in shown.items():
        lines = {
            name: [(place(arm), e) for arm in arms if (e := results.score(arm, score))]
            for name, score in scores.items()
        }
        if all(lines.values()):
            found.append(StudyPlot(f"{_TITLES[group]}: {title}", group, title, lines, log=group in places))
    return found


def _value(group: str, arm: Arm) -> str:
    values = {
        "vectors": arm.vectors, "pairs": f"{arm.n_pairs:,}" if arm.n_pairs else "all", "soft tokens": str(arm.n_soft_tokens),
        "adapter": arm.adapter, "stages": arm.stages, "start": "cold" if arm.cold else "warm",
    }  # fmt: skip
    return values[group]


def _line(results: Results, arm: Arm) -> list[Any]:
    """A row of a table."""
    worth = results.minus((arm, "loss_shuffled"), (arm, "loss"))
    sizes = [_count(results, arm, name) for name in ("n_steps", "n_adapter")]
    scores = (results.score(arm, score) for score, _ in _COLUMNS)
    return [*scores, worth, _by_seed(results, arm), *sizes, results.mean(arm, "seconds")]


def _by_seed(results: Results, arm: Arm) -> str | None:
    """From the lowest to the highest."""
    found = [
        sum(result["rows"]["top1"]) / len(result["rows"]["top1"])
        for result in results.of(arm)
        if "top1" in result["rows"]
    ]
    if not found:
        return None
    ends = [str(Estimate(end)) for end in (min(found), max(found))]
    return ends[0] if len(found) == 1 else " to ".join(ends)


def _count(results: Results, arm: Arm, name: str) -> int | None:
    found = results.mean(arm, name)
    return None if found is None else round(found)


def _samples(base: Arm, results: Results) -> StudySection | None:
    """The first test rows, unpicked."""
    found = results.of(base)
    if not found:
        return None
    lines = [
        line for own, written in found[0]["samples"] for line in (f"Row: {shorten(own, 240)}", f"Written: {written}")
    ]
    return StudySection("First test rows, not picked, beside what is written from their vectors", "\n".join(lines))
