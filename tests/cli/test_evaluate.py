"""`evaluate` with a file of predictions, and at another level of intervals."""

from __future__ import annotations

import csv
import json
from functools import partial

import numpy as np
import pytest

import frostline
from frostline import FitOptions, InputOptions
from frostline.cli import main


def call(capsys, *args):
    with pytest.raises(SystemExit) as stop:
        main([*map(str, args), "--no-store", "--quiet", "--json"])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return stop.value.code, json.loads(out.splitlines()[-1]), err


@pytest.fixture
def run(capsys):
    return partial(call, capsys)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A class and a number, both plain to see, a predictor of each, and a second file with empty cells."""
    place, rng = tmp_path_factory.mktemp("place"), np.random.default_rng(0)
    x = rng.uniform(size=80).round(3)
    lines = [f"{a},{'high' if a > 0.5 else 'low'},{round(3 * a + rng.normal() / 20, 4)}" for a in x]
    gaps = [f"{line.split(',')[0]},," if i % 4 == 0 else line for i, line in enumerate(lines)]
    for name, own in (("d.csv", lines), ("gaps.csv", gaps)):
        (place / name).write_text("x,kind,y\n" + "\n".join(own) + "\n")
    for target in ("kind", "y"):
        options = FitOptions(target=target, features="raw")
        frostline.fit_table(place / "d.csv", options=options, out=place / target, inputs=InputOptions(columns=("x",)))
    return place


def test_predictions_of_all_rows_are_those_of_predict(run, rows, tmp_path):
    plain = run("evaluate", rows / "kind", rows / "gaps.csv")[1]
    code, found, _ = run("evaluate", rows / "kind", rows / "gaps.csv", "--out", tmp_path / "e.csv", "--proba")
    assert code == 0
    assert (found["metrics"], found["n_rows"], found["n_unlabeled"]) == (plain["metrics"], 60, 20)
    assert (plain["out"], found["out"]) == (None, str(tmp_path / "e.csv"))
    assert run("predict", rows / "kind", rows / "gaps.csv", "--out", tmp_path / "p.csv", "--proba")[0] == 0
    assert (tmp_path / "e.csv").read_bytes() == (tmp_path / "p.csv").read_bytes()


def test_a_class_without_a_row_has_scores_that_nothing_tells(run, rows, tmp_path):
    lines = (rows / "d.csv").read_text().splitlines()
    (tmp_path / "high.csv").write_text("\n".join([lines[0], *(line for line in lines if ",high," in line)]) + "\n")
    code, found, _ = run("evaluate", rows / "kind", tmp_path / "high.csv")
    assert code == 0
    low = next(own for own in found["classes"] if own["label"] == "low")
    assert (low["n_test"], low["recall"]) == (0, None)


def test_the_level_of_intervals(run, rows, tmp_path):
    evaluate = ("evaluate", rows / "y", rows / "d.csv")
    at = {level: run(*evaluate, "--interval", level)[1] for level in (0.5, 0.9)}
    default = run(*evaluate)[1]
    assert at[0.9]["metrics"] == default["metrics"]
    assert [at[0.5]["interval"], default["interval"]] == [0.5, 0.9]
    assert at[0.5]["metrics"]["width"] < at[0.9]["metrics"]["width"]
    assert run(*evaluate, "--interval", 0.5, "--out", tmp_path / "e.csv")[0] == 0
    with (tmp_path / "e.csv").open(newline="") as file:
        ends = [(float(row["lower"]), float(row["upper"])) for row in csv.DictReader(file)]
    assert np.mean([upper - lower for lower, upper in ends]) == pytest.approx(at[0.5]["metrics"]["width"])


@pytest.mark.parametrize(
    ("target", "flags", "said"),
    [
        ("kind", ("--proba",), "no --out is given"),
        ("kind", ("--interval", 0.9), "is a classifier"),
        ("y", ("--proba", "--out", "p.csv"), "--proba: "),
        ("y", ("--interval", 1.5), "1.5"),
        ("y", ("--interval", 0), "0"),
        ("y", ("--out", "d.csv"), "would be written over"),
        ("y", ("--out", "p.txt"), "Allowed endings"),
        ("y", ("--out", "no/p.csv"), "there is no folder"),
    ],
)
def test_what_is_refused(run, rows, monkeypatch, target, flags, said):
    monkeypatch.chdir(rows)
    before = sorted(path.name for path in rows.iterdir())
    code, found, err = run("evaluate", target, "d.csv", *flags)
    assert (code, said in found["error"]) == (2, True), err
    assert sorted(path.name for path in rows.iterdir()) == before


def test_a_fold_that_is_too_small_for_intervals_leaves_them_out(run, tmp_path):
    groups = "aaaabbbcccdde"
    lines = [f"{i},{group},{i * 0.37:.2f}" for i, group in enumerate(groups)]
    (tmp_path / "few.csv").write_text("x,g,y\n" + "\n".join(lines) + "\n")
    few = ("--target", "y", "--columns", "x", "--group", "g", "--cv", 3, "--features", "raw")
    code, found, _ = run("fit", tmp_path / "few.csv", *few, "--out", tmp_path / "m")
    assert code == 0
    assert "r2" in found["metrics"]
    assert "coverage" not in found["metrics"]
