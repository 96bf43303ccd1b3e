"""Predictions to files, at once or window by window: the format by ending, the file whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from frostline._drafts import drafting
from frostline.contracts import ARTIFACT_TEXTS, MANIFEST
from frostline.errors import UserError
from frostline.tables.cells import parse_number_format
from frostline.tables.columns import columns_table
from frostline.tables.render import bare_texts, render_rows

__all__ = [
    "PREDICTION_ENDINGS",
    "ParquetRows",
    "check_output",
    "check_room",
    "one_column",
    "prediction_writer",
    "replacing",
]

PREDICTION_ENDINGS = (".csv", ".jsonl", ".parquet")

_TO_QUOTE = re.compile(r'^$|[",\r\n]')


@contextmanager
def prediction_writer(path: str | Path) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Open a file for columns that come in windows of rows; it is written whole or not at all, rows in the order given.

    Parameters
    ----------
    path : str or Path
        Ends in ``.csv``, ``.jsonl`` or ``.parquet``; its folder exists. A file of this name is replaced.

    Yields
    ------
    callable
        Call it with the columns of each window, a mapping of str to sequences of one length; in Parquet each window is a
        row group. Cells may be text, numbers, true/false, dates, None, or lists and dicts of these; NaN is written as
        missing. In CSV a missing cell is empty, lists and dicts are JSON. In Parquet a column whose cells share no type is
        text that holds the JSON of each. The file takes its name when the block ends well; else nothing is left.

    Raises
    ------
    UserError
        The ending is another, the folder is missing or cannot be written, columns differ in length or from those of the
        first window, or a cell cannot be written in this format, such as infinity in JSON.
    """
    path = Path(path)
    ending = check_output(path, PREDICTION_ENDINGS)
    with replacing(path) as file, closing(ParquetRows(file)) as parquet:
        header = ending == ".csv"

        def write(columns: Mapping[str, Any]) -> None:
            nonlocal header
            table = _table(columns)
            if ending == ".parquet":
                parquet.write(table)
                return
            lines = render_rows(table, template="json") if ending == ".jsonl" else _csv_lines(table, header=header)
            header = False
            file.writelines(f"{line}\n".encode() for line in lines)

        yield write


class ParquetRows:
    """A Parquet file that grows by tables of one schema, each a row group."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._writer: pq.ParquetWriter | None = None

    def write(self, table: pa.Table) -> None:
        """Add rows.

        Raises
        ------
        UserError
            The table has another schema than the first.
        """
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, table.schema)
        if table.schema != self._writer.schema:
            raise UserError(f"Rows of type {table.schema.types} follow rows of type {self._writer.schema.types}.")
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))

    @property
    def empty(self) -> bool:
        """Whether no table was added."""
        return self._writer is None

    def close(self) -> None:
        """Write the footer; after an error too, since Arrow would try it later, on a file that is closed by then."""
        if self._writer is not None:
            self._writer.close()


def check_output(path: str | Path, allowed: Sequence[str], others: Sequence[str | Path | None] = ()) -> str:
    """Check where a file is to be written, before the work that fills it.

    Parameters
    ----------
    path : str or Path
    allowed : sequence of str
        Endings, such as ``.csv``.
    others : sequence of str, Path or None, default=()
        What the job reads, and what else it writes; None = nothing.

    Returns
    -------
    str
        The ending, in lower case.

    Raises
    ------
    UserError
        The ending is another, the folder is missing or cannot be written, `path` is a folder itself, one of `others`, or a
        file of an artifact.
    """
    path = Path(path)
    if path.suffix.lower() not in allowed:
        raise UserError(f"{path}: a file of this kind cannot be written. Allowed endings: {', '.join(allowed)}.")
    if not path.parent.is_dir():
        raise UserError(f"{path} cannot be written: there is no folder {path.parent}.", hint="Make it first.")
    if path.is_dir():
        raise UserError(f"{path} cannot be written: it is a folder.", hint="Name a file.")
    if any(other is not None and os.path.realpath(other) == os.path.realpath(path) for other in others):
        raise UserError(f"{path} would be written over: the same job reads or writes it.", hint="Name another file.")
    if (path.parent / MANIFEST).is_file() and (path.name in ARTIFACT_TEXTS or path.suffix == ".safetensors"):
        raise UserError(
            f"{path} would be written over: it belongs to the artifact {path.parent}.", hint="Name another file."
        )
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UserError(f"{path} cannot be written: no permission for the folder {path.parent}.")
    return path.suffix.lower()


def check_room(path: Path, n_bytes: int) -> None:
    """Refuse a file that does not fit the disk, before the work that fills it.

    Raises
    ------
    UserError
        Less is free where `path` is to stand.
    """
    free = shutil.disk_usage(path.parent).free
    if n_bytes > free:
        raise UserError(
            f"{path} needs {n_bytes / 1e6:,.1f} MB, but {free / 1e6:,.1f} MB are free on its disk.",
            hint="name another disk with --out, or fewer layers",
        )


def _table(columns: Mapping[str, Any]) -> pa.Table:
    if not columns:
        raise UserError("There is no column to write.")
    parts = [one_column(name, values) for name, values in columns.items()]
    lengths = {name: part.num_rows for name, part in zip(columns, parts, strict=True)}
    if len(set(lengths.values())) > 1:
        raise UserError(f"The columns differ in length: {lengths}.")
    return pa.table([part.column(0) for part in parts], schema=pa.schema([part.schema.field(0) for part in parts]))


def one_column(name: str, values: Any) -> pa.Table:
    """Make a table of one column."""
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise UserError(f"Column {name!r} must be one-dimensional, got shape {values.shape}.")
        if values.dtype.kind in "biuf":
            return pa.table({name: pa.array(values, from_pandas=True)})
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return pa.table({name: values})
    return columns_table([name], [values])


def _csv_lines(table: pa.Table, *, header: bool) -> Iterator[str]:
    """Lines of CSV as RFC 4180 has it, but for the line break; a lone missing cell is ``""``, never a blank line."""
    number = parse_number_format("plain")
    lone = '""' if table.num_columns == 1 else ""
    columns = [
        [lone if text is None else _quoted(text) for text in bare_texts(table, name, number)]
        for name in table.column_names
    ]
    if header:
        yield ",".join(map(_quoted, table.column_names))
    yield from map(",".join, zip(*columns, strict=True))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _TO_QUOTE.search(text) else text


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file that takes the name `path` when the block ends well, and is gone when it does not."""
    try:
        with drafting(path) as draft:
            with draft.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}.") from error
