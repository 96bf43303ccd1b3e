"""The whole study with a tiny backbone: every table filled, resumed, shown, refused."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from fakes import tiny_bert
from frostline.cli import main
from frostline.contracts import canonical_json
from frostline.errors import UserError
from frostline.studies.regression import study_regression
from frostline.studies.regression.encodings import RAW
from frostline.studies.regression.plan import Plan
from frostline.studies.regression.results import Results
from frostline.studies.regression.view import View


@pytest.fixture
def fast_sweep(monkeypatch):
    monkeypatch.setattr(
        "frostline.studies.regression.heads._QUICK_SWEEP", {"lrs": (5e-3,), "weight_decays": (0.0,), "epochs": 3}
    )


def test_the_study_fills_every_table_and_goes_on_where_it_stopped(options, fast_sweep, tmp_path):
    report = study_regression(tmp_path, options)
    assert report.n_failed == 0
    assert report.n_run == report.n_cells > 150
    tables = {table.title: table for part in report.sections for table in part.tables}
    assert all(table.rows for table in tables.values())
    assert {part.title.partition(" with ")[0] for part in report.sections} >= {
        "What reproduces", "Table 1: how often do embeddings win?", "Table 2: does smoothness foretell the gain?",
        "Smoothness", "Ablations", "Training rows", "Geometry", "Real tables",
    }  # fmt: skip
    arms = {row[0] for row in tables["Kendall tau, mean over functions"].rows}
    assert {"columns + boosting", "random projection + ridge", f"random:{options.backbones[0]} + kernel"} <= arms
    assert {"Pooling", "Number formats", "Width of a network with random weights"} <= set(tables)
    (second,) = [part.text for part in report.sections if part.title.startswith("Table 2")]
    assert "multiplied at " in second
    assert "divided at " in second
    page = (tmp_path / "study.html").read_text()
    ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    assert page.count("<svg") >= 10
    found = json.loads((tmp_path / "study.json").read_text())
    assert found["n_cells"] == len(found["cells"]) == report.n_cells
    assert "factors" not in json.dumps(found["cells"])
    again = study_regression(tmp_path, options)
    assert again.n_run == 0
    assert [t.rows for s in again.sections for t in s.tables] == [t.rows for s in report.sections for t in s.tables]
    next((tmp_path / "cells").glob("*.json")).unlink()
    assert study_regression(tmp_path, options).n_run == 1


def test_inputs_are_shared_by_all_functions(options):
    plan = Plan(replace(options, tables=("none",)), options.functions, [], [])
    scores = [cell.key for cell in plan.cells() if cell.key["kind"] == "score" and cell.key["problem"]["dof"] == 3]
    assert len({key["problem"]["inputs"] for key in scores}) == 1
    assert {key["problem"]["name"] for key in scores} == set(options.functions)
    raw = [key["head"] for key in scores if key["encoding"] == RAW.key and key["problem"]["name"] == "Sphere"]
    assert sorted(raw) == ["boosting", "kernel", "mlp", "ridge"]


def test_what_takes_long_is_done_in_the_first_draw(options):
    full = replace(options, quick=False, seeds=2, dofs=(2, 3, 5), tables=("none",))
    plan = Plan(full, full.functions, [], [])
    keys = [cell.key for cell in plan.cells() if cell.key["kind"] == "score"]
    main = plan.main("functions")[0].key

    def arms(dof, draw, *, varied):
        own = [key for key in keys if (key["problem"]["dof"], key["problem"]["repetition"]) == (dof, draw)]
        reads = [key for key in own if key["encoding"]["source"] == main["source"]]
        return {key["head"] for key in (reads if varied else own) if not varied or key["encoding"] != main}

    assert arms(2, 0, varied=True) == arms(3, 0, varied=True) == {"ridge"}
    few = [(key["problem"]["dof"], key["head"]) for key in keys if key["share"] < 1]
    assert set(few) == {(2, "mlp"), (2, "ridge"), (3, "ridge"), (5, "ridge")}
    assert arms(2, 1, varied=True) == set()
    each_draw = {(draw, head) for draw in (0, 1) for head in ("ridge", "kernel")}
    for word, first in (("random:", {(0, "mlp")}), ("random projection", set())):
        own = [key for key in keys if key["encoding"]["source"].startswith(word)]
        assert {(key["problem"]["repetition"], key["head"]) for key in own} == each_draw | first
    assert arms(5, 1, varied=False) == {"mlp", "boosting", "ridge", "kernel"}
    found = {(canonical_json(key["encoding"]), key["head"]) for key in keys}
    shown = View(plan, Results([])).arms("functions")
    assert {(canonical_json(encoding.key), head) for encoding, head in shown} <= found


def test_rows_that_do_not_fit_are_left_out_and_said(options, fast_sweep, tmp_path, monkeypatch):
    monkeypatch.setattr(type(options), "poolings", property(lambda self: ("max", "padded_mean")))
    long = replace(options, dofs=(10,), functions=("Sphere",), tables=("none",))
    report = study_regression(tmp_path, long)
    failed = report.sections[-1]
    assert failed.title == "Without a result"
    assert report.n_failed == 1
    assert "padded_mean" in failed.text
    assert "40 of 40 rows do not fit" in failed.text


def test_the_full_study_has_more_of_everything(options):
    quick, full = options, replace(options, quick=False, seeds=None, points=None, dofs=())
    assert len(full.every_dof) == 5
    assert set(quick.control_heads) < set(full.control_heads)
    assert set(quick.poolings) < set(full.poolings)
    assert set(quick.formats) < set(full.formats)
    assert full.n_seeds == 3


def test_the_command_prints_one_object(options, fast_sweep, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        Plan, "_of", lambda plan, problems, encoder: iter([plan._score(problems[0], RAW, "ridge", 1.0, encoder)])
    )
    with pytest.raises(SystemExit) as stop:
        main(["study", "regression", "--tables", "none", "--functions", "Sphere,Rastrigin", "--dof", "2,3", "--points", "40",
              "--backbone", options.backbones[0], "--quick", "--no-store", "--out", str(tmp_path / "out"), "--json", "--quiet"])  # fmt: skip
    assert stop.value.code == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found["study"], found["dofs"], found["n_failed"]) == ("regression", [2, 3], 0)
    assert found["out"] == str(tmp_path / "out")


@pytest.mark.parametrize(
    ("changed", "word"),
    [({"seeds": 0}, "1 or more"), ({"dofs": (1,)}, "2 parameters"), ({"points": 10}, "40 or more"), ({"backbones": ()}, "at least one"),
     ({"functions": ("none",), "tables": ("none",)}, "Neither"), ({"functions": ("Cube",)}, "no function 'Cube'"),
     ({"tables": ("nope",)}, "no table 'nope'"), ({"backbones": ("no-such",)}, "Unknown backbone")],
)  # fmt: skip
def test_mistakes_stop_it_before_anything_runs(options, tmp_path, changed, word):
    with pytest.raises(UserError, match=word):
        study_regression(tmp_path / "out", replace(options, **changed))
    assert not (tmp_path / "out").exists()


def test_degrees_of_freedom_are_numbers(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["study", "regression", "--dof", "5,ten"])
    assert stop.value.code == 2
    assert "whole numbers" in capsys.readouterr().err


def test_backbones_stand_by_their_size(options, backbone, tmp_path):
    larger, deeper = (
        str(tiny_bert(tmp_path / name, **more)) for name, more in (("wide", {"width": 32}), ("deep", {"layers": 3}))
    )
    plan = Plan(replace(options, backbones=(larger, deeper, backbone, f"random:{larger}")), options.functions, [], [])
    assert [one.source for one in plan.by_size("functions")] == [backbone, deeper, larger]
