"""What a classifier does otherwise where rows have sets of labels instead of one label each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from frostline.contracts import FloatArray
from frostline.decisions import Decided
from frostline.errors import UserError
from frostline.heads import make_head
from frostline.labelsets import check_label_decision, label_sets, make_label_rule, read_sets
from frostline.numerics.multilabel import multilabel_metrics

if TYPE_CHECKING:
    from frostline.estimators.arms import Fitted
    from frostline.estimators.classifier import TextClassifier

__all__ = ["check_sets", "decide_sets", "judge_sets", "labels_of"]


def check_sets(classifier: TextClassifier, y: Any, n_rows: int) -> NDArray[Any]:
    """Check sets of labels, and that the parameters suit them, before anything runs.

    Raises
    ------
    UserError
    """
    if classifier.class_weight is not None:
        raise UserError(
            "Class weights are for rows of one label; each label of a set has a threshold instead.",
            hint="give thresholds, such as Decision(threshold={'label': 0.3})",
        )
    if classifier.features == "raw":
        raise UserError("Sets of labels are learnt from text, not from raw columns.", hint="features='auto'")
    make_head(classifier.head, "multilabel", classifier.seed)
    sets = read_sets(y, n_rows)
    check_label_decision(classifier.decision, labels_of(sets).tolist())
    return sets


def labels_of(sets: NDArray[Any]) -> NDArray[Any]:
    """All labels, sorted."""
    labels = sorted({label for row in sets for label in row})
    if labels and isinstance(labels[0], str):
        return np.array(labels, dtype=object)
    return np.array(labels)


def judge_sets(classifier: TextClassifier, fitted: Fitted, truths: NDArray[np.bool_]) -> None:
    """Choose the thresholds on rows that were held out, and score them."""
    true = truths[fitted.rows]
    oof = fitted.oof if len(true) else np.empty(true.shape)
    classifier.rule_ = rule = make_label_rule(classifier.decision, classifier.classes_.tolist(), true, oof)
    classifier.cv_metrics_ = multilabel_metrics(true, oof, rule(oof)) if len(true) else {}


def decide_sets(classifier: TextClassifier, proba: FloatArray) -> Decided:
    """The labels whose probability reaches their threshold; a set has no confidence of its own."""
    sets = label_sets(classifier.rule_(proba).astype(bool), classifier.classes_.tolist())
    return Decided(sets, None, np.zeros(len(sets), dtype=bool))
