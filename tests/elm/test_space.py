"""A space: rows, neighbors, outliers, directions; and moves within it."""

from __future__ import annotations

import numpy as np
import pytest

from frostline.elm.evaluation import attribute_scores
from frostline.elm.moves import interpolate, traverse
from frostline.elm.probes import Probe
from frostline.elm.space import SpaceState, rounded
from frostline.errors import UserError

RNG = np.random.default_rng(0)
X = RNG.normal(10, [1, 5, 0.1], size=(400, 3)).astype(np.float32)


@pytest.fixture
def space():
    mean, scale = X.mean(0), X.std(0)
    probe = Probe("kind", ["a", "b"], np.array([[2.0, 0, 0, 0], [-2.0, 0, 0, 0]]), {"a": ["a"], "b": ["b"]})
    made = SpaceState("v", mean, scale, [f"r{i}" for i in range(400)], rounded(X, mean, scale), 300, probes=[probe])
    made.calibrate()
    return made


def test_vectors_come_back_within_half_precision(space):
    np.testing.assert_allclose(space.vector("r7"), X[7], rtol=1e-3, atol=1e-3)
    assert space.is_training("r7")
    assert not space.is_training("r350")


def test_a_row_is_not_its_own_neighbor(space):
    (near,) = space.neighbors(X[7:8], ["r7"], {"r7": "own"})
    assert "r7" not in [n.id for n in near]
    (near,) = space.neighbors(X[7:8], [None], {"r7": "own"})
    assert near[0].id == "r7"
    assert near[0].text == "own"
    assert near[0].cosine == pytest.approx(1.0, abs=1e-4)


def test_where_a_text_is_asked_for_rows_without_one_are_no_neighbors(space):
    (near,) = space.neighbors(X[7:8], [None], {"r9": "far, but it says something"}, k=1, with_text=True)
    assert [(n.id, n.text) for n in near] == [("r9", "far, but it says something")]
    (near,) = space.neighbors(X[7:8], [None], {}, k=1, with_text=True)
    assert near[0].id == "r7"


def test_a_row_from_a_file_is_known_again_by_its_id_and_vector_together(space):
    changed = X[8] + np.float32(1)
    found = space.recognized(["r7", "r8", "r350", "new"], np.stack([X[7], changed, X[350], X[9]]))
    assert [found[0], found[2]] == ["r7", "r350"]
    assert found[1] is not None
    np.testing.assert_array_equal(np.stack([found[1], found[3]]), np.stack([changed, X[9]]))
    assert [len(row) for row in space.recognized(["r7"], np.ones((1, 5)))] == [5]  # refused later, by its width


def test_about_one_in_twenty_ordinary_vectors_is_flagged_and_all_far_ones_are(space):
    fresh = RNG.normal(10, [1, 5, 0.1], size=(1000, 3))
    assert 0.01 < np.mean([o.flag for o in space.outliers(fresh)]) < 0.12
    far = space.outliers(np.array([[10, 10, 13.0]]))[0]
    assert far.flag
    assert far.p == pytest.approx(1 / 101)


def test_a_direction_is_as_long_as_the_rows_spread_along_it(space):
    way = space.direction("kind=a")
    unit = way / np.linalg.norm(way)
    assert np.abs(unit).argmax() == 0
    assert np.linalg.norm(way) == pytest.approx((X[:300] @ unit).std(), rel=1e-3)
    with pytest.raises(UserError, match="Unknown concept 'kind=c'. Known: kind=a, kind=b"):
        space.direction("kind=c")


def test_interpolation_and_traversal():
    assert interpolate([0, 0], [4, 8], 0.25).tolist() == [1, 2]
    assert traverse([1, 1], [0, 2], 3.0, 2).tolist() == [[1, 1], [1, 2.5], [1, 4]]
    for call, said in (
        (lambda: interpolate([0], [1, 2]), "one width"),
        (lambda: traverse([1], [0], 1, 1), "no length"),
        (lambda: traverse([1], [1], 1, 100_000_000), "at most 10000"),
        (lambda: traverse([1], [1], 1, 0), "steps"),
        (lambda: traverse([1], [1, 2], 1, 1), "own width"),
    ):
        with pytest.raises(UserError, match=said):
            call()


def test_named_values_that_are_right_and_texts_that_name_none():
    probe = Probe("kind", ["a", "b"], np.array([[2.0, 0, 0, 0], [-2.0, 0, 0, 0]]), {"a": ["a"], "b": ["b"]})
    probe.scores = {"majority": 0.25}
    vectors = np.array([[1, 0, 0], [1, 0, 0], [-1, 0, 0], [5, 5, 5]], np.float32)
    space = SpaceState("v", np.zeros(3), np.ones(3), list("wxyz"), vectors, 4, probes=[probe])
    said = {"kind": [("a",), ("b",), ("a", "b"), ()]}
    found = attribute_scores(space, vectors, ["It is an a. No b.", "So. An a and a b.", "nothing", "b"], said)
    assert found["kind"] == {
        "text": pytest.approx((1 + 0.5 + 0) / 3), "probe": pytest.approx(2 / 3),
        "probe_as_many": pytest.approx((1 + 0.5 + 1) / 3), "majority": 0.25, "n": 3.0,
    }  # fmt: skip
