"""Heads for label sets: each label is the regression that scikit-learn fits alone, whatever the others are."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from frostline.heads import LabelPool, LinearClassifier, LinearMultilabel, TfidfMultilabel
from frostline.heads.multilabel import label_folds


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(160, 6))
    scores = X @ rng.normal(size=(6, 4)) + [0, 0, -2, -4]
    return X, rng.random((160, 4)) < 1 / (1 + np.exp(-1.5 * scores))


def test_each_label_is_scikit_learns_regression(rows):
    X, Y = rows
    head = LinearMultilabel([0.03]).fit(X, Y)
    Z = StandardScaler().fit_transform(X)
    for k in range(4):
        oracle = LogisticRegression(C=1 / (160 * 0.03), tol=1e-12, max_iter=100_000).fit(Z, Y[:, k])
        np.testing.assert_allclose(head.predict_proba(X)[:, k], oracle.predict_proba(Z)[:, 1], atol=1e-4)


def test_one_label_is_the_classifier_of_two_classes(rows):
    X, Y = rows
    alone, pair = LinearMultilabel([0.03]).fit(X, Y[:, :1]), LinearClassifier([0.03]).fit(X, Y[:, 0])
    np.testing.assert_allclose(alone.predict_proba(X)[:, 0], pair.predict_proba(X)[:, 1], atol=1e-5)
    np.testing.assert_allclose(alone.oof_proba_[:, 0], pair.oof_proba_[:, 1], atol=0.1)


def test_held_out_rows_are_predicted_by_models_without_them(rows):
    X, Y = rows
    head = LinearMultilabel([0.03], cv=4, seed=3).fit(X, Y)
    train, test = label_folds(Y, None, 4, 3)[1]
    scaler = StandardScaler().fit(X[train])
    for k in range(3):
        oracle = LogisticRegression(C=1 / (len(train) * 0.03), tol=1e-10, max_iter=10_000)
        oracle.fit(scaler.transform(X[train]), Y[train, k])
        expected = oracle.predict_proba(scaler.transform(X[test]))[:, 1]
        np.testing.assert_allclose(head.oof_proba_[test, k], expected, atol=5e-3)


def test_labels_of_all_rows_or_none_and_of_one_fold(rows):
    X, Y = rows
    Y = np.column_stack([Y[:, 0], np.ones(160, dtype=bool), np.zeros(160, dtype=bool), np.arange(160) == 7])
    head = LinearMultilabel().fit(X, Y)
    p = head.predict_proba(X)
    assert np.isfinite(head.oof_proba_).all()
    np.testing.assert_allclose(p[:, 1], 161 / 162)
    np.testing.assert_allclose(p[:, 2], 1 / 162)
    assert p[7, 3] == p[:, 3].max()


def test_folds_spread_rare_labels_and_keep_groups_together(rows):
    _, Y = rows
    Y = np.column_stack([Y, np.isin(np.arange(160), [3, 50, 90, 120])])
    assert all(Y[test, -1].any() for _, test in label_folds(Y, None, 4, 0))
    groups = (np.arange(160) // 2).tolist()
    assert all(
        not {groups[i] for i in train} & {groups[i] for i in test} for train, test in label_folds(Y, groups, 4, 0)
    )
    assert label_folds(Y, [0] * 160, 4, 0) == []


def test_many_labels_are_tuned_on_one_fold():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(120, 5)), rng.random((120, 12)) < 0.3
    found, p = LinearMultilabel().tune(X, Y)
    assert p.shape == (len(found), 12)
    assert len(found) < 60
    assert LinearMultilabel().fit(X, Y).oof_proba_.shape == (120, 12)


def test_states_restore_predictions_bit_for_bit(rows):
    X, Y = rows
    head = LinearMultilabel().fit(X, Y)
    np.testing.assert_array_equal(
        LinearMultilabel.from_state(*head.get_state()).predict_proba(X), head.predict_proba(X)
    )
    words = ["cold", "ice", "warm", "sun"]
    texts = [" ".join(words[k] for k in np.flatnonzero(row)) + f" {i}" for i, row in enumerate(Y)]
    text_head = TfidfMultilabel().fit(texts, Y)
    again = TfidfMultilabel.from_state(*text_head.get_state())
    np.testing.assert_array_equal(again.predict_proba(texts), text_head.predict_proba(texts))
    right = (text_head.oof_proba_ >= 0.5) == Y
    assert right.mean() > 0.95


def test_a_pool_calibrates_each_label_and_trusts_the_better_predictor():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(6000, 2)) * 2
    truths = rng.random((6000, 2)) < 1 / (1 + np.exp(-logits))
    tilted = 1 / (1 + np.exp(-(logits * [3, 0.5] + [1, -1])))
    noise = rng.random((6000, 2))
    pool = LabelPool.fit([tilted, noise], truths)
    np.testing.assert_allclose(pool([tilted, noise]), 1 / (1 + np.exp(-logits)), atol=0.05)
    assert (pool.weights[1] < 0.1).all()
    np.testing.assert_allclose(LabelPool.fit([noise, tilted], truths).weights[0], 0, atol=0.1)
    few = LabelPool.fit([tilted[:3]], truths[:3])
    np.testing.assert_allclose(few.weights[0], 1, atol=0.5)
