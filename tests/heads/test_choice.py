from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from frostline.errors import UserError
from frostline.heads import (
    LinearClassifier,
    LinearRegressor,
    MLPRegressor,
    fit_head,
    held_out,
    make_head,
    n_parameters,
    over_folds,
)


def test_by_name():
    assert isinstance(make_head("linear", "classification", 3), LinearClassifier)
    assert make_head("linear", "regression", 3).seed == 3
    assert isinstance(make_head("mlp", "regression", 0), MLPRegressor)


def test_a_given_estimator_is_cloned():
    mine = Ridge(alpha=7)
    made = make_head(mine, "regression", 0)
    assert made is not mine
    assert made.alpha == 7
    pipeline = make_pipeline(StandardScaler(), Ridge())
    assert fit_head(make_head(pipeline, "regression", 0), np.eye(3), np.arange(3.0), np.arange(3)).predict(
        np.eye(3)
    ).shape == (3,)


@pytest.mark.parametrize(
    ("head", "task", "message"),
    [
        ("linaer", "regression", "Did you mean 'linear'"),
        (Ridge, "regression", "the class Ridge"),
        (Ridge(), "classification", "is for regression"),
        (LogisticRegression(), "regression", "is for classification"),
        (None, "regression", "got None"),
        (StandardScaler, "regression", "StandardScaler"),
    ],
)
def test_refused(head, task, message):
    with pytest.raises(UserError, match=message):
        make_head(head, task, 0)


def test_out_of_fold_predictions_of_any_head():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 4)
    X = rng.normal(size=(30, 3))[groups]
    y = rng.normal(size=30)[groups]
    nearest = KNeighborsRegressor(1).fit(X, y)
    assert (nearest.predict(X) == y).all()
    rows, found = held_out(nearest, X, y, groups, "regression", 0, every=True)
    np.testing.assert_array_equal(rows, np.arange(120))
    assert np.mean(found == y) < 0.1
    assert np.mean(held_out(nearest, X, y, None, "regression", 0, every=True)[1] == y) > 0.9
    assert len(held_out(nearest, X, y, groups, "regression", 0)[0]) == 24
    linear = LinearRegressor().fit(X, y)
    np.testing.assert_array_equal(held_out(linear, X, y, groups, "regression", 0)[1], linear.oof_pred_)
    assert len(held_out(nearest, X[:1], y[:1], groups[:1], "regression", 0)[0]) == 0


def test_held_out_classes_with_and_without_probabilities():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 20)
    X = rng.normal(size=(60, 3)) + 5 * np.eye(3)[y]
    rows, proba = held_out(GaussianNB().fit(X, y), X, y, None, "classification", 0, every=True)
    np.testing.assert_array_equal(rows, np.arange(60))
    assert (proba.argmax(1) == y).mean() > 0.9
    _, hard = held_out(LinearSVC().fit(X, y), X, y, None, "classification", 0, every=True)
    assert set(np.unique(hard)) == {0.0, 1.0}


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("name", ["linear", "mlp"])
def test_the_size_of_a_head_is_known_before_it_is_fitted(task, name):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5)).astype(np.float32)
    for n_classes in (2, 3) if task == "classification" else (0,):
        y = np.arange(60) % n_classes if n_classes else X[:, 0].astype(np.float64)
        head = make_head(name, task, 0)
        before = n_parameters(head, 5, n_classes)
        assert before == n_parameters(head.fit(X, y)) > 5


def test_folds_that_are_given_are_used_and_a_class_that_a_part_lacks_gets_nothing():
    X, y = np.array([[0.0], [0.1], [1.0], [1.1], [2.0], [2.1]], dtype=np.float32), np.array([0, 0, 1, 1, 2, 2])
    folds = [(np.arange(4), np.array([5, 4]))]
    rows, proba = over_folds(make_head("linear", "classification", 0), X, y, None, folds, "classification")
    assert rows.tolist() == [4, 5]
    assert proba.shape == (2, 3)
    assert (proba[:, 2] == 0).all()
    assert proba.sum(1) == pytest.approx(1)
