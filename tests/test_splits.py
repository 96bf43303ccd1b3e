from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from frostline.errors import UserError
from frostline.splits import group_folds, group_ids, holdout, overlap, time_holdout


def same(a, b):
    """Whether two labelings cut the rows into the same parts."""
    return len(set(zip(a, b, strict=True))) == len(set(a)) == len(set(b))


def test_rows_are_linked_by_any_key():
    texts = ["a", "b", "c", "a", "d", "e"]
    users = [1, 2, 2, 3, 4, 3]
    assert same(group_ids(texts).tolist(), [0, 1, 2, 0, 4, 5])
    assert same(group_ids(texts, users).tolist(), [0, 1, 1, 0, 4, 0])


def test_missing_keys_link_nothing():
    assert same(group_ids(["a", "b", "c"], [None, None, float("nan")]).tolist(), [0, 1, 2])


def brute_force(*columns):
    n = len(columns[0])
    ids = list(range(n))
    for _ in range(n):
        for column in columns:
            for i in range(n):
                for j in range(n):
                    if column[i] == column[j]:
                        ids[i] = ids[j] = min(ids[i], ids[j])
    return ids


@pytest.mark.parametrize("seed", range(5))
def test_components_equal_brute_force(seed):
    rng = np.random.default_rng(seed)
    columns = [rng.integers(0, 15, 25).tolist() for _ in range(3)]
    assert same(group_ids(*columns).tolist(), brute_force(*columns))


@pytest.mark.parametrize("stratify", [True, False])
def test_folds_share_out_the_rows_and_keep_groups_whole(stratify):
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 60, 200)
    y = rng.integers(0, 3, 200)
    folds = group_folds(y, groups, 5, 0, stratify)
    tests = np.concatenate([test for _, test in folds])
    assert sorted(tests.tolist()) == list(range(200))
    for train, test in folds:
        assert not set(groups[train]) & set(groups[test])
        assert len(train) + len(test) == 200
        assert 30 <= len(test) <= 50


def test_folds_are_stratified():
    y = np.repeat([0, 1], [90, 10])
    for _, test in group_folds(y, None, 5, 3, True):
        assert (y[test] == 1).sum() == 2


def test_folds_follow_the_seed_alone():
    y = np.arange(50.0)
    first, again, other = (group_folds(y, None, 4, seed, False) for seed in (1, 1, 2))
    assert all((a[1] == b[1]).all() for a, b in zip(first, again, strict=True))
    assert any(a[1].tolist() != b[1].tolist() for a, b in zip(first, other, strict=True))


def test_too_few_groups():
    with pytest.raises(UserError, match="fold"):
        group_folds(np.zeros(10), np.repeat([0, 1], 5), 3, 0, False)


@pytest.mark.parametrize("test_size", [0.2, 0.5, 30])
def test_holdout(test_size):
    rng = np.random.default_rng(0)
    groups, y = rng.integers(0, 70, 200), rng.integers(0, 2, 200)
    train, test = holdout(y, groups, test_size, 0, True)
    wanted = test_size if isinstance(test_size, int) else 200 * test_size
    assert abs(len(test) - wanted) <= 8
    assert not set(groups[train]) & set(groups[test])
    assert sorted([*train, *test]) == list(range(200))
    assert (np.diff(train) > 0).all()


def test_holdout_keeps_a_training_row_of_every_class():
    y = np.array([0] * 50 + [1] * 50 + [2])
    train, _ = holdout(y, None, 0.5, 0, True)
    assert set(y[train]) == {0, 1, 2}


@pytest.mark.parametrize("test_size", [0.0, 1.0, 1.5, -0.1, 0, 100, "half"])
def test_impossible_holdouts(test_size):
    with pytest.raises(UserError):
        holdout(np.arange(20) % 2, None, test_size, 0, True)


def test_latest_rows_are_tested_and_ties_stay_together():
    order = [1, 5, 2, 5, 3, 4, 5, 0, 1, 2]
    train, test = time_holdout(order, 0.2)
    assert max(order[i] for i in train) < min(order[i] for i in test)
    assert sorted(order[i] for i in test) == [5, 5, 5]


def test_overlap():
    assert overlap(["a", "b"], ["b", "c", "a", "b"]).tolist() == [True, False, True, True]
    assert overlap([], ["b"]).tolist() == [False]
    assert overlap(["a"], []).tolist() == []


def test_keys_come_as_arrow_pandas_or_rows_of_digests():
    assert group_ids(pa.chunked_array([["a", None], [None, "a"]])).tolist() == [0, 1, 2, 0]
    assert group_ids(pd.Series(["a", None, pd.NA, "a"], dtype=object)).tolist() == [0, 1, 2, 0]
    assert group_ids(np.array(["NaT", "2020-01-01", "NaT", "2020-01-01"], "M8[ns]")).tolist() == [0, 1, 2, 1]
    digests = np.array([[1, 2], [1, 3], [1, 2]], dtype=np.uint64)
    assert group_ids(digests).tolist() == [0, 1, 0]
    assert overlap(digests[:1], digests).tolist() == [True, False, True]


def test_a_long_chain_is_one_component():
    n = 20_001
    order = np.random.default_rng(0).permutation(n)
    ids = group_ids((np.arange(n) // 2)[order], ((np.arange(n) + 1) // 2)[order])
    assert ids.tolist() == [0] * n


def test_a_missing_key_overlaps_nothing():
    assert overlap(["a", None, float("nan")], [None, float("nan"), "a"]).tolist() == [False, False, True]


@pytest.mark.parametrize("keys", [(), (["a"], [1, 2])])
def test_key_columns_that_do_not_fit(keys):
    with pytest.raises(UserError, match="key column|Key columns"):
        group_ids(*keys)


@pytest.mark.parametrize("seed", range(20))
def test_no_fold_is_empty_while_there_are_groups_enough(seed):
    rng = np.random.default_rng(seed)
    n_folds = int(rng.integers(2, 7))
    groups = np.concatenate([np.arange(n_folds), rng.integers(0, n_folds, 40)])
    y = rng.integers(0, 4, len(groups))
    folds = group_folds(y, groups, n_folds, seed, True)
    assert all(len(test) for _, test in folds)


def test_classes_are_dealt_evenly_over_equal_groups():
    y = np.tile(np.repeat([0, 1, 2], [4, 2, 2]), 15)  # each group of two rows is of one class
    groups = np.arange(len(y)) // 2
    counts = np.array([np.bincount(y[test], minlength=3) for _, test in group_folds(y, groups, 5, 0, True)])
    assert np.ptp(counts, axis=0).max() == 0


def test_rare_classes_and_labels_of_any_kind():
    y = ["a"] * 9 + [None] + ["b"]
    tests = np.concatenate([test for _, test in group_folds(y, None, 3, 0, True)])
    assert sorted(tests.tolist()) == list(range(11))


def test_several_targets_need_no_strata():
    folds = group_folds(np.random.default_rng(0).normal(size=(12, 3)), None, 3, 0, False)
    assert [len(test) for _, test in folds] == [4, 4, 4]


def test_one_fold_is_no_cross_validation():
    with pytest.raises(UserError, match="at least 2 folds"):
        group_folds(np.zeros(10), None, 1, 0, False)


@pytest.mark.parametrize("test_size", [0.25, 25])
def test_holdout_without_groups_has_the_asked_size_and_shares(test_size):
    y = np.repeat([0, 1, 2], [60, 30, 10])
    _, test = holdout(y, None, test_size, 0, True)
    assert len(test) == 25
    np.testing.assert_allclose(np.bincount(y[test]), [15, 7.5, 2.5], atol=1)


def test_duplicates_are_held_out_as_often_as_others():
    groups = np.concatenate([np.repeat(np.arange(100), 2), np.arange(100, 900)])
    _, test = holdout(np.zeros(1000), groups, 0.2, 0, False)
    assert 20 < (test < 200).sum() < 60  # 40 expected; a fifth of 100 pairs


def test_two_big_groups_still_give_a_test_part():
    groups = np.repeat([0, 1], 50)
    train, test = holdout(np.zeros(100), groups, 0.2, 0, False)
    assert len(train) == len(test) == 50


def test_rows_of_one_group_cannot_be_held_out():
    with pytest.raises(UserError, match="No group"):
        holdout(np.zeros(10), np.zeros(10), 0.2, 0, False)


def test_one_class_is_no_classification():
    with pytest.raises(UserError, match="training part .* one class"):
        holdout(np.zeros(10), None, 0.2, 0, True)


def test_targets_and_groups_of_two_lengths():
    with pytest.raises(UserError, match="one length"):
        holdout(np.zeros(10), np.arange(9), 0.2, 0, False)


def test_latest_dates():
    days = [datetime.date(2020, 1, 1 + i) for i in (3, 0, 2, 1)]
    train, test = time_holdout(days, 1)
    assert (train.tolist(), test.tolist()) == ([1, 2, 3], [0])


@pytest.mark.parametrize(
    ("order", "message"), [([1, None, 2], "no time"), ([1, "a", 2], "sorted"), ([1, 1, 1], "same time")]
)
def test_times_that_cannot_split(order, message):
    with pytest.raises(UserError, match=message):
        time_holdout(order, 1)


def test_nested_values_group_by_what_they_hold():
    import pyarrow as pa

    lists = pa.array([[1, 2], [1], [1, 2], None, None])
    assert group_ids(lists).tolist() == [0, 1, 0, 2, 3]
    assert group_ids([{"a": 1}, {"a": 2}, {"a": 1}]).tolist() == [0, 1, 0]
    assert group_ids([np.array([1.0]), np.array([1.0]), "('nested', '[1.0]')"]).tolist() == [0, 0, 1]
    assert overlap([[1]], [[1], [2]]).tolist() == [True, False]
