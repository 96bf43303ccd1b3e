"""What a fitted head is, as JSON and arrays: saved and restored without pickle; and its classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets

from frostline.errors import UserError

__all__ = ["State", "class_codes", "labels_from_json", "labels_to_json"]

State = tuple[dict[str, Any], dict[str, NDArray[Any]]]
"""Plain values for JSON, and named arrays."""


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
        raise UserError(f"There is one class only ({classes[0]!r}); a classifier needs two or more.")
    return classes, codes


def labels_to_json(classes: NDArray[Any]) -> dict[str, Any]:
    """Write class labels as JSON values together with their NumPy type.

    Raises
    ------
    UserError
        A label is no string, integer, float or truth value.
    """
    values = [value.item() if isinstance(value, np.generic) else value for value in classes.tolist()]
    for value in values:
        if not isinstance(value, str | int | float | bool):
            raise UserError(
                f"Labels of type {type(value).__name__} cannot be saved; they must be strings, numbers or booleans.",
                hint="Turn the labels into strings before training.",
            )
    return {"dtype": classes.dtype.str, "values": values}


def labels_from_json(state: dict[str, Any]) -> NDArray[Any]:
    """Restore class labels, their NumPy type included."""
    return np.array(state["values"], dtype=np.dtype(state["dtype"]))
