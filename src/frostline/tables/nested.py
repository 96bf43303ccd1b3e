"""Columns of objects opened up: one column for each path to a value, ``config.model.depth`` or ``sizes[2]``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa

__all__ = ["Opened"]

MAX_PATHS = 300
"""Paths of one column that become columns: the most frequent in training."""

MAX_ITEMS = 16
"""Items of a list that become columns of their own; its length always is one."""


@dataclass(frozen=True)
class Opened:
    """Which columns of a table hold objects, and the paths within them.

    Parameters
    ----------
    paths : mapping of column to (path to kind)
        Kind ``"number"`` where every training value is a number or a boolean, else ``"text"``.
    """

    paths: Mapping[str, Mapping[str, str]]

    @classmethod
    def learn(cls, table: pa.Table) -> Self:
        """Find the columns in which every cell that is not missing is an object: a struct, or the text of a JSON object.

        Parameters
        ----------
        table : pa.Table
            Training rows.
        """
        found = {}
        for name, column in zip(table.column_names, table.columns, strict=True):
            if not _may_nest(column.type):
                continue
            cells = [cell for cell in column.to_pylist() if cell is not None]
            objects = [_object(cell) for cell in cells]
            if objects and all(value is not None for value in objects):
                found[name] = _paths(name, [value for value in objects if value is not None])
        return cls(found)

    def __call__(self, table: pa.Table) -> pa.Table:
        """Put a column for each known path in the place of each column of objects; other paths are not used."""
        arrays: dict[str, Any] = {}
        for name, column in zip(table.column_names, table.columns, strict=True):
            if name not in self.paths:
                arrays[name] = column
                continue
            rows = [dict(_leaves(name, _object(cell))) for cell in column.to_pylist()]
            for path, kind in self.paths[name].items():
                read, dtype = (_number, pa.float64()) if kind == "number" else (_text, pa.string())
                arrays[path] = pa.chunked_array([pa.array([read(row.get(path)) for row in rows], dtype)])
        return pa.table(arrays)


def _may_nest(dtype: pa.DataType) -> bool:
    return bool(pa.types.is_struct(dtype) or pa.types.is_string(dtype) or pa.types.is_large_string(dtype))


def _object(cell: Any) -> dict[str, Any] | None:
    if isinstance(cell, str) and cell.lstrip().startswith("{"):
        try:
            cell = json.loads(cell)
        except ValueError:
            return None
    return cell if isinstance(cell, dict) else None


def _paths(name: str, objects: list[dict[str, Any]]) -> dict[str, str]:
    """The most frequent paths, in the order first met, with the kind of their values."""
    seen: Counter[str] = Counter()
    texts: set[str] = set()
    for value in objects:
        for path, leaf in _leaves(name, value):
            seen[path] += 1
            if leaf is not None and not isinstance(leaf, int | float):
                texts.add(path)
    kept = {path for path, _ in seen.most_common(MAX_PATHS)}
    return {path: "text" if path in texts else "number" for path in seen if path in kept}


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Every value that is no object and no list, with its path; the length of every list."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}", inner)
    elif isinstance(value, list):
        yield f"{path}[]", len(value)
        for i, inner in enumerate(value[:MAX_ITEMS]):
            yield from _leaves(f"{path}[{i}]", inner)
    else:
        yield path, value


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)
