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
    assert found["difference"] == pytest.approx(1.0)


@pytest.mark.parametrize(("how", "expected"), [("concat", [[1, 2, 3, 0]]), ("mean", [[2, 1]]), ("max", [[3, 2]])])
def test_fusion(how, expected):
    vectors = np.array([[[1, 2], [3, 0]]], dtype=np.float32)
    np.testing.assert_array_equal(fuse(vectors, how), expected)
    with pytest.raises(UserError, match="concat"):
        fuse(vectors, "concta")


def test_concatenation_copies_nothing():
    vectors = np.zeros((3, 2, 4), dtype=np.float32)
    assert np.shares_memory(fuse(vectors), vectors)
    with pytest.raises(UserError, match=r"\(n, L, D\)"):
        fuse(vectors[0])


def test_labels_that_training_never_saw_are_errors():
    found = classification_metrics(["a", "z"], [[1.0, 0.0], [0.6, 0.4]], ["a", "b"])
    assert found["accuracy"] == 0.5
    assert found["macro_f1"] == pytest.approx(oracle.f1_score(["a", "z"], ["a", "a"], average="macro"))
    assert found["log_loss"] == pytest.approx(-np.log(1e-15) / 2)


def test_labels_of_several_kinds():
    found = classification_metrics([1, "one", None], np.eye(3), [1, "one", None])
    assert (found["accuracy"], found["macro_f1"], found["ece"]) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("proba", "message"), [([[0.5, 0.5]], "shape"), ([[0.5, np.nan]] * 2, "0 to 1"), ([[2.0, -1.0]] * 2, "0 to 1")]
)
def test_probabilities_that_are_none(proba, message):
    with pytest.raises(UserError, match=message):
        classification_metrics([0, 1], proba, [0, 1])


def test_debiased_error_in_closed_form():
    confidence, right = np.full(10, 0.7), np.repeat([True, False], 5)
    s = np.sqrt(0.25 / 9)
    expected = 2 * 0.2 - stats.foldnorm(0.2 / s, scale=s).mean()
    assert expected_calibration_error(confidence, right) == pytest.approx(expected)
    assert expected_calibration_error(confidence, right, debias=False) == pytest.approx(0.2)


def test_bins_do_not_depend_on_the_order_of_equal_confidences():
    rng = np.random.default_rng(0)
    confidence, right = rng.choice([0.6, 0.7, 0.9], 200), rng.random(200) < 0.7
    order = rng.permutation(200)
    bins = reliability_bins(confidence, right)
    assert len(bins) == 3
    np.testing.assert_allclose(bins, reliability_bins(confidence[order], right[order]))


@pytest.mark.parametrize(("confidence", "right", "n_bins"), [([], [], 15), ([0.5], [True, False], 15), ([0.5], [1], 0)])
def test_calibration_of_nothing(confidence, right, n_bins):
    with pytest.raises(UserError, match="Calibration"):
        expected_calibration_error(confidence, right, n_bins)


@pytest.mark.parametrize("unknown", ["z", 0, ""])
def test_confusion_drops_no_label(unknown):
    with pytest.raises(UserError, match="not among"):
        confusion(["a", unknown], ["a", "a"], ["a"])


def test_several_targets_are_averaged():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(50, 2))
    guess = y + rng.normal(size=(50, 2))
    parts = [regression_metrics(y[:, j], guess[:, j]) for j in range(2)]
    for name, value in regression_metrics(y, guess).items():
        assert value == pytest.approx((parts[0][name] + parts[1][name]) / 2)


def test_the_mean_over_targets_leaves_out_a_constant_one():
    y = np.column_stack([np.arange(7.0), np.full(7, 0.1)])
    guess = np.column_stack([np.arange(7.0)[::-1], np.arange(7.0)])
    assert regression_metrics(y, guess) == regression_metrics(y[:, 0], guess[:, 0])
    assert regression_metrics(y[:, [1, 1]], guess)["r2"] == 0.0


def test_a_constant_truth_explains_nothing():
    found = regression_metrics([0.1] * 7, np.arange(7.0))
    assert (found["kendall_tau"], found["spearman"], found["r2"]) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (([1.0], [1.0, 2.0]), "one shape"),
        (([], []), "not empty"),
        (([1.0], [np.nan]), "finite"),
        (([1.0], [1.0], [0.0]), "both ends"),
    ],
)
def test_numbers_that_cannot_be_scored(args, message):
    with pytest.raises(UserError, match=message):
        regression_metrics(*args)


def test_the_bootstrap_draws_rows_together_and_covers():
    x = np.arange(30.0)
    assert bootstrap_ci(lambda a, b: float(np.abs(a - b).max()), x, x, n=50) == (0.0, 0.0)
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(100):
        low, high = bootstrap_ci(np.mean, rng.normal(size=60), n=200, level=0.8, seed=seed)
        hits += low <= 0 <= high
    assert 65 <= hits <= 90


@pytest.mark.parametrize(
    "call", [lambda: bootstrap_ci(np.mean, [1.0]), lambda: bootstrap_ci(np.mean, [1, 2], level=95)]
)
def test_impossible_bootstraps(call):
    with pytest.raises(UserError):
        call()


def test_paired_difference_equals_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=40), rng.normal(size=40)
    found = paired_difference(a, b, level=0.9)
    low, high = stats.ttest_rel(a, b).confidence_interval(0.9)
    assert (found["lower"], found["upper"]) == (pytest.approx(low), pytest.approx(high))
    assert found["std_error"] == pytest.approx(stats.sem(a - b))
    with pytest.raises(UserError, match="n >= 2"):
        paired_difference(a, b[:5])
