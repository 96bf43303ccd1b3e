"""Vectors that nobody has: between two, or moved along a concept.

References
----------
Tennenholtz et al., 2023, arXiv 2310.04475, section 5: w = (1 - a) w_1 + a w_2, and w + a CAV.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from frostline.errors import UserError

__all__ = ["interpolate", "traverse"]

MOST_STEPS = 10_000
"""Each is described on its own, so that more are a mistake."""


def interpolate(a: ArrayLike, b: ArrayLike, weight: float = 0.5) -> NDArray[np.float32]:
    """The point between two vectors.

    Parameters
    ----------
    a, b : arrays of shape (D,)
    weight : float, default=0.5
        0 = `a`, 1 = `b`.

    Raises
    ------
    UserError
        Other shapes, or a weight outside 0 to 1.
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise UserError(f"Two vectors of one width are blended; got shapes {first.shape} and {second.shape}.")
    if not 0 <= weight <= 1:
        raise UserError(f"The weight of a blend must be from 0 to 1, got {weight}.")
    return ((1 - weight) * first + weight * second).astype(np.float32)


def traverse(vector: ArrayLike, direction: ArrayLike, length: float, steps: int) -> NDArray[np.float32]:
    """Points along a direction, the vector itself first.

    Parameters
    ----------
    vector, direction : arrays of shape (D,)
    length : float
        Of the whole way, in the vector's own units; negative = away.
    steps : int
        How many further points there are.

    Returns
    -------
    float32 array of shape (steps + 1, D)

    Raises
    ------
    UserError
        Other shapes, a direction of length zero, or fewer than one step.
    """
    start, way = np.asarray(vector, dtype=np.float64), np.asarray(direction, dtype=np.float64)
    if start.shape != way.shape or start.ndim != 1:
        raise UserError(f"A vector moves along a direction of its own width; got {start.shape} and {way.shape}.")
    norm = float(np.linalg.norm(way))
    if norm == 0 or not np.isfinite(norm):
        raise UserError("The direction has no length.")
    if not 1 <= steps <= MOST_STEPS:
        raise UserError(f"steps must be 1 or more and at most {MOST_STEPS}, got {steps}.")
    shares: NDArray[Any] = np.linspace(0.0, 1.0, steps + 1)[:, None]
    return (start + shares * (length / norm) * way).astype(np.float32)
