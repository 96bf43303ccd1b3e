from __future__ import annotations

import numpy as np
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
