from __future__ import annotations

import numpy as np
import pytest

from frostline.errors import UserError
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
