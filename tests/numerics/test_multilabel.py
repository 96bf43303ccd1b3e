"""Scores of label sets against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from frostline.errors import UserError
from frostline.numerics.multilabel import average_precision, multilabel_metrics


@pytest.fixture
def tables():
    rng = np.random.default_rng(0)
    p = np.round(rng.random((80, 4)), 1)
    return rng.random((80, 4)) < p, p, p >= 0.4


def test_scores_are_those_of_scikit_learn(tables):
    true, p, given = tables
    assert multilabel_metrics(true, p, given) == pytest.approx(
        {
            "subset_accuracy": metrics.accuracy_score(true, given),
            "micro_f1": metrics.f1_score(true, given, average="micro"),
            "macro_f1": metrics.f1_score(true, given, average="macro"),
            "hamming_loss": metrics.hamming_loss(true, given),
            "average_precision": metrics.average_precision_score(true, p, average="macro"),
            "log_loss": np.mean([metrics.log_loss(true[:, k], np.clip(p[:, k], 1e-15, 1 - 1e-15)) for k in range(4)]),
        },
        abs=1e-6,
    )


def test_labels_that_nobody_has_or_gives_count_nowhere(tables):
    true, p, given = tables
    wider = [np.hstack([part, np.zeros((80, 1), dtype=part.dtype)]) for part in (true, p, given)]
    for name in ("micro_f1", "macro_f1", "average_precision", "subset_accuracy"):
        assert multilabel_metrics(*wider)[name] == pytest.approx(multilabel_metrics(true, p, given)[name])


def test_empty_sets_throughout_are_right():
    nothing = np.zeros((3, 2), dtype=bool)
    found = multilabel_metrics(nothing, np.full((3, 2), 0.1), nothing)
    assert (found["subset_accuracy"], found["micro_f1"], found["macro_f1"], found["average_precision"]) == (1, 1, 1, 0)


def test_rows_of_equal_score_are_taken_together():
    assert average_precision(np.array([True, False, False, True]), np.full(4, 0.5)) == 0.5


@pytest.mark.parametrize("shape", [(0, 2), (3,), (2, 3)])
def test_shapes_that_do_not_fit(shape):
    with pytest.raises(UserError, match="of one shape"):
        multilabel_metrics(np.zeros(shape, dtype=bool), np.zeros((3, 2)), np.zeros((3, 2), dtype=bool))
