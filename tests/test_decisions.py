"""Decisions from probabilities: closed forms, guarantees by simulation, and what is refused."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from sklearn.metrics import f1_score

from frostline.decisions import Decision, Rule, best_f1, check_decision, find_cutoff, make_rule
from frostline.errors import UserError

CLASSES = ["ham", "junk", "spam"]
P = np.array([[0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7]])


def rule(decision=None, weights=None, codes=(0, 1, 2), proba=P):
    return make_rule(decision, CLASSES, weights, np.array(codes), proba)


def test_without_a_decision_the_most_probable_class_is_taken():
    assert rule().is_plain
    assert rule()(P).tolist() == [0, 1, 2]
    assert not rule().abstains(P, np.array([0, 1, 2])).any()


def test_the_least_expected_cost_is_taken():
    cost = np.array([[0, 1, 10], [4, 0, 1], [2, 2, 0]])
    expected = [min(range(3), key=lambda j: sum(p[i] * cost[i, j] for i in range(3))) for p in P]
    assert rule(Decision(cost=cost.tolist()))(P).tolist() == expected
    named = {"ham": {"spam": 10}, "junk": {"ham": 4}, "spam": {"ham": 2, "junk": 2}}
    np.testing.assert_array_equal(rule(Decision(cost=named)).cost, cost)


def test_pairs_that_are_left_out_cost_one():
    np.testing.assert_array_equal(rule(Decision(cost={"spam": {"ham": 5}})).cost, [[0, 1, 1], [1, 0, 1], [5, 1, 0]])


def test_weights_alone_mean_that_errors_cost_them():
    weights = np.array([0.2, 1.0, 4.0])
    assert rule(weights=weights)(P).tolist() == (P * weights).argmax(axis=1).tolist() == [2, 2, 2]
    assert rule(Decision(threshold={"ham": 0.5}), weights)(P).tolist() == [0, 1, 2]


def test_a_threshold_lifts_one_label_over_more_probable_ones():
    assert rule(Decision(threshold={"spam": 0.25}))(P).tolist() == [0, 2, 2]
    assert rule(Decision(threshold={"spam": 0.9}))(P).tolist() == [0, 1, 1]


def test_labels_are_known_by_value_or_by_their_text():
    decision, codes = Decision(threshold={"3": 0.25}), np.array([0, 1, 2])
    assert make_rule(decision, [1, 2, 3], None, codes, P).label == 2
    assert make_rule(Decision(threshold={3: 0.25}), [1, 2, 3], None, codes, P).label == 2
    assert make_rule(Decision(threshold={"True": 0.25}), [False, True], None, codes, P[:, :2]).label == 1


def test_the_threshold_of_best_f1_is_that_of_a_scan():
    rng = np.random.default_rng(0)
    p = np.round(rng.random(300), 2)
    positive = rng.random(300) < p**2
    scan = max(f1_score(positive, p >= t) for t in np.unique(p))
    assert f1_score(positive, p >= best_f1(p, positive)) == pytest.approx(scan)
    assert 0 < best_f1(np.array([0.4, 0.2]), np.array([True, True])) < 0.2


def test_the_cutoff_is_the_widest_share_whose_bound_holds():
    confidence = np.linspace(0.5, 1, 1000)
    right = np.ones(1000, dtype=bool)
    right[:300:2] = False  # the 300 least confident rows are right half of the time
    found = find_cutoff(confidence, right, 0.9, 0.95)
    assert found.n == 1000
    assert found.right / found.kept > found.bound >= 0.9
    wider = confidence >= np.sort(confidence)[::-1][round(1000 * (found.kept / 1000 + 0.05)) - 1]
    assert right[wider].mean() < 0.92
    assert find_cutoff(confidence, np.ones(1000, dtype=bool), 0.9, 0.95).kept == 1000


def test_the_precision_is_kept_as_often_as_promised():
    rng, true = np.random.default_rng(0), []
    for _ in range(300):
        p = rng.uniform(0.5, 1, 400)
        with contextlib.suppress(UserError):
            found = find_cutoff(p, rng.random(400) < p, 0.8, 0.8)
            true.append((found.confidence + 1) / 2)  # the precision of uniform confidences above it
    assert len(true) > 250
    assert np.mean(np.array(true) < 0.8) <= 0.2
    assert np.median(true) < 0.9


def test_rows_of_one_confidence_are_kept_together():
    confidence = np.repeat([0.9, 0.6], 100)
    found = find_cutoff(confidence, confidence > 0.7, 0.9, 0.95)
    assert (found.kept, found.right, found.confidence) == (100, 100, 0.9)


def test_a_precision_out_of_reach_is_refused_with_the_best_there_is():
    with pytest.raises(
        UserError, match=r"No confidence reaches precision 0.99 .* on the 50 .* best bound is 0\.\d+"
    ) as error:
        find_cutoff(np.linspace(0.5, 1, 50), np.ones(50, dtype=bool), 0.99, 0.95)
    assert "ask for at most 0.8" in error.value.hint


def test_abstention_judges_the_label_that_was_decided():
    many = np.repeat(P, 100, axis=0)
    codes = np.repeat([0, 1, 2], 100)
    found = make_rule(Decision(precision=0.9), CLASSES, None, codes, many)
    assert found.abstains(P, np.array([0, 1, 2])).tolist() == [False, False, False]
    assert found.abstains(P, np.array([2, 2, 2])).tolist() == [True, True, False]


@pytest.mark.parametrize("decision", [Decision(precision=0.9), Decision(threshold={"spam": "f1"})])
def test_nothing_is_chosen_without_held_out_rows(decision):
    with pytest.raises(UserError, match="these training rows allow none"):
        make_rule(decision, CLASSES, None, np.empty(0, dtype=int), np.empty((0, 3)))


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        ({"precision": 0.9}, "must be a frostline.Decision"),
        (Decision(cost=[[0]], threshold={"spam": 0.1}), "Both a cost and a threshold"),
        (Decision(precision=1.0), "precision of a decision lies between"),
        (Decision(precision=0.9, level=0), "level of a decision lies between"),
        (Decision(cost=[[0, 1], [1, 0]]), r"matrix of shape \(3, 3\)"),
        (Decision(cost=[[0, 1, "2"]] * 3), "must be a number, got '2'"),
        (Decision(cost=[[0, 1, np.nan]] * 3), "must be a number, got nan"),
        (Decision(cost={"spma": {"ham": 1}}), "label 'spma'.*Did you mean 'spam'"),
        (Decision(cost={"spam": 3}), "must be {predicted: cost}"),
        (Decision(threshold={"spam": 0.1, "ham": 0.2}), "must name one label"),
        (Decision(threshold={"spam": 2}), "lies between 0 and 1"),
        (Decision(threshold={"spam": "best"}), "or is 'f1'"),
    ],
)
def test_what_cannot_be_meant_is_refused(decision, message):
    with pytest.raises(UserError) as error:
        check_decision(decision, CLASSES)
    import re

    assert re.search(message, str(error.value), re.DOTALL)


def test_a_rule_is_a_value():
    assert Rule(label=1, threshold=0.3)(P).tolist() == [1, 1, 2]
