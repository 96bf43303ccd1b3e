"""Labels of any type come back from predictions as what they were, through CSV, JSON Lines and Parquet."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv as arrow_csv

from frostline import TextClassifier, load
from frostline.cli import main
from frostline.tables import read_table

WORDS = [["win", "prize"], ["lunch", "day"], ["ice", "cold"]]
LABELS = {
    "whole": [1, 2, 30],
    "negative": [-1, 1],
    "huge": [2**60, 2**60 + 1],
    "boolean": [True, False],
    "float": [1.0, 2.0],
    "date": [dt.date(2020, 1, 1), dt.date(2021, 2, 3)],
    "time": [dt.datetime(2020, 1, 1, 3, 5), dt.datetime(2021, 1, 1)],
    "like-numbers": ["007", "7", "1e3"],
    "like-nothing": ["null", "None", "nan"],
    "spaces-and-case": [" a", "a", "A"],
    "quoted": ["a,b", 'q"x', "l\nm"],
}


@pytest.fixture
def run(capsys):
    def run(*args):
        with pytest.raises(SystemExit) as stop:
            main([*map(str, args), "--quiet", "--json"])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return stop.value.code, json.loads(out.strip().splitlines()[-1]), err

    return run


def rows(labels, n=36):
    rng = np.random.default_rng(0)
    y = [labels[i % len(labels)] for i in range(n)]
    return [" ".join(rng.choice(WORDS[i % len(labels)], 3)) + f" {i}" for i in range(n)], y


def write(path, texts, y):
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"text": texts, "y": y}), path)
    elif path.suffix == ".csv":
        arrow_csv.write_csv(pa.table({"text": texts, "y": y}), path)
    else:
        plain = [v.isoformat() if isinstance(v, dt.date) else v for v in y]
        path.write_text("".join(json.dumps({"text": t, "y": v}) + "\n" for t, v in zip(texts, plain, strict=True)))
    return path


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_labels_come_back(run, tmp_path, kind, ending):
    data = write(tmp_path / f"d.{ending}", *rows(LABELS[kind]))
    fit = ["fit", data, "--target", "y", "--features", "tfidf", "--task", "classification", "--out", tmp_path / "m"]
    assert run(*fit)[0] == 0
    place = tmp_path / f"p.{ending}"
    assert run("predict", tmp_path / "m", data, "--out", place)[0] == 0
    given, found = read_table(data)["y"], read_table(place)["prediction"]
    assert found.type == given.type
    assert found.to_pylist() == given.to_pylist()
    code, judged, _ = run("evaluate", tmp_path / "m", data)
    assert (code, judged["metrics"]["accuracy"]) == (0, 1.0)


def test_labels_beyond_64_bits_stay_exact(run, tmp_path):
    texts, y = rows([2**70, 2**70 + 1])
    data = write(tmp_path / "d.jsonl", texts, y)
    fit = ["fit", data, "--target", "y", "--features", "tfidf", "--task", "classification", "--out", tmp_path / "m"]
    code, _, err = run(*fit)
    if code:  # a reader that has no such numbers says so
        assert code == 2
        assert err
        return
    assert run("predict", tmp_path / "m", data, "--out", tmp_path / "p.jsonl")[0] == 0
    assert [json.loads(line)["prediction"] for line in (tmp_path / "p.jsonl").read_text().splitlines()] == y


def test_a_file_that_writes_labels_in_another_type_is_understood(run, tmp_path):
    texts, y = rows(["1.0", "2.0"])
    data = write(tmp_path / "d.parquet", texts, y)
    assert run("fit", data, "--target", "y", "--features", "tfidf", "--out", tmp_path / "m")[0] == 0
    as_numbers = tmp_path / "d.csv"
    as_numbers.write_text("text,y\n" + "".join(f"{t},{v}\n" for t, v in zip(texts, y, strict=True)))
    assert str(read_table(as_numbers).schema.field("y").type) == "double"
    code, found, _ = run("evaluate", tmp_path / "m", as_numbers)
    assert (code, found["metrics"]["accuracy"]) == (0, 1.0)
    assert [c["label"] for c in found["classes"]] == ["1.0", "2.0"]
    code, _, err = run("evaluate", tmp_path / "m", write(tmp_path / "e.csv", texts, ["1.0", "3"] * 18))
    assert code == 2
    assert "1 labels in" in err
    assert "were not in training: 3" in err


@pytest.mark.parametrize("labels", [[0.5, 1.0], [1.0, 2.5]])
def test_numbers_with_a_fraction_are_no_labels(run, tmp_path, labels):
    data = write(tmp_path / "d.csv", *rows(labels))
    code, _, err = run("fit", data, "--target", "y", "--task", "classification", "--out", tmp_path / "m")
    assert code == 2
    assert "Labels are text, whole numbers, booleans or dates" in err


@pytest.mark.parametrize("unit", ["D", "s", "ns"])
def test_numpy_times_are_saved(tmp_path, unit):
    texts, y = rows(list(np.array(["2020-01-01", "2021-01-01"], dtype=f"datetime64[{unit}]")))
    clf = TextClassifier(features="tfidf").fit(texts, np.array(y))
    clf.save(tmp_path / "m")
    again = load(tmp_path / "m", store=None, progress=False)
    assert again.classes_.dtype == clf.classes_.dtype == np.dtype(f"datetime64[{unit}]")
    assert (again.predict(texts) == np.array(y)).all()
