"""Rows as Python has them (frames, lists, arrays) to a table; every mistake that scikit-learn names, named alike."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from frostline.errors import UserError
from frostline.tables.columns import (
    check_finite,
    check_names,
    columns_table,
    is_missing,
    missing_texts,
    records_table,
    text_array,
)

__all__ = ["to_rows"]

_RESHAPE = (
    "Reshape your data either using array.reshape(-1, 1) if your data has a single feature "
    "or array.reshape(1, -1) if it contains a single sample."
)
_ALLOWED = (
    "a list of texts, a list of dicts, a pandas or polars DataFrame or Series, a pyarrow.Table, or a 2-D NumPy array"
)


def to_rows(X: Any) -> pa.Table:
    """Bring rows of any kind to a table; rows and columns keep their order.

    Parameters
    ----------
    X : table, frame, series, list or array
        A pyarrow Table, RecordBatch or Array; a pandas or polars DataFrame or Series, or anything with
        ``__arrow_c_stream__``; a list, tuple or 1-D array of str, which becomes the column ``text`` (a series keeps its
        name); a list of dicts; a list of rows or a 2-D array, which become the columns ``x0`` to ``x{d-1}``. None, NaN,
        NaT and pandas.NA are missing. A pandas index is no column.

    Returns
    -------
    pyarrow.Table
        At least one row and one column.

    Raises
    ------
    UserError
        `X` is of another kind or shape, holds a cell that has no text, is a list of texts of which one is missing or
        not a str, or is an array that holds infinity.
    """
    table = _table_of(X)
    if not table.num_columns:
        raise UserError(f"0 feature(s) (shape=({_n_rows(X)}, 0)) while a minimum of 1 is required.")
    if not table.num_rows:
        raise UserError(f"0 sample(s) (shape=(0, {table.num_columns})) while a minimum of 1 is required.")
    check_names(table.column_names, "The table")
    return table


def _n_rows(X: Any) -> int:
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)


def _table_of(X: Any) -> pa.Table:
    pandas = sys.modules.get("pandas")
    if isinstance(X, pa.Table):
        return X
    if isinstance(X, pa.RecordBatch):
        return pa.Table.from_batches([X])
    if isinstance(X, pa.Array | pa.ChunkedArray):
        return _from_list(X.to_pylist())
    if pandas is not None and isinstance(X, pandas.DataFrame):
        return _from_pandas(X)
    if pandas is not None and isinstance(X, pandas.Series):
        return _from_list(X.tolist(), _series_name(X))
    if hasattr(X, "to_arrow"):  # polars
        data = X.to_arrow()
        return data if isinstance(data, pa.Table) else _from_list(data.to_pylist(), _series_name(X))
    if hasattr(X, "__arrow_c_stream__"):
        return pa.table(X)
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        raise UserError(f"Sparse data is not supported, got {_kind(X)}.", hint="Convert it with X.toarray().")
    if isinstance(X, np.ndarray):
        return _from_array(X)
    if isinstance(X, list | tuple):
        return _from_list(X)
    if hasattr(X, "__array__") and not isinstance(X, np.generic):
        return _from_array(np.asarray(X))
    raise UserError(f"Rows must be {_ALLOWED}; got {_kind(X)}.", hint=_advice(X))


def _kind(X: Any) -> str:
    return f"{type(X).__module__}.{type(X).__qualname__}".removeprefix("builtins.")


def _advice(X: Any) -> str | None:
    if isinstance(X, str):
        return "For one text, pass a list that holds it: [text]."
    if isinstance(X, Mapping):
        return "For one row, pass a list that holds it: [row]; for a dict of columns, pass pyarrow.table(columns)."
    if hasattr(X, "collect"):
        return "Collect the lazy frame first: X.collect()."
    return None


def _series_name(series: Any) -> str:
    return series.name if isinstance(series.name, str) and series.name else "text"


def _from_pandas(frame: Any) -> pa.Table:
    names = [_column_name(name) for name in frame.columns]
    tables = [_pandas_column(frame.iloc[:, i], name) for i, name in enumerate(names)]
    fields = [table.schema.field(0) for table in tables]
    return pa.table([table.column(0) for table in tables], schema=pa.schema(fields))


def _column_name(name: Any) -> str:
    if isinstance(name, str | int | np.integer):
        return str(name)
    raise UserError(
        f"A column name must be text or a whole number, got {name!r} of type {type(name).__name__}.",
        hint="Rename the columns; for several levels: frame.columns = ['_'.join(c) for c in frame.columns].",
    )


def _pandas_column(series: Any, name: str) -> pa.Table:
    if series.dtype.kind == "c":
        raise UserError(f"Complex data not supported (column {name!r}).")
    if series.dtype != object:
        try:
            array = pa.array(series, from_pandas=True)
        except (pa.ArrowException, TypeError):  # such as categories of mixed types: cell by cell
            return columns_table([name], [series.tolist()])
        if not isinstance(array.type, pa.BaseExtensionType):
            return pa.table({name: array})
    return columns_table([name], [series.tolist()])


def _from_list(X: Sequence[Any], name: str = "text") -> pa.Table:
    if not len(X):
        raise UserError("0 sample(s) (shape=(0,)) while a minimum of 1 is required.")
    if any(isinstance(row, Mapping) for row in X):
        return records_table(X)
    if any(isinstance(row, str | bytes) for row in X) or all(map(is_missing, X)):
        return _from_texts(X, name)
    if any(isinstance(row, list | tuple | np.ndarray) for row in X):
        return _from_rows(X)
    raise _one_dimension(len(X), type(X[0]).__name__)


def _one_dimension(n: int, kind: str) -> UserError:
    return UserError(f"Expected 2D array, got 1D array instead: {n} values of type {kind}. {_RESHAPE}")


def _from_texts(texts: Sequence[Any], name: str) -> pa.Table:
    others = [i for i, text in enumerate(texts) if not isinstance(text, str)]
    missing = [i for i in others if is_missing(texts[i])]
    if missing:
        raise missing_texts(missing, len(texts))
    if others:
        raise UserError(
            f"{len(others)} of {len(texts)} values are no text (str), the first in row {others[0]} "
            f"(counting from 0): {texts[others[0]]!r:.60} of type {type(texts[others[0]]).__name__}.",
            hint="Convert them with str(...), bytes with .decode(); pass rows of several columns as a list of dicts.",
        )
    return pa.table({name: text_array(list(texts), lambda row: f"Row {row}")})


def _from_rows(rows: Sequence[Any]) -> pa.Table:
    for i, row in enumerate(rows):
        if not isinstance(row, list | tuple) and np.ndim(row) == 0:
            raise UserError(f"Every row must be a list of values; row {i} is of type {type(row).__name__}.")
        if len(row) != len(rows[0]):
            raise UserError(f"Every row must have as many values as the first, {len(rows[0])}; row {i} has {len(row)}.")
    if all(isinstance(row, np.ndarray) for row in rows):
        return _from_array(np.stack(rows))
    if any(isinstance(cell, list | tuple | np.ndarray) for row in rows for cell in row):
        raise _too_deep(3)
    cells = np.empty((len(rows), len(rows[0])), dtype=object)
    cells[:] = rows
    return _from_array(cells)


def _too_deep(n_dimensions: int) -> UserError:
    return UserError(
        f"Found array with {n_dimensions} dimensions, expected 2: rows and columns.", hint="X.reshape(len(X), -1)"
    )


def _from_array(X: np.ndarray[Any, Any]) -> pa.Table:
    if isinstance(X, np.ma.MaskedArray):
        raise UserError("Masked arrays are not supported.", hint="Say what stands for masked cells: X.filled(np.nan).")
    X = np.asarray(X)
    if X.dtype.kind == "c":
        raise UserError(f"Complex data not supported, got an array of {X.dtype}.")
    if X.ndim == 0:
        raise UserError(f"Expected 2D array, got scalar array instead: {X!r:.60}. {_RESHAPE}")
    if X.ndim == 1:
        if X.dtype.kind in "OUS":
            return _from_list(X.tolist())
        raise _one_dimension(len(X), str(X.dtype))
    if X.ndim > 2:
        raise _too_deep(X.ndim)
    names = [f"x{j}" for j in range(X.shape[1])]
    if X.dtype.kind in "OUS":
        table = columns_table(names, [column.tolist() for column in X.T])
    else:
        try:
            table = pa.table([pa.array(column, from_pandas=True) for column in X.T], names=names)
        except pa.ArrowException as error:
            raise UserError(f"An array of {X.dtype} is not supported: {error}.") from error
    check_finite(table)
    return table
