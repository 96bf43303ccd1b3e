"""Choosing layers and fusion: what is offered, what wins, what ties cost, and that test rows play no part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from frostline import selection
from frostline.candidates import Candidate, together
from frostline.contracts import EmbedStats, Tap
from frostline.features import Features
from frostline.selection import row_losses, select


def features_of(vectors, taps):
    n, n_taps, width = np.shape(vectors)
    return Features(
        columns=np.asarray(vectors, dtype=np.float32).reshape(n, n_taps * width),
        keys=np.arange(2 * n, dtype=np.uint64).reshape(n, 2),
        truncated=np.zeros(n, bool),
        read=np.zeros((n, 2), np.int64),
        texts=[str(i) for i in range(n)],
        taps=tuple(taps),
        widths=(width,) * n_taps,
        depths=tuple(n_taps - 1 if tap.layer == "final" else tap.layer for tap in taps),
        stats=EmbedStats(),
    )


def layered(n, signal, seed=0):
    """Vectors of four layers, where layer i holds the class `signal[i]` standard deviations wide."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    vectors = rng.normal(size=(n, 4, 6))
    for layer, strength in enumerate(signal):
        vectors[:, layer, 0] += strength * (2 * y - 1)
    return features_of(vectors, [Tap(0), Tap(1), Tap(2), Tap("final")]), y


def chosen(features, y, offered):
    return select(offered, features, y, np.arange(len(y)), task="classification", head="linear", seed=0)


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


def test_few_rows_are_read_as_vectors_of_length_one_unless_a_head_is_named():
    features, y = layered(60, [3, 0, 0, 0])
    offered = [Candidate(features.taps[1:], how, "mean") for how in ("concat", "mean")]
    groups, settings = np.arange(60), {"task": "classification", "seed": 0}
    heads = [select([one], features, y, groups, head="auto", **settings).head for one in offered]
    assert [type(head).__name__ for head in heads] == ["UnitClassifier"] * 2
    assert [head.layers for head in heads] == [[[6, 6, 6]], None]
    assert type(chosen(features, y, offered).head).__name__ == "LinearClassifier"
    many, y = layered(200, [3, 0, 0, 0])
    found = select(offered[:1], many, y, np.arange(200), head="auto", **settings)
    assert type(found.head).__name__ == "LinearClassifier"


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


def test_more_classes_than_a_stratified_sample_leaves_rows_for(monkeypatch):
    monkeypatch.setattr(selection, "SELECTION_ROWS", 200)
    features, _ = layered(205, [0, 2, 0, 0])
    y = np.arange(205) % 20
    offered = [Candidate((tap,), "concat", "mean") for tap in features.taps]
    rows, _, few = selection.compared_rows(offered, features, y, np.arange(205), task="classification", seed=0)
    assert len(rows) == 200
    assert set(few) == set(range(20))


def test_numbers():
    features, y = layered(400, [0, 0, 2, 0])
    found = select(
        [Candidate((tap,), "concat", "mean") for tap in features.taps],
        features, y.astype(float), np.arange(400), task="regression", head="linear", seed=0,
    )  # fmt: skip
    assert found.candidate.layers == [2]
    assert 0.5 < found.table[2].score < 1


def test_row_losses():
    proba = np.array([[0.25, 0.75], [0.5, 0.5]])
    np.testing.assert_allclose(row_losses("classification", proba, np.array([1, 0])), -np.log([0.75, 0.5]))
    y = np.array([1.0, 3.0])
    np.testing.assert_allclose(row_losses("regression", np.array([1.0, 2.0]), y), [0, 1])


def test_a_single_candidate_is_not_compared():
    features, y = layered(100, [1, 1, 1, 1])
    found = chosen(features, y, [Candidate(features.taps, "mean", "mean")])
    assert found.table == []
    assert found.head.n_features_in_ == 6


def test_unknown_taps_of_features():
    features, _ = layered(10, [1, 1, 1, 1])
    with pytest.raises(ValueError, match="not in tuple"):
        features.fused([Tap(7)], "concat")


def two_backbones(signal, n=900, seed=0):
    """A backbone of 4 columns and one of 12; the class is the sum of what each of them holds of it."""
    rng = np.random.default_rng(seed)
    X, parts = rng.normal(size=(n, 16)), rng.normal(size=(n, 2))
    X[:, 0], X[:, 4] = signal[0] * parts[:, 0] + X[:, 0], signal[1] * parts[:, 1] + X[:, 4]
    y = (parts @ (np.array(signal) > 0) > 0).astype(int)
    features = features_of(X[:, None], [Tap("final")])
    taps = (Tap("final", backbone="small"), Tap("final", backbone="large"))
    return replace(features, taps=taps, widths=(4, 12), depths=(2, 6)), y


def test_several_backbones_are_kept_where_each_knows_something():
    features, y = two_backbones([4, 4])
    own = [[Candidate((tap,), "concat", "mean", usual=True)] for tap in features.taps]
    offered = together(own, "auto")
    assert [c.name for c in offered] == [
        "small layer final",
        "large layer final",
        "small layer final and large layer final, concat",
    ]
    assert [c.usual for c in offered] == [False, False, True]
    assert chosen(features, y, offered).candidate.backbones == ["small", "large"]
    features, y = two_backbones([4, 0])
    found = chosen(features, y, offered).candidate
    assert found.backbones == ["small"]
    assert found.features(features).shape == (900, 4)
