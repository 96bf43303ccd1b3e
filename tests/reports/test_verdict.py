from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from frostline.reports.model import FitReport
from frostline.reports.verdict import judge

from .examples import bare, binary, folds, level, regression, worse


def against(accuracy: float, text: float, dummy: float = 0.5, n: int = 1000) -> FitReport:
    baselines = {"text": {"accuracy": text}, "dummy": {"accuracy": dummy}}
    return replace(binary(), metrics={"accuracy": accuracy}, baselines=baselines, n_test=n)


def test_better_names_the_gain_over_the_best_baseline_and_the_standard_error() -> None:
    verdict = judge(binary())
    assert verdict.outcome == "better"
    assert verdict.headline == "Frostline beats TF-IDF by 3.8 points of accuracy."  # 80.02 - 76.17
    assert "Accuracy 80.0 % against 76.2 %" in verdict.evidence
    assert "larger than the standard error of 1.3 points; 1,066 test rows." in verdict.evidence


def test_worse_says_plainly_that_the_language_model_is_not_worth_it() -> None:
    verdict = judge(worse())
    assert verdict.outcome == "worse"
    assert verdict.headline.startswith("TF-IDF is better by 1.2 points of accuracy")
    assert "not worth its cost" in verdict.headline
    assert "By macro F1 it is the other way round: 80.0 % against 70.0 %." in verdict.evidence


def test_level_is_a_difference_below_the_standard_error() -> None:
    assert judge(level()).headline == "Frostline is level with TF-IDF, which costs less."
    error = math.sqrt(0.8 * 0.2 / 1000)
    assert judge(against(0.8, 0.8 - 0.9 * error)).outcome == "level"
    assert judge(against(0.8, 0.8 - 1.1 * error)).outcome == "better"
    assert judge(against(0.8, 0.8 + 1.1 * error)).outcome == "worse"


def test_a_perfect_score_is_measured_by_the_error_of_the_other() -> None:
    assert judge(against(1.0, 0.99, n=50)).outcome == "level"
    assert judge(against(1.0, 1.0, n=50)).outcome == "level"
    assert judge(against(1.0, 0.5, n=50)).outcome == "better"


@pytest.mark.parametrize("accuracy", [0.45, 0.5, 0.501])
def test_a_score_no_better_than_a_dummy_is_called_so(accuracy: float) -> None:
    assert "no better than a dummy" in judge(against(accuracy, 0.4)).headline


def test_regression_is_judged_by_rank_and_says_where_the_error_disagrees() -> None:
    verdict = judge(regression())
    assert verdict.headline == "Frostline beats boosting on the raw columns by 0.040 in Kendall's tau."
    assert "standard error of 0.011" in verdict.evidence
    assert "By MAE it is the other way round: 21.2 against 20.9." in verdict.evidence


def test_an_undefined_baseline_is_not_the_best_one() -> None:
    report = against(0.6, math.nan, dummy=0.5)
    assert judge(report).headline == "Frostline beats a dummy by 10.0 points of accuracy."


def test_what_cannot_be_compared_is_not() -> None:
    assert judge(bare()).outcome == "unknown"
    assert judge(bare()).headline == "Frostline has no accuracy on the test rows."
    alone = judge(replace(binary(), baselines={}))
    assert alone.outcome == "unknown"
    assert "80.0 % accuracy" in alone.headline
    assert judge(replace(regression(), n_test=4)).outcome == "unknown"


def test_without_test_rows_no_error_is_claimed() -> None:
    verdict = judge(replace(binary(), baselines={}, n_test=0))
    assert verdict.evidence == "Its standard error is not known; no test rows."


@pytest.mark.parametrize(
    ("example", "headline"),
    [(worse, "TF-IDF is better by 1.2 points of accuracy."), (level, "Frostline is level with TF-IDF.")],
)
def test_the_language_model_is_not_blamed_where_there_is_none(example: Callable[[], FitReport], headline: str) -> None:
    assert judge(replace(example(), chosen={"features": "raw"})).headline == headline


def test_the_mean_over_folds_is_named() -> None:
    assert judge(folds()).evidence.endswith("mean over folds.")
