"""How each class fares: rows of tables, lines of text, JSON and back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from frostline.reports.confusion import Confused, top_confusions
from frostline.reports.model import ClassScore, FitReport, Mistake, Share
from frostline.reports.scores import MISSING

__all__ = [
    "class_from", "class_json", "class_rows", "confusions", "decision_sentences", "mistake_from", "show_share",
]  # fmt: skip

_SHARES = ("precision", "recall", "f1")


def show_share(share: Share) -> str:
    """Write a share with its interval, in percent."""
    if not math.isfinite(share.value):
        return MISSING
    return f"{100 * share.value:.1f} % ({100 * share.lower:.0f} to {100 * share.upper:.0f})"


def class_rows(report: FitReport) -> list[tuple[str, ...]]:
    """A row for each class, the worst F1 first: label, precision, recall, F1, test rows, training rows."""
    ranked = sorted(report.classes, key=lambda c: c.f1.value if math.isfinite(c.f1.value) else 2.0)
    return [
        (c.label, *(show_share(getattr(c, name)) for name in _SHARES), f"{c.n_test:,}", f"{c.n_train:,}")
        for c in ranked
    ]


def confusions(report: FitReport, limit: int = 10) -> Iterator[tuple[Confused, list[Mistake]]]:
    """The pairs of classes that are confused most often, each with its most confident mistakes."""
    if report.confusion is None or not report.labels:
        return
    for pair in top_confusions(report.labels, report.confusion, limit):
        yield pair, [m for m in report.mistakes if (m.true, m.predicted) == (pair.true, pair.predicted)]


def decision_sentences(report: FitReport) -> Iterator[str]:
    """Say how labels are decided, where it is not the most probable class."""
    found = report.decision
    if "class_weight" in found:
        about = "Rows were weighted by class in training; probabilities were led back to the true frequencies and calibrated."
        own = "cost" in found or "threshold" in found
        yield about if own else f"{about} A label is decided as if an error on a class cost its weight."
    if "cost" in found:
        yield "The label of least expected cost is predicted, by calibrated probabilities."
    for label, value in found.get("threshold", {}).items():
        yield f"{label} is predicted wherever its probability is at least {value:.3f}, else the most probable other label."
    if "thresholds" in found:
        ranked = sorted(found["thresholds"].values())
        yield (
            f"Each label is given from a probability of its own on, {ranked[0]:.2f} to {ranked[-1]:.2f}; unless it was asked "
            "for, it is where the out-of-fold F1 of the label is highest."
        )
    if "abstention" in found:
        yield _abstention(found["abstention"])


def _abstention(found: Mapping[str, Any]) -> str:
    """Say which rows are answered, why that should be enough, and what came of it on the test rows."""
    about = (
        f"Answers only at a confidence of {found['confidence']:.3f} or more, where precision is at least "
        f"{found['precision']:g} with {100 * found['level']:g} % certainty, by {found['n']:,} out-of-fold predictions."
    )
    test = found.get("test")
    if not test:
        return about
    covered, precise = (Share(*(_nan(v) for v in test[name])) for name in ("coverage", "precision"))
    return f"{about} On the test rows it answers {show_share(covered)}, and of the answers {show_share(precise)} are right."


def class_json(score: ClassScore) -> dict[str, Any]:
    """One class as a JSON object; intervals beside their values, None where there are no rows to tell."""
    plain: dict[str, Any] = {name: getattr(score, name) for name in ("label", "n_train", "n_test", "n_predicted")}
    for name in _SHARES:
        share = getattr(score, name)
        plain |= {name: _known(share.value), f"{name}_interval": [_known(share.lower), _known(share.upper)]}
    return plain


def class_from(d: Mapping[str, Any]) -> ClassScore:
    """One class back from :func:`class_json`."""
    shares = {name: Share(_nan(d[name]), *map(_nan, d[f"{name}_interval"])) for name in _SHARES}
    return ClassScore(str(d["label"]), int(d["n_train"]), int(d["n_test"]), int(d["n_predicted"]), **shares)


def mistake_from(d: Mapping[str, Any]) -> Mistake:
    """One mistake back from JSON."""
    return Mistake(str(d["true"]), str(d["predicted"]), _nan(d["confidence"]), str(d["text"]))


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _nan(value: Any) -> float:
    return math.nan if value is None else float(value)
