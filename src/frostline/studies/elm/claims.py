"""What of the paper reproduces on this table: each statement beside the figure that decides it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from frostline.reports.study import Estimate, StudySection, StudyTable
from frostline.studies.elm.arms import Arm
from frostline.studies.elm.plan import Plan
from frostline.studies.elm.published import CONSISTENCY, RANKING, UNTESTED
from frostline.studies.elm.results import Results
from frostline.studies.regression.claims import verdict

__all__ = ["claims_section"]

_ANSWERS = {"reproduces": "yes", "does not reproduce": "no"}

Claim = tuple[str, str, Estimate | None, str]
"""What is said, the verdict, the figure, and what the figure is."""


def claims_section(plan: Plan, results: Results) -> StudySection:
    """The paper's statements, and questions that it leaves open."""
    rows = [list(claim) for claim in _statements(plan, results)]
    rows += [[said, "not measured", None, why] for said, why in UNTESTED]
    note = (
        "A statement reproduces where the 95 % interval over test rows lies on its side, does not where it lies on the other, and "
        "is not resolved between. Verdicts hold for this table, this language model and so many steps, not for the paper's."
    )
    tables = [
        StudyTable("Statements", ["what the paper says", "verdict", "found", "figure that decides it"], rows, note)
    ]
    ours = [[asked, _ANSWERS.get(word, word), *rest] for asked, word, *rest in _questions(plan, results)]
    if ours:
        more = (
            "Loss: bits a byte of what is to be written about test rows; it also falls by learning how the texts are worded. "
            "Answers on two trainings must hold with every seed; with one seed another may turn them."
        )
        tables.append(StudyTable("Questions of our own", ["", "answer", "found", "figure that decides it"], ours, more))
    return StudySection(f"What reproduces with {plan.base.llm}", "", tables)


def _statements(plan: Plan, results: Results) -> Iterator[Claim]:
    base = plan.base
    gain = results.minus((base, "consistency"), (base, "shuffled"))
    yield (
        "a text from the vector alone is about that row", verdict(gain), gain,
        "cosine of vector and text, minus that of another row's text",
    )  # fmt: skip
    own, other = results.score(base, "true_text"), results.score(base, "shuffled")
    found = results.score(base, "consistency")
    scale = f"cosine; the row's own text {_plain(own)}, another row's {_plain(other)}; another encoder than the paper's"
    yield f"texts have a semantic consistency of {_range(CONSISTENCY)}", verdict(found, CONSISTENCY[0]), found, scale
    ranked = results.score(base, "ranking")
    yield (
        f"... and a rank correlation of {_range(RANKING)}",
        verdict(ranked, RANKING[0]),
        ranked,
        "Spearman, training rows ranked",
    )
    joint, two = replace(base, stages="joint"), replace(base, stages="1+2")
    used = results.minus((joint, "loss_shuffled"), (joint, "loss"))
    yield (
        "trained in one stage, a model fails (its toy)",
        _fails(used),
        used,
        "loss with another row's vector minus with its own",
    )
    used = results.minus((two, "loss_shuffled"), (two, "loss"))
    yield "trained in two stages, it does not", verdict(used), used, "the same of two stages"


def _fails(used: Estimate | None) -> str:
    """A model fails that does not use the vector: where it does, the statement does not hold."""
    word = verdict(used)
    return "does not reproduce" if word == "reproduces" else "reproduces" if word == "does not reproduce" else word


def _questions(plan: Plan, results: Results) -> Iterator[Claim]:
    base, groups, n = plan.base, plan.groups(), plan.n_choices

    def better(asked: str, arm: Arm, other: Arm, what: str) -> Claim:
        gain = results.minus((other, "loss"), (arm, "loss"))
        return asked, _between(gain, results.signs(other, arm, "loss")), gain, f"loss {what}"

    def finds(asked: str, arm: Arm, other: Arm) -> Claim:
        gain = results.minus((arm, "top1"), (other, "top1"))
        signs = results.signs(arm, other, "top1")
        return asked, _between(gain, signs), gain, "texts that find their vector, difference, points"

    found = results.score(base, "top1")
    yield (
        f"does a text find its own vector among {n}?",
        verdict(found, 1 / n),
        found,
        f"percent; chance is {100 / n:.1f}",
    )
    for kind in ("shuffled", "random"):
        yield finds(f"... more often than after training on {kind} vectors?", base, replace(base, vectors=kind))
    two, joint = replace(base, stages="1+2"), replace(base, stages="joint")
    yield better("are two stages better than one joint stage?", two, joint, "of the joint stage minus of two")
    yield better(
        "does training the language model help?", two, base, "of stage 1 alone minus of stages 1+2, as many steps"
    )
    for arm in groups.get("soft tokens", []):
        if arm.n_soft_tokens == 1:
            yield better("are several soft tokens better than the paper's one?", base, arm, "with 1 minus with 4")
    for arm in groups.get("adapter", []):
        if arm.adapter == "linear":
            yield better("is the two-layer adapter better than a linear one?", base, arm, "of the linear one minus")
    if sizes := groups.get("pairs", [])[:1]:
        yield better("do more pairs help?", base, sizes[0], f"with {sizes[0].n_pairs} pairs minus with all")
    for arm in groups.get("language model", [])[1:]:
        yield finds(f"do texts of {arm.llm} find their vector more often?", arm, base)
    for arm in groups.get("start", [])[1:]:
        yield finds("does the warm start help?", arm, base)
    yield from _attributes(base, results)


def _between(gain: Estimate | None, signs: Sequence[float]) -> str:
    """A verdict on two trainings: what an interval over test rows decides must hold with every seed."""
    word = verdict(gain)
    if word not in _ANSWERS:
        return word
    if len(set(signs)) > 1:
        return "not resolved"
    return _ANSWERS[word] + (" (one seed)" if len(signs) == 1 else "")


def _attributes(base: Arm, results: Results) -> Iterator[Claim]:
    for name in results.attributes(base):
        text, majority = results.attribute(base, name, "text"), results.attribute(base, name, "majority")
        if text is not None and majority is not None:
            floor = f"percent; the majority has {_plain(majority)}, a linear probe {_plain(results.attribute(base, name, 'probe'))}"
            yield (
                f"is the {name} that a text names right more often than the majority's?",
                verdict(text, majority.value),
                text,
                floor,
            )


def _plain(estimate: Estimate | None) -> str:
    return "-" if estimate is None else str(replace(estimate, lower=None, upper=None))


def _range(ends: tuple[float, float]) -> str:
    return f"{ends[0]} to {ends[1]}"
