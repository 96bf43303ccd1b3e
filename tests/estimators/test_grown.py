"""Trees that several questions share: each fold's are grown once for each scale, and are what a refit would grow."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import frostline
from frostline.baselines import TreesRegressor, boosting
from frostline.estimators.grown import ColumnTrees
from frostline.splits import group_folds


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    size, color = rng.normal(size=80), rng.choice(["red", "blue"], 80)
    return pa.table({"size": size, "color": color}), size + (color == "red") + rng.normal(0, 0.3, 80)


def test_held_out_predictions_are_those_of_refits(rows):
    table, y = rows
    groups = np.arange(80) // 4
    trees = ColumnTrees(table, groups, seed=3)
    found, predicted = trees.held_out(y)
    assert found.tolist() == list(range(80))
    for k, (train, test) in enumerate(group_folds(y, list(groups), 5, 3, False)):
        fresh = boosting("regression", y, trees.encoder.categorical_, 3).fit(trees.X[train], y[train])
        np.testing.assert_array_equal(predicted[test], fresh.predict(trees.X[test]))
        np.testing.assert_array_equal(trees.of_folds(y)[k].predict(trees.X), fresh.predict(trees.X))


def test_one_group_allows_no_folds(rows):
    table, y = rows
    trees = ColumnTrees(table, np.zeros(80, dtype=int), seed=0)
    assert trees.of_folds(y) == []
    assert [len(part) for part in trees.held_out(y)] == [0, 0]
    assert trees.fit(y).predict(trees.X).shape == (80,)


def test_a_fit_grows_no_trees_twice(rows, monkeypatch):
    table, y = rows
    seen = []
    fit = TreesRegressor.fit
    monkeypatch.setattr(TreesRegressor, "fit", lambda self, X, z: (seen.append(z.tobytes()), fit(self, X, z))[1])
    reg = frostline.TextRegressor(features="raw").fit(table, np.exp(y))
    assert len(seen) == len(set(seen)) > 6  # five folds of each scale that was compared, and all rows
    assert len(reg.fold_heads_) == 5
