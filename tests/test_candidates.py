"""What ways to read a backbone, or several, are offered, and what each costs."""

from __future__ import annotations

import numpy as np
import pytest

from frostline.candidates import LADDER, Candidate, candidates, joint, together, union
from frostline.contracts import EmbedStats, Tap
from frostline.errors import UserError
from frostline.features import Features

FINAL = [Tap("final", "mean")]


def names(*arguments):
    return [candidate.name for candidate in candidates(*arguments)]


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
    assert len(taps) == LADDER
    assert [tap.layer for tap in taps] == [0, 13, 27, 40, 53, 67, "final"]


def test_pooling_and_normalization_are_taken_over():
    offered = candidates(4, [Tap("final", "last_token", True)], "auto", "auto", "auto")
    assert {(tap.pooling, tap.normalize) for tap in union(offered)} == {("last_token", True)}


def test_the_upper_three_are_the_usual_choice():
    assert [c.name for c in candidates(6, FINAL, "auto", "auto", "auto") if c.usual] == ["layers 4+5+final, concat"]
    assert [c.name for c in candidates(2, FINAL, "auto", "auto", "auto") if c.usual] == ["layers 0+1+final, concat"]
    assert [c.usual for c in candidates(0, FINAL, "auto", "auto", "auto")] == [True]


def two(n=3):
    """A backbone of 4 columns and one of 12."""
    taps = (Tap("final", backbone="small"), Tap("final", backbone="large"))
    keys, cut, read = np.zeros((n, 4), np.uint64), np.zeros(n, bool), np.zeros((n, 2), np.int64)
    columns = np.arange(16 * n, dtype=np.float32).reshape(n, 16)
    return Features(columns, keys, cut, read, [""] * n, taps, (4, 12), (2, 6), EmbedStats())


def test_cost_counts_the_weights_of_every_backbone_that_runs():
    features = two()
    small, large = (Candidate((tap,), "concat", "mean") for tap in features.taps)
    both = joint([small, large], "concat")
    assert small.cost(features) == (2 * 4**2, 4)
    assert both.cost(features) == (2 * 4**2 + 6 * 12**2, 16)
    assert both.blocks(features) == {"small": (2, 4), "large": (6, 12)}
    assert both.layout(features) == [[4], [12]]


def test_a_fixed_fusion_joins_all_backbones():
    taps = [[Tap(0, backbone="a"), Tap(1, backbone="a")], [Tap("final", "max", backbone="b")]]
    own = [candidates(2, taps[0], [0, 1], "mean", "concat"), candidates(2, taps[1], "final", "max", "concat")]
    (only,) = together(own, "concat")
    assert only.taps == (*taps[0], *taps[1])
    assert (only.pooling, only.usual) == ("mean+max", True)
    assert union([only]) == [*taps[0], *taps[1]]


def test_of_several_backbones_each_gives_its_own_columns():
    features = two()
    np.testing.assert_array_equal(features.fused(features.taps[1:], "concat"), features.columns[:, 4:])
    np.testing.assert_array_equal(features.fused(features.taps[::-1], "concat")[:, :12], features.columns[:, 4:])
    assert np.shares_memory(features.fused(features.taps, "concat"), features.columns)
    with pytest.raises(UserError, match="small: 4, large: 12"):
        features.fused(features.taps, "max")
