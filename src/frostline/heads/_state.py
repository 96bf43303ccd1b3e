"""What a fitted head is, as JSON and arrays: saved and restored without pickle."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.errors import UserError

__all__ = ["State", "labels_from_json", "labels_to_json"]

State = tuple[dict[str, Any], dict[str, NDArray[Any]]]
"""Plain values for JSON, and named arrays."""


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
