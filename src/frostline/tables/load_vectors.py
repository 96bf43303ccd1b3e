"""Vectors from files and arrays, with their ids: checked, never repaired."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from frostline.contracts import FloatArray
from frostline.errors import UserError
from frostline.tables.source import open_checked
from frostline.tables.vectors import SPACE_KEY

__all__ = ["VectorTable", "check_vectors", "id_text", "read_vectors"]


@dataclass(frozen=True)
class VectorTable:
    """Vectors and what each stands for.

    Attributes
    ----------
    ids : list of n str
    vectors : float32 array of shape (n, D)
    space : mapping
        How they were made, where the file says so.
    """

    ids: list[str]
    vectors: NDArray[np.float32]
    space: Mapping[str, Any] = field(default_factory=dict)

    def of(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of these ids, shape (m, D), in their order."""
        place = {key: i for i, key in enumerate(self.ids)}
        return self.vectors[[place[key] for key in ids]]


def read_vectors(path: str | Path, *, ids: Sequence[Any] | str | Path | None = None) -> VectorTable:
    """Read a file of vectors.

    Parameters
    ----------
    path : path
        ``.parquet`` with columns ``id`` and ``vector``, or ``.npy`` of shape (n, D).
    ids : sequence or path, optional
        Of ``.npy``: the ids, or a text file with one a line; None = row numbers.

    Raises
    ------
    UserError
        No such file, no such columns, or vectors that cannot be used.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise UserError(f"There is no file of vectors {path}.", hint="frostline embed and frostline space write one")
    if path.suffix.lower() == ".parquet":
        if ids is not None:
            raise UserError(f"{path} holds its own ids; others cannot be given.", hint="leave --ids out")
        return _from_parquet(path)
    if path.suffix.lower() != ".npy":
        raise UserError(f"{path}: vectors are read from .parquet and .npy.")
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"{path} cannot be read as an array of numbers: {error}.") from error
    if isinstance(ids, str | Path):
        ids = _lines(Path(ids).expanduser())
    return check_vectors(range(len(array)) if ids is None and array.ndim else ids or [], array, where=str(path))


def _lines(path: Path) -> list[str]:
    """The ids of a file, one a line."""
    with open_checked(path) as file:
        lines = file.read().decode().splitlines()
    if blank := [number for number, line in enumerate(lines, start=1) if not line.strip()]:
        raise UserError(f"{path}, line {blank[0]}: a blank line is no id.", hint="write one id a line")
    return lines


def id_text(value: Any) -> str:
    """An id as text, by which ids are compared: 7, 7.0 and "7" are one, since file formats do not agree on which it is."""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _from_parquet(path: Path) -> VectorTable:
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read as Parquet: {error}.") from error
    if missing := [name for name in ("id", "vector") if name not in table.column_names]:
        raise UserError(
            f"{path} has no column {missing[0]!r}; it has {', '.join(table.column_names)}.",
            hint="frostline embed and frostline space write id and vector",
        )
    column = table.column("vector").combine_chunks()
    if not len(column) or not hasattr(column, "flatten"):
        held = f"column 'vector' of {column.type}" if len(column) else "no rows"
        raise UserError(f"{path} has {held}; a list of numbers is needed in each row.")
    lengths = set(column.value_lengths().to_pylist() if hasattr(column, "value_lengths") else [])
    if len(lengths) > 1 or None in lengths:
        raise UserError(f"The vectors of {path} have different widths, or some are missing.")
    width = next(iter(lengths), 0) if lengths else getattr(column.type, "list_size", 0)
    values = column.flatten().to_numpy(zero_copy_only=False)
    ids, vectors = table.column("id").to_pylist(), values.reshape(table.num_rows, width)
    return check_vectors(ids, vectors, where=str(path), space=_said(path, table.schema))


def _said(path: Path, schema: pa.Schema) -> dict[str, Any]:
    """What a file says of how its vectors were made."""
    try:
        return dict(json.loads((schema.metadata or {}).get(SPACE_KEY, b"{}")))
    except (ValueError, TypeError) as error:
        key = SPACE_KEY.decode()
        raise UserError(
            f"{path}: its metadata {key!r} is not a JSON object: {error}.", hint="write the file anew"
        ) from error


def check_vectors(
    ids: Sequence[Any], vectors: FloatArray, *, where: str = "the vectors", space: Mapping[str, Any] | None = None
) -> VectorTable:
    """Check ids and vectors.

    Parameters
    ----------
    ids : sequence of length n
        Compared as text.
    vectors : float array of shape (n, D)
    where : str, default="the vectors"
        For messages.
    space : mapping, optional
        How they were made.

    Raises
    ------
    UserError
        Other shapes, an id twice, or a vector that is not finite or is zero.
    """
    array = np.asarray(vectors)
    if array.ndim != 2 or array.dtype.kind not in "fiu" or 0 in array.shape:
        raise UserError(f"{where}: vectors must be numbers of shape (n, D), got {array.dtype} of shape {array.shape}.")
    if len(ids) != len(array):
        raise UserError(f"{where}: there are {len(ids)} ids for {len(array)} vectors.")
    names = [id_text(name) for name in ids]
    if twice := [name for name, n in Counter(names).items() if n > 1]:
        raise UserError(
            f"{where}: {len(twice)} ids stand there more than once, such as {twice[0]!r}.", hint="one vector an id"
        )
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(array, dtype=np.float32)
    for bad, word in ((~np.isfinite(values).all(axis=1), "hold NaN or infinity"), (~values.any(axis=1), "are zero")):
        if bad.any():
            raise UserError(
                f"{where}: {int(bad.sum())} of {len(values)} vectors {word}, the first is that of id "
                f"{names[int(np.argmax(bad))]!r}.",
                hint="leave these rows out",
            )
    return VectorTable(names, values, dict(space or {}))
