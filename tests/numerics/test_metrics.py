from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as oracle

from frostline.errors import UserError
from frostline.numerics.fusion import fuse
from frostline.numerics.metrics import (
    bootstrap_ci,
    classification_metrics,
    confusion,
    expected_calibration_error,
    paired_difference,
    regression_metrics,
    reliability_bins,
)


def predictions(n=400, k=3, seed=0):
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.ones(k), n)
    y = np.array([rng.choice(k, p=p) for p in proba])
    return np.array(["a", "b", "c"])[y], proba, np.array(["a", "b", "c"])


def test_classification_equals_scikit_learn():
    y, proba, classes = predictions()
    found = classification_metrics(y, proba, classes)
    guess = classes[proba.argmax(1)]
    assert found["accuracy"] == pytest.approx(oracle.accuracy_score(y, guess))
    assert found["macro_f1"] == pytest.approx(oracle.f1_score(y, guess, average="macro"))
    assert found["log_loss"] == pytest.approx(oracle.log_loss(y, proba, labels=classes))
    assert all(type(value) is float for value in found.values())
    np.testing.assert_array_equal(confusion(y, guess, classes), oracle.confusion_matrix(y, guess, labels=classes))


def test_calibration_error_of_a_calibrated_and_an_overconfident_model():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 100_000)
    right = rng.random(100_000) < confidence
    assert expected_calibration_error(confidence, right) < 0.005
    sure = np.full(100_000, 0.95)
    assert expected_calibration_error(sure, rng.random(100_000) < 0.75) == pytest.approx(0.2, abs=0.01)


def test_debiasing_matters_on_few_rows():
    rng = np.random.default_rng(0)
    plain, debiased = [], []
    for _ in range(200):
        confidence = rng.uniform(0.5, 1, 150)
        right = rng.random(150) < confidence
        plain.append(expected_calibration_error(confidence, right, debias=False))
        debiased.append(expected_calibration_error(confidence, right))
    assert np.mean(plain) > 0.08
    assert np.mean(debiased) < 0.7 * np.mean(plain)


def test_reliability_bins_hold_every_row():
    rng = np.random.default_rng(0)
    confidence = rng.random(1000)
    bins = reliability_bins(confidence, rng.random(1000) < confidence)
    assert sum(n for _, _, n in bins) == 1000
    assert [c for c, _, _ in bins] == sorted(c for c, _, _ in bins)
    assert max(abs(c - a) for c, a, _ in bins) < 0.25


def test_regression_equals_scipy():
    rng = np.random.default_rng(0)
    y = rng.normal(size=200)
    guess = y + rng.normal(size=200)
    found = regression_metrics(y, guess, guess - 1, guess + 1)
    assert found["kendall_tau"] == pytest.approx(stats.kendalltau(y, guess).statistic)
    assert found["spearman"] == pytest.approx(stats.spearmanr(y, guess).statistic)
    assert found["r2"] == pytest.approx(oracle.r2_score(y, guess))
    assert found["mae"] == pytest.approx(np.abs(y - guess).mean())
    assert found["rmse"] == pytest.approx(np.sqrt(((y - guess) ** 2).mean()))
    assert found["coverage"] == pytest.approx(np.mean(np.abs(y - guess) <= 1))
    assert found["width"] == pytest.approx(2.0)


def test_constant_predictions_rank_nothing():
    found = regression_metrics([1.0, 2.0, 3.0], [2.0, 2.0, 2.0])
    assert (found["kendall_tau"], found["spearman"], found["r2"]) == (0.0, 0.0, 0.0)
    assert set(found) == {"kendall_tau", "spearman", "r2", "mae", "rmse"}


def test_bootstrap_and_paired_difference():
    x = np.random.default_rng(0).normal(5, 2, 400)
    low, high = bootstrap_ci(np.mean, x)
    half = 1.96 * x.std(ddof=1) / 20
    assert (low, high) == (pytest.approx(x.mean() - half, abs=0.05), pytest.approx(x.mean() + half, abs=0.05))
    found = paired_difference(x + 1, x)
    assert next(iter(found.values())) == pytest.approx(1.0)


@pytest.mark.parametrize(("how", "expected"), [("concat", [[1, 2, 3, 0]]), ("mean", [[2, 1]]), ("max", [[3, 2]])])
def test_fusion(how, expected):
    vectors = np.array([[[1, 2], [3, 0]]], dtype=np.float32)
    np.testing.assert_array_equal(fuse(vectors, how), expected)
    with pytest.raises(UserError, match="concat"):
        fuse(vectors, "concta")
