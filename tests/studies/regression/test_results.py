"""Means over draws, intervals over problems, shares and correlations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr

from frostline.studies.cells import Outcome
from frostline.studies.regression.encodings import RAW, Encoding
from frostline.studies.regression.results import Results, correlation, mean_over, minus, share

LINE = Encoding("some-model")


def outcome(name, draw, encoding, tau, head="mlp", **more):
    problem = {"family": "functions", "name": name, "dof": 5, "repetition": draw}
    return Outcome({"kind": "score", "problem": problem, "encoding": encoding.key, "head": head, "share": 1.0, **more},
                   {"kendall_tau": tau})  # fmt: skip


def test_scores_are_means_over_draws_of_what_was_asked():
    found = Results([outcome("a", 0, RAW, 0.2), outcome("a", 1, RAW, 0.4), outcome("b", 0, RAW, 0.5), outcome("a", 0, LINE, 0.9),
                     outcome("a", 0, RAW, 0.0, "ridge"), outcome("a", 0, RAW, -1.0, share=0.5), Outcome({"kind": "warp"})])  # fmt: skip
    place = ("functions", 5)
    assert found.scores(place, RAW, "mlp") == pytest.approx({"a": 0.3, "b": 0.5})
    assert found.scores(place, RAW, "mlp", 0.5) == {"a": -1.0}
    assert found.scores(place, LINE, "mlp") == {"a": 0.9}
    assert found.scores(("functions", 10), RAW, "mlp") == {}
    assert found.draws("a", place, RAW, "mlp") == {0: 0.2, 1: 0.4}


def test_differences_are_means_over_the_draws_that_both_arms_have():
    found = Results([outcome("a", 0, RAW, 0.2), outcome("a", 1, RAW, 0.8), outcome("a", 0, LINE, 0.5), outcome("b", 0, LINE, 0.1),
                     outcome("c", 1, RAW, 0.1, share=0.5), outcome("c", 1, LINE, 0.0, share=0.5)])  # fmt: skip
    place = ("functions", 5)
    assert found.gain(place, (LINE, "mlp"), (RAW, "mlp")) == {"a": pytest.approx(0.3)}
    assert found.gain(place, (LINE, "mlp", 0.5), (RAW, "mlp", 0.5)) == {"c": pytest.approx(-0.1)}


def test_what_only_the_first_draw_has_is_compared_within_it():
    found = Results([outcome("a", 0, RAW, 0.2), outcome("a", 1, RAW, 0.8), outcome("b", 1, RAW, 0.1)])
    assert found.of_first_draw().scores(("functions", 5), RAW, "mlp") == {"a": 0.2}


def test_gaps_are_means_over_the_draws_of_the_gains():
    def smooth(draw, encoding, moments):
        problem = {"family": "functions", "name": "a", "dof": 5, "repetition": draw}
        key = {"kind": "smoothness", "problem": problem, "encoding": encoding.key}
        return Outcome(key, {"multiply": moments, "divide": [0.0, 0.0], "factors": [1.0, 2.0]})

    found = Results(
        [
            smooth(0, RAW, [2.0, 3.0]),
            smooth(0, LINE, [1.0, 4.0]),
            smooth(1, RAW, [1.0, 3.0]),
            smooth(1, LINE, [1.0, 4.0]),
            smooth(2, RAW, [9.0, 3.0]),
            smooth(2, LINE, [1.0, 4.0]),
            *(outcome("a", draw, RAW, 0.5) for draw in (0, 1, 2)),
            *(outcome("a", draw, LINE, 0.6 + draw / 10) for draw in (0, 1)),
        ]
    )
    place, arms = ("functions", 5), ((LINE, "mlp"), (RAW, "mlp"))
    assert found.gaps_and_gains(place, *arms) == {"a": (pytest.approx(0.1), pytest.approx(0.15))}
    assert found.gaps_and_gains(place, *arms, "divide")["a"][0] == 0.0
    assert found.factors(place, LINE, ["a"]).tolist() == [1.0, 2.0] * 3
    assert found.factors(place, LINE, ["b"]).size == 0


def test_means_have_an_interval_from_three_problems_on():
    assert mean_over({}) is None
    two = mean_over({"a": 0.1, "b": 0.3})
    assert (two.value, two.lower) == (pytest.approx(0.2), None)
    many = mean_over({str(i): v for i, v in enumerate(np.random.default_rng(0).normal(0.2, 0.1, 24))})
    assert many.lower < many.value < many.upper
    assert many.upper - many.lower == pytest.approx(2 * 1.96 * 0.1 / np.sqrt(24), rel=0.4)
    assert minus({"a": 1.0, "b": 2.0}, {"a": 0.5}) == {"a": 0.5}


def test_shares_count_what_is_above_nothing():
    found = share({"a": 0.1, "b": 0.0, "c": -0.2, "d": 0.3})
    assert found.value == 0.5
    assert found.lower < 0.5 < found.upper
    assert share({}) is None


def test_correlation_is_pearsons():
    x, y = np.random.default_rng(0).normal(size=(2, 12))
    found = correlation(x, y)
    assert found.value == pytest.approx(pearsonr(x, y)[0])
    assert found.lower < found.value < found.upper
    assert correlation(x[:3], y[:3]) is None
    assert correlation(x, np.ones(12)) is None
