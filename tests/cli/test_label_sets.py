"""Rows with any number of labels through the command line: lists and separated text, in every format."""

from __future__ import annotations

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fakes import tiny_bert
from frostline.cli import main

WORDS = {"sport": ["ball", "goal"], "money": ["bank", "cash"], "ice": ["cold", "snow"]}


@pytest.fixture
def run(capsys, tmp_path):
    def run(command, *args):
        with pytest.raises(SystemExit) as stop:
            main([command, *map(str, args), "--store", str(tmp_path / "store"), "--json"])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return stop.value.code, json.loads(out.strip().splitlines()[-1]), out if stop.value.code == 0 else err

    return run


def rows(n=160, seed=0):
    """Texts with two words of each of their labels, and two words of none."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(n):
        own = [label for label, share in (("sport", 0.5), ("money", 0.3), ("ice", 0.15)) if rng.random() < share]
        words = [str(rng.choice(WORDS[label])) for label in own for _ in range(2)]
        found.append({"text": " ".join([*words, *map(str, rng.choice(["the", "a", "of"], 2)), str(i)]), "tags": own})
    return found


def write(path, found, separator=None):
    if separator is not None:
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "tags"])
            writer.writerows([row["text"], separator.join(row["tags"])] for row in found)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in found))
    else:
        pq.write_table(pa.table({name: [row[name] for row in found] for name in ("text", "tags")}), path)
    return path


def read(path, separator=None):
    if path.suffix == ".parquet":
        return pq.read_table(path)["prediction"].to_pylist()
    if path.suffix == ".jsonl":
        return [json.loads(line)["prediction"] for line in path.read_text().splitlines()]
    cells = [row["prediction"] for row in csv.DictReader(path.read_text().splitlines())]
    return [cell.split(separator) if cell else [] for cell in cells]


@pytest.mark.parametrize(
    ("name", "separator"), [("d.csv", "|"), ("d.csv", "; "), ("d.jsonl", None), ("d.parquet", None)]
)
def test_fit_predict_evaluate(run, tmp_path, name, separator):
    found, given = rows(), ["--label-separator", separator] if separator else []
    data, out = write(tmp_path / name, found, separator), tmp_path / f"p.{name.split('.')[1]}"
    code, report, text = run("fit", data, "--target", "tags", "--features", "tfidf", "--out", tmp_path / "m", *given)
    assert (code, report["task"]) == (0, "multilabel")
    names = {"subset_accuracy", "micro_f1", "macro_f1", "hamming_loss", "average_precision", "log_loss"}
    assert set(report["metrics"]) == names
    assert set(report["baselines"]) == {"dummy", "text"}
    assert report["metrics"]["micro_f1"] > 0.9 > report["baselines"]["dummy"]["micro_f1"]
    assert set(report["baselines"]["text"]) == names
    assert [c["label"] for c in report["classes"]] == ["ice", "money", "sport"]
    assert set(report["decision"]["thresholds"]) == {"ice", "money", "sport"}
    assert sum(c["n_train"] + c["n_test"] for c in report["classes"]) == sum(len(row["tags"]) for row in found)
    assert "exact sets" in text
    assert "rows have no label at all" in text
    page = (tmp_path / "m" / "report.html").read_text()
    assert "How each label fares" in page
    assert "Each label is given from a probability of its own on" in page
    assert run("predict", tmp_path / "m", data, "--out", out, "--proba")[0] == 0
    predicted = read(out, separator)
    assert np.mean([set(p) == set(row["tags"]) for p, row in zip(predicted, found, strict=True)]) > 0.9
    assert [] in predicted
    if name.endswith("parquet"):
        assert pq.read_table(out).column_names == ["prediction", "proba_ice", "proba_money", "proba_sport"]
    code, judged, _ = run("evaluate", tmp_path / "m", data)
    assert code == 0
    right = np.mean([set(p) == set(row["tags"]) for p, row in zip(predicted, found, strict=True)])
    assert judged["metrics"]["subset_accuracy"] == pytest.approx(right)


def test_lists_in_csv_are_json(run, tmp_path):
    data = write(tmp_path / "d.jsonl", rows())
    assert run("fit", data, "--target", "tags", "--features", "tfidf", "--out", tmp_path / "m")[0] == 0
    assert run("predict", tmp_path / "m", data, "--out", tmp_path / "p.csv")[0] == 0
    cells = [row["prediction"] for row in csv.DictReader((tmp_path / "p.csv").read_text().splitlines())]
    assert all(isinstance(json.loads(cell), list) for cell in cells)


def test_backbone_folds_and_neighbors(run, tmp_path):
    folder = tiny_bert(tmp_path / "b")
    data = write(tmp_path / "d.parquet", rows(90))
    fit = ["fit", data, "--target", "tags", "--backbone", folder, "--cv", "2", "--out", tmp_path / "m"]
    code, report, _ = run(*fit, "--threshold", "ice=0.9")
    assert code == 0
    assert report["decision"]["thresholds"]["ice"] == 0.9
    assert sum(c["n_test"] for c in report["classes"]) == sum(len(row["tags"]) for row in rows(90))
    assert report["metrics_std"]["micro_f1"] >= 0
    out = tmp_path / "p.jsonl"
    assert run("predict", tmp_path / "m", data, "--out", out, "--neighbors", "2")[0] == 0
    first = json.loads(out.read_text().splitlines()[0])["neighbors"][0]
    assert set(first["target"]) <= set(WORDS)


def test_labels_with_a_bar_are_one_label_and_the_report_says_so(run, tmp_path):
    found = [{**row, "tags": ["x|y" if "ball" in row["text"] or "goal" in row["text"] else "z"]} for row in rows()]
    data = write(tmp_path / "d.csv", found, "!")
    code, report, _ = run("fit", data, "--target", "tags", "--features", "tfidf", "--out", tmp_path / "m")
    assert (code, report["task"], report["labels"]) == (0, "classification", ["x|y", "z"])
    assert "each was taken as one label" in report["notes"][0]
    assert "--label-separator '|'" in report["notes"][0]


def test_a_label_of_the_test_file_alone_counts_as_missed(run, tmp_path):
    data = write(tmp_path / "d.jsonl", rows())
    test = write(tmp_path / "t.jsonl", [{"text": "ball goal new", "tags": ["sport", "fresh"]}, *rows(20, seed=1)])
    fit = ["fit", data, "--target", "tags", "--features", "tfidf", "--out", tmp_path / "m"]
    code, report, _ = run(*fit, "--test", test)
    assert code == 0
    fresh = {c["label"]: c for c in report["classes"]}["fresh"]
    assert (fresh["n_train"], fresh["n_test"], fresh["recall"]) == (0, 1, 0.0)
    code, _, err = run("evaluate", tmp_path / "m", test)
    assert code == 2
    assert "were not in training: fresh" in err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--min-precision", "0.9"], "are for rows of one label"),
        (["--class-weight", "balanced"], "Class weights are for rows of one label"),
        (["--head", "mlp"], "'mlp' is for"),
        (["--threshold", "rain=0.5"], "names the label 'rain'"),
        (["--threshold", "1.5"], "lies between 0 and 1"),
        (["--task", "regression"], "cannot be regressed"),
        (["--label-separator", "|"], "not text that could be cut"),
        (["--features", "raw"], "not from raw columns"),
    ],
)
def test_what_sets_do_not_allow_is_said(run, tmp_path, args, message):
    data = write(tmp_path / "d.jsonl", rows(40))
    code, _, err = run("fit", data, "--target", "tags", "--out", tmp_path / "m", *args)
    assert code == 2
    assert message in err
    assert not (tmp_path / "m").exists()


def test_stray_separators_and_single_labels_are_said(run, tmp_path):
    found = rows(40)
    found[3]["tags"] = ["sport", ""]
    data = write(tmp_path / "d.csv", found, "|")
    fit = ["fit", data, "--target", "tags", "--features", "tfidf", "--out", tmp_path / "m"]
    code, _, err = run(*fit, "--label-separator", "|")
    assert code == 2
    assert "Target 4 of" in err
    assert "has an empty label" in err
    code, _, err = run(*fit, "--task", "multilabel")
    assert code == 2
    assert "--label-separator '|'" in err
    for command in ("sweep", "diagnose"):
        code, _, err = run(command, write(tmp_path / "d.jsonl", rows(40)), "--target", "tags")
        assert code == 2
        assert "sets of labels" in err


def test_more_rows_and_rows_to_label_next(run, tmp_path):
    folder = tiny_bert(tmp_path / "b")
    data, more = write(tmp_path / "d.csv", rows(90), "|"), write(tmp_path / "e.csv", rows(30, seed=3), "|")
    fit = ["fit", data, "--target", "tags", "--label-separator", "|", "--features", "embedding", "--backbone", folder]
    assert run(*fit, "--out", tmp_path / "m")[0] == 0
    (fresh := tmp_path / "fresh.csv").write_text("text\n" + "".join(f"{row['text']}\n" for row in rows(30, seed=3)))
    code, found, _ = run("suggest", tmp_path / "m", fresh, "-n", "3", "--out", tmp_path / "s.csv")
    assert code == 0
    assert len(found["suggestions"]) == 3
    assert all(isinstance(s["prediction"], str) and 0 <= s["margin"] <= 1 for s in found["suggestions"])
    code, _, err = run("suggest", tmp_path / "m", more, "-n", "3")
    assert (code, "labeled already" in err) == (2, True)
    code, found, _ = run("update", tmp_path / "m", more, "--out", tmp_path / "n")
    assert code == 0
    assert (found["n_added"], found["n_train"], found["task"]) == (
        30,
        102,
        "multilabel",
    )  # the model of the fit has seen 72 rows
    assert 0 <= found["before"]["micro_f1"] <= 1
    assert run("evaluate", tmp_path / "n", more)[1]["metrics"]["micro_f1"] > 0.5
