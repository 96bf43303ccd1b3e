from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from frostline.contracts import EmbedStats
from frostline.errors import ArtifactError, FrostlineError
from frostline.reports import load_report, to_card, to_html, to_json, to_text
from frostline.reports.as_json import MAX_SCATTER

from .examples import EXAMPLES, bare, binary, regression

FIT_KEYS = {"task", "n_train", "n_test", "metrics", "baselines", "chosen", "overlap", "seconds"}
FIT_KEYS |= {"n_texts", "n_embedded", "n_truncated", "truncated_columns", "fields"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_is_strict_json_with_the_keys_of_fit(name: str) -> None:
    plain = to_json(EXAMPLES[name]())
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert set(plain) >= FIT_KEYS


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_loaded_renders_the_same(name: str) -> None:
    report = EXAMPLES[name]()
    loaded = load_report(json.loads(json.dumps(to_json(report))))
    assert to_json(loaded) == to_json(report)
    assert to_html(loaded) == to_html(report)
    assert to_text(loaded, "x") == to_text(report, "x")
    assert to_card(loaded, "x") == to_card(report, "x")


def test_values_are_those_of_the_report() -> None:
    plain = to_json(binary())
    assert plain["metrics"] == binary().metrics
    assert plain["baselines"] == binary().baselines
    assert (plain["n_texts"], plain["n_embedded"], plain["n_truncated"], plain["n_tokens"]) == (9581, 9581, 12, 251310)
    assert plain["seconds"] == {"embed": 41.7, "fit": 6.31, "total": 49.2}
    assert plain["confusion"] == [[431, 102], [111, 422]]
    assert plain["layer_scores"][-1] == {"layer": "final", "score": 0.781, "std": 0.007}


def test_what_is_not_finite_is_null_and_comes_back_as_nan() -> None:
    plain = to_json(bare())
    assert plain["metrics"] == {"accuracy": None, "macro_f1": None}
    assert math.isnan(load_report(plain).metrics["accuracy"])


def test_a_long_scatter_is_thinned_evenly_and_only_once() -> None:
    report = regression(9000)
    scatter = to_json(report)["scatter"]
    assert {len(values) for values in scatter.values()} == {MAX_SCATTER}
    rows = np.searchsorted(np.arange(9000), np.linspace(0, 8999, MAX_SCATTER).round())
    assert scatter["y_true"] == report.scatter["y_true"][rows].tolist()
    assert (scatter["upper"][0], scatter["upper"][-1]) == (report.scatter["upper"][0], report.scatter["upper"][-1])
    assert to_json(load_report(to_json(report)))["scatter"] == scatter


def test_settings_of_any_plain_type_are_kept() -> None:
    chosen = {
        "layers": (2, np.int64(4)),
        "alpha": np.float32(0.5),
        "path": Path("a/b"),
        "flag": np.bool_(True),
        "n": None,
    }
    expected = {"layers": [2, 4], "alpha": 0.5, "path": "a/b", "flag": True, "n": None}
    assert to_json(replace(binary(), chosen=chosen))["chosen"] == expected


def test_a_setting_without_a_json_form_raises() -> None:
    with pytest.raises(FrostlineError, match=r"chosen\.head is a object"):
        to_json(replace(binary(), chosen={"head": object()}))


def changed(**values: Any) -> dict[str, Any]:
    return to_json(regression()) | values


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        (changed(metricz={}), r"Unknown key 'metricz'(.|\n)*Did you mean 'metrics'"),
        ({k: v for k, v in changed().items() if k != "seconds"}, "no 'seconds'"),
        ([], "JSON object, got a list"),
        (changed(task="ranking"), "'ranking'; allowed are"),
        (changed(metrics=[1]), "'metrics' has the wrong form"),
        (changed(n_test="many"), "'n_test' has the wrong form"),
        (changed(title=3), "'title' has the wrong form: expected text, got a int"),
        (changed(layer_scores=[{"layer": "1"}]), "'layer_scores' has the wrong form"),
        (changed(labels=["a", "b"], confusion=[[1, 2, 3]]), r"shape \(1, 3\); its 2 labels ask \(2, 2\)"),
        (changed(confusion=[[1], [2, 3]]), "'confusion' has the wrong form"),
        (changed(scatter={"y_true": [1.0]}), "lacks y_true or y_pred"),
        (changed(scatter={"y_true": [1.0], "y_pred": [1.0, 2.0]}), "differ in length"),
        (changed(scatter={"y_true": [1.0], "y_pred": [1.0], "lower": [0.0]}), "both lower and upper"),
    ],
)
def test_a_report_of_another_form_is_refused(plain: Any, message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        load_report(plain)


def test_reports_on_each_target_survive() -> None:
    report = replace(regression(), targets={"a": regression(), "b": replace(regression(), target="b")})
    again = load_report(json.loads(json.dumps(to_json(report))))
    assert list(again.targets) == ["a", "b"]
    assert again.targets["b"].target == "b"
    assert again.targets["a"].metrics == regression().metrics


def test_cuts_by_column_survive() -> None:
    fields = {"title": EmbedStats(n_rows=9, n_truncated=1)}
    stats = EmbedStats(n_rows=9, n_truncated=3, truncated_columns={"title": 1, "body": 3}, fields=fields)
    report = replace(binary(), embed=stats)
    plain = json.loads(json.dumps(to_json(report)))
    assert plain["truncated_columns"] == {"title": 1, "body": 3}
    assert load_report(plain).embed.truncated_columns == {"title": 1, "body": 3}
    assert load_report(plain).embed.fields == fields
