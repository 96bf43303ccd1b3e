from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from frostline.contracts import EmbedStats
from frostline.reports import scores

from .examples import binary, folds, regression


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.9, "0.900"),
        (21.234, "21.2"),
        (123.4, "123"),
        (999.4, "999"),
        (999.9, "1,000"),
        (12345.6, "12,346"),
        (-0.01234, "-0.0123"),
        (1.2345e9, "1.23e+09"),
        (0.0, "0.00"),
        (math.nan, "–"),
        (-math.inf, "–"),
    ],
)
def test_digits_keeps_three_of_them(value: float, text: str) -> None:
    assert scores.digits(value) == text


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("accuracy", 0.78049, "78.0 %"),
        ("macro_f1", 1.0, "100.0 %"),
        ("log_loss", 0.46666, "0.467"),
        ("ece", 0.0212, "0.021"),
        ("kendall_tau", 0.61234, "0.612"),
        ("r2", -0.0004, "0.000"),
        ("r2", -1234.5, "-1,234"),
        ("mae", 21.234, "21.2"),
        ("a_metric_of_tomorrow", 0.5, "0.500"),
        ("accuracy", None, "–"),
        ("accuracy", math.nan, "–"),
    ],
)
def test_a_score_reads_as_its_metric_asks(key: str, value: float | None, text: str) -> None:
    assert scores.show(scores.metric_named(key), value) == text


def test_a_spread_is_on_the_scale_of_its_metric() -> None:
    assert scores.show_spread(scores.metric_named("accuracy"), 0.0071) == "± 0.7"
    assert scores.show_spread(scores.metric_named("log_loss"), 0.0123) == "± 0.012"
    assert scores.show_spread(scores.metric_named("log_loss"), math.nan) == "–"


def test_columns_stand_in_their_order_and_an_unknown_one_is_kept() -> None:
    report = replace(binary(), metrics={"novel": 1.0, "ece": 0.1, "accuracy": 0.5})
    assert [m.key for m in scores.metrics_of(report)] == ["accuracy", "macro_f1", "log_loss", "ece", "novel"]


def test_rows_stand_in_their_order_and_an_unknown_baseline_is_kept() -> None:
    report = replace(folds(), baselines={"oracle": {}, "dummy": {}, "text": {}, "raw_columns": {}})
    keys = ["frostline", "metrics_std", "metrics_without_overlap", "text", "raw_columns", "dummy", "oracle"]
    assert [row.key for row in scores.score_rows(report)] == keys


def test_the_error_of_accuracy_is_that_of_a_mean_of_zeros_and_ones() -> None:
    right = np.array([1.0] * 78 + [0.0] * 22)
    assert scores.standard_error("accuracy", 0.78, 100) == pytest.approx(right.std() / 10)


def test_the_error_of_kendalls_tau_is_near_what_resampling_shows() -> None:
    from scipy.stats import kendalltau

    rng = np.random.default_rng(0)
    n = 200
    pairs = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=(400, n))
    taus = [kendalltau(p[:, 0], p[:, 1]).statistic for p in pairs]
    assert scores.standard_error("kendall_tau", float(np.mean(taus)), n) == pytest.approx(np.std(taus), rel=0.15)


@pytest.mark.parametrize(("key", "n"), [("accuracy", 0), ("kendall_tau", 4), ("mae", 1000)])
def test_no_error_is_made_up_where_none_is_known(key: str, n: int) -> None:
    assert math.isnan(scores.standard_error(key, 0.5, n))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.418, "0.42 s"), (41.7, "41.7 s"), (131.3, "2 min 11 s"), (7325, "2 h 02 min"), (math.nan, "–")],
)
def test_duration(seconds: float, text: str) -> None:
    assert scores.duration(seconds) == text


@pytest.mark.parametrize(
    ("created", "text"),
    [
        ("2026-08-11T14:02:33+00:00", "2026-08-11 14:02 UTC"),
        ("2026-08-11 14:02", "2026-08-11 14:02"),
        ("yesterday", "yesterday"),
        ("", ""),
    ],
)
def test_a_time_reads_without_its_seconds(created: str, text: str) -> None:
    assert scores.when(created) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "not set"),
        (True, "yes"),
        (0.1, "0.1"),
        (10.0, "10"),
        (3, "3"),
        (["2", "final"], "2, final"),
        ({"C": 0.5, "tol": 1e-5}, "C 0.5, tol 1e-05"),
    ],
)
def test_a_setting_in_words(value: object, text: str) -> None:
    assert scores.phrase(value) == text


def test_sentences_name_the_counts() -> None:
    assert scores.truncation_sentence(binary()) == "12 of 9,596 rows did not fit the window and were truncated."
    stats = EmbedStats(n_rows=9, n_truncated=3, truncated_columns={"title": 1, "body": 3})
    named = "3 of 9 rows did not fit the window and were truncated (lost text of title in 1, body in 3)."
    assert scores.truncation_sentence(replace(binary(), embed=stats)) == named
    stats.fields = {"title": EmbedStats(n_rows=9), "body": EmbedStats(n_rows=9, n_truncated=2)}
    also = f"{named} Also cut where columns are read each on its own: body in 2."
    assert scores.truncation_sentence(replace(binary(), embed=stats)) == also
    assert scores.truncation_sentence(regression()) == "No row was truncated."
    assert scores.overlap_sentence(binary()).startswith("3 of 1,066 test rows")
    unknown = replace(binary(), metrics_without_overlap=None)
    assert scores.overlap_sentence(unknown).endswith("no score without them is known.")
    alone = replace(binary(), n_test=0, embed=EmbedStats())
    assert (scores.truncation_sentence(alone), scores.overlap_sentence(alone)) == ("", "")
    assert scores.data_sentence(alone) == "Trained on 8,530 rows, with no test rows set aside."
    assert scores.data_sentence(binary()) == "Trained on 8,530 rows, tested on 1,066."
    assert scores.overlap_sentence(regression()) == "No test row stands among the training rows."
