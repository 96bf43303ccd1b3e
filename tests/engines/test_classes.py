"""Scores of each class against scikit-learn's, and the mistakes that are shown."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import precision_recall_fscore_support

from frostline.decisions import Decided
from frostline.engines.classes import Answered, class_scores, find_mistakes, keep_mistakes, of_confusion
from frostline.reports.model import Mistake

LABELS = ["a", "b", "c"]
COUNTS = np.array([[30, 4, 1], [2, 40, 0], [9, 0, 14]])


def test_scores_are_those_of_scikit_learn_within_their_intervals():
    true, predicted = (np.repeat(axis.ravel(), COUNTS.ravel()) for axis in np.indices((3, 3)))
    found = class_scores(LABELS, of_confusion(COUNTS), [7, 8, 9])
    shares = np.array([[s.precision.value, s.recall.value, s.f1.value, s.n_test] for s in found])
    np.testing.assert_allclose(shares.T, precision_recall_fscore_support(true, predicted))
    assert all(lower < value < upper for s in found for value, lower, upper in (s.precision, s.recall, s.f1))
    assert [(s.label, s.n_train, s.n_predicted) for s in found] == [("a", 7, 41), ("b", 8, 44), ("c", 9, 15)]


def test_a_class_that_is_never_predicted_has_no_precision():
    found = class_scores(["a", "b"], of_confusion(np.array([[3, 0], [2, 0]])), [1, 1])[1]
    assert np.isnan(found.precision.value)
    assert (found.recall.value, found.f1.value, found.n_test) == (0.0, 0.0, 2)


def test_mistakes_are_the_most_confident_of_each_pair():
    y = np.array(["a"] * 6 + ["b"])
    labels = np.array(["b"] * 5 + ["a", "c"])
    decided = Decided(labels, np.array([0.5, 0.9, 0.7, 0.8, 0.6, 0.99, 0.4]), np.zeros(7, dtype=bool))
    found = find_mistakes(decided, y, [f"text {i}" for i in range(6)] + ["x" * 400])
    assert [(m.true, m.predicted, m.text) for m in found[:3]] == [("a", "b", f"text {i}") for i in (1, 3, 2)]
    assert len(found) == 4
    assert found[3].text == "x" * 300 + "… (cut here)"
    counts = np.array([[1, 5, 0], [0, 0, 1], [0, 0, 0]])
    assert keep_mistakes(found[::-1], LABELS, counts) == found


def test_mistakes_of_a_head_without_probabilities():
    decided = Decided(np.array([1, 2]), None, np.zeros(2, dtype=bool))
    (found,) = find_mistakes(decided, np.array([1, 1]), ["t", "u"])
    assert (found.true, found.predicted, found.text) == ("1", "2", "u")
    assert np.isnan(found.confidence)
    assert isinstance(found, Mistake)


def test_answers_add_up_over_folds():
    decided = Decided(np.array([1, 1, 2, 2]), np.ones(4), np.array([False, True, False, False]))
    once = Answered.of(decided, np.array([1, 1, 2, 1]))
    assert once == Answered(4, 3, 2)
    found = (once + once).as_report()
    assert found["coverage"][0] == 0.75
    assert found["precision"][0] == 2 / 3
    assert Answered(4, 0, 0).as_report()["precision"] == [None, 0.0, 1.0]
