"""CSV and TSV: every cell is read as text first, so that no cell is altered before its whole column is known."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from frostline.errors import UserError
from frostline.tables.columns import check_names, field_of
from frostline.tables.source import open_checked

__all__ = ["delimited_blocks"]

_BLOCK_BYTES = 8 << 20
"""Read at a time, and so the longest row."""
_END = "\x1eend of file\x1e"
"""First cell of a row put behind the file: where it does not come out as the last row, a quote was never closed."""

_MISSING = pa.array(["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None"])
_TRUE = pa.array(["true", "True", "TRUE"])
_TRUTH = pa.array(["true", "True", "TRUE", "false", "False", "FALSE"])
_WHOLE = r"^(0|-?[1-9][0-9]*)$"
_WHOLE_INEXACT = r"^-?[0-9]{16,}$"
_NUMBER = (
    r"^(-?(0|[1-9][0-9]*)"  # a plain "+5" is no number: telephone numbers look like that
    r"|[+-]?((0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
    r"|[+-]?(0|[1-9][0-9]*)[eE][+-]?[0-9]+"
    r"|[+-]?(inf|Inf|INF|infinity|Infinity))$"
)
_NONZERO = r"^[^eE]*[1-9]"


def delimited_blocks(path: Path, delimiter: str) -> Iterator[pa.Table]:
    """Read a CSV or TSV file in blocks that all have the types of the whole file.

    The file is parsed twice: once to learn the type of every column from all its cells, once to convert. A column is

    - whole numbers (int64) where every cell is written as one and fits; ``007``, ``+5`` or 20 digits keep it text;
    - numbers (float64) where every cell is one, without leading zeros and with at most 15 digits if it is whole;
    - true/false where every cell is ``true``, ``True``, ``TRUE``, ``false``, ``False`` or ``FALSE``;
    - null where every cell is empty;
    - else text, each cell exactly as it stands. Dates stay text.

    In the first three, empty cells and NA, N/A, n/a, #N/A, NaN, nan, NULL, null, None are missing, and spaces around a
    cell do not count; text columns keep both. Blank lines are skipped, except that a file with one column refuses them.

    Parameters
    ----------
    path : Path
        The file; with or without byte-order mark, line breaks in quoted cells allowed.
    delimiter : str
        ``","`` or a tab. A comma is replaced by the semicolon or tab that the header line holds where it holds no
        comma outside quotes.

    Yields
    ------
    pyarrow.Table

    Raises
    ------
    UserError
        No rows, ragged rows, duplicate names, a row beyond 8 MiB, a quote that is never closed, a blank line in a
        file of one column.
    """
    if delimiter == ",":
        delimiter = _header_delimiter(path)
    names = _header(path, delimiter)
    columns = [_Column() for _ in names]
    n_rows = 0
    for block in _text_blocks(path, delimiter, names):
        n_rows += block.num_rows
        for column, cells in zip(columns, block.columns, strict=True):
            column.learn(cells)
    if not n_rows:
        raise UserError(f"{path} holds a header but no rows.")
    schema = pa.schema(
        [field_of(name, column.dtype, column.cells) for name, column in zip(names, columns, strict=True)]
    )
    for block in _text_blocks(path, delimiter, names):
        arrays = [column.convert(cells) for column, cells in zip(columns, block.columns, strict=True)]
        yield pa.table(arrays, schema=schema)


class _Column:
    """What the cells seen so far allow a column to be."""

    def __init__(self) -> None:
        self._allowed = {"whole", "number", "truth"}
        self._empty = self._valueless = True

    def learn(self, cells: pa.Array) -> None:
        if not self._allowed:
            return
        self._empty = self._empty and not pc.any(pc.not_equal(cells, "")).as_py()
        trimmed = pc.ascii_trim_whitespace(cells)
        values = trimmed.filter(pc.invert(pc.is_in(trimmed, _MISSING)))
        self._valueless = self._valueless and not len(values)
        if not pc.all(pc.is_in(values, _TRUTH)).as_py():
            self._allowed.discard("truth")
        if not (_all_match(values, _WHOLE) and _fits(values, pa.int64())):
            self._allowed.discard("whole")
        if not _all_match(values, _NUMBER) or _any_match(values, _WHOLE_INEXACT) or not _in_float_range(values):
            self._allowed.discard("number")

    @property
    def dtype(self) -> pa.DataType:
        if self._empty:
            return pa.null()
        if self._valueless or not self._allowed:
            return pa.string()
        return pa.bool_() if "truth" in self._allowed else pa.int64() if "whole" in self._allowed else pa.float64()

    @property
    def cells(self) -> str:
        """What a file that has more rows may make something else of, see :func:`frostline.tables.columns.cells_of`."""
        return "blank" if self._empty else "missing words" if self._valueless else ""

    def convert(self, cells: pa.Array) -> pa.Array:
        dtype = self.dtype
        if dtype == pa.string():
            return cells
        if dtype == pa.null():
            return pa.nulls(len(cells))
        trimmed = pc.ascii_trim_whitespace(cells)
        values = pc.if_else(pc.is_in(trimmed, _MISSING), pa.scalar(None, pa.string()), trimmed)
        if dtype == pa.bool_():
            return pc.if_else(pc.is_null(values), pa.scalar(None, dtype), pc.is_in(values, _TRUE))
        return values.cast(dtype)


def _all_match(values: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(values, pattern)).as_py())


def _any_match(values: pa.Array, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(values, pattern)).as_py())


def _fits(values: pa.Array, dtype: pa.DataType) -> bool:
    try:
        values.cast(dtype)
    except pa.ArrowInvalid:
        return False
    return True


def _in_float_range(values: pa.Array) -> bool:
    """Whether no number with digits becomes infinite, and none but zero becomes zero."""
    numbers = values.cast(pa.float64())
    overflown = values.filter(pc.is_inf(numbers))
    vanished = values.filter(pc.equal(numbers, 0.0))
    return not _any_match(overflown, "[0-9]") and not _any_match(vanished, _NONZERO)


def _header_delimiter(path: Path) -> str:
    with open_checked(path) as stream:
        line = stream.readline(1 << 20).decode(errors="ignore")
    unquoted = "".join(line.split('"')[::2])
    return next((d for d in (",", ";", "\t") if d in unquoted), ",")


def _header(path: Path, delimiter: str) -> list[str]:
    with open_checked(path, tail=b"\n") as stream:
        try:
            names: list[str] = _open(stream, delimiter).schema.names
        except pa.ArrowInvalid as error:
            _raise_parse_error(path, delimiter, error)
    check_names(names, str(path))
    return names


def _open(stream: io.BufferedReader, delimiter: str, names: Sequence[str] = ()) -> pa.csv.CSVStreamingReader:
    """Open a reader that gives text; in a file of one column, null for a blank line."""
    one = len(names) == 1
    return pa.csv.open_csv(
        stream,
        pa.csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
        pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=not one),
        pa.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=one,
            quoted_strings_can_be_null=False,
        ),
    )


def _text_blocks(path: Path, delimiter: str, names: list[str]) -> Iterator[pa.RecordBatch]:
    tail = delimiter.join([_END] * len(names)) + "\n"
    last = None
    with open_checked(path, tail=tail.encode()) as stream:
        try:
            for block in _open(stream, delimiter, names):
                if block.num_rows:
                    if last is not None:
                        yield last
                    last = _checked(block, path, delimiter, names)
        except pa.ArrowInvalid as error:
            _raise_parse_error(path, delimiter, error)
    if last is None or last.column(0)[-1].as_py() != _END:
        raise UserError(f"{path}: a quoted cell is never closed.", hint=_unclosed_hint(path, last))
    yield last.slice(0, last.num_rows - 1)


def _checked(block: pa.RecordBatch, path: Path, delimiter: str, names: list[str]) -> pa.RecordBatch:
    """Refuse blank lines where they might be empty cells: in a file of one column."""
    if block.schema.names == names and not (len(names) == 1 and block.column(0).null_count):
        return block
    line = _line_of(path, delimiter, lambda row: not row)
    raise UserError(
        f"{path}, line {line}: a blank line, which in a file of one column may be an empty cell or nothing.",
        hint='Write "" for an empty cell, or delete the line.',
    )


def _raise_parse_error(path: Path, delimiter: str, error: pa.ArrowInvalid) -> NoReturn:
    if "straddling" in str(error):
        raise UserError(
            f"{path}: a row is longer than {_BLOCK_BYTES >> 20} MiB, or a quoted cell is never closed.",
            hint="Look for a cell that begins with a double quote and has none at its end.",
        ) from error
    header = _row_where(path, delimiter, bool)
    expected = len(header[1]) if header else 0
    ragged = _row_where(path, delimiter, lambda row: len(row) not in (0, expected))
    if ragged is None:
        raise UserError(f"{path} cannot be read as a table: {error}.") from error
    raise UserError(
        f"{path}, line {ragged[0]}: expected {expected} cells, as in the header, got {len(ragged[1])}.",
        hint=f"A cell that holds {delimiter!r}, a double quote or a line break must stand in double quotes, closed.",
    ) from error


def _unclosed_hint(path: Path, last: pa.RecordBatch | None) -> str | None:
    """Where the quote was opened: the last cell has swallowed every line from there on."""
    if last is None:
        return None
    with open_checked(path) as stream:
        n_lines = sum(1 for _ in stream)
    swallowed = str(last.column(last.num_columns - 1)[-1].as_py()).count("\n")
    return f"It begins in line {n_lines + 2 - swallowed}; double a quote that is part of the text."


def _line_of(path: Path, delimiter: str, wanted: Callable[[list[str]], bool]) -> str:
    found = _row_where(path, delimiter, wanted)
    return "?" if found is None else str(found[0])


def _row_where(path: Path, delimiter: str, wanted: Callable[[list[str]], bool]) -> tuple[int, list[str]] | None:
    """The first wanted row with the number of its first line; for error messages, after the fast reader has failed."""
    with io.TextIOWrapper(open_checked(path), encoding="utf-8", newline="") as text:
        rows = csv.reader(text, delimiter=delimiter)
        line = 1
        try:
            for row in rows:
                if wanted(row):
                    return line, row
                line = rows.line_num + 1
        except csv.Error:  # a cell beyond the module's limit of 131,072 characters
            return None
    return None
