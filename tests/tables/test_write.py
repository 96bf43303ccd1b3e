from __future__ import annotations

import csv
import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from frostline.errors import UserError
from frostline.tables import prediction_writer, read_table, render_rows, write, write_vectors

TEXTS = ["a,b", 'say "hi"', "two\nlines", "bare\rreturn", " padded ", "", "é😀\u2028", "NA", "007", "=1+1"]


def write_predictions(path: Path, columns: dict[str, Any]) -> None:
    with prediction_writer(path) as write_window:
        write_window(columns)


def only(folder: Path) -> str:
    (path,) = folder.iterdir()
    return path.name


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet", ".CSV"])
def test_texts_come_back_exactly(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"p{ending}"
    write_predictions(path, {"prediction": TEXTS, 'a "name", é': range(len(TEXTS))})
    assert read_table(path).to_pydict() == {"prediction": TEXTS, 'a "name", é': list(range(len(TEXTS)))}
    assert only(tmp_path) == path.name


def test_csv_is_what_other_readers_expect(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    write_predictions(path, {"t": TEXTS, "n": range(len(TEXTS))})
    with path.open(newline="", encoding="utf-8") as file:
        assert [row[0] for row in csv.reader(file)] == ["t", *TEXTS]
    assert pd.read_csv(path, keep_default_na=False, dtype=str)["t"].tolist() == TEXTS


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        ([True, False, None], ["true", "false", '""']),
        ([1, "a", None, 2.5, [1, "x"], {"k": None}], ["1", "a", '""', "2.5", '"[1, ""x""]"', '"{""k"": null}"']),
        (np.array([0.1, np.nan, np.inf, 3], dtype=np.float32), ["0.1", '""', "inf", "3.0"]),
        (np.array([1, 2]), ["1", "2"]),
        (np.array([True, False]), ["true", "false"]),
        (np.array(["a", "b,"]), ["a", '"b,"']),
        (np.array(["a", None], dtype=object), ["a", '""']),
        (pd.Series([1.5, None]), ["1.5", '""']),
        (pa.chunked_array([[1], [2]]), ["1", "2"]),
        ([], []),
    ],
)
def test_csv_cells(tmp_path: Path, values: Any, lines: list[str]) -> None:
    write_predictions(tmp_path / "p.csv", {"prediction": values})
    assert (tmp_path / "p.csv").read_text() == "\n".join(["prediction", *lines]) + "\n"


def test_missing_cell_beside_others_is_empty(tmp_path: Path) -> None:
    write_predictions(tmp_path / "p.csv", {"a": [None, "x"], "b": [1.5, None]})
    assert (tmp_path / "p.csv").read_text() == "a,b\n,1.5\nx,\n"


def test_jsonl_keeps_labels_of_any_type(tmp_path: Path) -> None:
    labels = [1, "a", None, 2.5, True, [1, {"k": "é"}], {"k": None}]
    write_predictions(tmp_path / "p.jsonl", {"prediction": labels, "p": np.linspace(0, 1, 7)})
    rows = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert [row["prediction"] for row in rows] == labels
    assert [row["p"] for row in rows] == np.linspace(0, 1, 7).tolist()


def test_parquet_keeps_types_and_mixed_labels(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    write_predictions(path, {"prediction": [1, "a"], "score": np.float32([0.5, np.nan]), "n": [1, 2]})
    table = read_table(path)
    assert table.schema.types == [pa.string(), pa.float32(), pa.int64()]
    assert render_rows(table) == [
        '{"prediction": 1, "score": 0.5, "n": 1}',
        '{"prediction": "a", "score": null, "n": 2}',
    ]


@pytest.mark.parametrize(
    ("name", "columns", "message"),
    [
        ("p.txt", {"a": [1]}, "Allowed endings: .csv, .jsonl, .parquet"),
        ("p", {"a": [1]}, "Allowed endings"),
        ("nowhere/p.csv", {"a": [1]}, "there is no folder"),
        ("p.csv", {}, "There is no column to write"),
        ("p.csv", {"a": [1], "b": [1, 2]}, r"differ in length: \{'a': 1, 'b': 2\}"),
        ("p.csv", {"a": np.zeros((2, 2))}, r"Column 'a' must be one-dimensional, got shape \(2, 2\)"),
        ("p.csv", {"a": ["x", b"y"]}, "Column 'a', row 1"),
        ("p.csv", {"a": ["\ud800"]}, "Column 'a', row 0: the text holds half a surrogate pair"),
        ("p.jsonl", {"a": [float("inf")]}, "Column 'a' holds infinity"),
    ],
)
def test_mistakes_leave_nothing_behind(tmp_path: Path, name: str, columns: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        write_predictions(tmp_path / name, columns)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_and_a_folder_is_not(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("old")
    write_predictions(tmp_path / "p.csv", {"a": [1]})
    assert (tmp_path / "p.csv").read_text() == "a\n1\n"
    (tmp_path / "q.csv").mkdir()
    with pytest.raises(UserError, match="q.csv cannot be written: "):
        write_predictions(tmp_path / "q.csv", {"a": [1]})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p.csv", "q.csv"]


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "p.csv").write_text("old")
    monkeypatch.setattr(write.os, "fsync", full)
    with pytest.raises(UserError, match="p.csv cannot be written: No space left on device"):
        write_predictions(tmp_path / "p.csv", {"a": [1]})
    assert (tmp_path / "p.csv").read_text() == "old"
    assert only(tmp_path) == "p.csv"


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_no_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot be written: Permission denied"):
        write_predictions(tmp_path / "p.csv", {"a": [1]})
    tmp_path.chmod(0o700)


def test_the_file_has_the_usual_mode(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write_predictions(tmp_path / "p.csv", {"a": [1]})
    usual, written = (stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("usual", "p.csv"))
    assert written == usual


@pytest.mark.parametrize("shape", [(3, 4), (3, 2, 4), (0, 4)])
def test_npy(tmp_path: Path, shape: tuple[int, ...]) -> None:
    vectors = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    write_vectors(tmp_path / "v.npy", None, vectors)
    loaded = np.load(tmp_path / "v.npy", allow_pickle=False)
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded, vectors)


def test_npy_is_float32_in_row_order_whatever_the_memory_layout(tmp_path: Path) -> None:
    vectors = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    write_vectors(tmp_path / "v.npy", ["a", "b"], vectors)
    loaded = np.load(tmp_path / "v.npy")
    assert (loaded.dtype, loaded.flags.c_contiguous) == (np.float32, True)
    np.testing.assert_array_equal(loaded, vectors)


@pytest.mark.parametrize(
    "ids", [["a", "b"], [7, 3], np.array([7, 3]), np.array(["a", "b"]), range(2), pa.array(["a", "b"])]
)
def test_vectors_in_parquet(tmp_path: Path, ids: Any) -> None:
    vectors = np.array([[0.5, -1, 2], [3, 4, 5]], dtype=np.float32)
    write_vectors(tmp_path / "v.parquet", ids, vectors)
    table = pq.read_table(tmp_path / "v.parquet")
    assert table.column_names == ["id", "vector"]
    assert table.schema.field("vector").type == pa.list_(pa.float32(), 3)
    assert table["id"].to_pylist() == (ids.to_pylist() if isinstance(ids, pa.Array) else list(ids))
    np.testing.assert_array_equal(np.stack(table["vector"].to_pylist()), vectors)


GOOD = np.zeros((2, 3), dtype=np.float32)


@pytest.mark.parametrize(
    ("name", "ids", "vectors", "message"),
    [
        ("v.csv", ["a", "b"], GOOD, "Allowed endings: .npy, .parquet"),
        ("nowhere/v.npy", None, GOOD, "there is no folder"),
        ("v.npy", ["a"], GOOD, "There are 1 ids for 2 vectors"),
        ("v.parquet", ["a", "b", "c"], GOOD, "There are 3 ids for 2 vectors"),
        ("v.parquet", None, GOOD, "need ids, got None"),
        ("v.parquet", ["a", None], GOOD, "none missing; got 1 missing"),
        ("v.parquet", ["a", 1], GOOD[:, :0], r"shape \(n, F\), got float32 of shape \(2, 0\)"),
        ("v.parquet", [1.5, 2.5], GOOD, "all text or all whole numbers"),
        ("v.parquet", ["a", "b"], GOOD[None], r"shape \(n, F\), got"),
        ("v.npy", None, GOOD[0], r"shape \(n, F\) or \(n, L, F\), got"),
        ("v.npy", None, np.array([["a"]]), "Vectors must be numbers"),
        ("v.npy", None, np.array([[1.0], [np.nan]]), "1 of 2 vectors are not finite in float32, the first in row 1"),
        ("v.npy", None, np.array([[1e39], [np.inf]]), "2 of 2 vectors are not finite in float32, the first in row 0"),
    ],
)
def test_vector_mistakes_leave_nothing_behind(tmp_path: Path, name: str, ids: Any, vectors: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        write_vectors(tmp_path / name, ids, vectors)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_predictions_in_windows(tmp_path: Path, ending: str) -> None:
    columns = {"prediction": np.array(TEXTS), "score": np.linspace(0, 1, len(TEXTS))}
    write_predictions(tmp_path / f"whole{ending}", columns)
    with prediction_writer(tmp_path / f"windows{ending}") as write_window:
        for rows in (slice(0, 3), slice(3, 4), slice(4, None)):
            write_window({name: values[rows] for name, values in columns.items()})
    whole, windows = (tmp_path / f"{name}{ending}" for name in ("whole", "windows"))
    assert read_table(whole).equals(read_table(windows))
    assert ending == ".parquet" or whole.read_bytes() == windows.read_bytes()


def test_a_window_of_other_columns_leaves_nothing_behind(tmp_path: Path) -> None:
    def write_windows() -> None:
        with prediction_writer(tmp_path / "p.parquet") as write_window:
            write_window({"a": [1]})
            write_window({"a": ["x"]})

    with pytest.raises(UserError, match="follow rows of type"):
        write_windows()
    assert list(tmp_path.iterdir()) == []
