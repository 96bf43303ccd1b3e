"""Cross-fitted ridge regressions: one of all rows, and for each fifth of them one of the others, which has not seen it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["CrossRidge", "Floats", "cross_ridge", "fold_of"]

N_FOLDS = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CrossRidge:
    """What :func:`cross_ridge` found.

    Attributes
    ----------
    coefficients : array of shape (1 + 5, F + 1, D)
        Weights and, last, intercepts: of all rows, then without each fold.
    strength : float
        Of the penalty: that of the smallest error on held-out rows.
    folds : int array of shape (n,)
        The fold of each row.
    """

    coefficients: Floats
    strength: float
    folds: NDArray[np.intp]

    def held_out(self, X: Floats) -> Floats:
        """Predictions (n, D) for the rows that were fitted, each by the fold that did not see it."""
        return _held_out(X, self.coefficients[1:], self.folds)


def fold_of(name: str) -> int:
    """The fold of a row: a function of its id, or of a key that rows of one thing share."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "big") % N_FOLDS


def cross_ridge(X: Floats, Y: Floats, ids: Sequence[str], strengths: Sequence[float]) -> CrossRidge:
    """Fit `Y` (n, D) on `X` (n, F) with the penalty that serves held-out rows best.

    A fold that holds no row or all of them leaves nothing to fit without it: its coefficients are those of all rows.

    Parameters
    ----------
    X, Y : arrays
    ids : sequence of n str
        Of rows, or keys that rows of one thing share: those of one id are in one fold.
    strengths : sequence of float
        Penalties to choose from.

    Returns
    -------
    CrossRidge
    """
    folds = np.array([fold_of(name) for name in ids])
    everything = _Ridge(X, Y)
    parts = [
        _Ridge(X[folds != f], Y[folds != f]) if 0 < (folds == f).sum() < len(ids) else everything
        for f in range(N_FOLDS)
    ]

    told = np.array([part is not everything for part in parts])[folds]

    def error(strength: float) -> float:
        missed = _held_out(X, [part.coefficients(strength) for part in parts], folds) - Y
        return float((missed[told] ** 2).sum())

    strength = min(strengths, key=error)
    return CrossRidge(np.stack([own.coefficients(strength) for own in (everything, *parts)]), strength, folds)


def _held_out(X: Floats, coefficients: Sequence[Floats] | Floats, folds: NDArray[np.intp]) -> Floats:
    found = np.empty((len(X), coefficients[0].shape[1]))
    for fold, W in enumerate(coefficients):
        rows = folds == fold
        found[rows] = X[rows] @ W[:-1] + W[-1]
    return found


class _Ridge:
    """Ridge regressions of several strengths on the same rows: one decomposition, of the smaller Gram matrix."""

    def __init__(self, X: Floats, Y: Floats) -> None:
        self.x_mean, self.y_mean = X.mean(axis=0), Y.mean(axis=0)
        Xc, Yc = X - self.x_mean, Y - self.y_mean
        if X.shape[1] > X.shape[0]:
            self.values, vectors = np.linalg.eigh(Xc @ Xc.T)
            self.left, self.right = Xc.T @ vectors, vectors.T @ Yc
        else:
            self.values, vectors = np.linalg.eigh(Xc.T @ Xc)
            self.left, self.right = vectors, vectors.T @ (Xc.T @ Yc)

    def coefficients(self, strength: float) -> Floats:
        """Weights and, last, intercepts: shape (F + 1, D)."""
        W = self.left @ (self.right / (np.maximum(self.values, 0) + strength)[:, None])
        return np.vstack([W, self.y_mean - self.x_mean @ W])
