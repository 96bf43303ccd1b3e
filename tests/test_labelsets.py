"""Sets of labels: read, turned into truth values and back, and the thresholds from which a label is given."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from frostline.decisions import Decision
from frostline.errors import UserError
from frostline.labelsets import are_sets, check_label_decision, label_sets, make_label_rule, read_sets, truth_table


def test_what_counts_as_sets():
    assert are_sets([["a"], []])
    assert are_sets([("a", "b"), None])
    assert are_sets(np.array([{"a"}, {"b"}], dtype=object))
    for single in (["a|b", "c"], np.array(["ab", "c"]), [1, 2], np.eye(2), None):
        assert not are_sets(single)


def test_sets_to_truth_values_and_back():
    sets = read_sets([["b", "a"], (), {"c", "a"}, ["a", "a"]], 4)
    assert sets.tolist() == [("a", "b"), (), ("a", "c"), ("a",)]
    table = truth_table(sets, ["a", "b", "c"])
    assert table.astype(int).tolist() == [[1, 1, 0], [0, 0, 0], [1, 0, 1], [1, 0, 0]]
    assert label_sets(table, ["a", "b", "c"]).tolist() == sets.tolist()
    assert truth_table(sets, ["a"])[:, 0].tolist() == [True, False, True, True]
    assert read_sets([[1], [2]], 2).tolist() == [(1,), (2,)]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([["a"], "b"], "not in 1, the first of them row 1"),
        ([["a"], None], "not in 1, the first of them row 1"),
        ([["a"], [1]], "several types"),
        ([["a"], [None]], "several types"),
        ([["a"], ["a"]], "same labels"),
        ([["a"]], "inconsistent numbers of samples"),
        ([[["a"]], [["b"]]], "no labels"),
    ],
)
def test_sets_that_cannot_be_learnt(y, message):
    with pytest.raises(UserError) as error:
        read_sets(y, 2)
    assert message in str(error.value)


@pytest.fixture
def held_out():
    rng = np.random.default_rng(0)
    p = rng.beta(0.5, [1, 3, 60], (400, 3))
    return rng.random((400, 3)) < p, p


def test_thresholds_have_the_highest_f1_and_rare_labels_share_one(held_out):
    truths, p = held_out
    assert truths.sum(axis=0)[2] < 10
    rule = make_label_rule(None, ["a", "b", "c"], truths, p)
    for k in (0, 1):
        best = max(f1_score(truths[:, k], p[:, k] >= t) for t in p[:, k])
        assert f1_score(truths[:, k], rule(p)[:, k]) == pytest.approx(best)
    best = max(f1_score(truths.ravel(), p.ravel() >= t) for t in np.quantile(p, np.linspace(0, 1, 400)))
    assert f1_score(truths.ravel(), p.ravel() >= rule.thresholds[2]) >= best


def test_thresholds_that_are_asked_for(held_out):
    chosen = make_label_rule(None, ["a", "b", "c"], *held_out).thresholds
    mapped = make_label_rule(Decision(threshold={"b": 0.7, "c": "f1"}), ["a", "b", "c"], *held_out).thresholds
    assert mapped.tolist() == [chosen[0], 0.7, chosen[2]]
    assert make_label_rule(Decision(threshold=0.3), ["a", "b", "c"], *held_out).thresholds.tolist() == [0.3] * 3
    assert make_label_rule(Decision(threshold="f1"), ["a", "b", "c"], *held_out).thresholds.tolist() == chosen.tolist()
    nothing = np.empty((0, 3), dtype=bool), np.empty((0, 3))
    assert make_label_rule(None, ["a", "b", "c"], *nothing).thresholds.tolist() == [0.5] * 3


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        (Decision(cost=[[0]]), "are for rows of one label"),
        (Decision(precision=0.9), "are for rows of one label"),
        (Decision(threshold=2), "between 0 and 1"),
        (Decision(threshold={"a": "most"}), "between 0 and 1"),
        (Decision(threshold={"z": 0.5}), "label 'z'"),
    ],
)
def test_decisions_that_sets_do_not_have(decision, message):
    with pytest.raises(UserError) as error:
        check_label_decision(decision, ["a", "b"])
    assert message in str(error.value)
