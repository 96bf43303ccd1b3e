"""A later table in the types of the one that was fitted on, so that equal values are written alike.

Each file's types are read off that file alone: a column of 1.5 and 2.0 at the fit may be a column of 2 later. Written as
``2`` instead of ``2.0`` it would be another string, and so another vector, without a word.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from frostline.errors import UserError

__all__ = ["conform"]


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
        column = table.column(i)
        now = str(column.type)
        if _kind(now) != _kind(former):
            table = table.set_column(i, table.column_names[i], _cast(column, now, former, table.column_names[i]))
    return table


def _kind(name: str) -> str:
    if name in ("string", "large_string", "string_view"):
        return "text"
    if name.startswith(("int", "uint")):
        return "whole"
    if name in ("float", "double", "halffloat"):
        return "number"
    return name


def _cast(column: pa.ChunkedArray, now: str, former: str, name: str) -> pa.ChunkedArray:
    kinds = _kind(now), _kind(former)
    if kinds == ("whole", "number"):
        return column.cast(pa.float64())
    if kinds == ("number", "whole"):
        # Missing values turn a frame's whole numbers into floats; a true fraction stays one.
        whole = pc.all(pc.equal(pc.floor(column), column)).as_py()
        return column.cast(pa.int64()) if whole in (True, None) else column
    if kinds == ("whole", "text"):
        return column.cast(pa.string())
    if kinds[0] == "null" and kinds[1] in ("text", "whole", "number", "bool"):
        return column.cast(
            {"text": pa.string(), "whole": pa.int64(), "number": pa.float64(), "bool": pa.bool_()}[kinds[1]]
        )
    if "text" in kinds and "null" not in kinds:
        raise UserError(
            f"Column {name!r} holds {now} values; at the fit it held {former} values.",
            hint="write this column as it was written in the training data",
        )
    return column
