from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from frostline.errors import UserError
from frostline.tables import jsonl, render_rows
from frostline.tables.columns import has_json_cells
from frostline.tables.jsonl import jsonl_blocks


def read(folder: Path, *lines: str) -> pa.Table:
    path = folder / "a.jsonl"
    path.write_bytes("\n".join(lines).encode(errors="surrogatepass"))
    return pa.concat_tables(jsonl_blocks(path))


def test_columns_in_the_order_first_met(tmp_path: Path) -> None:
    table = read(tmp_path, '{"b": 1}', "", '{"a": "x", "b": null}', '{"b": 2.5, "c": true}\r', " ")
    assert table.column_names == ["b", "a", "c"]
    assert table.to_pydict() == {"b": [1.0, None, 2.5], "a": [None, "x", None], "c": [None, None, True]}


def test_nested_values_are_kept(tmp_path: Path) -> None:
    table = read(tmp_path, '{"tags": ["a", "b"], "at": {"x": 1, "y": [2]}}', '{"tags": [], "at": {"x": 3, "y": []}}')
    assert table["tags"].to_pylist() == [["a", "b"], []]
    assert table["at"].to_pylist() == [{"x": 1, "y": [2]}, {"x": 3, "y": []}]


@pytest.mark.parametrize(
    "values",
    [
        [1, "a", None, 2.5, [1], {"k": True}],
        [{"a": 1}, {"b": 2}],
        [[1], [2.5]],
        [10**30, 1],
        ["2020-01-01", "12:00"],
        [1e300, -0.0],
        [{"b": 1, "a": 2}, {"b": 3, "a": 4}],
    ],
)
def test_every_value_comes_out_as_it_went_in(tmp_path: Path, values: list[Any]) -> None:
    lines = [json.dumps({"v": value}, ensure_ascii=False) for value in values]
    assert render_rows(read(tmp_path, *lines), template="json") == lines


def test_mixed_kinds_become_json_cells(tmp_path: Path) -> None:
    table = read(tmp_path, '{"v": 1}', '{"v": "a"}')
    assert has_json_cells(table.schema.field("v"))
    assert table["v"].to_pylist() == ["1", '"a"']


def test_nan_is_missing_and_infinity_stays(tmp_path: Path) -> None:
    table = read(tmp_path, '{"v": NaN, "w": [NaN, 1.5]}', '{"v": -Infinity}')
    assert table["v"].to_pylist() == [None, float("-inf")]
    assert table["w"].to_pylist() == [[None, 1.5], None]


def test_byte_order_mark_and_gzip(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'\xef\xbb\xbf{"a": 1}\n'))
    assert next(jsonl_blocks(path)).to_pydict() == {"a": [1]}


def test_line_separators_inside_text_are_text(tmp_path: Path) -> None:
    assert read(tmp_path, '{"a": "x\u2028y\x85z"}')["a"].to_pylist() == ["x\u2028y\x85z"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"a": }', "line 3: broken JSON, Expecting value at column 7"),
        ('{"a": 1}, ', "line 3: broken JSON, Extra data"),
        ("[1, 2]", "line 3: a list, where every line must be an object"),
        ("null", "line 3: a null, where"),
        ("3", "line 3: a number, where"),
        ("true", "line 3: a true or false, where"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "line 3: the key 'c' stands twice in one object"),
        ('{"a": ' + "1" * 5000 + "}", "line 3: Exceeds the limit"),
        ("[" * 100_000, "line 3: maximum recursion depth"),
        (r'{"a": "\ud800"}', "line 3, key 'a': the text holds half a surrogate pair"),
        ('{"a": Infinity, "b": 1}', "line 3, key 'a': infinity"),
    ],
)
def test_mistakes_name_the_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(tmp_path, '{"a": "text"}', "", line)


def test_objects_without_keys(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the objects have no keys"):
        read(tmp_path, "{}", "{}")


@pytest.mark.parametrize("last", ["2.5", '"x"', "[1]", "null", str(10**30)])
def test_types_are_those_of_the_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str) -> None:
    lines = ['{"a": 1, "b": [1, 2]}'] * 20 + [f'{{"a": {last}, "c": 1}}']
    whole = read(tmp_path, *lines)
    monkeypatch.setattr(jsonl, "_BLOCK_ROWS", 4)
    blocks = list(jsonl_blocks(tmp_path / "a.jsonl"))
    assert [block.num_rows for block in blocks] == [4] * 5 + [1]
    assert pa.concat_tables(blocks).equals(whole)
