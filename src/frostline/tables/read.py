"""Tables from files: CSV, TSV, JSON Lines, Parquet; whole, or in windows of rows with flat memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from frostline.errors import UserError, nearest
from frostline.tables.columns import check_names
from frostline.tables.delimited import delimited_blocks
from frostline.tables.jsonl import jsonl_blocks
from frostline.tables.source import reading

__all__ = ["ENDINGS", "iter_tables", "read_table"]

ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz", ".parquet")
"""File name endings that can be read."""

_PARQUET_ROWS = 65536


def read_table(path: str | Path) -> pa.Table:
    """Read a table from a file, by its ending; rows and columns keep their order.

    Parameters
    ----------
    path : str or Path
        A file that ends in one of :data:`ENDINGS`. How cells become values is described at
        :func:`frostline.tables.delimited.delimited_blocks` and :func:`frostline.tables.jsonl.jsonl_blocks`;
        Parquet keeps the types it has.

    Returns
    -------
    pyarrow.Table
        At least one row and one column, names unique.

    Raises
    ------
    UserError
        The file is missing, empty, of an unknown kind, broken, or not a table.
    """
    return pa.concat_tables(_blocks(_checked(path)))


def iter_tables(path: str | Path, rows: int) -> Iterator[pa.Table]:
    """Read a table in windows of rows, in memory that does not grow with the file.

    Parameters
    ----------
    path : str or Path
        As for :func:`read_table`.
    rows : int
        Rows of every window but the last, which may be shorter.

    Returns
    -------
    iterator of pyarrow.Table
        Together the table that :func:`read_table` returns, with the same types.

    Raises
    ------
    UserError
        As for :func:`read_table`, some only while iterating; or `rows` is less than 1.
    """
    if not isinstance(rows, int) or rows < 1:
        raise UserError(f"rows must be a whole number of at least 1, got {rows!r}.")
    return _windows(_blocks(_checked(path)), rows)


def _windows(blocks: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    rest: pa.Table | None = None
    for block in blocks:
        rest = block if rest is None else pa.concat_tables([rest, block])
        while rest.num_rows >= rows:
            yield rest.slice(0, rows)
            rest = rest.slice(rows)
    if rest is not None and rest.num_rows:
        yield rest


def _checked(path: str | Path) -> Path:
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder, not a file.", hint=f"A table is a file that ends in {_endings()}.")
    if not path.exists():
        folder = path.parent
        if not folder.is_dir():
            raise UserError(f"{path} does not exist: there is no folder {folder}.")
        suggestion = nearest(path.name, [p.name for p in folder.iterdir()])
        raise UserError(f"{path} does not exist.", hint=suggestion or None)
    if not path.name.lower().endswith(ENDINGS):
        raise UserError(
            f"{path}: a table of this kind cannot be read. Allowed endings: {_endings()}.",
            hint="Export it as CSV or Parquet; JSON with one object per line should end in .jsonl.",
        )
    return path


def _endings() -> str:
    return ", ".join(ENDINGS)


def _blocks(path: Path) -> Iterator[pa.Table]:
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(".parquet"):
        return _parquet_blocks(path)
    if name.endswith((".jsonl", ".ndjson")):
        return jsonl_blocks(path)
    return delimited_blocks(path, "\t" if name.endswith(".tsv") else ",")


def _parquet_blocks(path: Path) -> Iterator[pa.Table]:
    with reading(path):
        path.open("rb").close()
    try:
        # Without pre_buffer a row group is not loaded whole.
        with pq.ParquetFile(path, pre_buffer=False) as file:
            check_names(file.schema_arrow.names, str(path))
            if not file.metadata.num_rows or not file.schema_arrow.names:
                raise UserError(f"{path} holds no {'columns' if file.metadata.num_rows else 'rows'}.")
            for batch in file.iter_batches(_PARQUET_ROWS):
                batch.validate(full=True)  # text that is not UTF-8 is refused here
                yield pa.Table.from_batches([batch]).replace_schema_metadata(None)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} is not a whole Parquet file: {error}.", hint="Write or fetch it again.") from error
