"""Which sets of predictors are kept: the cheapest that is as good as the best, and no cheaper one better."""

from __future__ import annotations

import numpy as np
import pytest

from frostline.estimators.joining import join


def join_two(y, columns, vectors):
    """Join two predictors, each off by errors of its own."""
    rows = np.arange(len(y))
    return join("regression", ["raw", "embedding"], [(rows, y + columns), (rows, y + vectors)], y, choose=True)


@pytest.mark.parametrize(
    ("noise", "kept"),
    [
        ((0.5, 50.0), ["raw"]),  # the columns alone are as good: the backbone need not run
        ((50.0, 0.5), ["embedding"]),
        ((0.5, 0.5), ["raw", "embedding"]),
    ],
)
def test_numbers_keep_what_helps(noise, kept):
    rng = np.random.default_rng(1)
    y, errors = 3 * rng.standard_normal(400), rng.standard_normal((2, 400))
    found = join_two(y, noise[0] * errors[0], noise[1] * errors[1])
    assert {("raw", "embedding")[i] for i in found.arms} == set(kept)


def test_the_backbone_alone_is_not_taken_where_cheaper_columns_are_better():
    """Few rows, some with large errors: even the worst set is within the error of the best, which must not admit it."""
    rng = np.random.default_rng(352)
    y, columns = rng.standard_normal(60), 0.5 * rng.standard_t(2, 60)
    found = join_two(y, columns, 0.6 * rng.standard_t(2, 60))
    seen = {score.name: score for score in found.seen}
    alone = seen["features embedding"]
    assert alone.behind <= alone.behind_std, "no case of it"
    assert alone.loss > seen["features raw"].loss
    assert alone.note == ""
