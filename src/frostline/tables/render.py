"""Rows to strings: one JSON object per row, a template, or the text of the only column; column by column."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring
from string import Formatter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

from frostline.contracts import IntArray
from frostline.errors import UserError
from frostline.tables.cells import NumberFormat, iso_text, json_text, parse_number_format
from frostline.tables.columns import (
    cells_of,
    check_finite,
    check_names,
    has_json_cells,
    located,
    missing_texts,
    unknown_column,
)

__all__ = ["bare_texts", "count_cuts", "render_rows"]


def render_rows(table: pa.Table, *, template: str | None = None, number_format: str = "plain") -> list[str]:
    """Write every row as a string.

    Parameters
    ----------
    table : pyarrow.Table
        Rows, at least one column.
    template : str, optional
        None: the cell itself where there is one column, else ``"json"``. ``"json"``: an object per row as
        ``json.dumps(row, ensure_ascii=False)`` writes it, columns in table order. Else text with column names in
        braces, ``"{name} ({year}): {text}"``; ``{{`` and ``}}`` stand for braces.
    number_format : str
        ``"plain"``, ``"rounded(k)"``, ``"scientific"``, ``"scientific(k)"`` or ``"digits"``, see
        :func:`frostline.tables.parse_number_format`. Integers change under the last three only. ``"digits"`` is written
        without quotes, so the object is then JSON no more.

    Returns
    -------
    list of str
        One per row, in order. A missing cell (null or NaN) is ``null`` in an object or as the only cell, and empty in a
        template. True and false, dates and times (ISO 8601), decimals (all digits), lists and structs are written as in
        JSON, text and dates outside objects without quotes. A float32 is written as the shortest decimal that means it.

    Raises
    ------
    UserError
        The template or number format is not valid, a column is not in the table or has no text (binary, durations),
        a number is infinite, or the text of the only column is missing.
    """
    layout = _lay_out(table, template, parse_number_format(number_format))
    pattern = "%s".join(text.replace("%", "%%") for text in layout.literals)
    return [pattern % row for row in zip(*layout.cells, strict=True)]


def count_cuts(
    table: pa.Table, read: IntArray, *, template: str | None = None, number_format: str = "plain"
) -> dict[str, int]:
    """Count for each column the rows in which not all of its text was read.

    Parameters
    ----------
    table : pyarrow.Table
        Rows whose strings were cut.
    read : int array of shape (n, 2)
        Of each row's string, the first character that was read and the one after the last.
    template, number_format
        As for :func:`render_rows`.

    Returns
    -------
    dict of str to int
        Columns that lost text, wholly or partly, in the order in which the string names them.
    """
    layout = _lay_out(table, template, parse_number_format(number_format))
    lost: dict[str, NDArray[np.bool_]] = {}
    at = np.zeros(table.num_rows, dtype=np.int64)
    for literal, name, cells in zip(layout.literals[:-1], layout.names, layout.cells, strict=True):
        at += len(literal)
        length = np.fromiter(map(len, cells), dtype=np.int64, count=len(cells))
        outside = (length > 0) & ((at < read[:, 0]) | (at + length > read[:, 1]))
        lost[name] = lost.get(name, False) | outside
        at += length
    return {name: int(rows.sum()) for name, rows in lost.items() if rows.any()}


@dataclass(frozen=True)
class _Layout:
    """What strings are made of: ``literals[0]``, a cell of ``names[0]``, ``literals[1]``, ... , ``literals[-1]``."""

    literals: list[str]
    names: list[str]
    cells: list[list[str]]


def _lay_out(table: pa.Table, template: str | None, number: NumberFormat) -> _Layout:
    if not table.num_columns:
        raise UserError("The table has no columns to write.")
    check_names(table.column_names, "The table")
    if template is None and table.num_columns == 1:
        return _Layout(["", ""], table.column_names, [_only_column(table, number)])
    if template is None or template == "json":
        names, texts = table.column_names, _json_texts
        literals = [f"{', ' if i else '{'}{encode_basestring(name)}: " for i, name in enumerate(names)] + ["}"]
    else:
        literals, names = _parse(template, table.column_names)
        texts = bare_texts
    check_finite(table.select(names))
    cells = [["" if text is None else text for text in texts(table, name, number)] for name in names]
    return _Layout(literals, names, cells)


def bare_texts(table: pa.Table, name: str, number: NumberFormat) -> list[str | None]:
    """The cells of a column as text without quotes; None where missing, lists and structs as JSON."""
    texts, _ = _texts(table, name, number)
    if has_json_cells(table.schema.field(name)):
        return [json.loads(text) if text is not None and text.startswith('"') else text for text in texts]
    return texts


def _json_texts(table: pa.Table, name: str, number: NumberFormat) -> list[str | None]:
    texts, is_text = _texts(table, name, number)
    return ["null" if text is None else encode_basestring(text) if is_text else text for text in texts]


def _only_column(table: pa.Table, number: NumberFormat) -> list[str]:
    check_finite(table)
    texts = bare_texts(table, table.column_names[0], number)
    dtype = table.schema.field(0).type
    is_text = types.is_null(dtype) or _is_string(dtype.value_type if types.is_dictionary(dtype) else dtype)
    missing = [row for row, text in enumerate(texts) if text is None]
    if missing and is_text:
        raise missing_texts(missing, table.num_rows)
    return ["null" if text is None else text for text in texts]


def _is_string(dtype: pa.DataType) -> bool:
    return bool(types.is_string(dtype) or types.is_large_string(dtype) or types.is_string_view(dtype))


def _texts(table: pa.Table, name: str, number: NumberFormat) -> tuple[list[str | None], bool]:
    """The cells of a column as text, and whether JSON puts this text in quotes."""
    column = table.column(name)
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    dtype = column.type
    if has_json_cells(table.schema.field(name)):
        return _again(column.to_pylist(), number), False
    if _is_string(dtype):
        return column.to_pylist(), True
    if types.is_date(dtype) or types.is_time(dtype) or types.is_timestamp(dtype):
        return _moments(column), True
    if types.is_null(dtype) or types.is_boolean(dtype):
        return pc.if_else(column.cast(pa.bool_()), "true", "false").to_pylist(), False
    if types.is_floating(dtype):
        if cells_of(table.schema.field(name)) == "whole":
            return _whole(column, number), False
        return [None if value != value else number.inexact(value) for value in _floats(column)], False
    if types.is_integer(dtype) or types.is_decimal(dtype):
        return _each(number.exact, column.to_pylist()), False
    if types.is_nested(dtype):
        values = located(
            lambda value: None if value is None else json_text(value, number),
            column.to_pylist() if "float" not in str(dtype) else [_shortest(v, dtype) for v in column.to_pylist()],
            lambda row: f"Column {name!r}, row {row}",
        )
        return values, False
    raise UserError(
        f"Column {name!r} is of type {dtype}, which has no text.",
        hint="Name the columns to use without it, or convert it to text or a number first.",
    )


def _whole(column: pa.ChunkedArray, number: NumberFormat) -> list[str | None]:
    """Floats, as whole numbers where they are; of a narrow type with all their digits, as a cast would."""
    exact = column.cast(pa.float64()).to_numpy().tolist()
    fits = [value.is_integer() and abs(value) < 2**63 for value in exact]
    return [
        number.exact(int(whole)) if fit else None if short != short else number.inexact(short)
        for fit, whole, short in zip(fits, exact, _floats(column), strict=True)
    ]


def _each(function: Callable[[Any], str], values: Iterable[Any]) -> list[str | None]:
    return [None if value is None else function(value) for value in values]


def _again(texts: Sequence[str | None], number: NumberFormat) -> list[str | None]:
    """JSON cells with their numbers in another format; what they were made with is ``plain``."""
    if number.inexact is repr:
        return list(texts)
    return _each(lambda text: json_text(json.loads(text), number), texts)


def _floats(column: pa.ChunkedArray) -> list[float]:
    """Python floats, NaN where missing; a narrower float becomes the shortest decimal that means it."""
    values = column.to_numpy()
    floats: list[float] = (values if column.type == pa.float64() else values.astype("U32").astype(np.float64)).tolist()
    return floats


def _shortest(value: Any, dtype: pa.DataType) -> Any:
    """A nested value in which narrower floats are the shortest decimals that mean them."""
    if value is None:
        return None
    if types.is_floating(dtype) and dtype != pa.float64():
        return float(str(dtype.to_pandas_dtype()(value)))
    if types.is_struct(dtype):
        return {field.name: _shortest(value[field.name], field.type) for field in dtype}
    if types.is_map(dtype):
        return [[_shortest(k, dtype.key_type), _shortest(v, dtype.item_type)] for k, v in value]
    return [_shortest(v, dtype.value_type) for v in value] if types.is_nested(dtype) else value


def _moments(column: pa.ChunkedArray) -> list[str | None]:
    if types.is_timestamp(column.type) and column.type.tz is not None:
        local = pc.local_timestamp(column).cast(pa.string()).to_pylist()
        offsets = pc.strftime(column, format="%z").to_pylist()
        return [t if t is None else f"{iso_text(t)}{o[:3]}:{o[3:]}" for t, o in zip(local, offsets, strict=True)]
    return _each(iso_text, column.cast(pa.string()).to_pylist())


def _parse(template: str, columns: Sequence[str]) -> tuple[list[str], list[str]]:
    """The text around the fields of a template, and the columns that fill them."""
    try:
        pieces = list(Formatter().parse(template))
    except (ValueError, TypeError) as error:
        raise UserError(
            f"The template {template!r} is not valid: {error}.", hint="Write {{ and }} for braces that are text."
        ) from error
    literals, names = [""], []
    for text, field, spec, conversion in pieces:
        literals[-1] += text
        if field is not None:
            names.append(_field_name(field, spec, conversion, columns))
            literals.append("")
    if not names:
        raise UserError(
            f"The template {template!r} names no column, so every row would be the same text.",
            hint=f"Put a column name in braces, such as {{{columns[0]}}}.",
        )
    return literals, names


def _field_name(field: str, spec: str | None, conversion: str | None, columns: Sequence[str]) -> str:
    written = field + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
    if written in columns:
        return written
    before_access = field.partition(".")[0].partition("[")[0]
    accesses = before_access != field and before_access in columns
    if spec or conversion or accesses or not field or field.isdigit():
        raise UserError(
            f"The template field {{{written}}} is not allowed: a field is a column name in braces and nothing else, "
            "with no position, attribute, index, conversion or format.",
            hint="number_format says how numbers are written.",
        )
    raise unknown_column(field, columns)
