"""The values of a key column: any sequence with one hashable value per row, or a matrix whose rows are the values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Indices", "KeyColumn", "is_missing", "key_codes", "key_values"]

KeyColumn: TypeAlias = Sequence[Any] | NDArray[Any]
Indices: TypeAlias = NDArray[np.intp]

_NEVER_MISSING = {str, int, bool, bytes}


def key_values(column: KeyColumn) -> list[Any]:
    """List the hashable values of a key column; the rows of a matrix as bytes."""
    if isinstance(column, np.ndarray) and column.ndim == 2:
        rows = np.ascontiguousarray(column)
        return [row.tobytes() for row in rows]
    to_list: Callable[[], Iterable[Any]] | None = getattr(column, "tolist", None) or getattr(column, "to_pylist", None)
    values = list(column if to_list is None else to_list())
    if any(issubclass(kind, list | dict | np.ndarray) for kind in set(map(type, values))):
        return [_hashable(value) for value in values]
    return values


def _hashable(value: Any) -> Any:
    """Lists, objects and arrays by what they hold, marked so that no text equals them."""
    return ("nested", repr(value)) if isinstance(value, list | dict | np.ndarray) else value


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, NaT or pandas' NA, which has no truth value."""
    try:
        return value is None or bool(value != value)
    except TypeError:
        return True


def key_codes(column: KeyColumn) -> Indices:
    """Write each value as its number in order of appearance; -1 where there is none."""
    values = key_values(column)
    if set(map(type, values)) <= _NEVER_MISSING:
        number = {value: i for i, value in enumerate(dict.fromkeys(values))}
        return np.fromiter(map(number.__getitem__, values), dtype=np.intp, count=len(values))
    seen: dict[Any, int] = {}
    codes = (-1 if is_missing(value) else seen.setdefault(value, len(seen)) for value in values)
    return np.fromiter(codes, dtype=np.intp, count=len(values))
