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
