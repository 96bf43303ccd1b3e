"""Round the fit: neighbors, unlabeled rows, splits by time, as a user meets them on the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from fakes import tiny_bert
from frostline.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(tiny_bert(tmp_path_factory.mktemp("backbone") / "m"))


@pytest.fixture
def run(capsys, tmp_path):
    def run(*args):
        with pytest.raises(SystemExit) as stop:
            main([*map(str, args), "--store", str(tmp_path / "store"), "--json"])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return stop.value.code, json.loads(out.strip().splitlines()[-1])

    return run


def write(path: Path, rows: list[dict]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def reviews(n=60, seed=0):
    rng = np.random.default_rng(seed)
    letters = {"good": list("abcde "), "bad": list("vwxyz ")}
    labels = [("good", "bad")[i % 2] for i in range(n)]
    return [
        {"id": f"r{i}", "text": "".join(rng.choice(letters[y], 12)) + str(i), "label": y, "day": f"2024-01-{i // 2 + 1:02d}"}
        for i, y in enumerate(labels)
    ]  # fmt: skip


def fit(run, data, folder, out, *more):
    common = ["--target", "label", "--text", "text", "--backbone", folder, "--features", "embedding", "--quiet"]
    return run("fit", data, *common, "--out", out, *more)


def test_predict_names_the_nearest_training_rows(run, folder, tmp_path):
    rows = reviews()
    data = write(tmp_path / "t.csv", rows)
    code, _ = fit(run, data, folder, tmp_path / "m", "--refit", "--keep-texts", "--id", "id")
    assert code == 0
    code, _ = run("predict", tmp_path / "m", data, "--neighbors", 2, "--out", tmp_path / "p.jsonl")
    assert code == 0
    found = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    for row, line in zip(rows, found, strict=True):
        first, second = line["neighbors"]
        assert (first["row"], first["target"], first["text"]) == (row["id"], row["label"], row["text"])
        assert first["similarity"] == pytest.approx(1, abs=1e-3)
        assert second["row"] != row["id"]
    for ending in ("csv", "parquet"):
        assert run("predict", tmp_path / "m", data, "--neighbors", 2, "--out", tmp_path / f"p.{ending}")[0] == 0
    with (tmp_path / "p.csv").open() as file:
        assert json.loads(next(csv.DictReader(file))["neighbors"]) == found[0]["neighbors"]


def test_rows_without_ids_are_numbered_as_in_their_file(run, folder, tmp_path):
    rows = reviews()
    rows[0]["label"] = ""
    data = write(tmp_path / "t.csv", rows)
    test = write(tmp_path / "more.csv", reviews(20, seed=1))
    fit(run, data, folder, tmp_path / "m", "--test", test, "--refit")
    run("predict", tmp_path / "m", data, "--neighbors", 1, "--out", tmp_path / "p.jsonl")
    found = [json.loads(line)["neighbors"][0] for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert [line["row"] for line in found[1:]] == [f"t.csv:{i}" for i in range(2, 61)]
    assert "text" not in found[0]
    fit(run, data, folder, tmp_path / "m2", "--cv", 2)
    run("predict", tmp_path / "m2", data, "--neighbors", 1, "--out", tmp_path / "p.jsonl")
    found = [json.loads(line)["neighbors"][0] for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert [line["row"] for line in found[1:]] == list(range(2, 61))


def test_neighbors_refused(run, folder, tmp_path):
    data = write(tmp_path / "t.csv", reviews())
    fit(run, data, folder, tmp_path / "m", "--no-neighbors")
    assert not (tmp_path / "m" / "rows.safetensors").exists()
    code, found = run("predict", tmp_path / "m", data, "--neighbors", 2, "--out", tmp_path / "p.jsonl")
    assert (code, "keeps nothing" in found["error"]) == (2, True)
    fit(run, data, folder, tmp_path / "m")
    code, found = run("predict", tmp_path / "m", data, "--neighbors", 99, "--out", tmp_path / "p.jsonl")
    assert (code, "from 1 to 48" in found["error"]) == (2, True)
    code, found = fit(run, data, folder, tmp_path / "m3", "--no-neighbors", "--keep-texts")
    assert (code, "the rows themselves are not" in found["error"]) == (2, True)


def test_rows_without_a_target_are_left_out_and_counted(run, folder, tmp_path):
    rows = reviews()
    whole = fit(run, write(tmp_path / "t.csv", rows), folder, tmp_path / "m")[1]
    assert whole["n_unlabeled"] == 0
    more = rows + [{**row, "label": "", "text": row["text"] + "?"} for row in reviews(20, seed=3)]
    data = write(tmp_path / "more.csv", more)
    code, found = fit(run, data, folder, tmp_path / "m2")
    assert code == 0
    assert found["n_unlabeled"] == 20
    assert found["n_train"] + found["n_test"] == found["n_texts"] == 60
    assert found["metrics"] == whole["metrics"]
    assert "20 rows without a target were left out" in found["notes"][0]
    scored = run("evaluate", tmp_path / "m2", data)[1]
    assert (scored["n_rows"], scored["n_unlabeled"]) == (60, 20)
    code, found = fit(run, data, folder, tmp_path / "m3", "--unlabelled", "error")
    assert code == 2
    assert "20 of 80 rows" in found["error"]
    assert "the first is row 61" in found["error"]
    code, found = fit(run, data, folder, tmp_path / "m3", "--unlabeled", "drop")
    assert (code, "skip, error" in found["error"]) == (2, True)
    nothing = write(tmp_path / "none.csv", [{**row, "label": ""} for row in rows])
    code, found = fit(run, nothing, folder, tmp_path / "m3")
    assert (code, "None of the 60 rows" in found["error"]) == (2, True)


def test_whole_numbers_with_gaps_stay_labels(run, folder, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = reviews()
    labels = [float(row["label"] == "good") for row in rows] + [float("nan")] * 5
    texts = [row["text"] for row in rows] + ["a", "b", "c", "d", "e"]
    pq.write_table(pa.table({"text": texts, "label": labels}), tmp_path / "t.parquet")
    found = fit(run, tmp_path / "t.parquet", folder, tmp_path / "m")[1]
    assert (found["task"], found["labels"], found["n_unlabeled"]) == ("classification", ["0", "1"], 5)


def test_the_latest_rows_are_tested(run, folder, tmp_path):
    data = write(tmp_path / "t.csv", reviews())
    code, found = fit(run, data, folder, tmp_path / "m", "--time", "day")
    assert code == 0
    assert (found["n_train"], found["n_test"]) == (48, 12)
    assert "trained on 2024-01-01 to 2024-01-24, tested on 2024-01-25 to 2024-01-30" in found["split"]
    assert "2024-01-25" in (tmp_path / "m" / "card.md").read_text()
    code, found = fit(run, data, folder, tmp_path / "m", "--time", "day", "--cv", 3)
    assert (code, found["n_train"], found["n_test"]) == (0, 60, 46)
    assert "3 expanding windows" in found["split"]


def test_the_time_is_no_input(run, folder, tmp_path):
    data = write(tmp_path / "t.csv", [{k: v for k, v in row.items() if k != "id"} for row in reviews()])
    common = ["--target", "label", "--time", "day", "--backbone", folder, "--quiet", "--out", tmp_path / "m"]
    assert run("fit", data, *common)[1]["chosen"]["input"] == ["text"]


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (["--time", "text"], "which is no time"),
        (["--time", "dya"], "day"),
        (["--time", "day", "--test", "t.csv"], "a test file and --time"),
        (["--time", "day", "--cv", "40"], "distinct times"),
    ],
)
def test_times_refused(run, folder, tmp_path, monkeypatch, more, word):
    monkeypatch.chdir(tmp_path)
    data = write(tmp_path / "t.csv", reviews())
    code, found = fit(run, data, folder, tmp_path / "m", *more)
    assert code == 2
    assert word in found["error"] + str(found["hint"])


def test_a_class_that_is_new_in_the_test_part_counts_as_wrong(run, folder, tmp_path):
    rows = reviews()
    rows[-1]["label"] = "new"
    code, found = fit(run, write(tmp_path / "t.csv", rows), folder, tmp_path / "m", "--time", "day")
    assert code == 0
    assert found["metrics"]["accuracy"] <= 11 / 12
    assert found["labels"] == ["bad", "good", "new"]
    assert sum(found["confusion"][2]) == 1
    code, found = fit(run, tmp_path / "t.csv", folder, tmp_path / "m", "--time", "day", "--cv", 3)
    assert (code, found["labels"]) == (0, ["bad", "good", "new"])
    assert np.sum(found["confusion"]) == found["n_test"]
