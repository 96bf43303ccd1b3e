"""A later table in the types of the one that was fitted on, so that equal values are written alike.

Each file's types are read off that file alone: a column of 1.5 and 2.0 at the fit may be a column of 2 later. Written as
``2`` instead of ``2.0`` it would be another string, and so another vector, without a word.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from frostline.errors import UserError
from frostline.tables.cells import json_text, parse_number_format
from frostline.tables.columns import cells_of, field_of, type_name

__all__ = ["conform"]

_PLAIN = parse_number_format("plain")


def conform(table: pa.Table, types: Sequence[str] | None) -> pa.Table:
    """Cast the columns of a table to the types of a former one, where that changes no value.

    Parameters
    ----------
    table : pa.Table
    types : sequence of str, or None
        Names of the former types, one a column; None leaves the table as it is.

    Returns
    -------
    pa.Table

    Raises
    ------
    UserError
        A column of numbers holds text now, or text holds fractions or booleans, whose spelling is lost.
    """
    if types is None:
        return table
    for i, former in enumerate(types):
        field = table.schema.field(i)
        if _kind(type_name(field)) != _kind(former):
            table = table.set_column(i, *_cast(table.column(i), field, former))
    return table


def _kind(name: str) -> str:
    name = name.removeprefix("dictionary<values=").partition(",")[0] if name.startswith("dictionary<") else name
    if name in ("string", "large_string", "string_view"):
        return "text"
    if name.startswith(("int", "uint")):
        return "whole"
    if name in ("float", "double", "halffloat"):
        return "number"
    return name


_TYPES = {"text": pa.string(), "whole": pa.int64(), "number": pa.float64(), "bool": pa.bool_()}


def _cast(column: pa.ChunkedArray, field: pa.Field, former: str) -> tuple[pa.Field, pa.ChunkedArray]:
    """The field and cells of a column in another kind of type, or as they are where both kinds are written alike."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
        field = pa.field(field.name, column.type)
    now, then, cells = _kind(type_name(field)), _kind(former), cells_of(field)
    if then == "json" and now != "null":  # values of several kinds at the fit, of one kind now
        told = [None if cell is None else json_text(cell, _PLAIN) for cell in column.to_pylist()]
        return field_of(field.name, None), pa.chunked_array([pa.array(told, pa.string())])
    if cells == "missing words" and then in ("whole", "number", "bool"):
        return _typed(field, pa.nulls(len(column), _TYPES[then]))
    if cells == "blank" and then == "text":  # empty text, as where other rows of the file hold something
        return _typed(field, pa.array([""] * len(column), pa.string()))
    if (now, then) in (("whole", "number"), ("whole", "text")) or (now == "null" and then in _TYPES):
        return _typed(field, column.cast(_TYPES[then]))
    if (now, then) == ("number", "whole"):
        try:
            return _typed(field, column.cast(pa.int64()))  # missing values turn a frame's whole numbers into floats
        except pa.ArrowInvalid:  # a row is the same string whether or not another row has a fraction
            return field_of(field.name, column.type, "whole"), column
    if now == "json":  # written as objects and lists are; artifacts of earlier versions call such a column text
        now = then if then.startswith(("struct", "list", "large_list")) else "text"
    if now != then and "text" in (now, then) and "null" not in (now, then):
        raise UserError(
            f"Column {field.name!r} holds {field.type} values; at the fit it held {former} values.",
            hint="write this column as it was written in the training data",
        )
    return field, column


def _typed(field: pa.Field, cells: pa.Array | pa.ChunkedArray) -> tuple[pa.Field, pa.ChunkedArray]:
    chunked = cells if isinstance(cells, pa.ChunkedArray) else pa.chunked_array([cells])
    return pa.field(field.name, chunked.type), chunked
