"""Nearest neighbors beside brute-force oracles, on data unkind to a matrix product in single precision."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from frostline.errors import UserError
from frostline.numerics.neighbors import SINGLE_FROM, nearest


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
        (([[1.0]], [[1.0], [np.inf]], 1), "row 1"),
        (([1.0], [[1.0]], 1), "shapes"),
        (([[1.0]], [[1.0]], 1.0), "whole number"),
        (([[1.0]], [[1.0]], 1, "cosin"), "'cosine'"),
    ],
)
def test_refused(arguments, word):
    with pytest.raises(UserError, match=word):
        nearest(*arguments)


def test_skip_self_needs_the_points():
    with pytest.raises(UserError, match="1 queries and 2 points"):
        nearest([[1.0]], [[1.0], [2.0]], 1, skip_self=True)


def all_distances(queries, points, metric):
    queries, points = np.asarray(queries, dtype=np.float64), np.asarray(points, dtype=np.float64)
    if metric == "cosine":
        queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        points = points / np.linalg.norm(points, axis=1, keepdims=True)
    squared = ((queries[:, None] - points[None]) ** 2).sum(axis=2)
    return squared / 2 if metric == "cosine" else np.sqrt(squared)


def by_sorting(queries, points, k, metric, skip_self):
    distances = all_distances(queries, points, metric)
    if skip_self:
        np.fill_diagonal(distances, np.inf)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(distances, order, axis=1)


def cloud(kind, d):
    rng = np.random.default_rng(7)
    X = rng.normal(size=(210, d))
    if kind == "offset":  # the matrix product loses all digits that matter
        X = X * 1e-3 + 100
    if kind == "near-duplicates":
        X[70:140] = X[:70] * (1 + 1e-7 * rng.normal(size=(70, d)))
        X[140:] = X[3] + 1e-6 * rng.normal(size=(70, d))
    if kind == "duplicates":
        X[100:150], X[150:] = X[:50], X[0]
    if kind == "ties":
        X = rng.integers(0, 2, size=X.shape) + 0.5
    if kind == "outlier":
        X[17] *= 1e6
    return X.astype(np.float32) if kind != "offset" else X


@pytest.mark.parametrize("kind", ["plain", "offset", "near-duplicates", "duplicates", "ties", "outlier"])
@pytest.mark.parametrize("d", [1, 4, SINGLE_FROM + 8])
@pytest.mark.parametrize("k", [1, 9])
def test_equals_sorting_all_distances(kind, d, k):
    X = cloud(kind, d)
    for points, skip_self in [(X, True), (X, False), (X.copy(), True), (X.copy(), False)]:
        index, distance = nearest(X, points, k, skip_self=skip_self, block=64)
        expected_index, expected = by_sorting(X, points, k, "euclidean", skip_self)
        np.testing.assert_allclose(distance, expected, rtol=1e-12, atol=0)
        np.testing.assert_array_equal(index, expected_index)


@pytest.mark.parametrize("kind", ["plain", "near-duplicates", "outlier"])
@pytest.mark.parametrize("d", [4, SINGLE_FROM + 8])
def test_cosine(kind, d):
    X = cloud(kind, d)
    _, distance = nearest(X[:30], X, 5, "cosine", block=64)
    _, expected = by_sorting(X[:30], X, 5, "cosine", False)
    np.testing.assert_allclose(distance, expected, rtol=1e-9, atol=1e-15)


def test_one_distance_stands_for_many_equal_rows():
    X = np.zeros((500, 3))
    index, distance = nearest(X, X, 2, skip_self=True)
    assert index[:3].tolist() == [[1, 2], [0, 2], [0, 1]]
    assert not distance.any()
    # Zero has two signs in floating point, and one value.
    index, distance = nearest(np.array([[0.0], [-0.0], [4.0]]), np.array([[-0.0], [0.0]]), 2)
    assert index.tolist() == [[0, 1], [0, 1], [0, 1]]
    assert distance.tolist() == [[0, 0], [0, 0], [4, 4]]


def test_every_block_size_gives_the_same():
    X = np.random.default_rng(0).normal(size=(333, SINGLE_FROM)).astype(np.float32)
    whole = nearest(X, X, 3, skip_self=True)
    for block in (1, 33, 100, 5000):
        for a, b in zip(whole, nearest(X, X, 3, skip_self=True, block=block), strict=True):
            np.testing.assert_array_equal(a, b)


def test_as_many_neighbors_as_there_are():
    X = np.arange(6.0)[:, None]
    index, distance = nearest(X, X, 5, skip_self=True)
    assert index[0].tolist() == [1, 2, 3, 4, 5]
    assert distance[2].tolist() == [1, 1, 2, 2, 3]
    assert index[2].tolist() == [1, 3, 0, 4, 5]
    assert nearest([[2.4]], X, 6)[0].tolist() == [[2, 3, 1, 4, 0, 5]]


def test_zeros_among_the_points_themselves():
    points = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 0.0], [2.0, 2.0]])
    indices, distances = nearest(points, points, 2, "cosine", skip_self=True)
    assert indices.tolist() == [[1, 2], [3, 0], [0, 1], [1, 0]]
    np.testing.assert_allclose(distances, [[1, 1], [0, 1], [1, 1], [0, 1]], atol=1e-15)
