"""Vectors to files, window by window, in memory that does not grow with their number; whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.lib import format as npy
from numpy.typing import NDArray

from frostline.contracts import FloatArray, canonical_json
from frostline.errors import UserError
from frostline.tables.write import ParquetRows, check_output, one_column, replacing

__all__ = ["SPACE_KEY", "VECTOR_ENDINGS", "vector_writer", "write_vectors"]

VECTOR_ENDINGS = (".npy", ".parquet")

SPACE_KEY = b"frostline.space"
"""Metadata of a Parquet file of vectors: JSON that says how they were made."""

Write = Callable[[Any, FloatArray], None]
"""Called with the ids (or None) and the vectors of a further window of rows."""


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
    with vector_writer(path) as write:
        write(ids, vectors)


@contextmanager
def vector_writer(path: str | Path, space: Mapping[str, Any] | None = None) -> Iterator[Write]:
    """Open a file for vectors that come in windows; the same bytes as :func:`write_vectors` of the same windows.

    Parameters
    ----------
    path : str or Path
        As for :func:`write_vectors`.
    space : mapping, optional
        JSON-able; how the vectors are made. Parquet keeps it for whoever reads the file, ``.npy`` has no place for it.

    Yields
    ------
    callable
        Call it with ids and vectors of each window; in Parquet each window is a row group. The file takes its name when
        the block ends well; when it does not, nothing is left.

    Raises
    ------
    UserError
        As for :func:`write_vectors`, or nothing was written.
    """
    path = Path(path)
    as_npy = check_output(path, VECTOR_ENDINGS) == ".npy"
    with replacing(path) as file, closing(ParquetRows(file)) as rows:
        writer = _Npy(file) if as_npy else _Parquet(rows, space)
        yield writer.write
        writer.close()


class _Npy:
    """An array whose number of rows is not known before the end: NumPy leaves room in the header for that."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.n_rows = file, 0
        self.shape: tuple[int, ...] | None = None

    def write(self, ids: Any, vectors: FloatArray) -> None:
        values = _checked(ids, vectors, dimensions=(2, 3))
        if self.shape is None:
            self.shape = values.shape[1:]
            self._header()
        if values.shape[1:] != self.shape:
            raise UserError(f"Vectors of shape {values.shape[1:]} follow vectors of shape {self.shape}.")
        self.file.write(values.tobytes())
        self.n_rows += len(values)

    def close(self) -> None:
        if self.shape is None:
            raise UserError("There are no vectors to write.")
        self.file.seek(0)
        self._header()

    def _header(self) -> None:
        header = {"descr": "<f4", "fortran_order": False, "shape": (self.n_rows, *(self.shape or ()))}
        npy.write_array_header_1_0(self.file, header)


class _Parquet:
    """Columns `id` and `vector`, one row group a window."""

    def __init__(self, rows: ParquetRows, space: Mapping[str, Any] | None) -> None:
        self.rows = rows
        self.metadata = None if space is None else {SPACE_KEY: canonical_json(space).encode()}

    def write(self, ids: Any, vectors: FloatArray) -> None:
        if ids is None:
            raise UserError("Vectors in Parquet need ids, got None.", hint="Pass range(len(vectors)) for row numbers.")
        values = _checked(ids, vectors, dimensions=(2,))
        flat = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
        table = pa.table({"id": _id_column(ids), "vector": flat})
        self.rows.write(table.replace_schema_metadata(self.metadata))

    def close(self) -> None:
        if self.rows.empty:
            raise UserError("There are no vectors to write.")


def _checked(ids: Any, vectors: FloatArray, dimensions: tuple[int, ...]) -> NDArray[np.float32]:
    values = _finite_float32(vectors, dimensions)
    if ids is not None and len(ids) != len(values):
        raise UserError(f"There are {len(ids)} ids for {len(values)} vectors.")
    return values


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
        raise UserError(
            f"{bad.size} of {len(values)} vectors are not finite in float32, the first in row {bad[0]} (counting from 0)."
        )
    return values


def _id_column(ids: Any) -> pa.ChunkedArray:
    column = one_column("id", ids).column(0)
    if column.null_count or not (pa.types.is_integer(column.type) or pa.types.is_string(column.type)):
        raise UserError(
            "Ids must be all text or all whole numbers, none missing; "
            f"got {column.null_count} missing and type {column.type}."
        )
    return column
