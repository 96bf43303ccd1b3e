from __future__ import annotations

import numpy as np
import pytest

from frostline.errors import ArtifactError, UserError
from frostline.uncertainty import CrossIntervals, ResidualIntervals, conformal_quantile, cv_plus


def test_radius_is_the_conformal_quantile():
    intervals = ResidualIntervals.from_oof(np.arange(1.0, 20.0), np.zeros(19))  # errors 1..19
    assert intervals.radius(0.9) == 18  # ceil(20 * 0.9)
    assert intervals.radius(0.5) == 10
    lower, upper = intervals.interval([100.0, 0.0], 0.9)
    assert lower.tolist() == [82, -18]
    assert upper.tolist() == [118, 18]


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_coverage_on_fresh_rows(level):
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(300):
        intervals = ResidualIntervals.from_oof(rng.standard_t(3, 80), np.zeros(80))
        covered.append(np.mean(np.abs(rng.standard_t(3, 200)) <= intervals.radius(level)))
    assert np.mean(covered) == pytest.approx(level + 0.006, abs=0.012)


def test_state():
    intervals = ResidualIntervals.from_oof(np.random.default_rng(0).normal(size=50), np.zeros(50))
    again = ResidualIntervals.from_state(*intervals.get_state())
    assert again.radius(0.8) == intervals.radius(0.8)


@pytest.mark.parametrize("level", [0.0, 1.0, 1.5, 0.99])
def test_levels_that_cannot_be_had(level):
    with pytest.raises(UserError):
        ResidualIntervals.from_oof(np.arange(20.0), np.zeros(20)).radius(level)


def test_too_few_rows_say_how_many_are_needed():
    intervals = ResidualIntervals.from_oof(np.arange(1.0, 9.0), np.zeros(8))
    with pytest.raises(UserError, match="at least 9 are needed"):
        intervals.radius(0.9)
    assert ResidualIntervals.from_oof(np.arange(1.0, 10.0), np.zeros(9)).radius(0.9) == 9  # ceil(10 * 0.9) = 9
    assert ResidualIntervals.from_oof(np.arange(1.0, 100.0), np.zeros(99)).radius(0.07) == 7  # 100 * 0.07 > 7 in floats


def test_width_is_upper_minus_lower():
    intervals = ResidualIntervals.from_oof([1.0, -3.0, 2.0], [0.0, 0.0, 0.0])
    lower, upper = intervals.interval([5.0], 0.5)
    assert intervals.width(0.5) == (upper - lower).item() == 4.0


@pytest.mark.parametrize("y", [[], [1.0, 2.0, 3.0], [[1.0], [2.0]], [1.0, np.nan]])
def test_residuals_that_cannot_be_had(y):
    with pytest.raises(UserError):
        ResidualIntervals.from_oof(y, np.zeros(np.shape(y) if np.ndim(y) == 2 else min(len(y), 2)))


@pytest.mark.parametrize(
    ("params", "tensors"),
    [
        ({"level": 0.9}, {"residuals": np.ones(3)}),
        ({}, {}),
        ({}, {"residuals": np.array([2.0, 1.0])}),
        ({}, {"residuals": np.array([-1.0, 1.0])}),
        ({}, {"residuals": np.array([1.0, np.nan])}),
        ({}, {"residuals": np.zeros((2, 2))}),
        ({}, {"residuals": np.zeros(0)}),
    ],
)
def test_states_that_were_not_saved_by_us(params, tensors):
    with pytest.raises(ArtifactError):
        ResidualIntervals.from_state(params, tensors)


def test_quantile_by_hand():
    scores = [3.0, 1.0, 2.0, 4.0]
    assert [conformal_quantile(scores, level) for level in (0.2, 0.21, 0.8, 0.81)] == [1.0, 2.0, 4.0, np.inf]
    assert conformal_quantile([], 0.5) == np.inf
    with pytest.raises(UserError, match="between 0 and 1"):
        conformal_quantile(scores, 1.0)


def test_cv_plus_by_hand():
    # Two folds that predict 0 and 10, rows with errors 1, 2 and 3, 4: upper 1, 2, 13, 14 and lower -1, -2, 7, 6.
    predicted, errors, folds = [[0.0], [10.0]], [1.0, 2.0, 3.0, 4.0], [0, 0, 1, 1]
    assert cv_plus(predicted, errors, folds, 0.8) == (-2.0, 14.0)  # k = 4
    assert cv_plus(predicted, errors, folds, 0.6) == (-1.0, 13.0)  # k = 3
    assert cv_plus(predicted, errors, folds, 0.9) == (-np.inf, np.inf)  # k = 5


def test_cv_plus_of_equal_models_is_split_conformal():
    rng = np.random.default_rng(0)
    errors, center = np.abs(rng.normal(size=40)), rng.normal(size=7)
    lower, upper = cv_plus(np.stack([center] * 4), errors, np.arange(40) % 4, 0.85)
    q = conformal_quantile(errors, 0.85)
    np.testing.assert_allclose(lower, center - q)
    np.testing.assert_allclose(upper, center + q)


def test_cv_plus_in_parts_is_the_same(monkeypatch):
    rng = np.random.default_rng(1)
    given = rng.normal(size=(3, 11)), np.abs(rng.normal(size=20)), np.arange(20) % 3, 0.9
    whole = cv_plus(*given)
    monkeypatch.setattr("frostline.uncertainty._AT_ONCE", 60)
    np.testing.assert_array_equal(cv_plus(*given), whole)


@pytest.mark.parametrize("level", [0.8, 0.9])
@pytest.mark.parametrize("n", [20, 37])
def test_intervals_are_those_of_mapie(n, level):
    regression = pytest.importorskip("mapie.regression")
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import KFold

    rng = np.random.default_rng(n)
    X, new = rng.normal(size=(n, 3)), rng.normal(size=(25, 3))
    y = X @ [1.0, -2.0, 0.5] + rng.standard_t(3, n)
    folds, predicted, residuals = np.empty(n, dtype=int), [], np.empty(n)
    parts = KFold(4)
    for k, (train, held) in enumerate(parts.split(X)):
        model = Ridge().fit(X[train], y[train])
        predicted.append(model.predict(new))
        folds[held], residuals[held] = k, np.abs(y[held] - model.predict(X[held]))
    cross = regression.CrossConformalRegressor(Ridge(), confidence_level=level, method="plus", cv=parts)
    _, theirs = cross.fit_conformalize(X, y).predict_interval(new)
    np.testing.assert_allclose(np.stack(cv_plus(predicted, residuals, folds, level), 1), theirs[:, :, 0])

    model = Ridge().fit(X, y)
    fresh = rng.normal(size=(n, 3))
    truth = fresh @ [1.0, -2.0, 0.5] + rng.standard_t(3, n)
    split = regression.SplitConformalRegressor(model, confidence_level=level, prefit=True)
    _, theirs = split.conformalize(fresh, truth).predict_interval(new)
    ours = ResidualIntervals.from_oof(truth, model.predict(fresh)).interval(model.predict(new), level)
    np.testing.assert_allclose(np.stack(ours, 1), theirs[:, :, 0])


def test_cv_plus_covers_where_models_remember_their_rows():
    """Nearest neighbors have no error on their own rows; the folds' errors are honest."""
    rng = np.random.default_rng(2)
    covered = []
    for _ in range(100):
        x, new = rng.uniform(size=40), rng.uniform(size=50)
        y, truth = x + rng.normal(0, 0.3, 40), new + rng.normal(0, 0.3, 50)
        folds = np.arange(40) % 5
        near = lambda at, k: y[folds != k][np.abs(at[:, None] - x[folds != k]).argmin(axis=1)]  # noqa: B023, E731
        residuals = np.array([abs(y[i] - near(x[i : i + 1], folds[i])[0]) for i in range(40)])
        lower, upper = cv_plus([near(new, k) for k in range(5)], residuals, folds, 0.9)
        covered.append(np.mean((lower <= truth) & (truth <= upper)))
    assert 0.89 < np.mean(covered) < 0.97


def test_cross_intervals_keep_their_state_and_refuse():
    intervals = CrossIntervals(np.arange(1.0, 13.0), np.arange(12) % 3)
    assert intervals.n_folds == 3
    again = CrossIntervals.from_state(*intervals.get_state())
    predicted = [[0.0], [1.0], [2.0]]
    np.testing.assert_array_equal(again.interval(predicted, 0.9), intervals.interval(predicted, 0.9))
    with pytest.raises(UserError, match="12 rows are too few for intervals at level 0.95: at least 19 are needed"):
        intervals.interval(predicted, 0.95)


@pytest.mark.parametrize(
    ("params", "tensors"),
    [
        ({}, {"residuals": np.ones(3)}),
        ({"n": 1}, {"residuals": np.ones(3), "folds": np.zeros(3, int)}),
        ({}, {"residuals": np.ones(3), "folds": np.zeros(2, int)}),
        ({}, {"residuals": -np.ones(3), "folds": np.zeros(3, int)}),
        ({}, {"residuals": np.ones(3), "folds": np.zeros(3)}),
    ],
)
def test_cross_states_that_were_not_saved_by_us(params, tensors):
    with pytest.raises(ArtifactError):
        CrossIntervals.from_state(params, tensors)
