"""FRL2xx: each planted fault is found, and clean vectors have none."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from frostline.diagnostics.vectors import cka

from .cases import look, vectors

rng = np.random.default_rng(0)
CLEAN = rng.normal(size=(120, 12))
Y = CLEAN[:, 0] + CLEAN[:, 1]


@pytest.mark.parametrize("code", ["FRL201", "FRL202", "FRL203", "FRL204", "FRL206"])
def test_clean(code):
    assert look(code, vectors(CLEAN, y=Y)).outcome == "passed"


def test_non_finite():
    bad = CLEAN.copy()
    bad[7, 3] = np.nan
    found = look("FRL201", vectors(bad))
    assert found.outcome == "issue"
    assert "row 7" in found.message
    other = look("FRL202", vectors(bad))
    assert other.outcome == "not applicable"
    assert "FRL201" in other.message


def test_collapse():
    twins = CLEAN.copy()
    twins[60:] = twins[:60] + 1e-7
    assert look("FRL202", vectors(twins)).value["collapsed"] == 1
    assert look("FRL202", vectors(twins)).outcome == "issue"
    assert look("FRL202", vectors(np.ones((50, 4)))).outcome == "issue"
    line = np.outer(rng.normal(size=120), np.ones(12)) + 1e-3 * CLEAN
    assert look("FRL202", vectors(line)).outcome == "issue"
    assert look("FRL202", vectors(CLEAN[:9])).outcome == "not applicable"


def test_anisotropy():
    Z = rng.normal(size=(50, 8)) + 5
    unit = Z / np.linalg.norm(Z, axis=1, keepdims=True)
    expected = (unit @ unit.T)[~np.eye(50, dtype=bool)].mean()
    found = look("FRL203", vectors(Z))
    assert (found.outcome, found.value) == ("tip", pytest.approx(expected))
    assert look("FRL203", vectors(rng.normal(size=(50, 8)) + 200)).outcome == "issue"


def test_dead_dimensions():
    Z = CLEAN.copy()
    Z[:, 5] = 0.25
    found = look("FRL204", vectors(Z))
    assert (found.outcome, found.value) == ("issue", pytest.approx(1 / 12))
    assert "the first: 5" in found.message
    wide = np.hstack([rng.normal(size=(40, 200)), np.full((40, 1), 3.0)])
    assert look("FRL204", vectors(wide)).outcome == "tip"


def test_redundant_layers():
    turned = CLEAN @ np.linalg.qr(rng.normal(size=(12, 12)))[0] * 3
    found = look("FRL205", vectors(np.stack([CLEAN, turned], axis=1), y=Y))
    assert found.outcome == "issue"
    assert found.value["cka"] == {"0-final": pytest.approx(1)}
    parts = np.zeros((120, 2, 12))
    parts[:, 0], parts[:, 1] = rng.normal(size=(120, 12)), CLEAN
    found = look("FRL205", vectors(parts, y=Y + parts[:, 0, 0]))
    assert found.outcome == "passed"
    assert found.value["gain"]["0"][0] > 0.1
    assert look("FRL205", vectors(parts, y=Y)).outcome == "tip"  # the first layer adds nothing
    assert look("FRL205", vectors(CLEAN, y=Y)).outcome == "not applicable"


def test_cka_is_what_it_says():
    A, B = rng.normal(size=(40, 5)), rng.normal(size=(40, 3))
    A, B = A - A.mean(0), B - B.mean(0)
    expected = np.linalg.norm(B.T @ A) ** 2 / (np.linalg.norm(A.T @ A) * np.linalg.norm(B.T @ B))
    assert cka(A + 7, B) == pytest.approx(expected)
    assert cka(A, np.ones((40, 2))) == 0


def test_smoothness():
    noise = rng.normal(size=(300, 12))
    found = look("FRL206", vectors(noise, y=rng.normal(size=300)))
    assert found.outcome == "issue"
    assert found.value["ratio"] == pytest.approx(1, abs=0.1)
    classes = rng.integers(0, 3, 300)
    assert look("FRL206", vectors(noise, "classification", classes)).outcome == "issue"
    assert look("FRL206", vectors(noise + 4 * np.eye(12)[classes], "classification", classes)).outcome == "passed"


def test_raw_columns_that_are_smoother():
    n = 200
    y = np.arange(n) / 50  # the column "a" counts the rows
    found = look("FRL206", vectors(y[:, None] + rng.normal(size=(n, 1)), y=y))
    assert found.outcome == "tip"
    assert found.value["gap"]["upper"] < 0


def test_best_layer():
    noise = rng.normal(size=(120, 12))
    both = np.stack([CLEAN, noise], axis=1)
    found = look("FRL207", vectors(both, y=Y, read=[1]))
    assert (found.outcome, found.value["best"]) == ("issue", "0")
    assert look("FRL207", vectors(both, y=Y, read=[0])).outcome == "passed"
    assert LinearRegression().fit(CLEAN, Y).score(CLEAN, Y) == pytest.approx(1)
