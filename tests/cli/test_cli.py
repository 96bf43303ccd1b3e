"""The command line as a user meets it: JSON, files, exit codes, one message a mistake, never a traceback."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fakes import tiny_bert
from frostline.cli import main
from frostline.tables import read_vectors


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(tiny_bert(tmp_path_factory.mktemp("backbone") / "m"))


@pytest.fixture
def run(capsys, tmp_path):
    def run(*args, store=True):
        stored = ["--store", str(tmp_path / "store")] if store else []
        with pytest.raises(SystemExit) as stop:
            main([*map(str, args), *stored])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return stop.value.code, out, err

    return run


def result(out):
    return json.loads(out.strip().splitlines()[-1])


def write_csv(path: Path, rows: list[dict]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def reviews(tmp_path):
    rng = np.random.default_rng(0)
    letters = {"good": list("abcde "), "bad": list("vwxyz ")}
    labels = ["good", "bad"] * 40
    rows = [{"id": i, "text": "".join(rng.choice(letters[y], 12)) + str(i), "label": y} for i, y in enumerate(labels)]
    return write_csv(tmp_path / "reviews.csv", rows)


@pytest.fixture
def cars(tmp_path):
    rng = np.random.default_rng(1)
    rows = []
    for _i in range(80):
        weight = int(rng.integers(1, 12))
        rows.append(
            {"name": "a" * weight + "z" * (12 - weight), "weight": weight, "price": weight * 10 + float(rng.normal())}
        )
    return write_csv(tmp_path / "cars.csv", rows)


def test_fit_predict_evaluate_a_classifier(run, reviews, folder, tmp_path):
    out = tmp_path / "model"
    fit = ["fit", reviews, "--target", "label", "--id", "id", "--backbone", folder, "--out", out, "--json"]
    code, stdout, _ = run(*fit)
    assert code == 0
    found = result(stdout)
    assert found["task"] == "classification"
    assert (found["n_train"], found["n_test"]) == (64, 16)
    assert set(found["metrics"]) == {"accuracy", "macro_f1", "log_loss", "ece"}
    assert found["metrics"]["accuracy"] > 0.8
    assert set(found["baselines"]) == {"dummy", "text"}
    assert found["n_embedded"] == found["n_texts"] == 80
    assert found["n_truncated"] == found["overlap"] == 0
    assert set(found["seconds"]) == {"embed", "fit", "total"}
    assert Path(found["report"]).read_text().startswith("<!")
    assert "accuracy" in stdout

    again = result(run(*fit, "--head", "mlp")[1])
    assert again["n_embedded"] == 0
    assert again["chosen"]["head"] == "mlp"

    predictions = tmp_path / "predictions.csv"
    found = result(run("predict", out, reviews, "--proba", "--out", predictions, "--json")[1])
    assert (found["n_rows"], found["out"]) == (80, str(predictions))
    with predictions.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["prediction", "proba_bad", "proba_good"]
    assert np.mean([r["prediction"] == ("good", "bad")[i % 2] for i, r in enumerate(rows)]) > 0.8
    assert result(run("evaluate", out, reviews, "--json")[1])["metrics"]["accuracy"] > 0.8


def test_fit_predict_evaluate_a_regressor(run, cars, folder, tmp_path):
    out = tmp_path / "model"
    code, stdout, _ = run(
        "fit", cars, "--target", "price", "--backbone", folder, "--layers", "0,final", "--out", out, "--json"
    )
    assert code == 0
    found = result(stdout)
    assert found["task"] == "regression"
    assert set(found["metrics"]) == {"kendall_tau", "spearman", "r2", "mae", "rmse", "coverage", "width"}
    assert set(found["baselines"]) == {"dummy", "text", "raw_columns"}
    assert found["chosen"]["layers"] == [0, "final"]
    assert found["metrics"]["kendall_tau"] > 0.5
    predictions = tmp_path / "p.jsonl"
    run("predict", out, cars, "--interval", "0.8", "--out", predictions)
    rows = [json.loads(line) for line in predictions.read_text().splitlines()]
    assert len(rows) == 80
    assert all(r["lower"] < r["prediction"] < r["upper"] for r in rows)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_predict_in_windows_of_rows(run, cars, folder, tmp_path, monkeypatch, ending):
    from frostline.engines import apply
    from frostline.tables import read_table

    model = tmp_path / "model"
    run("fit", cars, "--target", "price", "--backbone", folder, "--out", model)
    predict = ["predict", model, cars, "--interval", "0.8", "--json"]
    whole = result(run(*predict, "--out", tmp_path / f"whole.{ending}")[1])
    monkeypatch.setattr(apply, "WINDOW_ROWS", 7)
    windows = result(run(*predict, "--out", tmp_path / f"windows.{ending}")[1])
    assert (whole["n_rows"], whole["n_texts"]) == (windows["n_rows"], windows["n_texts"])
    tables = [read_table(tmp_path / f"{name}.{ending}") for name in ("whole", "windows")]
    assert tables[0].column_names == ["prediction", "lower", "upper"]
    for a, b in zip(tables[0].columns, tables[1].columns, strict=True):
        np.testing.assert_allclose(a.to_numpy(), b.to_numpy(), rtol=1e-9)


def test_predict_in_a_new_process_gives_the_same_numbers(run, cars, folder, tmp_path):
    out = tmp_path / "model"
    run("fit", cars, "--target", "price", "--backbone", folder, "--out", out)
    run("predict", out, cars, "--out", tmp_path / "here.csv")
    command = [
        sys.executable,
        "-m",
        "frostline",
        "predict",
        out,
        cars,
        "--out",
        tmp_path / "there.csv",
        "--no-store",
        "--json",
    ]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    here, there = ((tmp_path / f"{name}.csv").read_text() for name in ("here", "there"))
    a, b = (np.array([float(line) for line in text.split()[1:]]) for text in (here, there))
    np.testing.assert_allclose(a, b, rtol=1e-5)


def test_test_file_overlap_is_counted_or_refused(run, reviews, folder, tmp_path):
    fit = [
        "fit",
        reviews,
        "--target",
        "label",
        "--text",
        "text",
        "--test",
        reviews,
        "--backbone",
        folder,
        "--out",
        tmp_path / "m",
    ]
    found = result(run(*fit, "--json")[1])
    assert found["overlap"] == found["n_test"] == 80
    code, _, err = run(*fit, "--on-overlap", "error")
    assert code == 2
    assert "80 of 80 test rows also stand in the training file" in err


def test_partial_overlap_shows_the_score_without_it(run, folder, tmp_path):
    rows = [{"text": f"{'ab' if i % 2 else 'yz'} {i}", "label": i % 2} for i in range(60)]
    train, test = write_csv(tmp_path / "a.csv", rows[:40]), write_csv(tmp_path / "b.csv", rows[30:])
    found = result(
        run("fit", train, "--test", test, "--target", "label", "--backbone", folder, "--out", tmp_path / "m", "--json")[
            1
        ]
    )
    assert found["overlap"] == 10
    assert set(found["metrics_without_overlap"]) == set(found["metrics"])


def test_cross_validation_and_refit(run, reviews, folder, tmp_path):
    fit = ["fit", reviews, "--target", "label", "--text", "text", "--backbone", folder, "--json"]
    found = result(run(*fit, "--cv", "4", "--out", tmp_path / "cv")[1])
    assert (found["n_train"], found["n_test"]) == (80, 80)
    assert set(found["metrics_std"]) == set(found["metrics"])
    held = result(run(*fit, "--out", tmp_path / "m")[1])
    refitted = result(run(*fit, "--refit", "--out", tmp_path / "r")[1])
    assert refitted["metrics"] == held["metrics"]
    assert json.loads((tmp_path / "r" / "frostline.json").read_text())["n_train"] == 80


def test_dry_run_writes_nothing(run, reviews, folder, tmp_path):
    code, out, _ = run(
        "fit", reviews, "--target", "label", "--text", "text", "--backbone", folder, "--dry-run", "--json"
    )
    found = result(out)
    assert code == 0
    assert (found["n_rows"], found["n_texts"], found["n_to_embed"]) == (80, 80, 80)
    assert found["seconds"] > 0
    assert found["bytes"] == 80 * 3 * (16 * 4 + 16)  # every layer that the fit may choose
    assert sorted(p.name for p in tmp_path.iterdir()) == ["reviews.csv"]


@pytest.mark.parametrize(
    ("name", "extra", "shape"), [("v.npy", [], (80, 16)), ("v.npy", ["--layers", "all", "--per-layer"], (80, 3, 16))]
)
def test_embed_to_an_array(run, reviews, folder, tmp_path, name, extra, shape):
    found = result(
        run("embed", reviews, "--text", "text", "--backbone", folder, "--out", tmp_path / name, *extra, "--json")[1]
    )
    assert np.load(tmp_path / name).shape == shape
    assert {"n_rows", "n_texts", "n_embedded", "n_truncated", "n_tokens", "seconds", "dim", "out"} <= set(found)
    assert found["dim"] == 16


def test_embed_to_parquet_keeps_ids(run, reviews, folder, tmp_path):
    import pyarrow.parquet as pq

    run("embed", reviews, "--text", "text", "--id", "id", "--backbone", folder, "--out", tmp_path / "v.parquet")
    table = pq.read_table(tmp_path / "v.parquet")
    assert table.column_names == ["id", "vector"]
    assert table["id"].to_pylist() == list(range(80))
    assert table.schema.field("vector").type.list_size == 16


def test_embed_to_an_array_keeps_ids_beside_it(run, reviews, folder, tmp_path):
    flags = ["--text", "text", "--id", "id", "--out", tmp_path / "v.npy", "--ids", tmp_path / "ids.txt"]
    assert run("embed", reviews, "--backbone", folder, *flags)[0] == 0
    found = read_vectors(tmp_path / "v.npy", ids=tmp_path / "ids.txt")
    assert found.ids == [str(i) for i in range(80)]


def test_ids_beside_an_array_are_those_that_adapt_compares(run, folder, tmp_path):
    data = write_csv(tmp_path / "d.csv", [{"id": 7.0, "text": "x"}, {"id": 1.5, "text": "y"}])
    flags = ["--text", "text", "--id", "id", "--out", tmp_path / "v.npy", "--ids", tmp_path / "ids.txt"]
    assert run("embed", data, "--backbone", folder, *flags)[0] == 0
    assert (tmp_path / "ids.txt").read_text() == "7\n1.5\n"


@pytest.mark.parametrize("ids", ["v.npy", "d.csv"])
def test_no_file_of_a_job_is_written_over_by_it(run, folder, tmp_path, ids):
    data = write_csv(tmp_path / "d.csv", [{"id": "a", "text": "x"}, {"id": "c", "text": "y"}])
    before = data.read_bytes()
    flags = ["--text", "text", "--id", "id", "--out", tmp_path / "v.npy", "--ids", tmp_path / ids]
    code, _, err = run("embed", data, "--backbone", folder, *flags)
    assert (code, "written over" in err) == (2, True)
    assert data.read_bytes() == before
    assert not (tmp_path / "v.npy").exists()


def test_predictions_are_not_written_over_their_rows(run, tmp_path):
    data = write_csv(tmp_path / "d.csv", [{"text": "x"}])
    code, _, err = run("predict", tmp_path / "any", data, "--out", data)
    assert (code, "written over" in err) == (2, True)


def test_ids_that_a_file_of_lines_cannot_hold(run, folder, tmp_path):
    data = write_csv(tmp_path / "d.csv", [{"id": "a\nb", "text": "x"}, {"id": "c", "text": "y"}])
    flags = ["--text", "text", "--id", "id", "--out", tmp_path / "v.npy", "--ids", tmp_path / "ids.txt"]
    code, _, err = run("embed", data, "--backbone", folder, *flags)
    assert (code, "not one line" in err) == (2, True)
    assert not list(tmp_path.glob("*.npy")) + list(tmp_path.glob("*.txt"))


def test_embed_refuses_before_it_embeds_what_the_disk_cannot_hold(run, reviews, folder, tmp_path, monkeypatch):
    def never(*_):
        raise AssertionError("a text was embedded")

    monkeypatch.setattr("frostline.backbones.transformer.TransformerBackbone.forward", never)
    monkeypatch.setattr("frostline.tables.write.shutil.disk_usage", lambda _: SimpleNamespace(free=80 * 16 * 4 - 1))
    code, _, err = run("embed", reviews, "--text", "text", "--backbone", folder, "--out", tmp_path / "v.npy")
    assert (code, "are free on its disk" in err) == (2, True)


def test_cuts_are_reported_by_column(run, folder, tmp_path):
    rows = [{"title": f"t{i}", "body": "b" * (70 if i < 3 else 4) + str(i), "note": "n", "y": i % 2} for i in range(40)]
    data = write_csv(tmp_path / "d.csv", rows)
    lost = {"body": 3, "note": 3}
    inputs = [data, "--columns", "title,body,note", "--backbone", folder, "--max-length", "64", "--json"]
    forecast = result(run("embed", *inputs, "--dry-run")[1])
    assert (forecast["n_truncated"], forecast["truncated_columns"]) == (3, lost)
    code, out, _ = run("embed", *inputs, "--out", tmp_path / "v.npy")
    assert code == 0
    assert result(out)["truncated_columns"] == lost
    assert "3 rows (body in 3, note in 3) cut" in out
    code, out, _ = run("fit", *inputs, "--target", "y", "--out", tmp_path / "m")
    assert code == 0
    assert result(out)["truncated_columns"] == lost
    assert "body in 3, note in 3" in " ".join(out.split())
    assert "body in 3, note in 3" in (tmp_path / "m" / "report.html").read_text()
    found = result(run("predict", tmp_path / "m", data, "--out", tmp_path / "p.csv", "--json")[1])
    assert found["truncated_columns"] == lost
    assert result(run("evaluate", tmp_path / "m", data, "--json")[1])["truncated_columns"] == lost


def test_cuts_of_columns_read_on_their_own_are_reported(run, folder, tmp_path):
    rng = np.random.default_rng(0)
    one, other = (["".join(rng.choice(list("abcdefgh"), 8)) for _ in range(200)] for _ in range(2))
    rows = [
        {"one": a, "two": a if i % 2 else b, "y": i % 2 + i / 1e4}
        for i, (a, b) in enumerate(zip(one, other, strict=True))
    ]
    for row in rows[:4]:
        row["two"] += 70 * "z"
    data = write_csv(tmp_path / "d.csv", rows)
    fit = ["fit", data, "--target", "y", "--backbone", folder, "--layers", "final", "--json"]

    def cuts(out):
        return {name: own["n_truncated"] for name, own in result(out)["fields"].items()}

    out = run(*fit, "--dry-run")[1]
    assert "  two on its own: 200 texts" in out
    assert (result(out)["n_truncated"], cuts(out)) == (4, {"one": 0, "two": 4})
    planned = {name: result(out)[name] for name in ("n_texts", "n_tokens")}
    code, out, err = run(*fit, "--out", tmp_path / "m")
    assert code == 0, err
    assert cuts(out) == {"one": 0, "two": 4}
    assert {name: result(out)[name] for name in planned} == planned
    said = "Also cut where columns are read each on its own: two in 4."
    assert said in " ".join(out.split())
    assert said in (tmp_path / "m" / "report.html").read_text()
    assert "fields" in result(out)["chosen"]["features"]
    out = run("predict", tmp_path / "m", data, "--out", tmp_path / "p.csv", "--json")[1]
    assert "two on its own in 4" in out
    assert cuts(out) == cuts(run("evaluate", tmp_path / "m", data, "--json")[1]) == {"one": 0, "two": 4}


def test_doctor_on_a_machine_without_a_store(run, folder, tmp_path):
    code, out, _ = run("doctor", "--backbone", folder, "--json")
    assert code == 0
    checks = {check["name"]: check for check in result(out)["checks"]}
    assert checks["store"]["outcome"] == "ok"
    assert checks["path"]["message"].startswith(("packed", "reference"))
    assert not (tmp_path / "store").exists()


def test_store_and_doctor(run, reviews, folder):
    run("embed", reviews, "--text", "text", "--backbone", folder, "--out", reviews.with_suffix(".npy"))
    found = result(run("store", "info", "--json")[1])
    assert set(found) >= {"path", "bytes", "n_vectors", "specs"}
    assert found["n_vectors"] == 80
    assert result(run("store", "verify", "--json")[1])["n_bad"] == 0
    run("store", "prune", "--address", found["specs"][0]["address"])
    assert result(run("store", "info", "--json")[1])["n_vectors"] == 0
    code, out, _ = run("doctor", "--backbone", folder, "--json")
    assert code == 0
    assert result(out)["ok"]


def _png(path):
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)
    return path


def _cut_off(folder: Path):
    file = folder / "head.safetensors"
    file.write_bytes(file.read_bytes()[:-20])


def _edited(folder: Path):
    file = folder / "frostline.json"
    file.write_text(file.read_text().replace('"seed": 0', '"seed": 1'))


MISTAKES = {
    "missing file": (lambda t: ["fit", t / "reviws.csv", "--target", "label"], "reviews.csv"),
    "empty file": (lambda t: ["fit", (t / "e.csv").write_text("") or t / "e.csv", "--target", "label"], "empty"),
    "unknown column": (lambda t: ["fit", t / "reviews.csv", "--target", "lable"], "Did you mean 'label'"),
    "unknown text column": (
        lambda t: ["fit", t / "reviews.csv", "--target", "label", "--text", "txt"],
        "Did you mean 'text'",
    ),
    "one class": (
        lambda t: ["fit", write_csv(t / "one.csv", [{"text": "a b", "label": "x"}] * 9), "--target", "label"],
        "one class",
    ),
    "NaN targets": (
        lambda t: [
            "fit",
            write_csv(t / "nan.csv", [{"text": f"t{i}", "y": v} for i, v in enumerate([1.5, "", 2.5] * 5)]),
            "--target",
            "y",
            "--unlabeled",
            "error",
        ],
        "5 of 15 rows",
    ),
    "binary file": (lambda t: ["fit", _png(t / "b.csv"), "--target", "label"], "binary|NUL|UTF-8"),
    "layer out of range": (
        lambda t: ["fit", t / "reviews.csv", "--target", "label", "--layers", "9"],
        "Layer 9 is out of range",
    ),
    "unknown backbone": (
        lambda t: ["fit", t / "reviews.csv", "--target", "label", "--backbone", "minlm"],
        "Did you mean 'minilm'",
    ),
    "hub unreachable": (
        lambda t: ["fit", t / "reviews.csv", "--target", "label", "--backbone", "no-org/no-model"],
        "cannot be reached",
    ),
    "wrong folder": (lambda t: ["predict", t, t / "reviews.csv"], "not a Frostline artifact"),
    "no such folder": (lambda t: ["predict", t / "nowhere", t / "reviews.csv"], "does not exist"),
    "taken folder": (
        lambda t: ["fit", t / "reviews.csv", "--target", "label", "--out", t],
        "is not a Frostline artifact",
    ),
    "unknown flag": (lambda t: ["fit", t / "reviews.csv", "--target", "label", "--lyers", "1"], "--lyers"),
    "no target": (lambda t: ["fit", t / "reviews.csv"], "target"),
    "unknown head": (lambda t: ["fit", t / "reviews.csv", "--target", "label", "--head", "linaer"], "linear"),
    "unknown task": (lambda t: ["fit", t / "reviews.csv", "--target", "label", "--task", "classify"], "classification"),
    "text as a number": (
        lambda t: ["fit", t / "reviews.csv", "--target", "label", "--task", "regression"],
        "not a number",
    ),
    "test size": (lambda t: ["fit", t / "reviews.csv", "--target", "label", "--test-size", "1.5"], "1.5"),
    "two inputs": (
        lambda t: ["fit", t / "reviews.csv", "--target", "label", "--text", "text", "--columns", "id"],
        "one of them",
    ),
    "target as input": (
        lambda t: ["fit", t / "reviews.csv", "--target", "label", "--columns", "text,label"],
        "among the input",
    ),
    "two stores": (lambda t: ["fit", t / "reviews.csv", "--target", "label", "--no-store"], "one of them"),
    "ids beside Parquet": (
        lambda t: [
            "embed",
            t / "reviews.csv",
            "--text",
            "text",
            "--id",
            "id",
            "--out",
            t / "v.parquet",
            "--ids",
            t / "i",
        ],
        "Parquet holds the ids itself",
    ),
    "ids of no column": (
        lambda t: ["embed", t / "reviews.csv", "--text", "text", "--out", t / "v.npy", "--ids", t / "i"],
        "name the column with --id",
    ),
    "a folder as output": (
        lambda t: ["embed", t / "reviews.csv", "--text", "text", "--out", t / "x.npy"],
        "is a folder",
    ),
    "strange ending": (lambda t: ["embed", t / "reviews.csv", "--text", "text", "--out", t / "v.xlsx"], "parquet"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_message_and_exit_code_2(run, reviews, folder, tmp_path, mistake):
    import re

    (tmp_path / "x.npy").mkdir()
    make, message = MISTAKES[mistake]
    args = make(tmp_path)
    args += [] if "--backbone" in args or args[0] == "predict" else ["--backbone", folder]
    args += [] if "--out" in args else ["--out", tmp_path / "out.csv"]
    code, out, err = run(*args, "--json")
    assert code == 2
    assert re.search(message, err), err
    assert err.startswith("frostline: ")
    assert result(out)["exit_code"] == 2
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(("damage", "message"), [(_cut_off, "cut off"), (_edited, "edited")])
def test_a_damaged_artifact_is_refused(run, reviews, folder, tmp_path, damage, message):
    out = tmp_path / "model"
    run("fit", reviews, "--target", "label", "--text", "text", "--backbone", folder, "--out", out)
    damage(out)
    code, _, err = run("predict", out, reviews, "--out", tmp_path / "p.csv")
    assert code == 2
    assert message in err


def test_predict_lacks_a_column(run, reviews, cars, folder, tmp_path):
    run("fit", reviews, "--target", "label", "--text", "text", "--backbone", folder, "--out", tmp_path / "m")
    code, _, err = run("predict", tmp_path / "m", cars, "--out", tmp_path / "p.csv")
    assert code == 2
    assert "'text'" in err


def test_our_fault_is_exit_code_1(monkeypatch, capsys):
    import frostline

    def broken(*_, **__):
        raise RuntimeError("surprise")

    monkeypatch.setattr(frostline, "doctor", broken)
    with pytest.raises(SystemExit) as stop:
        main(["doctor", "--json"])
    out, err = capsys.readouterr()
    assert stop.value.code == 1
    assert "surprise" in err
    assert json.loads(out)["exit_code"] == 1


def test_help_and_version(run):
    code, out, _ = run("--version", store=False)
    assert code == 0
    assert out.startswith("frostline 0.")
    for command in ("fit", "predict", "evaluate", "embed", "doctor", "store"):
        code, out, _ = run(command, "--help", store=False)
        assert code == 0
        assert "Usage" in out
