"""Sets of labels in tables: read from lists or separated text, judged, and written as they were given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from frostline.contracts import FloatArray
from frostline.errors import UserError
from frostline.labelsets import LabelRule, truth_table
from frostline.numerics.multilabel import multilabel_metrics

if TYPE_CHECKING:
    from frostline.estimators import TextClassifier
    from frostline.features import Features

__all__ = ["SetScores", "bar_note", "known_sets", "refuse_new", "score_sets", "split_labels", "write_sets"]

_BAR = "|"


def split_labels(values: Sequence[Any], separator: str, where: str) -> list[tuple[str, ...]]:
    """Cut texts such as ``a|b`` into labels; an empty text is a row without labels.

    Raises
    ------
    UserError
        An empty separator, a value that is no text, or nothing between two separators.
    """
    if not separator:
        raise UserError("The separator of labels is empty.", hint="such as --label-separator '|'")
    found = []
    for i, value in enumerate(values):
        if not isinstance(value, str):
            raise UserError(
                f"Target {i + 1} of {where} is {value!r:.40}, not text that could be cut at {separator!r}.",
                hint="leave --label-separator out: lists are sets of labels as they are",
            )
        parts = [part.strip() for part in value.split(separator)] if value.strip() else []
        if not all(parts):
            raise UserError(
                f"Target {i + 1} of {where}, {value!r:.60}, has an empty label.", hint="remove the stray separator"
            )
        found.append(tuple(parts))
    return found


def bar_note(labels: Sequence[Any]) -> str:
    """What to say where labels hold a bar and were taken as they are; nothing where none does."""
    barred = [label for label in labels if isinstance(label, str) and _BAR in label]
    if not barred:
        return ""
    return (
        f"{len(barred)} labels hold a '|', such as {barred[0]!r:.60}: each was taken as one label. "
        "Where it parts several labels of a row, use --label-separator '|'."
    )


def known_sets(sets: NDArray[Any], classes: Sequence[Any], where: str) -> NDArray[Any]:
    """Refuse labels that the predictor never saw.

    Raises
    ------
    UserError
    """
    refuse_new({str(label) for row in sets for label in row} - {str(label) for label in classes}, classes, where)
    return sets


def refuse_new(strange: set[str], known: Sequence[Any], where: str) -> None:
    """Refuse labels that were not in training, if there are any.

    Raises
    ------
    UserError
    """
    if strange:
        raise UserError(
            f"{len(strange)} labels in {where} were not in training: {', '.join(sorted(strange)[:5])}. "
            f"Known: {', '.join(map(str, known[:10]))}.",
            hint="fit again with rows of these labels, or leave such rows out",
        )


class SetScores:
    """What a fitted classifier of label sets does on test rows.

    Attributes
    ----------
    labels : list
        Those of training, then those of the test rows only, whose probability is 0.
    truths, given : bool arrays of shape (n, n_labels)
    proba : float array of shape (n, n_labels)
    """

    def __init__(self, estimator: TextClassifier, features: Features, sets: NDArray[Any]) -> None:
        known = estimator.classes_.tolist()
        new = sorted({label for row in sets for label in row} - set(known))
        self.labels = known + new
        self.truths = truth_table(sets, self.labels)
        own = estimator.proba_features(features)
        self.proba: FloatArray = np.hstack([own, np.zeros((len(own), len(new)))])
        given = estimator.rule_(own).astype(bool)
        self.given = np.hstack([given, np.zeros((len(own), len(new)), dtype=bool)])

    @property
    def metrics(self) -> dict[str, float]:
        """See :func:`frostline.numerics.multilabel.multilabel_metrics`."""
        return multilabel_metrics(self.truths, self.proba, self.given)

    @property
    def counts(self) -> NDArray[np.intp]:
        """Of each label: rows that have it and were given it, rows that have it, rows that were given it."""
        return np.stack([side.sum(axis=0) for side in (self.truths & self.given, self.truths, self.given)], axis=1)


def score_sets(estimator: Any, features: Features, sets: NDArray[Any]) -> SetScores | None:
    """Scores of label sets; None of a classifier of one label a row."""
    return SetScores(estimator, features, sets) if isinstance(estimator.rule_, LabelRule) else None


def write_sets(estimator: TextClassifier, sets: NDArray[Any]) -> Any:
    """Sets as a column: texts with the separator of the fit, else lists."""
    separator = estimator.label_separator_
    if separator is not None:
        return [separator.join(map(str, row)) for row in sets]
    return pa.array([list(row) for row in sets], type=pa.list_(pa.array(estimator.classes_).type))
