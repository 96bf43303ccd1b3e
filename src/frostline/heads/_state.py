"""What a fitted head is, as JSON and arrays: saved and restored without pickle; and its classes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets

from frostline.errors import UserError

__all__ = ["State", "class_codes", "labels_from_json", "labels_to_json"]

State = tuple[dict[str, Any], dict[str, NDArray[Any]]]
"""Plain values for JSON, and named arrays."""

_TIMES: dict[str, Any] = {"date": date, "datetime": datetime}


def class_codes(labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Number labels by their sorted distinct values.

    Returns
    -------
    classes : array of shape (n_classes,)
    codes : int array of shape (n,)

    Raises
    ------
    UserError
        One class only.
    ValueError
        Numbers that are no labels, such as 0.37.
    """
    if labels.dtype.kind == "f":  # of other labels it only warns that there are many
        check_classification_targets(labels)
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise UserError(f"There is one class only ({classes.tolist()[0]!r}); a classifier needs two or more.")
    return classes, codes


def labels_to_json(classes: NDArray[Any]) -> dict[str, Any]:
    """Write class labels as JSON values together with their type; dates and times in the form of ISO 8601.

    Raises
    ------
    UserError
        A label is no string, integer, float, truth value, date or time.
    """
    if classes.dtype.kind == "M":
        return {"dtype": classes.dtype.str, "values": [str(value) for value in classes]}
    values = [value.item() if isinstance(value, np.generic) else value for value in classes.tolist()]
    for value in values:
        if not isinstance(value, str | int | float | bool | date):
            raise UserError(
                f"Labels of type {type(value).__name__} cannot be saved; they must be text, numbers, booleans or dates.",
                hint="Turn the labels into strings before training.",
            )
    if isinstance(values[0], date):
        return {"dtype": type(values[0]).__name__, "values": [value.isoformat() for value in values]}
    return {"dtype": classes.dtype.str, "values": values}


def labels_from_json(state: Mapping[str, Any]) -> NDArray[Any]:
    """Restore class labels, their type included."""
    if state["dtype"] in _TIMES:
        found = np.empty(len(state["values"]), dtype=object)
        found[:] = [_TIMES[state["dtype"]].fromisoformat(value) for value in state["values"]]
        return found
    return np.array(state["values"], dtype=np.dtype(state["dtype"]))
