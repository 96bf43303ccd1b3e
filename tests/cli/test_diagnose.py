"""``frostline diagnose``: both forms, exit codes, the page."""

from __future__ import annotations

import json

import numpy as np
import pytest

import frostline
from fakes import tiny_bert
from frostline.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_bert(tmp_path_factory.mktemp("backbone") / "bert")


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    lines = [
        f"{size},{rng.choice(['round', 'square'])},7,{size / 10 + rng.normal() / 5:.3f}"
        for size in rng.integers(10, 90, 120)
    ]
    (tmp_path / "rows.csv").write_text("\n".join(["size,shape,constant,price", *lines]) + "\n")
    return tmp_path / "rows.csv"


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as left:
        main([str(a) for a in arguments])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return left.value.code, captured.out, captured.err


def test_a_table(table, folder, tmp_path, capsys):
    common = ["diagnose", table, "--target", "price", "--backbone", folder, "--store", tmp_path / "store"]
    common += ["--features", "embedding"]
    code, out, _ = run(capsys, *common, "--perturb", "--html", tmp_path / "page.html", "--json", "--fail-on", "issue")
    assert code == 3
    found = json.loads(out.splitlines()[-1])
    outcome = {finding["code"]: finding["outcome"] for finding in found["findings"]}
    assert outcome["FRL105"] == "issue"
    assert outcome["FRL301"] == "passed"
    assert outcome["FRL201"] == "passed"
    assert found["perturbations"]
    assert "FRL105" in (tmp_path / "page.html").read_text()
    assert run(capsys, *common, "--quiet")[0] == 0


def test_a_saved_predictor_and_drifted_rows(table, folder, tmp_path, capsys):
    store = ["--store", tmp_path / "store"]
    run(
        capsys,
        "fit",
        table,
        "--target",
        "price",
        "--backbone",
        folder,
        "--out",
        tmp_path / "a",
        "--features",
        "embedding",
        *store,
        "--quiet",
    )
    moved = tmp_path / "moved.csv"
    moved.write_text(table.read_text().replace("round", "oval"))
    code, out, _ = run(capsys, "diagnose", tmp_path / "a", table, "--against", moved, "--json", "--quiet", *store)
    assert code == 0
    found = {finding["code"]: finding for finding in json.loads(out)["findings"]}
    assert found["FRL308"]["outcome"] == "issue"
    assert "shape" in found["FRL308"]["message"]
    assert found["FRL305"]["outcome"] == "not applicable"
    assert (
        found["FRL101"]["outcome"] == "issue"
    )  # the file is the one of the fit: the predictor knows its training rows
    assert found["FRL101"]["value"] == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        ([], "--target"),
        (["--target", "prize"], "prize"),
        (["--target", "price", "--fail-on", "isue"], "Allowed: issue, tip"),
        (["--target", "price", "--html", "page.txt"], ".html"),
        (["--target", "price", "--against", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_refused(table, flags, word, capsys):
    code, _, err = run(capsys, "diagnose", table, *flags)
    assert code == 2
    assert word in err


def test_target_and_folder_exclude_each_other(table, capsys):
    code, _, err = run(capsys, "diagnose", "somewhere", table, "--target", "price")
    assert code == 2
    assert "leave --target" in err


def test_one_predictor_is_looked_at(table):
    with pytest.raises(frostline.UserError, match="--cv"):
        frostline.diagnose_table(table, target="price", options=frostline.FitOptions("price", cv=3))
