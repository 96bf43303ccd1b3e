"""Several targets on the command line."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from frostline.cli import main

METRICS = {"kendall_tau", "spearman", "r2", "mae", "rmse", "coverage", "width"}


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "d.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["size", "color", "price", "weight", "name"])
        for i in range(60):
            size, red = rng.normal(), i % 2
            price = "" if i == 5 else f"{size + red + rng.normal(0, 0.1):.4f}"
            writer.writerow([f"{size:.3f}", "red" if red else "blue", price, f"{2 * size:.4f}", f"n{i}"])
    return path


def run(capsys, *args):
    with pytest.raises(SystemExit) as stop:
        main([*map(str, args), "--no-store"])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return stop.value.code, out, err


def result(out):
    return json.loads(out.strip().splitlines()[-1])


def test_fit_predict_and_evaluate(capsys, data, tmp_path):
    columns = ["--columns", "size,color", "--features", "raw", "--target-transform", "none", "--intervals", "oof"]
    targets = ["--target", "price", "--target", "weight"]
    code, out, err = run(capsys, "fit", data, *targets, *columns, "--out", tmp_path / "m", "--json")
    assert code == 0, err
    found = result(out)
    assert (found["target"], found["n_unlabeled"]) == ("price and weight", 1)
    own = found["targets"]
    assert list(own) == ["price", "weight"]
    for metrics in (found["metrics"], own["price"]["metrics"], own["weight"]["metrics"]):
        assert set(metrics) == METRICS
    for name in ("kendall_tau", "coverage"):
        mean = np.mean([one["metrics"][name] for one in own.values()])
        assert found["metrics"][name] == pytest.approx(mean)
    assert set(own["price"]["baselines"]) == {"dummy", "text", "raw_columns"}
    assert any(line.startswith("weight ") for line in out.splitlines())
    for page in ("report.html", "card.md"):
        assert "weight" in (tmp_path / "m" / page).read_text()

    predict = ["predict", tmp_path / "m", data, "--interval", "0.8", "--out", tmp_path / "p.csv"]
    assert run(capsys, *predict)[0] == 0
    with (tmp_path / "p.csv").open() as file:
        rows = list(csv.DictReader(file))
    kinds = ("prediction", "lower", "upper")
    assert list(rows[0]) == [f"{kind}_{name}" for name in ("price", "weight") for kind in kinds]
    assert len(rows) == 60
    scores = result(run(capsys, "evaluate", tmp_path / "m", data, "--json")[1])
    assert set(scores["targets"]) == {"price", "weight"}
    assert scores["metrics"]["mae"] == pytest.approx(np.mean([own["mae"] for own in scores["targets"].values()]))
    code, _, err = run(capsys, "diagnose", tmp_path / "m", data)
    assert code == 2
    assert "several targets" in err


def test_the_mean_leaves_out_a_constant_target(capsys, data, tmp_path):
    path = tmp_path / "constant.csv"
    lines = data.read_text().splitlines()
    path.write_text("\n".join([f"{lines[0]},one", *(f"{line},1" for line in lines[1:])]))
    columns = ["--columns", "size,color", "--features", "raw", "--target-transform", "none", "--intervals", "oof"]
    code, out, err = run(capsys, "fit", path, "--target", "weight,one", *columns, "--out", tmp_path / "m", "--json")
    assert code == 0, err
    found = result(out)
    assert found["targets"]["one"]["metrics"]["kendall_tau"] == 0
    assert found["metrics"] == found["targets"]["weight"]["metrics"]
    assert found["baselines"] == found["targets"]["weight"]["baselines"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--target", "price,name"], "must all be numbers; 'name'"),
        (["--target", "price,weight", "--task", "classification"], "Several targets are predicted as numbers"),
        (["--target", "price,weight", "--columns", "size,weight"], "The target 'weight' is among the input columns"),
        (["--target", "price,wait"], "wait"),
    ],
)
def test_mistakes(capsys, data, tmp_path, args, message):
    code, _, err = run(capsys, "fit", data, *args, "--features", "raw", "--out", tmp_path / "m")
    assert code == 2
    assert message in err


def test_folds_give_the_spread_of_the_mean(capsys, data, tmp_path):
    how = ["--columns", "size", "--features", "tfidf", "--target-transform", "none", "--intervals", "oof", "--cv", "2"]
    code, out, err = run(capsys, "fit", data, "--target", "price,weight", *how, "--out", tmp_path / "m", "--json")
    assert code == 0, err
    found = result(out)
    assert set(found["metrics_std"]) == set(found["targets"]["price"]["metrics_std"]) == METRICS


def test_a_handful_of_rows_is_fitted_without_coverage_and_intervals_are_refused(capsys, data, tmp_path):
    lines = data.read_text().splitlines()
    few = tmp_path / "few.csv"
    few.write_text("\n".join(lines[:1] + lines[10:20]) + "\n")
    arguments = ("--target", "price", "--columns", "size", "--features", "raw", "--out", tmp_path / "m", "--json")
    code, out, _ = run(capsys, "fit", few, *arguments)
    assert code == 0
    assert set(result(out)["metrics"]) == METRICS - {"coverage", "width"}
    code, _, err = run(capsys, "predict", tmp_path / "m", data, "--interval", "0.9", "--out", tmp_path / "p.csv")
    assert code == 2
    assert "too few for intervals at level 0.9: at least 9 are needed" in err
