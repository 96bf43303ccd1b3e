"""Round the fit: neighbors, unlabeled rows, splits by time, as a user meets them on the command line."""

from __future__ import annotations

import csv
import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
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


def test_suggest(run, folder, tmp_path):
    rows = reviews(80)
    for row in rows[40:]:
        row["label"] = ""
    data = write(tmp_path / "t.csv", rows)
    fit(run, data, folder, tmp_path / "m")
    code, found = run("suggest", tmp_path / "m", data, "-n", 5, "--out", tmp_path / "next.csv", "--quiet")
    assert code == 0
    assert (found["n_rows"], found["n_candidates"]) == (80, 40)
    chosen = [row["row"] for row in found["suggestions"]]
    assert len(set(chosen)) == 5
    assert min(chosen) > 40
    assert [row["text"] for row in found["suggestions"]] == [rows[i - 1]["text"] for i in chosen]
    with (tmp_path / "next.csv").open() as file:
        assert [int(row["row"]) for row in csv.DictReader(file)] == chosen
    code, named = run("suggest", tmp_path / "m", data, "-n", 5, "--id", "id")
    assert [row["row"] for row in named["suggestions"]] == [rows[i - 1]["id"] for i in chosen]
    days = pa.array([date(2024, 1, 1) + timedelta(i) for i in range(80)])
    table = pa.table({"day": days, **{name: [row[name] for row in rows] for name in ("text", "label")}})
    pq.write_table(table, tmp_path / "t.parquet")
    code, dated = run("suggest", tmp_path / "m", tmp_path / "t.parquet", "-n", 5, "--id", "day")
    assert [row["row"] for row in dated["suggestions"]] == [str(days[i - 1]) for i in chosen]
    labeled = write(tmp_path / "all.csv", reviews(80))
    code, found = run("suggest", tmp_path / "m", labeled)
    assert (code, "labeled already" in found["error"]) == (2, True)
    code, found = run("suggest", tmp_path / "m", data, "-n", 0)
    assert (code, "1 or more" in found["error"]) == (2, True)
    code, found = run("suggest", tmp_path / "m", data, "--out", tmp_path / "next.txt")
    assert code == 2


def test_update(run, folder, tmp_path):
    data = write(tmp_path / "t.csv", reviews())
    first = fit(run, data, folder, tmp_path / "m", "--refit", "--id", "id")[1]
    new = [{**row, "id": f"n{i}"} for i, row in enumerate(reviews(20, seed=5))]
    new[0]["label"], new[1]["label"], new[2] = "", "strange", {**reviews()[2], "id": "n2"}
    more = write(tmp_path / "more.csv", new)
    code, found = run("update", tmp_path / "m", more, "--out", tmp_path / "m2", "--id", "id")
    assert code == 0
    assert (found["n_added"], found["n_unlabeled"], found["new_classes"]) == (19, 1, ["strange"])
    assert found["n_train"] == 79
    assert found["n_embedded"] == 18  # the row that the fit had is in the store
    assert found["chosen"]["layers"] == first["chosen"]["layers"]
    assert found["chosen"]["strength"] == first["chosen"]["strength"]
    assert found["before"]["accuracy"] <= 17 / 18
    assert any("On 18 of these rows" in note for note in found["notes"])
    assert (tmp_path / "m2" / "report.html").exists()
    run("predict", tmp_path / "m2", more, "--neighbors", 1, "--out", tmp_path / "p.jsonl")
    found = [json.loads(line)["neighbors"][0]["row"] for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert found[1:] == ["n1", "r2", *[f"n{i}" for i in range(3, 20)]]
    code, found = run("update", tmp_path / "m", more, "--out", tmp_path / "m", "--strength", "auto")
    assert (code, found["artifact"]) == (0, str(tmp_path / "m"))
    assert run("evaluate", tmp_path / "m", more)[1]["n_rows"] == 19


def test_update_refused(run, folder, tmp_path):
    data = write(tmp_path / "t.csv", reviews())
    fit(run, data, folder, tmp_path / "m", "--no-neighbors")
    code, found = run("update", tmp_path / "m", data, "--out", tmp_path / "m2")
    assert (code, "keeps nothing" in found["error"]) == (2, True)
    fit(run, data, folder, tmp_path / "m")
    with pytest.raises(SystemExit) as stop:
        main(["update", str(tmp_path / "m"), str(data), "--out", str(tmp_path / "m2"), "--no-store"])
    assert stop.value.code == 2
    assert not (tmp_path / "m2").exists()
    code, found = run("update", tmp_path / "m", data, "--out", tmp_path / "m2", "--unlabeled", "drop")
    assert (code, "skip, error" in found["error"]) == (2, True)


def test_concept(run, folder, tmp_path, capsys):
    def concept(*args):
        with pytest.raises(SystemExit) as stop:
            main(["concept", *map(str, args), "--json"])
        return stop.value.code, json.loads(capsys.readouterr().out.strip().splitlines()[-1])

    rows = reviews()
    data = write(tmp_path / "t.csv", rows)
    fit(run, data, folder, tmp_path / "m", "--refit", "--keep-texts")
    code, found = concept(tmp_path / "m", "good", "-n", 3)
    label_of = {row["text"]: row["label"] for row in rows}
    assert code == 0
    assert [label_of[text] for text in found["toward"]] == ["good"] * 3
    assert [label_of[text] for text in found["against"]] == ["bad"] * 3
    assert concept(tmp_path / "m", "great")[0] == 2
    fit(run, data, folder, tmp_path / "m2")
    code, found = concept(tmp_path / "m2", "good")
    assert (code, "keeps no texts" in found["error"]) == (2, True)
