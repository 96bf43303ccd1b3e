from __future__ import annotations

import itertools

import numpy as np

from frostline.backbones import distinct_keys, plan_batches, row_windows


def random_keys(n, seed=0):
    return np.random.default_rng(seed).integers(0, 2**63, (n, 2)).astype(np.uint64)


def test_every_text_is_planned_once_within_the_budget():
    lengths = np.random.default_rng(1).integers(1, 300, 1000)
    batches = plan_batches(lengths, random_keys(1000), budget=512)
    assert sorted(np.concatenate(batches).tolist()) == list(range(1000))
    assert all(len(b) * lengths[b].max() <= 512 for b in batches)
    assert all(lengths[b].max() <= lengths[a].min() for a, b in itertools.pairwise(batches))


def test_a_text_longer_than_the_budget_is_a_batch_of_its_own():
    assert next(b.tolist() for b in plan_batches(np.array([5, 900, 5]), random_keys(3), budget=100)) == [1]


def test_plan_does_not_depend_on_the_order_of_arrival():
    keys, lengths = random_keys(200), np.random.default_rng(2).integers(1, 5, 200)
    shuffled = np.random.default_rng(3).permutation(200)
    plain = [keys[b].tolist() for b in plan_batches(lengths, keys, budget=40)]
    assert [keys[shuffled][b].tolist() for b in plan_batches(lengths[shuffled], keys[shuffled], budget=40)] == plain


def test_distinct_keys():
    keys = random_keys(3)[[0, 1, 0, 2, 1]]
    first, inverse = distinct_keys(keys)
    assert len(first) == 3
    np.testing.assert_array_equal(keys[first][inverse], keys)


def test_windows():
    assert row_windows(5, 2) == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert row_windows(0) == []


def test_a_batch_has_at_most_so_many_texts():
    lengths = np.array([1] * 10 + [50, 60])
    batches = plan_batches(lengths, random_keys(12), 100, 4)
    assert [len(batch) for batch in batches] == [1, 2, 4, 4, 1]
