"""Batches: every example once, within the budget, in an order that seed and epoch decide."""

from __future__ import annotations

import numpy as np
import pytest

from frostline.errors import UserError
from frostline.numerics.batches import batches_of_epoch, cut_batches

LENGTHS = np.random.default_rng(0).integers(3, 60, size=500).tolist()


def test_every_example_once_within_the_budget_and_with_little_padding():
    found = batches_of_epoch(LENGTHS, 256, seed=1, epoch=0)
    assert sorted(np.concatenate(found).tolist()) == list(range(500))
    padded = [max(LENGTHS[i] for i in rows) * len(rows) for rows in found]
    assert max(padded) <= 256
    assert sum(padded) < 1.1 * sum(LENGTHS)


def test_seed_and_epoch_decide():
    def order(seed, epoch):
        return np.concatenate(batches_of_epoch(LENGTHS, 256, seed, epoch)).tolist()

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)


def test_one_example_too_long():
    with pytest.raises(UserError, match="300 tokens does not fit into a batch of 256"):
        cut_batches(np.array([4, 300]), np.array([0, 1]), 256)


def test_nothing():
    assert cut_batches(np.array([], dtype=int), np.array([], dtype=np.intp), 8) == []
