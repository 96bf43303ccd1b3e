"""How each class fares on test rows, which are mistaken for which, and what became of abstentions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.decisions import Decided
from frostline.estimators import TextClassifier
from frostline.estimators.deciding import describe_decision
from frostline.numerics.proportions import clopper_pearson, f1_interval, wilson
from frostline.reports.model import ClassScore, Mistake, Share

__all__ = ["Answered", "class_scores", "decision_of", "find_mistakes", "keep_mistakes", "of_confusion"]

PAIRS, TEXTS = 10, 3
"""Pairs of classes whose mistakes are shown, and how many of each."""

_SHOWN = 300
"""Characters of a text that are shown."""


@dataclass(frozen=True)
class Answered:
    """Test rows, those that were answered, and those answered rightly; adds up over folds."""

    n: int
    kept: int
    right: int

    @classmethod
    def of(cls, decided: Decided, y: NDArray[Any]) -> Answered:
        """Count."""
        kept = ~decided.abstained
        return cls(len(y), int(kept.sum()), int((decided.labels[kept] == y[kept]).sum()))

    def __add__(self, other: Answered) -> Answered:
        return Answered(self.n + other.n, self.kept + other.kept, self.right + other.right)

    def as_report(self) -> dict[str, Any]:
        """Counts, and coverage and precision as value, lower and upper end of the exact 95 % interval."""
        precision = self.right / self.kept if self.kept else None
        return {
            "n_rows": self.n,
            "n_answered": self.kept,
            "n_right": self.right,
            "coverage": [self.kept / self.n, *clopper_pearson(self.kept, self.n)],
            "precision": [precision, *clopper_pearson(self.right, self.kept)],
        }


def decision_of(estimator: TextClassifier, answered: Answered | None) -> dict[str, Any]:
    """How labels are decided, and under ``abstention`` what became of it on the test rows."""
    found = describe_decision(estimator)
    if answered is not None:
        found["abstention"] |= {"test": answered.as_report()}
    return found


def class_scores(labels: Sequence[str], counts: NDArray[Any], n_train: Sequence[int]) -> list[ClassScore]:
    """Score every class.

    Parameters
    ----------
    labels : sequence of n_classes str
    counts : int array of shape (n_classes, 3)
        Rows of the class that were predicted as it, rows of the class, rows predicted as it.
    n_train : sequence of n_classes int
        Training rows.

    Returns
    -------
    list of ClassScore
        With Wilson's intervals; that of F1 is :func:`frostline.numerics.proportions.f1_interval`.
    """
    return [
        ClassScore(
            label,
            int(rows),
            true,
            predicted,
            precision=_share(hits, predicted),
            recall=_share(hits, true),
            f1=Share(_ratio(2 * hits, true + predicted), *f1_interval(hits, true, predicted)),
        )
        for label, rows, (hits, true, predicted) in zip(labels, n_train, counts.tolist(), strict=True)
    ]


def of_confusion(confusion: NDArray[Any]) -> NDArray[Any]:
    """Hits, true rows and predicted rows of each class, shape (n_classes, 3)."""
    return np.stack([confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)], axis=1)


def find_mistakes(decided: Decided, y: NDArray[Any], texts: Sequence[str]) -> list[Mistake]:
    """The most confident mistakes of each pair of classes, most confident first."""
    wrong = np.flatnonzero(decided.labels != y)
    confidence = np.full(len(y), np.nan) if decided.confidence is None else decided.confidence
    order = wrong[np.argsort(-confidence[wrong], kind="stable")]
    found: list[Mistake] = []
    seen: Counter[tuple[str, str]] = Counter()
    for row in order:
        pair = str(y[row]), str(decided.labels[row])
        seen[pair] += 1
        if seen[pair] <= TEXTS:
            found.append(Mistake(*pair, float(confidence[row]), _beginning(texts[row])))
    return found


def keep_mistakes(mistakes: Sequence[Mistake], labels: Sequence[str], confusion: NDArray[Any]) -> list[Mistake]:
    """Those of the pairs that are confused most often, a few of each."""
    number = {label: i for i, label in enumerate(labels)}
    ranked = sorted(mistakes, key=lambda m: -m.confidence if m.confidence == m.confidence else 0.0)
    pairs = Counter(
        {pair: int(confusion[number[pair[0]], number[pair[1]]]) for pair in {(m.true, m.predicted) for m in mistakes}}
    )
    found = []
    for pair, _ in sorted(pairs.items(), key=lambda item: (-item[1], number[item[0][0]], number[item[0][1]]))[:PAIRS]:
        found += [m for m in ranked if (m.true, m.predicted) == pair][:TEXTS]
    return found


def _share(hits: int, n: int) -> Share:
    return Share(_ratio(hits, n), *wilson(hits, n))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _beginning(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… (cut here)"
