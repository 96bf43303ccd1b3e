"""Draws that belong to a row: the right shares, whoever stands beside it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from frostline.elm.decoding import PLAUSIBLE, Decoding, Guided, OwnDraws, row_seed
from frostline.errors import UserError

EMPTY = torch.empty((4000, 0), dtype=torch.long)


def drawn(decoding, logits):
    scores = OwnDraws(decoding, range(4000))(EMPTY, torch.tensor(logits).log().expand(4000, -1))
    assert torch.isfinite(scores).sum(dim=-1).eq(1).all()
    return np.bincount(scores.argmax(-1).numpy(), minlength=len(logits)) / 4000


def test_shares_are_the_probabilities():
    np.testing.assert_allclose(drawn(Decoding(temperature=1.0, top_p=1.0), [0.5, 0.2, 0.3]), [0.5, 0.2, 0.3], atol=0.03)


def test_temperature_sharpens():
    found = drawn(Decoding(temperature=0.5, top_p=1.0), [0.5, 0.2, 0.3])
    np.testing.assert_allclose(found, np.square([0.5, 0.2, 0.3]) / 0.38, atol=0.03)


def test_top_p_keeps_the_token_that_crosses_it():
    found = drawn(Decoding(temperature=1.0, top_p=0.6), [0.5, 0.2, 0.3])
    np.testing.assert_allclose(found, [0.625, 0, 0.375], atol=0.03)


def test_a_seed_is_a_function_of_the_vectors_and_the_number():
    a, b = np.arange(3.0), np.arange(3.0) + 1
    assert row_seed([a], 0, 1) == row_seed([a.astype(np.float32)], 0, 1)
    assert len({row_seed([a], 0, 1), row_seed([b], 0, 1), row_seed([a], 1, 1), row_seed([a], 0, 2)}) == 4


@pytest.mark.parametrize(
    "wrong",
    [{"temperature": 0}, {"top_p": 0}, {"top_p": 1.1}, {"max_new_tokens": 0}, {"guidance": -1}, {"opening": -1}],
)
def test_settings_that_cannot_be(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        Decoding(**wrong).checked()


def test_guidance_moves_away_from_the_mean_among_plausible_tokens():
    own, mean = np.array([0.5, 0.3, 0.18, 0.02]), np.array([0.7, 0.2, 0.05, 0.05])
    scores = torch.tensor(np.log([own, mean]), dtype=torch.float32)
    found = Guided(1.5)(torch.zeros(2, 0, dtype=torch.long), scores).numpy()
    np.testing.assert_allclose(found[0, :3], (2.5 * np.log(own) - 1.5 * np.log(mean))[:3], rtol=1e-5)
    assert own[3] < PLAUSIBLE * own.max()
    assert found[0, 3] == -np.inf
    np.testing.assert_array_equal(found[0], found[1])  # both halves go on with the same token
    assert (own.argmax(), found[0].argmax()) == (0, 2)


@pytest.mark.parametrize(("n_written", "risen"), [(0, 0), (11, 0), (12, 1), (30, 1)])
def test_guidance_begins_after_the_opening(n_written, risen):
    rng = np.random.default_rng(0)
    own, mean = (rng.uniform(1, 2, size=40) for _ in range(2))
    own, mean = own / own.sum(), mean / mean.sum()
    ids = torch.arange(n_written).expand(2, -1)  # nothing was written twice
    found = Guided(2, opening=12)(ids, torch.tensor(np.log([own, mean]), dtype=torch.float32)).numpy()[0]
    np.testing.assert_allclose(found, np.log(own) + 2 * risen * np.log(own / mean), rtol=1e-5)


def test_what_followed_before_is_preferred_once_and_then_held_back():
    own, mean = np.array([0.5, 0.3, 0.2]), np.array([0.6, 0.3, 0.1])
    gain = np.log(own / mean)
    assert gain[2] > 0 > gain[0]
    for written, factors in (
        ([0, 1], [1, 1, 1]),
        ([2, 0], [1, 1, 1]),  # 2 is written, but not after 0
        ([0, 2, 0], [1, 1, 0]),
        ([0, 2, 0, 2, 0], [1, 1, -1]),
        ([0, 2, 0, 2, 0, 2, 0], [1, 1, -1]),
        ([1, 0, 1, 0, 1], [1, 1, 1]),  # 0 is not preferred: it may return
    ):
        ids = torch.tensor([[1] * len(written), written] * 2)
        scores = torch.tensor(np.log([own, own, mean, mean]), dtype=torch.float32)
        found = Guided(1.5)(ids, scores).numpy()
        np.testing.assert_allclose(found[1], np.log(own) + 1.5 * gain * factors, rtol=1e-5)
        np.testing.assert_array_equal(found[:2], found[2:])
