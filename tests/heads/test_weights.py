"""Class weights: rows of weight 2 are fitted as if they stood there twice, in every head that takes weights."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from frostline.errors import UserError
from frostline.heads import LinearClassifier, MLPClassifier, TfidfClassifier, class_weights


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [120, 30, 10])
    return rng.normal(size=(160, 4)) + np.eye(3, 4)[y] * 1.5, y


def test_balanced_classes_weigh_the_same_in_all():
    codes = np.array([0, 0, 0, 1])
    np.testing.assert_allclose(class_weights("balanced", np.array(["a", "b"]), codes), [2 / 3, 2])
    np.testing.assert_allclose(class_weights({"b": 3}, np.array(["a", "b"]), codes), [2 / 3, 2])
    np.testing.assert_array_equal(class_weights(None, np.array(["a", "b"]), codes), [1, 1])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("balance", "Did you mean 'balanced'"),
        ({"c": 1}, "label 'c', which no row has"),
        ({"a": 0}, "must be a positive number"),
        ({"a": True}, "must be a positive number"),
        ({"a": np.inf}, "must be a positive number"),
        ({"a": "2"}, "must be a positive number"),
    ],
)
def test_wrong_weights(given, message):
    with pytest.raises(UserError) as error:
        class_weights(given, np.array(["a", "b"]), np.array([0, 1]))
    assert message in str(error.value)


def test_linear_is_that_of_repeated_rows_and_of_scikit_learn(rows):
    X, y = rows
    weighted = LinearClassifier([0.03], class_weight={0: 1, 1: 2, 2: 5}).fit(X, y)
    again = np.repeat(np.arange(len(y)), np.array([1, 2, 5])[y])
    repeated = LinearClassifier([0.03]).fit(X[again], y[again])
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-4)
    weights = np.array([1, 2, 5])[y]
    scaler = StandardScaler().fit(X, sample_weight=weights)
    oracle = LogisticRegression(C=1 / (weights.sum() * 0.03), tol=1e-10, max_iter=10_000)
    oracle.fit(scaler.transform(X), y, sample_weight=weights)
    np.testing.assert_allclose(weighted.predict_proba(X), oracle.predict_proba(scaler.transform(X)), atol=1e-4)


def test_linear_tunes_under_the_weights(rows):
    X, y = rows
    head = LinearClassifier(class_weight="balanced")
    held_out = head.tune(X, y)[1]
    of_rows = class_weights("balanced", np.arange(3), y)[y]
    assert np.average(held_out, axis=0, weights=of_rows) == pytest.approx([1 / 3] * 3, abs=0.06)
    assert LinearClassifier().tune(X, y)[1].mean(0) == pytest.approx([0.75, 0.19, 0.06], abs=0.04)


def test_mlp_lifts_rare_classes(rows):
    X, y = rows
    settings = {"hidden": (16,), "lrs": (1e-2,), "weight_decays": (0.01,), "epochs": 15}
    plain, weighted = (MLPClassifier(**settings, class_weight=w).fit(X, y) for w in (None, "balanced"))
    assert weighted.predict_proba(X)[:, 2].mean() > 2 * plain.predict_proba(X)[:, 2].mean()
    ones = MLPClassifier(**settings, class_weight={0: 1, 1: 1, 2: 1}).fit(X, y)
    np.testing.assert_array_equal(ones.predict_proba(X), plain.predict_proba(X))


def test_words_lift_rare_classes():
    rng = np.random.default_rng(0)
    y = np.repeat(["often", "seldom"], [270, 30])
    words = {"often": ["cold", "ice", "line"], "seldom": ["warm", "ice", "line"]}
    texts = [" ".join(rng.choice(words[label], 3)) for label in y]
    plain, weighted = (TfidfClassifier(class_weight=w).fit(texts, y) for w in (None, "balanced"))
    assert plain.oof_proba_[:, 1].mean() == pytest.approx(0.1, abs=0.05)
    assert weighted.oof_proba_[:, 1].mean() > 0.2
    again = TfidfClassifier.from_state(*weighted.get_state())
    np.testing.assert_array_equal(again.predict_proba(texts), weighted.predict_proba(texts))
