"""Nearest neighbors against all distances, on data chosen to be unkind to a matrix product in single precision."""

from __future__ import annotations

import numpy as np
import pytest

from frostline.errors import UserError
from frostline.numerics.neighbors import SINGLE_FROM, nearest


def all_distances(queries, points, metric):
    queries, points = np.asarray(queries, dtype=np.float64), np.asarray(points, dtype=np.float64)
    if metric == "cosine":
        queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        points = points / np.linalg.norm(points, axis=1, keepdims=True)
    squared = ((queries[:, None] - points[None]) ** 2).sum(axis=2)
    return squared / 2 if metric == "cosine" else np.sqrt(squared)


def by_sorting(queries, points, k, metric, exclude_self):
    distances = all_distances(queries, points, metric)
    if exclude_self:
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
    for points, exclude_self in [(X, True), (X, False), (X.copy(), True), (X.copy(), False)]:
        index, distance = nearest(X, points, k, exclude_self=exclude_self, block=64)
        expected_index, expected = by_sorting(X, points, k, "euclidean", exclude_self)
        np.testing.assert_allclose(distance, expected, rtol=1e-12, atol=0)
        np.testing.assert_array_equal(index, expected_index)


@pytest.mark.parametrize("kind", ["plain", "near-duplicates", "outlier"])
@pytest.mark.parametrize("d", [4, SINGLE_FROM + 8])
def test_cosine(kind, d):
    X = cloud(kind, d)
    _, distance = nearest(X[:30], X, 5, metric="cosine", block=64)
    _, expected = by_sorting(X[:30], X, 5, "cosine", False)
    np.testing.assert_allclose(distance, expected, rtol=1e-9, atol=1e-15)


def test_one_distance_stands_for_many_equal_rows():
    X = np.zeros((500, 3))
    index, distance = nearest(X, X, 2, exclude_self=True)
    assert index[:3].tolist() == [[1, 2], [0, 2], [0, 1]]
    assert not distance.any()
    # Zero has two signs in floating point, and one value.
    index, distance = nearest(np.array([[0.0], [-0.0], [4.0]]), np.array([[-0.0], [0.0]]), 2)
    assert index.tolist() == [[0, 1], [0, 1], [0, 1]]
    assert distance.tolist() == [[0, 0], [0, 0], [4, 4]]


def test_every_block_size_gives_the_same():
    X = np.random.default_rng(0).normal(size=(333, SINGLE_FROM)).astype(np.float32)
    whole = nearest(X, X, 3, exclude_self=True)
    for block in (1, 33, 100, 5000):
        for a, b in zip(whole, nearest(X, X, 3, exclude_self=True, block=block), strict=True):
            np.testing.assert_array_equal(a, b)


def test_as_many_neighbors_as_there_are():
    X = np.arange(6.0)[:, None]
    index, distance = nearest(X, X, 5, exclude_self=True)
    assert index[0].tolist() == [1, 2, 3, 4, 5]
    assert distance[2].tolist() == [1, 1, 2, 2, 3]
    assert index[2].tolist() == [1, 3, 0, 4, 5]
    assert nearest([[2.4]], X, 6)[0].tolist() == [[2, 3, 1, 4, 0, 5]]


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (([[0.0]], [[1.0, 2.0]]), {}, "width 1"),
        (([0.0], [[1.0]]), {}, "shape"),
        (([[np.nan]], [[1.0]]), {}, "Row 0 of the queries holds NaN"),
        (([[0.0]], [[1.0], [np.inf]]), {}, "Row 1 of the points"),
        (([[0.0]], [[1.0]]), {"k": 2}, "from 1 to the 1"),
        (([[0.0]], [[1.0]]), {"k": 1, "exclude_self": True}, "from 1 to the 0"),
        (([[0.0]], [[1.0], [2.0]]), {"exclude_self": True}, "1 and 2 rows"),
        (([[0.0]], [[1.0]]), {"metric": "manhattan"}, "Allowed: euclidean, cosine"),
        (([[1.0]], [[0.0]]), {"metric": "cosine"}, "no direction"),
        (([[1.0]], [[0.0]]), {"block": 0}, "at least 1"),
    ],
)
def test_refused(arguments, settings, message):
    with pytest.raises(UserError, match=message):
        nearest(*arguments, **settings)
