"""Scales of targets: there and back, and what makes another than the plain one worth taking."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from frostline.errors import ArtifactError, UserError
from frostline.estimators.targets import SCALES, TargetScale, check_scale, choose_scale

KINDS = [kind for kind in SCALES if kind != "auto"]


@pytest.fixture
def y():
    return np.exp(np.random.default_rng(0).normal(size=300)) + 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back(kind, y):
    scale = TargetScale.learn(kind, y)
    inner = np.sort(y)[2:-2]  # the outermost ranks have no finite normal quantile
    np.testing.assert_allclose(scale.back(scale(inner)), inner, rtol=1e-6)
    assert (np.diff(scale(np.sort(y))) >= 0).all()
    again = TargetScale.from_state(*scale.get_state())
    np.testing.assert_array_equal(again.mean(scale(y)), scale.mean(scale(y)))


def test_yeo_johnson_is_scikit_learns(y):
    from sklearn.preprocessing import PowerTransformer

    scale = TargetScale.learn("yeo-johnson", y)
    z = scale(y)
    own = stats.yeojohnson_normmax((y - y.mean()) / y.std())
    assert scale.numbers[2] == pytest.approx(own)
    other = PowerTransformer().fit_transform(((y - y.mean()) / y.std())[:, None])[:, 0]
    np.testing.assert_allclose((z - z.mean()) / z.std(), other, atol=1e-5)


def test_the_mean_of_a_logarithmic_scale_is_unbiased():
    rng = np.random.default_rng(1)
    errors = rng.normal(0, 0.8, 5000)
    scale = TargetScale.learn("log", np.exp(errors)).smeared(errors)
    z = np.zeros(1)
    assert scale.back(z)[0] == pytest.approx(1.0)  # the median
    assert scale.mean(z)[0] == pytest.approx(np.exp(0.8**2 / 2), rel=0.03)  # the mean of a lognormal


def test_a_wild_prediction_stays_near_the_training_range(y):
    scale = TargetScale.learn("log", y)
    span = np.ptp(np.log(y))
    top = y.max() + 0.25 * np.ptp(y)
    assert scale.back(np.array([-1e6, 1e6])) == pytest.approx([np.exp(np.log(y).min() - 0.25 * span), top])
    assert TargetScale.learn("none", y).back(np.array([1e6]))[0] == 1e6


def test_equal_targets_share_a_rank():
    scale = TargetScale.learn("quantile", np.repeat([0.0, 1.0, 5.0], 50))
    z = scale(np.array([0.0, 1.0, 5.0]))
    assert z[1] == pytest.approx(0, abs=0.05)
    assert z[0] == pytest.approx(-z[2], abs=0.05)


def test_choice():
    rng = np.random.default_rng(2)
    x = rng.normal(size=400)
    noise = rng.normal(0, 0.3, 400)
    folds = np.arange(400) % 2

    def held_out(z):
        found = np.empty(400)
        for fold in (0, 1):
            found[folds == fold] = np.polyval(np.polyfit(x[folds != fold], z[folds != fold], 1), x[folds == fold])
        return np.arange(400), found

    assert choose_scale(np.exp(x + noise), held_out).kind == "log"
    assert choose_scale(x + noise, held_out).kind == "none"
    assert choose_scale(np.repeat([1.0, 2.0], 200), held_out).kind == "none"


def test_a_scale_that_hardly_bends_is_not_tried():
    def held_out(z):
        raise AssertionError("nothing is to be compared")

    y = 1000 + np.random.default_rng(3).normal(size=300)  # its logarithm is a straight line, and so is its power
    assert choose_scale(y, held_out).kind == "none"
    with pytest.raises(AssertionError, match="nothing"):
        choose_scale(np.exp(y - 1000), held_out)


def test_refusals(y):
    with pytest.raises(UserError, match="log.*above 0"):
        TargetScale.learn("log", np.array([0.0, 1.0]))
    with pytest.raises(UserError, match="log1p.*at least 0"):
        TargetScale.learn("log1p", np.array([-0.5, 1.0]))
    with pytest.raises(UserError, match="Allowed.*yeo-johnson"):
        check_scale("logarithm")
    with pytest.raises(ArtifactError):
        TargetScale.from_state({"kind": "log"}, {})
