"""Intervals of a regressor: from models of folds, or from the out-of-fold errors of the fit."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import frostline
from frostline.errors import UserError
from frostline.uncertainty import CrossIntervals, ResidualIntervals, cv_plus


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    size, color = rng.normal(size=90), rng.choice(["red", "blue"], 90)
    y = np.exp(size + (color == "red") + rng.normal(0, 0.3, 90))
    return pa.table({"size": size, "color": color}), y


def words(rows, **params):
    """Words only: one fast head."""
    table, y = rows
    cells = zip(*table.to_pydict().values(), strict=True)
    texts = [f"{'x' * int(4 + 2 * size)} {color} {i}" for i, (size, color) in enumerate(cells)]
    return frostline.TextRegressor(features="tfidf", target_transform="log", **params), texts, y


def test_the_ends_are_those_of_cv_plus(rows):
    reg, texts, y = words(rows)
    groups = np.arange(90) // 3
    reg.fit(texts, y, groups)
    intervals = reg.intervals_
    assert isinstance(intervals, CrossIntervals)
    assert intervals.n_folds == len(reg.fold_heads_) == 5
    z = np.log(y)
    for k, (head,) in enumerate(reg.fold_heads_):
        held = np.flatnonzero(intervals.folds == k)
        assert not set(groups[held]) & set(np.delete(groups, held))
        np.testing.assert_allclose(intervals.residuals[held], np.abs(z[held] - head.predict([texts[i] for i in held])))
    new = texts[:20]
    lower, upper = reg.predict_interval(new, 0.8)
    ends = cv_plus([head.predict(new) for (head,) in reg.fold_heads_], intervals.residuals, intervals.folds, 0.8)
    np.testing.assert_allclose(np.log([lower, upper]), ends)


def test_several_heads_err_together(rows, tmp_path):
    table, y = rows
    reg = frostline.TextRegressor(features="raw", target_transform="none").fit(table, y)
    assert [len(heads) for heads in reg.fold_heads_] == [len(reg.arms_)] * 5 == [2] * 5
    held = reg.intervals_.folds == 2
    inputs = [arm.inputs(reg.extract(table.filter(held))) for arm in reg.arms_]
    found = reg.pool_([head.predict(X) for head, X in zip(reg.fold_heads_[2], inputs, strict=True)])
    np.testing.assert_allclose(reg.intervals_.residuals[held], np.abs(y[held] - found))
    reg.save(tmp_path / "m")
    again = frostline.load(tmp_path / "m")
    assert (again.intervals, len(again.fold_heads_)) == ("cv+", 5)
    np.testing.assert_array_equal(again.predict_interval(table, 0.7), reg.predict_interval(table, 0.7))


def test_out_of_fold_errors_where_asked_for_and_where_rows_are_many_or_few(rows, monkeypatch):
    reg, texts, y = words(rows, intervals="oof")
    few, *_ = words(rows, intervals="cv+")
    many, *_ = words(rows)
    monkeypatch.setattr("frostline.estimators.intervals.CROSS_ROWS", 89)
    for fitted in (reg.fit(texts, y), few.fit(texts[:19], y[:19]), many.fit(texts, y)):
        assert isinstance(fitted.intervals_, ResidualIntervals)
        assert fitted.fold_heads_ == []
    with pytest.raises(UserError, match="19 rows are too few for intervals at level 0.99: at least 99"):
        few.predict_interval(texts, 0.99)


def test_a_method_that_is_not_known(rows):
    reg, texts, y = words(rows, intervals="cv")
    with pytest.raises(UserError, match="Unknown intervals 'cv'") as error:
        reg.fit(texts, y)
    assert "cv+" in str(error.value.hint)
