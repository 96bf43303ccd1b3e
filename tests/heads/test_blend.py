"""Pools of predictors: closed forms, starting weights, and what a useless predictor gets."""

from __future__ import annotations

import numpy as np
import pytest

from frostline.heads.blend import Calibration, LogPool, SumPool


def softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@pytest.fixture
def classes():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 3))
    p = softmax(logits)
    codes = (rng.random(len(p))[:, None] > p.cumsum(1)).sum(1)
    return logits, p, codes


def test_calibration_finds_the_slope_that_made_the_labels(classes):
    logits, _, codes = classes
    found = Calibration.fit(logits / 4, codes)
    assert found.slope == pytest.approx(4, rel=0.05)
    np.testing.assert_allclose(found(logits / 4), softmax(found.slope * logits / 4))
    assert found.loss(logits / 4, codes) == pytest.approx(
        -np.log(found(logits / 4)[np.arange(len(codes)), codes]).mean()
    )


def test_true_probabilities_keep_weight_one_and_noise_gets_none(classes):
    _, p, codes = classes
    noise = softmax(np.random.default_rng(1).normal(size=p.shape))
    np.testing.assert_allclose(LogPool.fit([p, noise], codes).weights, [1, 0], atol=0.05)
    np.testing.assert_allclose(LogPool.fit([noise, p], codes).weights, [0, 1], atol=0.05)


def test_two_independent_witnesses_are_both_heard():
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 2, 20_000)
    witnesses = [(2 * codes - 1) * 0.5 + rng.normal(size=len(codes)) for _ in range(2)]
    # The posterior of one witness w with unit noise and means +-0.5 has logit w; of two, their sum: weights one and one.
    proba = [softmax(np.column_stack([-w / 2, w / 2])) for w in witnesses]
    np.testing.assert_allclose(LogPool.fit(proba, codes).weights, [1, 1], atol=0.06)


def test_pooled_probabilities_are_the_normalized_product():
    a, b = np.array([[0.5, 0.3, 0.2]]), np.array([[0.1, 0.8, 0.1]])
    expected = a**0.5 * b**2
    np.testing.assert_allclose(LogPool(np.array([0.5, 2.0]))([a, b]), expected / expected.sum())


def test_few_rows_hardly_move_the_weights():
    codes = np.array([0, 1, 0, 1])
    good = np.where(np.eye(2)[codes] == 1, 0.9, 0.1)
    weights = LogPool.fit([np.full((4, 2), 0.5), good], codes).weights
    assert weights[0] == pytest.approx(1, abs=0.01)
    assert weights[1] < 0.3


def test_certain_and_wrong_is_not_infinite():
    codes = np.array([0] * 50 + [1] * 50)
    sure = np.tile([1.0, 0.0], (100, 1))
    pool = LogPool.fit([sure, np.full((100, 2), 0.5)], codes)
    assert np.isfinite(pool([sure, sure])).all()


def test_numbers_are_weighed_by_least_squares():
    rng = np.random.default_rng(3)
    y = rng.normal(size=5000)
    a, b = y + rng.normal(size=5000), y + 2 * rng.normal(size=5000)
    pool = SumPool.fit([a, b], y)
    A = np.column_stack([a, b, np.ones(5000)])
    expected = np.linalg.lstsq(A, y, rcond=None)[0]
    np.testing.assert_allclose([*pool.weights, pool.shift], expected, atol=0.01)
    np.testing.assert_allclose(pool([a, b]), A @ [*pool.weights, pool.shift])


def test_a_few_large_targets_do_not_decide_for_all_others():
    rng = np.random.default_rng(4)
    large = np.arange(1000) < 20
    y = np.where(large, 1e4 * rng.normal(size=1000), rng.normal(size=1000))
    good = y + np.where(large, 300.0, 0.1) * rng.normal(size=1000)
    other = y + np.where(large, 300.0, 30.0) * rng.normal(size=1000)
    pool = SumPool.fit([good, other], y)
    assert pool.weights.tolist() == [1, 0]
    assert pool.shift == 0
    assert SumPool.fit([other, good], y).weights.tolist() == [0, 1]
    alike = [y[~large] + rng.normal(size=980) for _ in range(2)]
    assert all(SumPool.fit(alike, y[~large]).weights > 0.2)


def test_weights_are_never_negative():
    y = np.arange(100.0)
    pool = SumPool.fit([y + np.sin(y), -y], y)
    assert (pool.weights >= 0).all()


def test_predictors_of_weighted_rows_are_led_back_to_the_true_frequencies(classes):
    _, p, codes = classes
    weights = np.array([0.5, 1.0, 6.0])
    weighted = p * weights / (p * weights).sum(1, keepdims=True)
    pool = LogPool.fit([weighted], codes, weights)
    np.testing.assert_allclose(pool.shift - pool.shift[0], np.log(weights[0] / weights), atol=0.1)
    np.testing.assert_allclose(pool([weighted]), p, atol=0.02)
    few = LogPool.fit([weighted[:6]], codes[:6], weights)
    np.testing.assert_allclose(few([weighted[:6]]), p[:6], atol=0.15)


def test_without_weights_there_is_no_shift(classes):
    _, p, codes = classes
    assert LogPool.fit([p], codes).shift is None
