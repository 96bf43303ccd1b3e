"""Scores, smoothness and warped distances against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau

from frostline.heads import LinearRegressor
from frostline.numerics.metrics import nlfd, smoothness_gap
from frostline.studies.regression.heads import HEADS, measure_smoothness, plane, score, warp_inputs, warp_of
from frostline.studies.regression.plan import _unlabeled
from frostline.studies.regression.problems import draw_inputs, functions_at, read_tables
from frostline.studies.regression.results import _z


@pytest.fixture(scope="module")
def problem():
    return functions_at(draw_inputs(3, 0, 60), 0, ["LinearSlope"])[0]


@pytest.fixture(scope="module")
def points(problem):
    return np.column_stack([column.to_numpy() for column in problem.inputs.table.columns])


def test_a_score_is_that_of_the_head_on_the_test_rows(problem, points):
    X = points
    found = score(problem, X, "ridge", quick=True, share=0.5)
    fit, test = problem.inputs.fit[:27], problem.inputs.test
    head = LinearRegressor(seed=0).fit(X[fit], problem.y[fit])
    assert found["n_train"] == 27
    assert found["kendall_tau"] == pytest.approx(kendalltau(problem.y[test], head.predict(X[test]))[0])


@pytest.mark.parametrize("head", HEADS)
def test_every_head_ranks_a_line(problem, points, head):
    found = score(problem, points, head, quick=True)
    assert (found["n_train"], found["n_test"]) == (54, 6)
    assert found["kendall_tau"] > 0.5


def test_trees_take_categories_and_gaps(tables_folder):
    problem = read_tables(tables_folder, ["small"])[0].draw(0, 89)
    assert score(problem, None, "boosting", quick=True)["kendall_tau"] > 0.4


def test_smoothness_is_that_of_the_library(problem, points):
    X = points
    wide = np.hstack([X, X**2])
    ours = [measure_smoothness(problem, one) for one in (X, wide)]
    for scaling in ("multiply", "divide"):
        expected = smoothness_gap(*(nlfd(one, problem.y, scaling=scaling) for one in (X, wide)))
        assert _z(ours[0][scaling], ours[1][scaling]) == pytest.approx(expected)
    assert np.allclose(ours[0]["factors"], nlfd(X, problem.y, standardize_y=True), rtol=6e-3)
    assert "gap" not in ours[0]
    z, lower, upper = measure_smoothness(problem, wide, X)["gap"]
    assert lower < z < upper


def test_distances_of_the_points_themselves_are_not_warped():
    inputs, radii = warp_inputs(7, 0, _unlabeled)
    points = np.column_stack([column.to_numpy() for column in inputs.table.columns])
    assert np.abs(points).max() <= 5
    found = warp_of(points, radii)
    assert found["spearman"] == pytest.approx(1)
    assert found["linear_r2"] == pytest.approx(1)
    assert np.allclose(found["radii"], found["distances"])
    bent = warp_of(np.sign(points - points[0]) * np.sqrt(np.abs(points - points[0])), radii)
    assert bent["linear_r2"] < 0.9


def test_two_axes_hold_a_plane():
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(30, 2)) @ rng.normal(size=(2, 9)) + 3
    found = plane(flat)
    assert found["share"] == pytest.approx(1)
    assert np.shape(found["plane"]) == (30, 2)
    assert np.allclose(np.mean(found["plane"], axis=0), 0, atol=1e-5)
