"""Which rows have a target."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.errors import UserError, nearest
from frostline.labelsets import are_sets, as_objects

__all__ = ["labeled_rows", "missing_rows", "one_dimension", "take"]


def missing_rows(given: Any) -> NDArray[np.intp]:
    """Positions of missing targets: None, NaN, NaT, pandas' NA."""
    y = one_dimension(given)
    if y.dtype.kind in "US" and not hasattr(
        given, "dtype"
    ):  # a list of words and NaN has become words, "nan" among them
        y = np.asarray(given, dtype=object)
    if y.dtype.kind in "fc":
        return np.flatnonzero(np.isnan(y))
    if y.dtype.kind in "mM":
        return np.flatnonzero(np.isnat(y))
    if y.dtype.kind != "O":
        return np.empty(0, dtype=np.intp)
    # Only NaN-like values differ from themselves; pandas' NA answers NA, whose truth is undefined.
    return np.array([i for i, v in enumerate(y) if v is None or type(v).__name__ == "NAType" or v != v], dtype=np.intp)


def labeled_rows(y: Any, n_rows: int, unlabeled: str) -> NDArray[np.intp]:
    """Places of the rows that are learnt from: all of them, unless those without a target are to be left out.

    Parameters
    ----------
    y : sequence
        Targets as they were given; anything that is not one value a row is left to the check of targets.
    n_rows : int
    unlabeled : {"error", "skip"}

    Raises
    ------
    UserError
        An unknown word, or no row has a target.
    """
    if unlabeled not in (allowed := ("error", "skip")):
        raise UserError(
            f"Unknown unlabeled {unlabeled!r}. Allowed: {', '.join(map(repr, allowed))}.",
            hint=nearest(str(unlabeled), allowed) or None,
        )
    values = one_dimension(y) if y is not None and unlabeled == "skip" else np.empty(0)
    if values.ndim not in (1, 2) or len(values) != n_rows:
        return np.arange(n_rows)
    columns = [y] if values.ndim == 1 else list(values.T)  # a row that lacks one of several targets is left out
    known = np.setdiff1d(np.arange(n_rows), np.concatenate([missing_rows(column) for column in columns]))
    if not len(known):
        raise UserError(f"None of the {n_rows} rows has a target.", hint="label some rows")
    return known


def one_dimension(y: Any) -> NDArray[Any]:
    """Targets as an array; lists of labels as objects, though all of them may be of one length."""
    return as_objects(list(y)) if are_sets(y) else np.asarray(y)


def take(values: Any, rows: NDArray[np.intp]) -> Any:
    """Some entries of a sequence, an array or a frame; None stays None."""
    if values is None or hasattr(values, "shape"):
        return None if values is None else np.asarray(values)[rows]
    return [values[row] for row in rows]
