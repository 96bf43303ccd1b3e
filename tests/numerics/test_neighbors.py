"""Nearest neighbors beside a brute-force oracle, with ties, duplicates and blocks."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from frostline.errors import UserError
from frostline.numerics.neighbors import nearest


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("block", [None, 1, 7])
def test_equals_scikit_learn(metric, block):
    rng = np.random.default_rng(0)
    queries, points = rng.normal(size=(23, 6)) + 100, rng.normal(size=(60, 6)) + 100
    indices, distances = nearest(queries, points, 5, metric, block=block)
    oracle = NearestNeighbors(n_neighbors=5, metric=metric, algorithm="brute").fit(points)
    expected, at = oracle.kneighbors(queries)
    np.testing.assert_array_equal(indices, at)
    np.testing.assert_allclose(distances, expected, rtol=1e-6, atol=1e-12)


def test_equal_points_come_in_their_order_at_distance_zero():
    points = np.array([[3.0, 4.0], [1e4, 1.0], [3.0, 4.0], [3.0, 4.0], [0.0, 0.0]])
    indices, distances = nearest([[3.0, 4.0]], points, 2)
    assert indices.tolist() == [[0, 2]]
    assert distances.tolist() == [[0.0, 0.0]]
    indices, distances = nearest(points, points, 1, skip_self=True)
    assert indices[:, 0].tolist() == [2, 0, 0, 0, 0]
    assert distances[[0, 2, 3], 0].tolist() == [0.0, 0.0, 0.0]


def test_small_distances_far_from_the_origin_are_exact():
    points = np.array([[1e6, 1e6], [1e6 + 1e-4, 1e6], [1e6 + 3e-4, 1e6]])
    indices, distances = nearest(points[:1], points, 3)
    assert indices.tolist() == [[0, 1, 2]]
    np.testing.assert_allclose(distances[0], [0, 1e-4, 3e-4], rtol=1e-5)


def test_skip_self_over_blocks():
    points = np.arange(20.0)[:, None] ** 2
    indices, _ = nearest(points, points, 2, block=3, skip_self=True)
    assert all(i not in row for i, row in enumerate(indices))
    assert indices[:, 0].tolist() == [1, 0, *range(1, 19)]


def test_cosine_of_nothing_is_zero():
    points = [[1.0, 0.0], [0.0, 0.0], [-1.0, 0.0]]
    indices, distances = nearest(points[:2], points, 3, "cosine")
    assert indices.tolist() == [[0, 1, 2], [0, 1, 2]]
    np.testing.assert_allclose(distances, [[0, 1, 2], [1, 1, 1]])


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (([[1.0]], [[1.0, 2.0]], 1), "shapes"),
        (([[1.0]], [[1.0], [2.0]], 3), "from 1 to 2"),
        (([[1.0]], [[1.0], [2.0]], 0), "from 1 to 2"),
        (([[np.nan]], [[1.0]], 1), "finite"),
        (([[1.0]], [[1.0]], 1, "cosin"), "'cosine'"),
    ],
)
def test_refused(arguments, word):
    with pytest.raises(UserError, match=word):
        nearest(*arguments)


def test_skip_self_needs_the_points():
    with pytest.raises(UserError, match="1 queries and 2 points"):
        nearest([[1.0]], [[1.0], [2.0]], 1, skip_self=True)
