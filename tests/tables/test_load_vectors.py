"""Vectors from files: what was written comes back, what cannot be used is named."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from frostline.errors import UserError
from frostline.tables import check_vectors, read_vectors, vector_writer, write_vectors

X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


def test_parquet_and_npy_come_back(tmp_path):
    write_vectors(tmp_path / "v.parquet", [7, 8, 9, 10], X)
    found = read_vectors(tmp_path / "v.parquet")
    assert found.ids == ["7", "8", "9", "10"]
    np.testing.assert_array_equal(found.vectors, X)
    write_vectors(tmp_path / "v.npy", None, X)
    assert read_vectors(tmp_path / "v.npy").ids == ["0", "1", "2", "3"]
    (tmp_path / "ids.txt").write_text("a\nb\nc\nd\n")
    assert read_vectors(tmp_path / "v.npy", ids=tmp_path / "ids.txt").ids == ["a", "b", "c", "d"]


def test_lists_of_any_kind_and_what_the_file_says_of_its_space(tmp_path):
    table = pa.table({"id": ["a", "b"], "vector": [[1.0, 2.0], [3.0, 4.0]]})
    pq.write_table(table.replace_schema_metadata({"frostline.space": '{"kind": "semantic"}'}), tmp_path / "v.parquet")
    found = read_vectors(tmp_path / "v.parquet")
    assert found.vectors.tolist() == [[1, 2], [3, 4]]
    assert found.space == {"kind": "semantic"}


def test_what_a_writer_says_of_its_space_is_read(tmp_path):
    with vector_writer(tmp_path / "v.parquet", {"kind": "semantic", "embedder": {"layers": [1, "final"]}}) as write:
        write([1, 2], X[:2])
        write([3, 4], X[2:])
    found = read_vectors(tmp_path / "v.parquet")
    assert found.space == {"kind": "semantic", "embedder": {"layers": [1, "final"]}}
    assert found.ids == ["1", "2", "3", "4"]


def test_whole_numbers_are_one_id_however_they_are_written():
    assert check_vectors([1.0, 2, "3"], X[:3]).ids == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"id": ["a"], "vec": [[1.0]]}, "no column 'vector'; it has id, vec"),
        ({"id": [], "vector": []}, "has no rows; a list of numbers is needed"),
        ({"id": ["a"], "vector": [1.5]}, "column 'vector' of double; a list of numbers is needed"),
        ({"id": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]}, "different widths"),
        ({"id": ["a", "a"], "vector": [[1.0], [2.0]]}, "more than once, such as 'a'"),
        ({"id": ["a", "b"], "vector": [[1.0], [float("nan")]]}, "NaN or infinity, the first is that of id 'b'"),
        ({"id": ["a", "b"], "vector": [[0.0], [1.0]]}, "are zero, the first is that of id 'a'"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, table, said):
    pq.write_table(pa.table(table), tmp_path / "v.parquet")
    with pytest.raises(UserError, match=said):
        read_vectors(tmp_path / "v.parquet")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a\nb\nc\n", "there are 3 ids for 4 vectors"),
        (b"a\nb\nc\nd\ne\n", "there are 5 ids for 4 vectors"),
        (b"a\nb\nc\na\n", "1 ids stand there more than once, such as 'a'"),
        (b"a\n\nc\nd\n", "ids.txt, line 2: a blank line is no id"),
        (b"a\nb\nc\nd\n\n", "line 5: a blank line"),
        (b"", "ids.txt is empty"),
        (b"a\nb\nc\n\xff\n", "not UTF-8 at byte 6 .line 4."),
        (b"\x93NUMPY\0", "not text: it holds a NUL byte"),
    ],
)
def test_files_of_ids_that_cannot_be_used(tmp_path, content, said):
    write_vectors(tmp_path / "v.npy", None, X)
    (tmp_path / "ids.txt").write_bytes(content)
    with pytest.raises(UserError, match=said):
        read_vectors(tmp_path / "v.npy", ids=tmp_path / "ids.txt")


def test_no_file_of_ids_and_ids_for_a_file_that_has_its_own(tmp_path):
    write_vectors(tmp_path / "v.npy", None, X)
    write_vectors(tmp_path / "v.parquet", [1, 2, 3, 4], X)
    for ids, said in ((tmp_path / "ids.txt", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(UserError, match=f"cannot be read: {said}"):
            read_vectors(tmp_path / "v.npy", ids=ids)
    with pytest.raises(UserError, match="holds its own ids"):
        read_vectors(tmp_path / "v.parquet", ids=tmp_path / "ids.txt")


def test_ids_of_other_systems(tmp_path):
    write_vectors(tmp_path / "v.npy", None, X)
    (tmp_path / "ids.txt").write_bytes(b"\xef\xbb\xbfa\r\nb c\r\n\xc3\xa9\r\n7")
    assert read_vectors(tmp_path / "v.npy", ids=tmp_path / "ids.txt").ids == ["a", "b c", "é", "7"]


def test_other_files(tmp_path):
    (tmp_path / "v.parquet").write_text("no")
    (tmp_path / "v.npy").write_text("no")
    (tmp_path / "v.csv").write_text("no")
    for name, said in (
        ("v.parquet", "cannot be read as Parquet"),
        ("v.npy", "cannot be read as an array"),
        ("v.csv", "read from .parquet and .npy"),
        ("w.npy", "no file of vectors"),
    ):
        with pytest.raises(UserError, match=said):
            read_vectors(tmp_path / name)
    with pytest.raises(UserError, match=r"shape \(n, D\), got float32 of shape \(3,\)"):
        check_vectors([1], X[0])
