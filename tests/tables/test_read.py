from __future__ import annotations

import gc
import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from frostline.errors import UserError
from frostline.tables import delimited, iter_tables, read_table
from frostline.tables.read import ENDINGS

EXPECTED = {"id": [1, 2, None], "text": ["a, b", 'say "hi"\nyou', "é"]}
CSV = 'id,text\n1,"a, b"\n2,"say ""hi""\nyou"\n,é\n'.encode()
JSONL = '{"id": 1, "text": "a, b"}\n{"id": 2, "text": "say \\"hi\\"\\nyou"}\n{"text": "é"}\n'.encode()


def put(folder: Path, ending: str) -> Path:
    path = folder / f"table{ending}"
    if ending == ".parquet":
        pq.write_table(pa.table(EXPECTED), path)
        return path
    data = (
        JSONL if "json" in ending else CSV.replace(b"id,", b"id\t").replace(b"1,", b"1\t") if "tsv" in ending else CSV
    )
    if "tsv" in ending:
        data = data.replace(b"\n2,", b"\n2\t").replace(b"\n,", b"\n\t")
    path.write_bytes(gzip.compress(data) if ending.endswith(".gz") else data)
    return path


@pytest.mark.parametrize("ending", [*ENDINGS, ".CSV", ".Csv.GZ"])
def test_every_ending_reads_the_same_table(tmp_path: Path, ending: str) -> None:
    path = put(tmp_path, ending) if ending in ENDINGS else put(tmp_path, ending.lower()).rename(tmp_path / f"t{ending}")
    for table in (read_table(path), read_table(str(path)), pa.concat_tables(iter_tables(path, 2))):
        assert table.to_pydict() == EXPECTED
        assert table.schema.types == [pa.int64(), pa.string()]


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("rows", [1, 7, 100, 1000])
def test_windows_have_the_rows_asked_for(tmp_path: Path, ending: str, rows: int) -> None:
    path = tmp_path / f"a{ending}"
    if ending == ".parquet":
        pq.write_table(pa.table({"i": range(250)}), path, row_group_size=30)
    else:
        lines = [f"{i},x" for i in range(250)] if ending == ".csv" else [f'{{"i": {i}}}' for i in range(250)]
        path.write_text("i,x\n" * (ending == ".csv") + "\n".join(lines))
    windows = list(iter_tables(path, rows))
    assert [len(window) for window in windows] == [rows] * (250 // rows) + [250 % rows] * bool(250 % rows)
    assert pa.concat_tables(windows)["i"].to_pylist() == list(range(250))
    assert pa.concat_tables(windows).equals(read_table(path))


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_stopping_early_leaves_nothing_open(tmp_path: Path, ending: str) -> None:
    windows = iter_tables(put(tmp_path, ending), 1)
    assert next(windows)["id"].to_pylist() == [1]
    del windows
    gc.collect()  # an unclosed file would warn, and warnings are errors


def test_memory_does_not_grow_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 1 << 16)
    path = tmp_path / "a.csv"
    path.write_text("i,text\n" + "".join(f"{i},{'words ' * 10}\n" for i in range(100_000)))
    before = pa.total_allocated_bytes()
    most = max(pa.total_allocated_bytes() - before for _ in iter_tables(path, 1000))
    assert most < path.stat().st_size / 4


@pytest.mark.parametrize("rows", [0, -1, 2.0, None])
def test_window_must_hold_a_row(tmp_path: Path, rows: int) -> None:
    with pytest.raises(UserError, match="rows must be a whole number of at least 1"):
        iter_tables(put(tmp_path, ".csv"), rows)


def test_missing_file_suggests_its_neighbor(tmp_path: Path) -> None:
    put(tmp_path, ".csv")
    with pytest.raises(UserError, match=r"tabel.csv does not exist.\nhint: Did you mean 'table.csv'\?"):
        read_table(tmp_path / "tabel.csv")
    with pytest.raises(UserError) as caught:
        iter_tables(tmp_path / "quite-different.parquet", 3)
    assert caught.value.hint is None
    with pytest.raises(UserError, match="there is no folder"):
        read_table(tmp_path / "nowhere" / "a.csv")


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder"):
        read_table(tmp_path)


@pytest.mark.parametrize("name", ["a.xlsx", "a.json", "a", "a.csv.zip", "csv"])
def test_other_endings(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match=r"Allowed endings: .csv, .csv.gz, .tsv, .*, .parquet"):
        read_table(tmp_path / name)


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    table = pa.table(
        {
            "f": pa.array(np.float32([0.1, 2])),
            "s": pa.array(["a", None]).dictionary_encode(),
            "l": [[1], []],
            "t": pa.array([0, 1], pa.timestamp("ms", "UTC")),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").equals(table)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"a,b\n1,2\n", b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_broken_parquet(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(data)
    with pytest.raises(UserError, match="not a whole Parquet file"):
        read_table(tmp_path / "a.parquet")


def test_cut_and_damaged_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"t": [f"text {i}" for i in range(5000)]}), path)
    data = path.read_bytes()
    for broken in (data[:-20], data[:100] + b"\xff" * 2000 + data[2100:]):
        path.write_bytes(broken)
        with pytest.raises(UserError, match="not a whole Parquet file"):
            read_table(path)


def test_parquet_with_text_that_is_not_unicode(tmp_path: Path) -> None:
    text = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"]).buffers())
    pq.write_table(pa.table({"t": text}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="UTF8"):
        read_table(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table({"a": pa.array([], pa.int64())}), "holds no rows"),
        (pa.table([[1], [2]], names=["a", "a"]), "more than one column named 'a'"),
    ],
)
def test_parquet_mistakes(tmp_path: Path, table: pa.Table, message: str) -> None:
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(UserError, match=message):
        read_table(tmp_path / "a.parquet")


def test_errors_inside_the_file_come_out_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,b\n" + b"1,x\n" * 1_000_000 + b"2,caf\xe9\n")
    with pytest.raises(UserError, match=r"not UTF-8 at byte 4000009 \(line 1000002\)") as caught:
        read_table(path)
    assert "iconv" in str(caught.value.hint)
