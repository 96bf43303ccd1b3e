"""Predictions and vectors to files: the format by ending, the file whole or not at all."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from frostline.contracts import FloatArray
from frostline.errors import UserError
from frostline.tables.cells import parse_number_format
from frostline.tables.columns import columns_table
from frostline.tables.render import bare_texts, render_rows

__all__ = ["write_predictions", "write_vectors"]

_TO_QUOTE = re.compile(r'^$|[",\r\n]')


def write_predictions(path: str | Path, columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> None:
    """Write columns of equal length to a file, whole or not at all, rows and columns in the order given.

    Parameters
    ----------
    path : str or Path
        Ends in ``.csv``, ``.jsonl`` or ``.parquet``; its folder exists. A file of this name is replaced.
    columns : mapping of str to sequence, or array of shape (n,)
        Cells may be text, numbers, true/false, dates, None, or lists and dicts of these; NaN is written as missing.
        In CSV a missing cell is empty, lists and dicts are JSON. In Parquet a column whose cells share no type is text
        that holds the JSON of each.

    Raises
    ------
    UserError
        The ending is another, the folder is missing or cannot be written, columns differ in length, or a cell cannot
        be written in this format, such as infinity in JSON.
    """
    path = Path(path)
    ending = _ending(path, (".csv", ".jsonl", ".parquet"))
    table = _table(columns)
    if ending == ".parquet":
        with _replacing(path) as file:
            pq.write_table(table, file)
        return
    lines = render_rows(table, template="json") if ending == ".jsonl" else _csv_lines(table)
    with _replacing(path) as file:
        file.writelines(f"{line}\n".encode() for line in lines)


def write_vectors(path: str | Path, ids: Sequence[Any] | NDArray[Any] | None, vectors: FloatArray) -> None:
    """Write vectors to a file, whole or not at all, in the order given.

    Parameters
    ----------
    path : str or Path
        Ends in ``.npy`` (the array alone) or ``.parquet`` (columns ``id`` and ``vector``, a fixed-size list of
        float32); its folder exists. A file of this name is replaced.
    ids : sequence of str or int, of length n, or None
        What each vector stands for. ``.npy`` does not hold them (row order says it), there they may be None.
    vectors : float array of shape (n, F), for ``.npy`` also (n, L, F)
        Finite numbers; written as float32.

    Raises
    ------
    UserError
        The ending is another, the folder is missing or cannot be written, the ids are not one text or whole number per
        vector, or a vector is not finite.
    """
    path = Path(path)
    as_npy = _ending(path, (".npy", ".parquet")) == ".npy"
    values = _finite_float32(vectors, dimensions=(2, 3) if as_npy else (2,))
    if ids is None and not as_npy:
        raise UserError("Vectors in Parquet need ids, got None.", hint="Pass range(len(vectors)) for row numbers.")
    if ids is not None and len(ids) != len(values):
        raise UserError(f"There are {len(ids)} ids for {len(values)} vectors.")
    if as_npy:
        with _replacing(path) as file:
            np.save(file, values, allow_pickle=False)
        return
    flat = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
    table = pa.table({"id": _id_column(ids), "vector": flat})
    with _replacing(path) as file:
        pq.write_table(table, file)


def _ending(path: Path, allowed: tuple[str, ...]) -> str:
    if path.suffix.lower() not in allowed:
        raise UserError(f"{path}: a file of this kind cannot be written. Allowed endings: {', '.join(allowed)}.")
    return path.suffix.lower()


def _table(columns: Mapping[str, Any]) -> pa.Table:
    if not columns:
        raise UserError("There is no column to write.")
    parts = [_column(name, values) for name, values in columns.items()]
    lengths = {name: part.num_rows for name, part in zip(columns, parts, strict=True)}
    if len(set(lengths.values())) > 1:
        raise UserError(f"The columns differ in length: {lengths}.")
    return pa.table([part.column(0) for part in parts], schema=pa.schema([part.schema.field(0) for part in parts]))


def _column(name: str, values: Any) -> pa.Table:
    """A table of one column."""
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise UserError(f"Column {name!r} must be one-dimensional, got shape {values.shape}.")
        if values.dtype.kind in "biuf":
            return pa.table({name: pa.array(values, from_pandas=True)})
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return pa.table({name: values})
    return columns_table([name], [values])


def _csv_lines(table: pa.Table) -> Iterator[str]:
    """Lines of CSV as RFC 4180 has it, but for the line break; a lone missing cell is ``""``, never a blank line."""
    number = parse_number_format("plain")
    lone = '""' if table.num_columns == 1 else ""
    columns = [
        [lone if text is None else _quoted(text) for text in bare_texts(table, name, number)]
        for name in table.column_names
    ]
    yield ",".join(map(_quoted, table.column_names))
    yield from map(",".join, zip(*columns, strict=True))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _TO_QUOTE.search(text) else text


def _finite_float32(vectors: Any, dimensions: tuple[int, ...]) -> NDArray[np.float32]:
    array = np.asarray(vectors)
    if array.ndim not in dimensions or array.dtype.kind not in "fiu" or 0 in array.shape[1:]:
        raise UserError(
            f"Vectors must be numbers of shape {' or '.join(['(n, F)', '(n, L, F)'][: len(dimensions)])}, "
            f"got {array.dtype} of shape {array.shape}."
        )
    with np.errstate(over="ignore"):  # what becomes infinite is refused below
        values = np.ascontiguousarray(array, dtype=np.float32)
    bad = np.flatnonzero(~np.isfinite(values).all(axis=tuple(range(1, values.ndim))))
    if bad.size:
        raise UserError(f"{bad.size} of {len(values)} vectors are not finite in float32, the first in row {bad[0]}.")
    return values


def _id_column(ids: Any) -> pa.ChunkedArray:
    column = _column("id", ids).column(0)
    if column.null_count or not (pa.types.is_integer(column.type) or pa.types.is_string(column.type)):
        raise UserError(
            "Ids must be all text or all whole numbers, none missing; "
            f"got {column.null_count} missing and type {column.type}."
        )
    return column


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the name `path` when the block ends well, and is gone when it does not."""
    if not path.parent.is_dir():
        raise UserError(f"{path} cannot be written: there is no folder {path.parent}.", hint="Make it first.")
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}.") from error
    finally:
        with suppress(OSError):
            temporary.unlink()
