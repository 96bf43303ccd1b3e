from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

from frostline.errors import UserError
from frostline.heads import KernelRegressor, LinearRegressor
from frostline.heads._smoother import SmootherFolds
from frostline.splits import group_folds


def rows(n=120, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, size=(n, 3))
    return X, np.sin(2 * X[:, 0]) + X[:, 1] ** 2 + 0.3 * X[:, 2] + rng.normal(0, 0.05, n)


def test_it_is_kernel_ridge_with_a_free_constant():
    X, y = rows()
    head = KernelRegressor(scales=[1.0]).fit(X, y)

    def kernel(A, B):
        A, B = ((M - X.mean(0)) / X.std(0) for M in (A, B))
        d2 = ((A[:, None] - B) ** 2).sum(-1)
        return np.exp(-d2 / (2 * head.scale_ * head.median_)) + head.linear / 3 * A @ B.T

    K = kernel(X, X)
    centered = K - K.mean(0) - K.mean(1)[:, None] + K.mean()  # a free constant is the kernel of centered features
    oracle = KernelRidge(alpha=head.strength_ * len(y), kernel="precomputed").fit(centered, y - y.mean())
    new = rows(40, seed=1)[0]
    among = kernel(new, X)
    expected = oracle.predict(among - among.mean(1)[:, None] - K.mean(0) + K.mean()) + y.mean()
    np.testing.assert_allclose(head.predict(new), expected, atol=1e-6)


def test_held_out_predictions_are_those_of_refits():
    X, y = rows(60)
    groups = np.arange(60) // 3
    head = KernelRegressor(scales=[1.0], cv=4).fit(X, y, groups=list(groups))
    rest = np.abs(head.oof_pred_ - y)
    assert 0.9 < 1 - (rest**2).mean() / y.var() < 1
    assert rest.mean() > np.abs(head.predict(X) - y).mean()
    shifted = y + 10.0 * (groups == 0)  # rows of a group that was held out cannot tell of its shift
    other = KernelRegressor(scales=[1.0], cv=4).fit(X, shifted, groups=list(groups))
    assert (shifted - other.oof_pred_)[groups == 0].min() > 5


@pytest.mark.parametrize("twice", [False, True])
def test_folds_that_are_never_fitted_predict_as_if_they_were(twice):
    X, y = rows(90)
    if twice:  # equal rows: the kernel has directions of length zero beside that of the constant
        X, y = np.repeat(X[:45], 2, axis=0), np.repeat(y[:45], 2)
    K = np.exp(-((X[:, None] - X) ** 2).sum(-1)) + X @ X.T / 3
    folds = group_folds(y, list(np.arange(90) // 2), 5, 0, False)
    smoother = SmootherFolds(K, y, folds)
    for strength in (10.0, 0.01, 1e-5):
        (score,) = smoother.evaluate([strength])
        expected = np.empty(90)
        for train, test in folds:
            among, across = K[np.ix_(train, train)], K[np.ix_(test, train)]
            left, top = among.mean(1), among.mean()
            centered = among - left - left[:, None] + top
            dual = np.linalg.solve(centered + strength * len(train) * np.eye(len(train)), y[train] - y[train].mean())
            expected[test] = (across - across.mean(1)[:, None] - left + top) @ dual + y[train].mean()
        np.testing.assert_allclose(smoother.held_out(strength), expected, atol=1e-6)
        assert score.mean == pytest.approx(((expected - y) ** 2).mean(), abs=1e-6)
        dual, constant = smoother.fit(strength)
        assert (K @ dual + constant).mean() == pytest.approx(y.mean())


def test_smooth_functions_need_it():
    X, y = rows()
    new, truth = rows(200, seed=1)
    assert KernelRegressor().fit(X, y).score(new, truth) > 0.95
    assert LinearRegressor().fit(X, y).score(new, truth) < 0.6


def test_landmarks_bound_the_work():
    X, y = rows(300)
    head = KernelRegressor(n_landmarks=80).fit(X, y)
    assert head.landmarks_.shape == (80, 3)
    assert head.score(*rows(200, seed=1)) > 0.93


def test_saved_and_restored():
    X, y = rows(40)
    head = KernelRegressor().fit(X, y)
    params, tensors = head.get_state()
    again = KernelRegressor.from_state(json.loads(json.dumps(params)), tensors)
    np.testing.assert_array_equal(again.predict(X), head.predict(X))


def test_odd_rows():
    X, y = rows(1)
    assert KernelRegressor().fit(X, y).predict(X) == pytest.approx(y)
    X, y = rows(50)
    X[:, 1] = 7.0  # constant
    assert np.isfinite(KernelRegressor().fit(np.repeat(X, 2, axis=0), np.repeat(y, 2)).predict(X)).all()
    with pytest.raises(UserError, match="positive scales"):
        KernelRegressor(scales=[0.0]).fit(X, y)
