"""Choosing layers and fusion: what is offered, what wins, what ties cost, and that test rows play no part."""

from __future__ import annotations

import numpy as np
import pytest

from frostline import selection
from frostline.contracts import EmbedStats, Tap
from frostline.features import Features
from frostline.selection import Candidate, candidates, row_losses, select, union

FINAL = [Tap("final", "mean")]


def names(*arguments):
    return [candidate.name for candidate in candidates(*arguments)]


def features_of(vectors, taps):
    n = len(vectors)
    return Features(
        vectors=np.asarray(vectors, dtype=np.float32),
        keys=np.arange(2 * n, dtype=np.uint64).reshape(n, 2),
        truncated=np.zeros(n, bool),
        read=np.zeros((n, 2), np.int64),
        texts=[str(i) for i in range(n)],
        taps=tuple(taps),
        stats=EmbedStats(),
    )


def test_what_is_offered():
    assert names(2, FINAL, "auto", "auto", "auto") == [
        "layer 0",
        "layer 1",
        "layer final",
        "layers 0+1+final, concat",
        "layers 0+1+final, mean",
    ]
    assert names(6, FINAL, "auto", "auto", "concat")[-2:] == [
        "layers 4+5+final, concat",
        "layers 0+1+2+3+4+5+final, concat",
    ]
    assert names(0, FINAL, "auto", "auto", "auto") == ["layer final"]
    assert names(6, FINAL, "final", "recipe", "concat") == ["layer final"]
    assert names(6, [Tap(1), Tap(3)], [1, 3], "mean", "auto") == ["layers 1+3, concat", "layers 1+3, mean"]


def test_deep_models_are_looked_at_on_a_ladder():
    offered = candidates(80, FINAL, "auto", "auto", "concat")
    taps = union(offered)
    assert len(taps) == selection.LADDER
    assert [tap.layer for tap in taps] == [0, 13, 27, 40, 53, 67, "final"]


def test_pooling_and_normalization_are_taken_over():
    offered = candidates(4, [Tap("final", "last_token", True)], "auto", "auto", "auto")
    assert {(tap.pooling, tap.normalize) for tap in union(offered)} == {("last_token", True)}


def layered(n, signal, seed=0):
    """Vectors of four layers, where layer i holds the class `signal[i]` standard deviations wide."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    vectors = rng.normal(size=(n, 4, 6))
    for layer, strength in enumerate(signal):
        vectors[:, layer, 0] += strength * (2 * y - 1)
    return features_of(vectors, [Tap(0), Tap(1), Tap(2), Tap("final")]), y


def chosen(features, y, offered):
    return select(offered, features, y, np.arange(len(y)), task="classification", head="linear", n_layers=3, seed=0)


def test_the_layer_that_holds_the_class_wins():
    features, y = layered(800, [0, 2, 0, 0])
    found = chosen(features, y, [Candidate((tap,), "concat", "mean") for tap in features.taps])
    assert found.candidate.layers == [1]
    assert [c.note for c in found.table] == ["", "chosen", "", ""]
    assert found.table[1].score > 0.95
    assert found.head.predict(found.candidate.features(features)).shape == (800,)


def test_layers_that_each_hold_a_part_are_joined():
    features, y = layered(800, [1, 1, 1, 1])
    offered = [Candidate((tap,), "concat", "mean") for tap in features.taps]
    found = chosen(features, y, [*offered, Candidate(features.taps, "concat", "mean")])
    assert found.candidate.taps == features.taps


def test_of_equals_the_cheapest_wins():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 600)
    one = rng.normal(size=(600, 6)) + (2 * y - 1)[:, None]
    vectors = np.stack([one] * 4, axis=1)  # every layer says the same
    features = features_of(vectors, [Tap(0), Tap(1), Tap(2), Tap("final")])
    offered = [Candidate((tap,), "concat", "mean") for tap in reversed(features.taps)]
    found = chosen(features, y, offered)
    assert found.candidate.layers == [0]


def test_the_usual_choice_stays_where_the_rows_cannot_tell():
    features, y = layered(240, [0.3, 0.3, 0.3, 0.3])
    offered = [Candidate((tap,), "concat", "mean") for tap in features.taps]
    usual = Candidate(features.taps[1:], "concat", "mean", usual=True)
    assert chosen(features, y, [*offered, usual]).candidate == usual
    features, y = layered(2000, [0, 0, 0, 3])  # here they can
    assert chosen(features, y, [*offered, usual]).candidate.layers in (["final"], [1, 2, "final"])


def test_few_rows_are_not_compared():
    features, y = layered(60, [3, 0, 0, 0])
    offered = [Candidate((tap,), "concat", "mean") for tap in features.taps]
    usual = Candidate(features.taps[1:], "concat", "mean", usual=True)
    found = chosen(features, y, [*offered, usual])
    assert found.candidate == usual
    assert found.table == []


def test_fewer_rows_where_the_work_would_be_too_much(monkeypatch):
    monkeypatch.setattr(selection, "SELECTION_WORK", 5 * 24 * 100.0)
    monkeypatch.setattr(selection, "_FEWEST_ROWS", 50)
    features, y = layered(800, [0, 2, 0, 0])
    found = chosen(features, y, [Candidate((tap,), "concat", "mean") for tap in features.taps])
    assert found.candidate.layers == [1]
    assert found.table[1].std == pytest.approx(
        np.sqrt(found.table[1].score * (1 - found.table[1].score) / 100), rel=0.1
    )


def test_many_rows_are_compared_on_some_and_trained_on_all(monkeypatch):
    monkeypatch.setattr(selection, "SELECTION_ROWS", 200)
    features, y = layered(800, [0, 2, 0, 0])
    found = chosen(features, y, [Candidate((tap,), "concat", "mean") for tap in features.taps])
    assert found.candidate.layers == [1]
    assert found.head.oof_proba_.shape == (800, 2)


def test_a_rare_class_may_be_missing_among_the_compared_rows(monkeypatch):
    monkeypatch.setattr(selection, "SELECTION_ROWS", 100)
    features, y = layered(400, [0, 2, 0, 0])
    y[y == 1] = 2
    y[7] = 1
    found = chosen(features, y, [Candidate((tap,), "concat", "mean") for tap in features.taps])
    assert found.candidate.layers == [1]
    assert list(found.head.classes_) == [0, 1, 2]


def test_numbers():
    features, y = layered(400, [0, 0, 2, 0])
    found = select(
        [Candidate((tap,), "concat", "mean") for tap in features.taps],
        features, y.astype(float), np.arange(400), task="regression", head="linear", n_layers=3, seed=0,
    )  # fmt: skip
    assert found.candidate.layers == [2]
    assert 0.5 < found.table[2].score < 1


def test_row_losses():
    proba = np.array([[0.25, 0.75], [0.5, 0.5]])
    np.testing.assert_allclose(row_losses("classification", proba, np.array([1, 0])), -np.log([0.75, 0.5]))
    y = np.array([1.0, 3.0])
    np.testing.assert_allclose(row_losses("regression", np.array([1.0, 2.0]), y), [0, 1])


def test_the_upper_three_are_the_usual_choice():
    assert [c.name for c in candidates(6, FINAL, "auto", "auto", "auto") if c.usual] == ["layers 4+5+final, concat"]
    assert [c.name for c in candidates(2, FINAL, "auto", "auto", "auto") if c.usual] == ["layers 0+1+final, concat"]
    assert [c.usual for c in candidates(0, FINAL, "auto", "auto", "auto")] == [True]


def test_a_single_candidate_is_not_compared():
    features, y = layered(100, [1, 1, 1, 1])
    found = chosen(features, y, [Candidate(features.taps, "mean", "mean")])
    assert found.table == []
    assert found.head.n_features_in_ == 6


def test_unknown_taps_of_features():
    features, _ = layered(10, [1, 1, 1, 1])
    with pytest.raises(ValueError, match="not in tuple"):
        features.at([Tap(7)])
