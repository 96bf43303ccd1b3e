"""Intervals of shares against SciPy's, and their coverage against the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, binomtest
from sklearn.metrics import f1_score

from frostline.errors import UserError
from frostline.numerics.proportions import clopper_pearson, f1_interval, lower_bound, wilson

COUNTS = [(0, 10), (3, 10), (10, 10), (59, 60), (1, 1000)]


@pytest.mark.parametrize(("k", "n"), COUNTS)
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_both_intervals_are_scipys(k, n, level):
    for own, method in ((clopper_pearson, "exact"), (wilson, "wilson")):
        expected = binomtest(k, n).proportion_ci(level, method)
        assert own(k, n, level) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_one_sided_bound_is_where_so_many_successes_become_unlikely():
    bound = lower_bound(57, 60, 0.95)
    assert binom.sf(56, 60, bound) == pytest.approx(0.05)
    assert lower_bound(60, 60, 0.95) == pytest.approx(0.05 ** (1 / 60))
    assert lower_bound(0, 60, 0.95) == 0.0


def test_without_rows_nothing_is_known():
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    assert wilson(0, 0) == (0.0, 1.0)
    assert f1_interval(0, 0, 0) == (0.0, 1.0)


def test_the_interval_of_f1_holds_the_true_one():
    rng, inside = np.random.default_rng(0), 0
    joint = np.array([0.72, 0.08, 0.05, 0.15])  # true negative, false positive, false negative, hit
    truth = 2 * 0.15 / (2 * 0.15 + 0.13)
    for _ in range(400):
        cells = rng.choice(4, 150, p=joint)
        hits, true, predicted = (cells == 3).sum(), (cells >= 2).sum(), np.isin(cells, (1, 3)).sum()
        lower, upper = f1_interval(int(hits), int(true), int(predicted))
        assert lower <= f1_score(cells >= 2, np.isin(cells, (1, 3))) <= upper
        inside += lower <= truth <= upper
    assert 0.92 <= inside / 400 <= 0.98


@pytest.mark.parametrize("wrong", [(3, 2, 0.9), (-1, 2, 0.9), (1, 2, 1.0)])
def test_what_is_no_share_is_refused(wrong):
    with pytest.raises(UserError, match="0 <= successes <= trials"):
        wilson(*wrong)
