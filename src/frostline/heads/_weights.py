"""How much the rows of each class count in training."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.errors import UserError, nearest

__all__ = ["class_weights"]


def class_weights(
    class_weight: str | Mapping[Any, Any] | None, classes: NDArray[Any], codes: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Weights of the classes, scaled so that the mean over rows is 1.

    Parameters
    ----------
    class_weight : None, "balanced" or mapping of label to weight
        ``"balanced"`` = one over the number of rows of the class; a label that a mapping leaves out counts 1.
    classes : array of shape (n_classes,)
        Labels.
    codes : int array of shape (n,)
        Class number of each row.

    Returns
    -------
    float64 array of shape (n_classes,)

    Raises
    ------
    UserError
        Another word, a label that no row has, or a weight that is not a positive number.
    """
    n = np.bincount(codes, minlength=len(classes))
    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise UserError(
                f"class_weight is None, 'balanced' or a weight for each label, got {class_weight!r}.",
                hint=nearest(class_weight, ["balanced"]) or None,
            )
        return np.asarray(len(codes) / (len(classes) * n), dtype=np.float64)
    if not isinstance(class_weight, Mapping):
        raise UserError(
            f"class_weight is None, 'balanced' or a weight for each label, got {class_weight!r}.",
            hint="write a mapping: {'a': 2.0, 'b': 1.0}",
        )
    weights = np.ones(len(classes))
    known = classes.tolist()
    for label, weight in class_weight.items():
        if label not in known:
            raise UserError(
                f"class_weight names the label {label!r}, which no row has. Labels: {', '.join(map(repr, known[:20]))}.",
                hint=nearest(str(label), map(str, known)) or None,
            )
        if isinstance(weight, bool) or not isinstance(weight, Real) or not 0 < float(weight) < np.inf:
            raise UserError(f"The class weight of {label!r} must be a positive number, got {weight!r}.")
        weights[known.index(label)] = float(weight)
    return np.asarray(weights * len(codes) / (weights @ n), dtype=np.float64)
