"""Means over seeds with intervals over rows, and over draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from frostline.studies.arms import pack, unpack
from frostline.studies.cells import Outcome
from frostline.studies.tally import Tally, tallies


def result(hits):
    return {"hits": pack(np.array(hits, dtype=bool))}


@pytest.mark.parametrize("n", [1, 7, 8, 9, 100])
def test_hits_survive_json(n):
    hits = np.random.default_rng(n).random(n) < 0.5
    assert np.array_equal(unpack(pack(hits)), hits)


def test_the_interval_is_about_that_of_the_binomial():
    rng = np.random.default_rng(0)
    found = Tally([result(rng.random(2000) < 0.8)]).accuracy
    error = np.sqrt(found.value * (1 - found.value) / 2000)
    assert found.lower == pytest.approx(found.value - 1.96 * error, abs=0.3 * error)
    assert found.upper == pytest.approx(found.value + 1.96 * error, abs=0.3 * error)


def test_a_paired_difference_is_narrower_than_its_parts():
    rng = np.random.default_rng(1)
    first = rng.random(1000) < 0.7
    second = first.copy()
    second[:30] = True
    gain = Tally([result(second)]).minus(Tally([result(first)]))
    assert gain.value == pytest.approx(second.mean() - first.mean())
    assert 0 < gain.upper - gain.lower < 0.02
    assert str(gain).startswith("+")


def test_seeds_are_averaged_and_rows_chosen():
    both = Tally([result([1, 1, 0, 0]), result([1, 0, 0, 0])])
    assert both.accuracy.value == pytest.approx(3 / 8)
    other = Tally([result([1, 0, 1, 0, 1, 1])])
    assert Tally([result([1, 1])]).minus(other, np.array([1, 3])).value == 1.0


def test_draws_have_students_interval_within_the_range():
    found = Tally([result([1, 0, 0, 0]), result([1, 1, 0, 0]), result([1, 1, 1, 0])]).over_draws
    reach = stats.t.ppf(0.975, 2) * 0.25 / np.sqrt(3)
    assert (found.value, found.lower, found.upper) == pytest.approx((0.5, max(0.5 - reach, 0), min(0.5 + reach, 1)))
    assert Tally([result([1, 0])]).over_draws.lower is None


def test_keys_without_the_seed_belong_together_and_failures_stay_out():
    outcomes = [Outcome({"arm": arm, "seed": seed}, result([seed])) for arm in "ab" for seed in (0, 1)]
    found = tallies([*outcomes, Outcome({"arm": "c", "seed": 0}, error="no")])
    assert [len(tally.results) for tally in found.values()] == [2, 2]
