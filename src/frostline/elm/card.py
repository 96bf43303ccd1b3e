"""The card of an explainer: what it is made of, what it learnt from, how it scored, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frostline.elm.explaining import Explainer
from frostline.elm.space import SpaceState
from frostline.elm.tasks import Pack

__all__ = ["CAVEAT", "elm_card", "scores_in_words", "space_sentence"]

_WORDS = {
    "consistency": "cosine of vector and text",
    "shuffled": "the same with another row's text",
    "neighbor": "the same with the nearest training row's text",
    "true_text": "the same with the row's own text",
    "ranking": "Spearman of the catalog ranked by text and by vector",
    "top1": "text finds its vector among {n} (by chance {chance:.2f})",
    "top1_shuffled": "... another row's text",
    "top1_neighbor": "... the nearest training row's text",
    "top1_true_text": "... the row's own text",
    "invented": "texts with a name that the row does not have",
    "copied": "texts copied from a training row",
    "empty": "empty texts",
}

CAVEAT = "A text can be fluent and wrong: read it beside its scores and controls."


def scores_in_words(scores: Mapping[str, float]) -> dict[str, float]:
    """Scores by what they are, in the order in which they are shown; with few rows a text has fewer vectors to choose from."""
    n = max(1, min(100, int(scores.get("n", 100))))
    return {said.format(n=n, chance=1 / n): scores[key] for key, said in _WORDS.items() if key in scores}


def space_sentence(space: SpaceState) -> str:
    """How wide a space is and what reads texts back into it."""
    reader = "nothing" if space.reader is None else f"its {space.reader.kind}"
    return f"{space.dim} dimensions; texts are read back by {reader}."


def elm_card(explainer: Explainer, pack: Pack, report: Mapping[str, Any]) -> str:
    """Write the card.

    Parameters
    ----------
    explainer : Explainer
    pack : Pack
    report : mapping
        As :meth:`frostline.elm.fitting.FitReport.to_json` gives it.
    """
    llm = explainer.model.llm
    lines = [
        f"# An explainer of {pack.noun}s",
        "",
        f"Language model: `{llm.name}` (weights {llm.identity.get('weights', '')[:16]}). Start: {report['start']}.",
        f"{report['n_train']} ids learnt, {report['n_val']} held out; {report['n_examples']} examples.",
        f"{report['n_truncated']} targets cut; {report['log']['n_steps']} steps, {report['seconds']:.0f} s.",
        f"Held-out loss: {report['loss']:.3f} nats a target token.",
    ]
    if unmatched := [f"{n} {key.replace('_', ' ')}" for key, n in report["counts"].items() if n]:
        lines.append(f"Not used: {', '.join(unmatched)}.")
    for name, scores in report["scores"].items():
        lines += ["", f"## Space `{name}`", "", space_sentence(explainer.spaces[name]), ""]
        lines += ["| on held-out ids | |", "|---|---|"]
        lines += [f"| {said} | {value:.3f} |" for said, value in scores_in_words(scores).items()]
        for attribute, own in report["probes"].get(name, {}).items():
            if own:
                alike = own.get("probe_as_many")
                alike = "" if alike is None else f", or {alike:.3f} naming as many values as the text"
                beside = f"a linear probe {own['probe']:.3f}{alike}; the majority {own['majority']:.3f}"
                lines.append(f"| {attribute} that the text names is right ({beside}) | {own['text']:.3f} |")
    if report["skipped"]:
        lines += ["", "## Tasks that were not learnt", ""]
        lines += [f"- {task}: {why}" for task, why in report["skipped"].items()]
    if report["empty"]:
        lines += ["", "## Rows without a target", ""]
        lines += [f"- {task}: {n}" for task, n in sorted(report["empty"].items())]
    lines += ["", CAVEAT]
    return "\n".join(lines) + "\n"
