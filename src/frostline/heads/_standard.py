"""Features with mean 0 and standard deviation 1 on the training rows, of the whole table and of each fold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from frostline.contracts import FloatArray
from frostline.splits import Split

__all__ = ["Standardized", "blocks", "fold_moments", "fold_weights", "standardize"]

_DOUBLE_ENTRIES = 2**22
"""Tables up to this many entries, times columns of logits, are kept in float64: there, exactness costs nothing."""

_BLOCK_ENTRIES = 2**21


def blocks(X: FloatArray, dtype: DTypeLike = np.float64) -> Iterator[tuple[slice, FloatArray]]:
    """Cast a table by runs of rows, about 16 MB of float64 each, so that it is never copied whole."""
    step = max(1, _BLOCK_ENTRIES // max(1, X.shape[1]))
    for start in range(0, len(X), step):
        rows = slice(start, min(start + step, len(X)))
        yield rows, X[rows].astype(dtype, copy=False)


@dataclass(frozen=True)
class Standardized:
    """A table on the scale of its training rows.

    Attributes
    ----------
    Z : array of shape (n, F)
        float64 for small tables, else float32.
    mean : float64 array of shape (F,)
    inverse_scale : float64 array of shape (F,)
        One over the standard deviation; 0 for constant columns, whose Z is 0.
    """

    Z: FloatArray
    mean: NDArray[np.float64]
    inverse_scale: NDArray[np.float64]

    def to_original(
        self, W: NDArray[np.float64], b: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rewrite weights (K, F) and intercepts (K,) on Z as those on the original features."""
        coef = W * self.inverse_scale
        return coef, b - coef @ self.mean


def standardize(X: FloatArray, weights: NDArray[np.float64], n_outputs: int = 1) -> Standardized:
    """Center and scale every column under row weights.

    Parameters
    ----------
    X : array of shape (n, F)
    weights : float64 array of shape (n,)
        Not negative, summing to one.
    n_outputs : int
        How many numbers a row is multiplied to, again and again.

    Returns
    -------
    Standardized
    """
    mean, square = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    for rows, part in blocks(X):
        mean += weights[rows] @ part
    for rows, part in blocks(X):
        square += weights[rows] @ (part - mean) ** 2
    scale = np.sqrt(square)
    # What rounding leaves of a constant column is not a feature; a sum of n terms errs by up to n roundings.
    constant = scale <= (100 + len(X)) * np.finfo(np.float64).eps * np.abs(mean)
    inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=~constant)
    Z = np.empty(X.shape, dtype=np.float64 if X.size * n_outputs <= _DOUBLE_ENTRIES else np.float32)
    for rows, part in blocks(X):
        Z[rows] = (part - mean) * inverse
    return Standardized(Z, mean, inverse)


def fold_weights(weights: NDArray[np.float64], folds: Sequence[Split]) -> NDArray[np.float64]:
    """Row weights of each fold's training part, shape (P, n): 0 for held-out rows, summing to one."""
    out = np.zeros((len(folds), len(weights)))
    for own, (train, _) in zip(out, folds, strict=True):
        own[train] = weights[train] / weights[train].sum()
    return out


def fold_moments(Z: FloatArray, weights: NDArray[np.floating[Any]]) -> tuple[FloatArray, FloatArray]:
    """Mean and inverse standard deviation of standardized columns within the training rows of each fold.

    Parameters
    ----------
    Z : array of shape (n, F)
    weights : array of shape (P, n)
        Row weights of each fold: 0 for held-out rows, summing to one.

    Returns
    -------
    center, inverse_scale : arrays of shape (P, F)
        The inverse is 0 for columns that are constant within the fold.
    """
    center = np.zeros((len(weights), Z.shape[1]))
    square = np.zeros_like(center)
    for rows, part in blocks(Z):
        center += weights[:, rows] @ part
        square += weights[:, rows] @ part**2
    variance = square - center**2
    constant = variance <= 100 * np.finfo(Z.dtype).eps * square
    inverse = np.divide(1.0, np.sqrt(np.where(constant, 1.0, variance)), out=np.zeros_like(center), where=~constant)
    return center.astype(Z.dtype), inverse.astype(Z.dtype)
