"""Pairs of ids: equal pairs add up, mistakes are named, a split is by both ids."""

from __future__ import annotations

import numpy as np
import pytest

from frostline.errors import UserError
from frostline.spaces.pairs import Pairs

NAMES = ("user", "item")


def test_equal_pairs_add_up_and_ids_ascend() -> None:
    pairs = Pairs.of(["b", "a", "b"], [7, 9, 7], [1, 2, 3], NAMES)
    assert [ids.tolist() for ids in pairs.ids] == [["a", "b"], [7, 9]]
    assert [end.tolist() for end in pairs.ends] == [[0, 1], [1, 0]]
    assert pairs.weights.tolist() == [2, 4]
    assert pairs.row_means().tolist() == [2, 4]
    assert pairs.by_row() == {0: {1}, 1: {0}}


def test_a_split_holds_out_about_its_share_and_depends_on_no_other_row() -> None:
    left, right = np.divmod(np.arange(4000), 80)
    pairs = Pairs.of(left, right, None, NAMES)
    train, test = pairs.split(0.25)
    assert len(train) + len(test) == 4000
    assert abs(len(test) / 4000 - 0.25) < 4 * (0.25 * 0.75 / 4000) ** 0.5
    half = Pairs.of(left[:2000], right[:2000], None, NAMES).split(0.25)[1]
    kept = test.where(test.ends[0] < 25)
    assert [end.tolist() for end in half.ends] == [end.tolist() for end in kept.ends]
    assert len(pairs.split(0.0)[1]) == 0


@pytest.mark.parametrize(
    ("left", "right", "weights", "message"),
    [
        (["a"], ["x", "y"], None, "one length"),
        ([], [], None, "not empty"),
        (["a", None], ["x", "y"], None, "user ids"),
        ([1.5, 2.5], ["x", "y"], None, "user ids"),
        (["a", "b"], ["x", float("nan")], [1, 1], "item ids"),
        (["a", "b"], ["x", "y"], [1, -1], "row 1 has -1"),
        (["a", "b"], ["x", "y"], [np.nan, 1], "row 0 has nan"),
        (["a", "b"], ["x", "y"], [0, 0], "all are 0"),
        (["a", "b"], ["x", "y"], ["good", "bad"], "numbers"),
    ],
)
def test_mistakes_are_named(left: list[object], right: list[object], weights: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Pairs.of(np.array(left, dtype=object), np.array(right, dtype=object), weights, NAMES)
