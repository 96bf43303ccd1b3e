"""FRL308: no more false alarms than stated, and drift of a column or of what columns have in common is seen."""

from __future__ import annotations

import numpy as np

from frostline.diagnostics.drift import _column_test, two_sample_test
from frostline.diagnostics.evidence import Evidence
from frostline.diagnostics.readers import MatrixReader

from .cases import look, part


def outcome(here, there, reader=None):
    return look(
        "FRL308", Evidence("regression", train=part(here, np.zeros(len(here))), against=part(there), reader=reader)
    )


def test_false_alarms_are_as_rare_as_stated():
    rng = np.random.default_rng(0)
    chances = [
        two_sample_test(rng.normal(size=(30, 3)), rng.normal(size=(25, 3)), n_draws=99, seed=i) for i in range(200)
    ]
    for level in (0.05, 0.2, 0.5):
        share = np.mean(np.array(chances) <= level)
        assert abs(share - level) < 3.5 * np.sqrt(level * (1 - level) / 200)


def test_shift_and_spread_are_seen():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(150, 4))
    assert two_sample_test(A, rng.normal(size=(150, 4)) + 0.8) == 0.001
    assert two_sample_test(A, 2 * rng.normal(size=(150, 4))) < 0.005
    assert two_sample_test(A, A.copy()) > 0.9


def test_moved_rows_and_columns_are_named():
    rng = np.random.default_rng(0)
    rows = lambda n, colors: [  # noqa: E731
        {"size": float(size), "color": str(color)}
        for size, color in zip(rng.normal(size=n), rng.choice(colors, n), strict=True)
    ]
    here = rows(200, ["red", "green", "blue"])
    assert outcome(here, rows(150, ["red", "green", "blue"])).outcome == "passed"
    found = outcome(here, rows(150, ["red", "black"]))
    assert found.outcome == "issue"
    assert "color" in found.message
    assert "size" not in found.message
    assert found.value["alpha"] == 0.01


def test_vectors_that_only_together_differ():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(300, 2))
    B = rng.multivariate_normal([0, 0], [[1, 0.95], [0.95, 1]], 300)
    found = outcome(A, B, MatrixReader())
    assert found.outcome == "issue"
    assert found.value["p_vectors"] <= 0.005
    assert outcome(A, rng.normal(size=(300, 2)), MatrixReader()).outcome == "passed"


def test_few_rows_or_none():
    rng = np.random.default_rng(0)
    assert outcome(rng.normal(size=(50, 2)), rng.normal(size=(9, 2))).outcome == "not applicable"
    alone = Evidence("regression", train=part(rng.normal(size=(50, 2)), np.zeros(50)))
    assert look("FRL308", alone).outcome == "not applicable"


def test_missing_values_and_long_texts_of_a_column():
    here = part([{"a": None if i % 2 else float(i), "t": f"{i} " * 3} for i in range(100)]).table
    there = part([{"a": float(i), "t": f"{i} " * 9} for i in range(100)]).table
    assert _column_test(here.column("a"), there.column("a")) < 1e-6
    assert _column_test(here.column("t"), there.column("t")) < 1e-6
    assert _column_test(here.column("a"), here.column("a")) == 1
