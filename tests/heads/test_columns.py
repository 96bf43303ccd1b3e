from __future__ import annotations

import json

import numpy as np

from frostline.heads import ColumnsRegressor, KernelRegressor


def rows(n=150, seed=0):
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.uniform(-2, 2, n), rng.integers(0, 3, n), rng.normal(size=n)])
    y = np.sin(2 * X[:, 0]) + np.array([5.0, 0.0, -5.0])[X[:, 1].astype(int)]
    X[::7, 2] = np.nan
    return X, y


def test_categories_are_no_scale():
    X, y = rows()
    mask = np.array([False, True, False])
    head = ColumnsRegressor(mask).fit(X, y)
    new, truth = rows(80, seed=1)
    assert head.score(new, truth) > 0.99
    assert head.oof_pred_.shape == (150,)
    dense = head.dense_(X)
    assert dense.shape == (150, 2 + 1 + 3)  # two numbers, one that says what is missing, three categories
    assert np.isfinite(dense).all()
    np.testing.assert_array_equal(dense[:, 3:].sum(axis=1), 1)
    np.testing.assert_array_equal(head.predict(new), KernelRegressor().fit(dense, y).predict(head.dense_(new)))


def test_an_unknown_category_and_an_empty_column():
    X, y = rows()
    X = np.column_stack([X, np.full(len(X), np.nan)])
    head = ColumnsRegressor(np.array([False, True, False, False])).fit(X, y)
    odd = np.array([[0.0, np.nan, 0.0, 1.0]])
    assert np.isfinite(head.predict(odd)).all()
    np.testing.assert_array_equal(head.dense_(odd)[0, -3:], 0)


def test_saved_and_restored():
    X, y = rows(60)
    head = ColumnsRegressor(np.array([False, True, False])).fit(X, y)
    params, tensors = head.get_state()
    again = ColumnsRegressor.from_state(json.loads(json.dumps(params)), tensors)
    np.testing.assert_array_equal(again.predict(X), head.predict(X))
