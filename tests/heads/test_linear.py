"""Linear heads against closed forms and scikit-learn, and their strength chosen without looking at held-out rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_iris, make_classification
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from frostline.errors import UserError
from frostline.heads import LinearClassifier, LinearRegressor


@parametrize_with_checks([LinearClassifier(), LinearRegressor()])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learn_compatible(estimator, check):
    check(estimator)


def classes(n=150, width=12, n_classes=3, seed=0):
    return make_classification(
        n, width, n_informative=6, n_classes=n_classes, class_sep=0.8, random_state=seed, n_clusters_per_class=1
    )


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("shape", [(150, 12), (40, 90)], ids=["tall", "wide"])
def test_logistic_equals_scikit_learn(n_classes, shape):
    X, y = classes(*shape, n_classes=n_classes)
    head = LinearClassifier(strengths=[0.03]).fit(X, y)
    scaled = StandardScaler().fit_transform(X)
    oracle = LogisticRegression(C=1 / (len(y) * 0.03), tol=1e-12, max_iter=100_000).fit(scaled, y)
    np.testing.assert_allclose(head.predict_proba(X), oracle.predict_proba(scaled), atol=1e-4)
    assert (head.predict(X) == oracle.predict(scaled)).all()


def test_gradient_vanishes_at_the_solution():
    X, y = classes()
    head = LinearClassifier().fit(X, y)
    Z = StandardScaler().fit_transform(X)
    W = head.coef_ * X.std(0)
    residual = head.predict_proba(X) - (y[:, None] == head.classes_)
    gradient = residual.T @ Z / len(y) + head.strength_ * W
    assert np.abs(gradient).max() < 1e-5
    assert np.abs(residual.mean(0)).max() < 1e-5


@pytest.mark.parametrize("shape", [(120, 10), (30, 60)], ids=["tall", "wide"])
@pytest.mark.parametrize("n_targets", [None, 2])
def test_ridge_equals_the_normal_equations(shape, n_targets):
    rng = np.random.default_rng(0)
    X = rng.normal(size=shape) * rng.uniform(0.1, 9, shape[1]) + 3
    y = X[:, :3] @ rng.normal(size=(3, n_targets or 1)) + rng.normal(size=(shape[0], n_targets or 1))
    y = y if n_targets else y[:, 0]
    head = LinearRegressor(strengths=[0.1]).fit(X, y)
    oracle = Ridge(alpha=shape[0] * 0.1).fit(Z := StandardScaler().fit_transform(X), y)
    np.testing.assert_allclose(head.predict(X), oracle.predict(Z), rtol=1e-8)
    assert head.predict(X).shape == y.shape == head.oof_pred_.shape


def test_strength_is_found_between_the_edges_of_the_path():
    X, y = classes(300, 40)
    scores = LinearClassifier().fit(X, y).cv_scores_
    best = min(scores, key=lambda s: s.mean)
    assert best.strength not in (scores[0].strength, scores[-1].strength)


def test_out_of_fold_probabilities_are_honest():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(120, 400)), rng.integers(0, 2, 120)  # nothing to learn, room to learn it by heart
    head = LinearClassifier(strengths=[1e-4]).fit(X, y)
    assert (head.predict(X) == y).mean() == 1.0
    assert abs((head.oof_proba_.argmax(1) == y).mean() - 0.5) < 0.15
    np.testing.assert_allclose(head.oof_proba_.sum(1), 1, atol=1e-6)


def test_groups_stay_together():
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(40), 5)
    X = rng.normal(size=(40, 60))[groups] + 0.01 * rng.normal(size=(200, 60))
    y = rng.integers(0, 2, 40)[groups]
    loose = LinearClassifier().fit(X, y).oof_proba_.argmax(1)
    grouped = LinearClassifier().fit(X, y, groups=groups).oof_proba_.argmax(1)
    assert (loose == y).mean() > 0.95
    assert (grouped == y).mean() < 0.7
    target = rng.normal(size=40)[groups]
    free, held = (LinearRegressor().fit(X, target, groups=g).oof_pred_ for g in (None, groups))
    assert np.corrcoef(free, target)[0, 1] > 0.9
    assert abs(np.corrcoef(held, target)[0, 1]) < 0.5


def test_rare_classes_and_constant_columns():
    X, y = load_iris(return_X_y=True)
    X, y = np.column_stack([X, np.full(150, 7.0)]), y.copy()
    y[0] = 9  # a class with a single row
    head = LinearClassifier().fit(X, y)
    assert np.isfinite(head.predict_proba(X)).all()
    assert (head.predict(X) == y).mean() > 0.9
    assert (head.coef_[:, -1] == 0).all()


def test_tables_too_small_for_folds_are_fitted_without():
    head = LinearClassifier().fit(np.array([[0.0], [1.0]]), ["a", "b"])
    assert head.predict([[0.0], [1.0]]).tolist() == ["a", "b"]
    assert not hasattr(head, "oof_proba_")
    assert LinearRegressor().fit([[1.0]], [2.0]).predict([[5.0]]) == pytest.approx([2.0])


@pytest.mark.parametrize("y", [["x", "y"] * 30, [True, False] * 30, [-1, 5] * 30])
def test_state_restores_predictions_bit_for_bit(y):
    X = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    head = LinearClassifier().fit(X, y)
    again = LinearClassifier.from_state(*head.get_state())
    np.testing.assert_array_equal(again.predict_proba(X), head.predict_proba(X))
    assert again.predict(X).tolist() == head.predict(X).tolist()
    assert again.classes_.dtype == head.classes_.dtype


def test_regressor_state():
    X = np.random.default_rng(0).normal(size=(60, 5))
    for y in (X[:, 0], X[:, :2]):
        head = LinearRegressor().fit(X, y)
        np.testing.assert_array_equal(LinearRegressor.from_state(*head.get_state()).predict(X), head.predict(X))


@pytest.mark.parametrize("strengths", ["strong", [], [0.0], [-1.0], [np.nan]])
def test_wrong_strengths(strengths):
    X, y = classes()
    with pytest.raises(UserError, match="positive numbers"):
        LinearClassifier(strengths=strengths).fit(X, y)
