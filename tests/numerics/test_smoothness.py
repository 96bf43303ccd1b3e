"""Smoothness against closed forms, SciPy and a slow twin written from the paper's steps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import cdist

import frostline
from frostline.errors import UserError
from frostline.numerics.smoothness import neighbor_ratio, nlfd, smoothness_gap, table_smoothness_gap

rng = np.random.default_rng(0)
X = rng.normal(size=(80, 7)) * [1, 2, 3, 4, 5, 6, 7] + 3
Y = X[:, 0] ** 2 + X[:, 1]


def from_the_paper(vectors, y):
    Z = stats.zscore(vectors, axis=0)
    D = cdist(Z, Z)
    np.fill_diagonal(D, np.inf)
    near = D.argmin(axis=1)
    return np.abs(y - y[near]) / D.min(axis=1)


def test_equals_the_papers_steps():
    expected = from_the_paper(X, Y)
    np.testing.assert_allclose(nlfd(X, Y, scaling="none"), expected)
    np.testing.assert_allclose(nlfd(X, Y), expected * np.sqrt(7))
    np.testing.assert_allclose(nlfd(X, Y, scaling="divide"), expected / np.sqrt(7))


def test_a_linear_function_of_one_number_has_one_factor():
    x = np.array([0.0, 1, 3, 7, 20])
    np.testing.assert_allclose(nlfd(x[:, None], 2 * x + 5), 2 * x.std())
    np.testing.assert_allclose(nlfd(x[:, None], 2 * x + 5, k=3), 2 * x.std())
    np.testing.assert_allclose(nlfd(x[:, None], 2 * x + 5, standardize_y=True), 1)


def test_multiplying_undoes_copies_of_columns():
    """The same geometry in twice as many columns is as smooth, which only multiplication says."""
    twice = np.hstack([X, X])
    np.testing.assert_allclose(nlfd(twice, Y), nlfd(X, Y))
    np.testing.assert_allclose(nlfd(twice, Y, scaling="divide"), nlfd(X, Y, scaling="divide") / 2)


def test_units_shifts_and_constant_columns_do_not_matter():
    np.testing.assert_allclose(nlfd(X * 1e-3 + 5, Y), nlfd(X, Y), rtol=1e-6)
    np.testing.assert_allclose(nlfd(np.hstack([X, np.full((80, 3), 4.0)]), Y), nlfd(X, Y))


def test_equal_vectors_count_once_with_their_mean():
    vectors = np.array([[0.0], [1.0], [1.0], [3.0]])
    scale = vectors.std()
    expected = np.array([abs(0 - 5), abs(5 - 0), abs(9 - 5) / 2]) * scale
    np.testing.assert_allclose(nlfd(vectors, [0.0, 4.0, 6.0, 9.0]), expected)


def test_gap_equals_its_formula():
    a, b = rng.exponential(2, 50), rng.exponential(1, 70)
    assert smoothness_gap(a, b) == pytest.approx((a.mean() - b.mean()) / np.sqrt(a.var() + b.var()))
    assert smoothness_gap(a, a) == 0
    assert smoothness_gap([1.0, 1.0], [1.0]) == 0
    assert smoothness_gap([2.0, 2.0], [1.0]) == np.inf
    factors = nlfd(X, Y), nlfd(X, Y * 1.0, k=3)
    scaled = nlfd(X, 10 * Y + 1), nlfd(X, 10 * Y + 1, k=3)
    assert smoothness_gap(*factors) == pytest.approx(smoothness_gap(*scaled))


def test_gap_of_a_table_sees_which_vectors_hold_y():
    informative, noise = np.column_stack([X[:, :2], X[:, :2] ** 2]), rng.normal(size=(80, 4))
    found = table_smoothness_gap(noise, informative, Y, n_boot=200)
    assert 0 < found.lower < found.gap < found.upper
    back = table_smoothness_gap(informative, noise, Y, n_boot=200)
    assert back.gap == pytest.approx(-found.gap)
    assert (back.lower, back.upper) == pytest.approx((-found.upper, -found.lower))
    same = table_smoothness_gap(X, X, Y, n_boot=20)
    assert (same.gap, same.lower, same.upper) == (0, 0, 0)
    doubled = table_smoothness_gap(np.vstack([noise, noise]), np.vstack([informative] * 2), np.tile(Y, 2), n_boot=20)
    assert doubled.gap == pytest.approx(found.gap)


def test_ratio_is_one_at_random_and_less_where_vectors_hold_y():
    Z = rng.normal(size=(400, 5))
    at_random = neighbor_ratio(Z, rng.normal(size=400))
    assert abs(at_random.mean() - 1) < 4 * at_random.std() / 20
    assert neighbor_ratio(Z, Z[:, 0]).mean() < 0.7
    y = rng.normal(size=30)
    pairs = np.abs(y[:, None] - y[None]).sum() / (30 * 29)
    Z = rng.normal(size=(30, 2))
    assert neighbor_ratio(Z, y, k=29).mean() == pytest.approx(1)
    D = cdist(stats.zscore(Z), stats.zscore(Z)) + np.diag(np.full(30, np.inf))
    np.testing.assert_allclose(neighbor_ratio(Z, y, k=1), np.abs(y - y[D.argmin(1)]) / pairs)
    assert neighbor_ratio(Z, np.ones(30)).tolist() == [1] * 30


def test_public_names():
    assert frostline.metrics.nlfd is nlfd
    assert frostline.metrics.kendall_tau([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(
        stats.kendalltau([1, 2, 3, 4], [1, 3, 2, 4])[0]
    )
    assert frostline.metrics.kendall_tau([1, 2], [5, 5]) == 0


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: nlfd(X, Y[:5]), "shape"),
        (lambda: nlfd(X, np.full(80, np.nan)), "finite"),
        (lambda: nlfd(np.ones((5, 2)), np.arange(5.0)), "equal"),
        (lambda: nlfd(X, Y, scaling="multply"), "Unknown scaling"),
        (lambda: nlfd(X, Y, k=80), "from 1 to 79"),
        (lambda: smoothness_gap([], [1.0]), "finite factors"),
        (lambda: smoothness_gap([np.inf], [1.0]), "finite factors"),
        (lambda: table_smoothness_gap(X, X, Y, level=2), "level"),
        (lambda: table_smoothness_gap(X, X[:9], Y), "shape"),
    ],
)
def test_refused(call, word):
    with pytest.raises(UserError, match=word):
        call()
