"""JSON Lines: one object per line, every value kept as it is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from frostline.errors import UserError
from frostline.tables.columns import ColumnBuilder, Where, field_of
from frostline.tables.source import open_checked

__all__ = ["jsonl_blocks"]

_BLOCK_ROWS = 8192


def jsonl_blocks(path: Path) -> Iterator[pa.Table]:
    """Read a JSON Lines file in blocks that all have the types of the whole file.

    The file is parsed twice: once to learn the type of every key from all its values, once to convert. Columns stand in
    the order in which their keys are first met; a key that a row lacks is null there, as are null and NaN. Lists and
    objects keep a nested type where one holds them all exactly; values of mixed kinds become JSON cells, see
    :mod:`frostline.tables.columns`. Blank lines are skipped.

    Parameters
    ----------
    path : Path
        The file, ``.gz`` or not.

    Yields
    ------
    pyarrow.Table

    Raises
    ------
    UserError
        A line is not a JSON object, an object has a key twice, or the objects have no keys at all.
    """
    columns: dict[str, ColumnBuilder] = {}
    for _, rows in _row_blocks(path):
        for name in dict.fromkeys(key for row in rows for key in row):
            columns.setdefault(name, ColumnBuilder()).learn([row.get(name) for row in rows])
    if not columns:
        raise UserError(f"{path}: the objects have no keys, so the table would have no columns.")
    schema = pa.schema([field_of(name, column.dtype) for name, column in columns.items()])
    for lines, rows in _row_blocks(path):
        arrays = [
            column.build([row.get(name) for row in rows], _place(path, lines, name)) for name, column in columns.items()
        ]
        yield pa.table(arrays, schema=schema)


def _place(path: Path, lines: list[int], name: str) -> Where:
    return lambda row: f"{path}, line {lines[row]}, key {name!r}"


def _row_blocks(path: Path) -> Iterator[tuple[list[int], list[dict[str, Any]]]]:
    """Line numbers and objects, a block at a time."""
    with open_checked(path) as stream:
        numbered = ((number, line) for number, line in enumerate(stream, 1) if not line.isspace())
        while block := list(islice(numbered, _BLOCK_ROWS)):
            yield [number for number, _ in block], [_parse(path, number, line) for number, line in block]


def _parse(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = _DECODER.decode(line.decode())
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}, line {number}: broken JSON, {error.msg} at column {error.colno}.",
            hint="JSON Lines holds one whole object per line: no list around them, no commas between them.",
        ) from error
    except (ValueError, RecursionError) as error:  # a key twice, 5,000 digits, a thousand levels
        raise UserError(f"{path}, line {number}: {error}.") from error
    if not isinstance(row, dict):
        raise UserError(
            f"{path}, line {number}: a {_JSON_NAMES.get(type(row), 'null')}, where every line must be an object.",
            hint='For example {"text": "a line", "label": 1}',
        )
    return row


_JSON_NAMES = {list: "list", str: "string", int: "number", float: "number", bool: "true or false"}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return row


def _constant(name: str) -> float | None:
    """NaN is missing; infinity stays, and is refused where it is rendered."""
    return None if name == "NaN" else float(name)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
