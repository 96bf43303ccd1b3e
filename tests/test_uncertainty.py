from __future__ import annotations

import numpy as np
import pytest

from frostline.errors import ArtifactError, UserError
from frostline.uncertainty import ResidualIntervals


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
