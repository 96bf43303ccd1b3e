"""FRL3xx but drift: each planted fault is found, and a sound predictor has none."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from frostline.diagnostics.evidence import Evidence
from frostline.diagnostics.readers import MatrixReader

from .cases import look, part, separable


def judged(estimator, X, y, n=200):
    task = "regression" if y.dtype.kind == "f" else "classification"
    fitted = estimator.fit(X[:n], y[:n])
    return Evidence(task, train=part(X[:n], y[:n]), test=part(X[n:], y[n:]), estimator=fitted, reader=MatrixReader())


def numbers(n=400, seed=0, noise=0.3):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6))
    return X, X[:, 0] - 2 * X[:, 1] + noise * rng.normal(size=n)


CODES = ["FRL301", "FRL302", "FRL303", "FRL304", "FRL305", "FRL306", "FRL307"]


@pytest.mark.parametrize("code", CODES)
def test_sound_predictors(code):
    for estimator, (X, y) in [(LogisticRegression(), separable(400)), (LinearRegression(), numbers())]:
        assert look(code, judged(estimator, X, y)).outcome in ("passed", "not applicable", "tip")
    assert look(code, judged(LogisticRegression(), *separable(400))).outcome != "issue"


def test_no_better_than_a_dummy():
    X, y = separable(400)
    found = look("FRL301", judged(DummyClassifier(), X, y))
    assert found.outcome == "issue"
    assert found.value["gain"] == pytest.approx(0)
    rng = np.random.default_rng(0)
    X, y = numbers()
    assert look("FRL301", judged(LinearRegression(), X, rng.permutation(y))).outcome == "issue"
    assert look("FRL301", judged(LinearRegression(), X, y)).outcome == "passed"


def test_a_rare_class_that_is_never_named():
    """Accuracy alone would call a constant answer good."""
    X, y = separable(400)
    y = (X[:, 0] > 1.5).astype(int)
    assert y.mean() < 0.15
    assert look("FRL301", judged(DummyClassifier(strategy="most_frequent"), X, y)).outcome == "issue"
    assert look("FRL301", judged(DecisionTreeClassifier(max_depth=1), X, y)).outcome == "passed"


def test_worse_than_simple_methods():
    rng = np.random.default_rng(0)
    words = np.array(["good", "bad"])
    y = rng.integers(0, 2, 300)
    rows = [{"word": words[label], "n": float(i)} for i, label in enumerate(y)]

    class Constant:
        classes_ = np.array([0, 1])

        def predict(self, X):
            return np.zeros(len(X), dtype=int)

    evidence = Evidence(
        "classification", train=part(rows[:200], y[:200]), test=part(rows[200:], y[200:]), estimator=Constant()
    )
    for code in ("FRL302", "FRL303"):
        found = look(code, evidence)
        assert found.outcome == "issue"
        assert found.value["upper"] < 0
    assert look("FRL306", evidence).outcome == "not applicable"


def test_vectors_that_lack_the_target():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(400, 6)), rng.integers(0, 2, 400)
    found = look("FRL304", judged(LogisticRegression(), X, y))
    assert found.outcome == "issue"
    assert "lack" in found.message


def test_a_head_that_is_too_small():
    X, _ = numbers()
    bent = X[:, 0] ** 2 + X[:, 1] ** 2
    found = look("FRL304", judged(LinearRegression(), X, bent))
    assert found.outcome == "issue"
    assert "head" in found.message
    ring = (bent > 1.4).astype(int)
    assert "head" in look("FRL304", judged(LogisticRegression(), X, ring)).message


def test_over_fitting():
    X, y = numbers(noise=3.0)
    found = look("FRL305", judged(DecisionTreeRegressor(random_state=0), X, y))
    assert found.outcome == "issue"
    assert found.value["gain_train"] == pytest.approx(1)
    assert look("FRL305", judged(LinearRegression(), X, y)).outcome == "passed"
    assert look("FRL305", judged(DummyClassifier(), *separable(300))).outcome == "not applicable"


def test_miscalibration():
    class Bold(LogisticRegression):
        def predict_proba(self, X):
            p = super().predict_proba(X) ** 8
            return p / p.sum(axis=1, keepdims=True)

    X, y = separable(900, noise=2.0)
    found = look("FRL306", judged(Bold(), X, y))
    assert found.outcome == "issue"
    assert found.value > 0.1
    assert look("FRL306", judged(LogisticRegression(), X, y, n=600)).outcome == "passed"


def test_coverage():
    class Ranged(LinearRegression):
        half = 1.645 * 0.3

        def predict_interval(self, X, level):
            return self.predict(X) - self.half, self.predict(X) + self.half

    class Narrow(Ranged):
        half = 0.2

    class Wide(Ranged):
        half = 9.0

    X, y = numbers()
    assert look("FRL307", judged(Ranged(), X, y)).outcome == "passed"
    assert look("FRL307", judged(Narrow(), X, y)).outcome == "issue"
    assert look("FRL307", judged(Wide(), X, y)).outcome == "tip"
    assert look("FRL307", judged(LinearRegression(), X, y)).outcome == "not applicable"


def test_without_training_rows_or_a_predictor():
    X, y = numbers()
    fitted = LinearRegression().fit(X, y)
    alone = Evidence("regression", test=part(X, y), estimator=fitted, reader=MatrixReader())
    assert look("FRL301", alone).outcome == "passed"
    assert look("FRL305", alone).outcome == "not applicable"
    nobody = Evidence("regression", train=part(X[:200], y[:200]), test=part(X[200:], y[200:]))
    assert {look(code, nobody).outcome for code in CODES} == {"not applicable"}


def test_labels_that_the_predictor_does_not_know_are_errors():
    X, y = separable(300)
    evidence = judged(LogisticRegression(), X, np.where(np.arange(300) >= 290, 7, y))
    assert (evidence.target(evidence.test)[-10:] == -1).all()
    assert evidence.errors(evidence.test)[-10:].tolist() == [1.0] * 10


def test_checks_of_rows_with_unknown_labels():
    X, y = separable(300)
    fitted = LogisticRegression().fit(X, y)
    evidence = Evidence(
        "classification", test=part(X, np.where(np.arange(300) % 9 == 0, 7, y)), estimator=fitted, reader=MatrixReader()
    )
    assert look("FRL106", evidence).outcome == "not applicable"
    assert look("FRL206", evidence).outcome == "passed"
    assert look("FRL304", evidence).outcome != "not applicable"
