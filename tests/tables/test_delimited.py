from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from frostline.errors import UserError
from frostline.tables import delimited
from frostline.tables.delimited import delimited_blocks


def read(folder: Path, text: str, delimiter: str = ",") -> pa.Table:
    path = folder / "a.csv"
    path.write_bytes(text.encode())
    return pa.concat_tables(delimited_blocks(path, delimiter))


def column(folder: Path, *cells: str) -> tuple[str, list[Any]]:
    """Type and values of a column of these cells, beside one that keeps the rows from being blank."""
    table = read(folder, "x,row\n" + "".join(f"{cell},r{i}\n" for i, cell in enumerate(cells)))
    return str(table.schema.field("x").type), table["x"].to_pylist()


@pytest.mark.parametrize(
    ("cells", "dtype", "values"),
    [
        (["1", "-2", "0"], "int64", [1, -2, 0]),
        (["1", "", "3"], "int64", [1, None, 3]),
        ([" 1", "2 "], "int64", [1, 2]),
        (['"1"', "2"], "int64", [1, 2]),
        (["9223372036854775807"], "int64", [2**63 - 1]),
        (["NA", "1", "null", "NaN", "None", "#N/A"], "int64", [None, 1, None, None, None, None]),
        (["1.50", "2", "", "-.5e3", "+1.5", "1E5"], "double", [1.5, 2.0, None, -500.0, 1.5, 1e5]),
        (["nan", "0.5"], "double", [None, 0.5]),
        (["inf", "-Infinity", "1"], "double", [float("inf"), float("-inf"), 1.0]),
        (["0.1234567890123456789"], "double", [0.12345678901234568]),
        (["0", "0.0", "0e5"], "double", [0.0, 0.0, 0.0]),
        (["True", "", "FALSE", "true"], "bool", [True, None, False, True]),
        (["", ""], "null", [None, None]),
    ],
)
def test_typed_columns(tmp_path: Path, cells: list[str], dtype: str, values: list[Any]) -> None:
    assert column(tmp_path, *cells) == (dtype, values)


@pytest.mark.parametrize(
    "cells",
    [
        ["007", "1"],
        ["00.5", "1.5"],
        ["+4915112345678", "1"],
        ["99999999999999999999", "1"],
        ["9223372036854775808"],
        ["1234567890123456", "0.5"],
        ["1e999", "1"],
        ["1e-999", "1.5"],
        ["0x10", "1"],
        ["1_000", "1"],
        ["12:30", "13:45"],
        ["2020-01-02", "2020-01-03"],
        ["NA", "null", "", "x"],
        ["NA", ""],
        [" ", ""],
        [" padded ", "1"],
        ["yes", "no"],
        ["true", "1"],
        ["5%", "1"],
        ["-", "1"],
    ],
)
def test_text_columns_stay_as_they_are(tmp_path: Path, cells: list[str]) -> None:
    assert column(tmp_path, *cells) == ("string", cells)


def test_no_cell_is_altered_whatever_the_column(tmp_path: Path) -> None:
    cells = ["007", "1", "1.50", "", "NA", "true", "+5", "1e5", " x", 'say "hi"', "a,b", "two\r\nlines", "é"]
    buffer = io.StringIO()
    csv.writer(buffer).writerows([["x", "row"], *([cell, "r"] for cell in cells)])
    assert read(tmp_path, buffer.getvalue())["x"].to_pylist() == cells


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends(tmp_path: Path, end: str, last: bool) -> None:
    text = end.join(["a,b", "1,x", "2,y"]) + (end if last else "")
    assert read(tmp_path, text).to_pydict() == {"a": [1, 2], "b": ["x", "y"]}


def test_names_are_kept_exactly(tmp_path: Path) -> None:
    table = read(tmp_path, ',a b," c ","two\nlines",é\n1,2,3,4,5\n')
    assert table.column_names == ["", "a b", " c ", "two\nlines", "é"]


@pytest.mark.parametrize(
    ("text", "delimiter", "columns"),
    [
        ("a;b\n1,5;2\n", ",", {"a": ["1,5"], "b": [2]}),
        ("a\tb\n1\t2\n", ",", {"a": [1], "b": [2]}),
        ('"x, y";b\n1;2\n', ",", {"x, y": [1], "b": [2]}),
        ("a,b;c\n1,2\n", ",", {"a": [1], "b;c": [2]}),
        ("a,b\tc\n1,2\tx\n", "\t", {"a,b": ["1,2"], "c": ["x"]}),
        ("a;b\n1;2\n", "\t", {"a;b": ["1;2"]}),
    ],
)
def test_delimiter(tmp_path: Path, text: str, delimiter: str, columns: dict[str, list[Any]]) -> None:
    assert read(tmp_path, text, delimiter).to_pydict() == columns


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    assert read(tmp_path, "\n\na,b\n\n1,2\n\n\n").to_pydict() == {"a": [1], "b": [2]}


def test_one_column(tmp_path: Path) -> None:
    assert read(tmp_path, 'text\nx\n""\n"y\n\nz"\n').to_pydict() == {"text": ["x", "", "y\n\nz"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b", "holds a header but no rows"),
        ("a,b\n", "holds a header but no rows"),
        ("a,b\n\n", "holds a header but no rows"),
        ("a,b,a\n1,2,3\n", "a.csv has more than one column named 'a'"),
        ("a,b\n1,2\n3\n", "line 3: expected 2 cells, as in the header, got 1"),
        ('a,b\n"1\n\n",2\n3,4,5\n', "line 5: expected 2 cells, as in the header, got 3"),
        ("a,b\n1,2\n\n1,2,\n", "line 4: expected 2 cells, as in the header, got 3"),
        ("text\nhello, you\n", "line 2: expected 1 cells, as in the header, got 2"),
        ('a,b\n"never,closed\n1,2\n', "line 2: expected 2 cells, as in the header, got 1"),
        ("text\nx\n\ny\n", "line 3: a blank line"),
        ("text\nx\n\n", "line 3: a blank line"),
        ("\ntext\nx\n", "line 1: a blank line"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(tmp_path, text)


@pytest.mark.parametrize("end", ["\n", ""])
def test_unclosed_quote_never_swallows_rows(tmp_path: Path, end: str) -> None:
    with pytest.raises(UserError, match="a quoted cell is never closed") as caught:
        read(tmp_path, 'a,b\n1,x\n2,"two\n3,y\n4,z' + end)
    assert caught.value.hint == "It begins in line 3; double a quote that is part of the text."


def test_quote_inside_a_cell_is_text(tmp_path: Path) -> None:
    assert read(tmp_path, 'a,b\n5" pipe,1\n').to_pydict() == {"a": ['5" pipe'], "b": [1]}


@pytest.mark.parametrize("last", ["2.5", "x", "007", "", "9223372036854775808"])
def test_types_are_those_of_the_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str) -> None:
    text = "a,b\n" + "1,abcdefghij\n" * 500 + f"{last},z\n"
    whole = read(tmp_path, text)
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 1024)
    blocks = list(delimited_blocks(tmp_path / "a.csv", ","))
    assert len(blocks) > 3
    assert len({block.schema for block in blocks}) == 1
    assert pa.concat_tables(blocks).equals(whole)


def test_unclosed_quote_or_row_beyond_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 1024)
    with pytest.raises(UserError, match=r"a row is longer than .* MiB, or a quoted cell is never closed"):
        read(tmp_path, 'a,b\n1,"' + "x\n" * 2000)


def test_long_cell(tmp_path: Path) -> None:
    assert read(tmp_path, f"a,b\n1,{'x' * 3_000_000}\n")["b"][0].as_py() == "x" * 3_000_000


def test_ragged_row_after_a_long_cell_is_still_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be read as a table: .*Expected 2 columns, got 1"):
        read(tmp_path, f"a,b\n1,{'x' * 200_000}\n2\n")
