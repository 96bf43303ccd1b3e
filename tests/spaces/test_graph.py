"""A spectral space against dense linear algebra, and links that it should foresee."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from frostline.errors import UserError
from frostline.spaces import graph_space


def cliques(n: int, size: int) -> list[tuple[int, int]]:
    """Cliques on a ring, neighbors joined by one link."""
    inside = [(c * size + a, c * size + b) for c in range(n) for a, b in combinations(range(size), 2)]
    return inside + [(c * size, (c + 1) % n * size + 1) for c in range(n)]


def test_vectors_are_the_eigenvectors_of_the_normalized_adjacency() -> None:
    rng = np.random.default_rng(0)
    links = [pair for pair in combinations(range(12), 2) if rng.random() < 0.5]
    weights = rng.random(len(links)) + 0.1
    adjacency = np.zeros((12, 12))
    for (a, b), weight in zip(links, weights, strict=True):
        adjacency[a, b] = adjacency[b, a] = weight
    root = 1 / np.sqrt(adjacency.sum(axis=1))
    values, vectors = np.linalg.eigh((np.eye(12) + root[:, None] * adjacency * root) / 2)
    expected = (vectors * np.sqrt(values))[:, ::-1][:, 1:4]
    found = graph_space(*np.array(links).T, weights, dim=3, test_size=0)
    signs = np.sign((found.vectors * expected).sum(axis=0))
    np.testing.assert_allclose(found.vectors, expected * signs, atol=1e-5)
    assert (found.vectors[np.abs(found.vectors).argmax(axis=0), range(3)] > 0).all()
    assert found.scores == {"auc": None, "degree_auc": None, "n_held_out": 0}


def test_held_out_links_within_cliques_are_foreseen_where_degrees_say_nothing() -> None:
    space = graph_space(*np.array(cliques(6, 8)).T, dim=6)
    assert space.scores["auc"] > 0.9
    assert space.scores["n_held_out"] > 5
    assert space.scores["auc"] > space.scores["degree_auc"] + 0.1
    assert space.n_components == 1


def test_direction_and_repeats_do_not_count_but_weights_do() -> None:
    there = np.array(cliques(3, 5)).T
    weights = np.random.default_rng(1).random(there.shape[1]) + 0.5  # no two eigenvalues alike
    one = graph_space(*there, weights, dim=4, test_size=0)
    both = np.concatenate([there, there[::-1]], axis=1)
    other = graph_space(*both, np.concatenate([weights, weights]), dim=4, test_size=0)
    np.testing.assert_allclose(one.vectors, other.vectors, atol=1e-5)
    assert np.abs(graph_space(*there, dim=4, test_size=0).vectors - one.vectors).max() > 0.01


def test_parts_without_a_link_between_them_are_counted() -> None:
    names = [(f"a{a}", f"a{b}") for a, b in combinations(range(4), 2)] + [
        (f"b{a}", f"b{b}") for a, b in combinations(range(4), 2)
    ]
    assert graph_space(*np.array(names).T, dim=2, test_size=0).n_components == 2


def test_a_graph_in_which_all_are_linked_has_no_score() -> None:
    found = graph_space(*np.array(list(combinations(range(12), 2))).T, dim=2)
    assert found.scores["n_held_out"] > 0
    assert (found.scores["auc"], found.scores["degree_auc"]) == (None, None)


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match="1 links lead from a node to itself"):
        graph_space(["a", "b"], ["b", "b"], dim=1)
    with pytest.raises(UserError, match="at least 34 nodes; got 3"):
        graph_space(["a", "b"], ["b", "c"])
    with pytest.raises(UserError, match="source and target ids must be all text or all whole numbers.* got int, str"):
        graph_space([1, 2, 3, 4], ["a", "b", "c", "d"], dim=1)
    with pytest.raises(UserError, match="one length"):
        graph_space(["a"], ["b", "c"])
