"""Columns of cells: from Python values to Arrow without altering one, names checked, columns picked.

A column whose cells do not share one Arrow type that holds them exactly (numbers beside text, whole numbers beyond
64 bits, objects with different keys) becomes a column of *JSON cells*: text, each cell the JSON of its own value, the
field marked so that rendering writes it as it is.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from frostline.errors import UserError, nearest
from frostline.tables.cells import iso_text, json_text, parse_number_format

__all__ = [
    "ColumnBuilder",
    "check_finite",
    "check_names",
    "columns_table",
    "field_of",
    "has_json_cells",
    "is_missing",
    "located",
    "missing_texts",
    "pick_columns",
    "python_cells",
    "records_table",
    "text_array",
    "unknown_column",
]

_CELLS = b"frostline.cells"
_PLAIN = parse_number_format("plain")
_LARGEST_EXACT = 2**53
_T = TypeVar("_T")

Where = Callable[[int], str]
"""Words a row's place in an error message: ``"Column 'x', row 3"``."""


def has_json_cells(field: pa.Field) -> bool:
    """Whether the cells of this text column are the JSON of their values."""
    return cells_of(field) == "json"


def cells_of(field: pa.Field) -> str:
    """What is known of a column's cells beyond their type: ``"json"``, ``"blank"``, ``"missing words"``, ``"whole"`` or nothing.

    ``"blank"``: a delimited file leaves all of them empty; ``"missing words"``: it has nothing but words for missing values;
    ``"whole"``: floats that are written as whole numbers where they are.
    """
    return str((field.metadata or {}).get(_CELLS, b"").decode())


def field_of(name: str, dtype: pa.DataType | None, cells: str = "") -> pa.Field:
    """The field of a column, with what :func:`cells_of` tells of it; a `dtype` of None stands for JSON cells."""
    cells = "json" if dtype is None else cells
    metadata = {_CELLS: cells.encode()} if cells else None
    return pa.field(name, pa.string() if dtype is None else dtype, metadata=metadata)


def type_name(field: pa.Field) -> str:
    """The type of a column as estimators remember it; JSON cells are a type of their own."""
    return "json" if has_json_cells(field) else str(field.type)


def located(function: Callable[[Any], _T], values: Iterable[Any], where: Where) -> list[_T]:
    """Apply `function` to every value; its UserError is raised again with the row's place in front."""
    results = []
    for row, value in enumerate(values):
        try:
            results.append(function(value))
        except UserError as error:
            raise UserError(f"{where(row)}: {error.message}", hint=error.hint) from error
    return results


class ColumnBuilder:
    """Learns the type of a column from all its values, block by block, then builds its arrays.

    The kinds of values seen add up: whole numbers (64 bits), numbers, true/false, text, one nested type for all blocks,
    else JSON cells. Whole numbers among floats become floats where that is exact.
    """

    def __init__(self) -> None:
        self._kinds: set[Any] = set()

    def learn(self, cells: Sequence[Any]) -> ColumnBuilder:
        """Add the kinds of these cells: what :func:`python_cells` or ``json.loads`` returns."""
        types = set(map(type, cells)) - {type(None)}
        self._kinds |= {{bool: "bool", float: "float", str: "text", Decimal: "json"}.get(t, "") for t in types} - {""}
        if int in types:
            whole = [cell for cell in cells if type(cell) is int]
            largest = max(max(whole), -min(whole) - 1)
            self._kinds.add("int" if largest < _LARGEST_EXACT else "long" if largest < 2**63 else "json")
        if types & {list, dict}:
            self._kinds.add(_nested_type(cells) if len(types) == 1 else "json")
        return self

    @property
    def dtype(self) -> pa.DataType | None:
        """The Arrow type that holds all values seen exactly; None for JSON cells."""
        for kinds, dtype in (
            (set(), pa.null()),
            ({"bool"}, pa.bool_()),
            ({"int", "long"}, pa.int64()),
            ({"int", "float"}, pa.float64()),
            ({"text"}, pa.string()),
        ):
            if self._kinds <= kinds:
                return dtype
        first = next(iter(self._kinds))
        return first if len(self._kinds) == 1 and isinstance(first, pa.DataType) else None

    def build(self, cells: Sequence[Any], where: Where) -> pa.Array:
        """Make the array of these cells, which must have been learned.

        Raises
        ------
        UserError
            Text holds an unpaired surrogate, or a value is infinite beside values of another kind.
        """
        dtype = self.dtype
        if dtype is None:
            cells = located(lambda cell: None if cell is None else json_text(cell, _PLAIN), cells, where)
        return text_array(cells, where) if dtype in (None, pa.string()) else pa.array(cells, dtype)


def _nested_type(cells: Sequence[Any]) -> Any:
    """The Arrow type that gives lists or objects back exactly (no key added, no number changed), else ``"json"``."""
    try:
        array = pa.array(cells)
        same = json.dumps(array.to_pylist()) == json.dumps(cells)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError, TypeError):  # TypeError: a decimal or a date inside
        return "json"
    return array.type if same else "json"


def text_array(cells: Sequence[str | None], where: Where) -> pa.Array:
    """Make a text array, or name the cell that is not valid Unicode."""
    try:
        return pa.array(cells, pa.string())
    except UnicodeEncodeError:
        located(_check_unicode, cells, where)
        raise


def _check_unicode(text: str | None) -> None:
    try:
        (text or "").encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"the text holds half a surrogate pair ({error.object[error.start]!a}) at character {error.start}.",
            hint="Decode the text again from its source; text.encode('utf-8', 'replace').decode() puts ? there.",
        ) from error


def is_missing(value: Any) -> bool:
    """Whether a cell is None, NaN, NaT or pandas.NA."""
    if value is None:
        return True
    if isinstance(value, float | np.floating):
        return bool(value != value)
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    if isinstance(value, Decimal):
        return value.is_nan()
    return type(value).__name__ in ("NAType", "NaTType")


def python_cells(values: Iterable[Any], where: Where) -> list[Any]:
    """Bring cells of any origin to plain Python values.

    Parameters
    ----------
    values : iterable
        Text, numbers, NumPy scalars, dates, missing values, lists, dicts.
    where : callable
        Words a row's place for an error.

    Returns
    -------
    list
        None for missing, bool, int, float, Decimal, str, list or dict; dates and times as ISO 8601 text.

    Raises
    ------
    UserError
        A cell is of a type that has no text.
    """
    return located(_python_cell, values, where)


def _python_cell(value: Any) -> Any:
    if type(value) in (str, int, bool):
        return value
    if is_missing(value):
        return None
    if isinstance(value, np.float16 | np.float32):
        return float(str(value))  # the shortest decimal that means this number: 0.1, not 0.10000000149011612
    if isinstance(value, float | int):
        return float(value) if isinstance(value, float) else int(value)
    if isinstance(value, str):
        return str.__str__(value)  # what str() of an enum member would not return
    if isinstance(value, np.datetime64):
        return iso_text(str(value))
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, np.integer | np.bool_):
        return value.item()
    if isinstance(value, Decimal) and value.is_finite():
        return value
    if isinstance(value, np.ndarray):
        value = list(value) if value.ndim else value.item()
    if isinstance(value, list | tuple):
        return [_python_cell(v) for v in value]
    if isinstance(value, Mapping):
        return {_key(k): _python_cell(v) for k, v in value.items()}
    if isinstance(value, complex | np.complexfloating):
        raise UserError("Complex data not supported.")
    raise UserError(
        f"a cell of type {type(value).__name__} has no text.",
        hint="Cells may be text, numbers, true/false, dates, missing, or lists and dicts of these. Convert the column.",
    )


def _key(key: Any) -> str:
    if isinstance(key, str):
        return str(key)
    raise UserError(f"the key {key!r} of an object is of type {type(key).__name__}; keys must be text.")


def records_table(rows: Sequence[Any]) -> pa.Table:
    """Make a table of dicts; a key that a row lacks is missing there, columns stand in the order first met.

    Raises
    ------
    UserError
        A row is not a dict, or a key is not text.
    """
    names: dict[str, None] = {}
    for keys in located(_keys, rows, lambda row: f"Row {row}"):
        names.update(keys)
    if not names:
        raise UserError(f"0 feature(s) (shape=({len(rows)}, 0)) while a minimum of 1 is required.")
    return columns_table(list(names), [[row.get(name) for row in rows] for name in names])


def columns_table(names: Sequence[str], columns: Sequence[Iterable[Any]]) -> pa.Table:
    """Make a table of columns of cells of any origin, see :func:`python_cells`.

    Raises
    ------
    UserError
        A cell is of a type that has no text, or text that is not valid Unicode.
    """
    fields, arrays = [], []
    for name, values in zip(names, columns, strict=True):
        where = _in_column(name)
        cells = python_cells(values, where)
        builder = ColumnBuilder().learn(cells)
        fields.append(field_of(name, builder.dtype))
        arrays.append(builder.build(cells, where))
    return pa.table(arrays, schema=pa.schema(fields))


def _keys(row: Any) -> dict[str, None]:
    if not isinstance(row, Mapping):
        raise UserError(f"of type {type(row).__name__}, where every row must be a dict.")
    return dict.fromkeys(map(_key, row))


def _in_column(name: str) -> Where:
    return lambda row: f"Column {name!r}, row {row}"


def missing_texts(rows: Sequence[int], n_rows: int) -> UserError:
    """Word the error for texts that are missing in these rows."""
    return UserError(
        f"{len(rows)} of {n_rows} texts are missing, the first in row {rows[0]} (counting from 0).",
        hint="Drop these rows, or fill them, with an empty string for example.",
    )


def check_names(names: Sequence[str], what: str) -> None:
    """Refuse names that stand twice; `what` begins the message.

    Raises
    ------
    UserError
        A name stands more than once.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(
            f"{what} has more than one column named {_listing(twice)}.", hint="Rename them, so that each name is one."
        )


def check_finite(table: pa.Table) -> None:
    """Refuse infinite numbers in the columns of floats.

    Raises
    ------
    UserError
        A number is infinite; the message names its column and row.
    """
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_floating(column.type):
            rows = np.flatnonzero(np.isinf(column.to_numpy()))
            if rows.size:
                raise UserError(
                    f"Column {name!r} holds infinity, first in row {rows[0]} (counting from 0).",
                    hint="Drop these rows, or put NaN for a missing value.",
                )


def pick_columns(table: pa.Table, names: str | Sequence[str]) -> pa.Table:
    """Keep the named columns, in the order of `names`.

    Parameters
    ----------
    table : pyarrow.Table
        Any table.
    names : str or sequence of str
        Columns to keep.

    Returns
    -------
    pyarrow.Table
        All rows, only these columns.

    Raises
    ------
    UserError
        A name is not in the table or stands twice, or no name was given.
    """
    wanted = [names] if isinstance(names, str) else list(names)
    if not wanted:
        raise UserError("No column was named.", hint=f"The table has: {_listing(table.column_names)}.")
    check_names(wanted, "The selection")
    for name in wanted:
        if name not in table.column_names:
            raise unknown_column(name, table.column_names)
    return table.select(wanted)


def unknown_column(name: str, columns: Sequence[str]) -> UserError:
    """Word the error for a column that is not there."""
    suggestion = nearest(name, columns)
    return UserError(f"Column {name!r} is not in the table. It has: {_listing(columns)}. {suggestion}".rstrip())


def _listing(names: Sequence[str], most: int = 30) -> str:
    more = len(names) - most
    return ", ".join(map(repr, names[:most])) + (f" and {more} more" if more > 0 else "")
