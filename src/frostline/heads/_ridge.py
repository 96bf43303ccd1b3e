"""Ridge regression in closed form, on all rows and on all but each fold's.

Minimizes ``sum_i w_i ||y_i - Z_i W - b||^2 + strength * ||W||^2``, the row weights summing to one, through the normal
equations of the features or, where there are fewer rows than features, of the rows. All in float64.

Letters: P regressions, n rows, F features, T targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostline.contracts import FloatArray
from frostline.heads._path import StrengthScore
from frostline.heads._standard import blocks, fold_moments, fold_weights
from frostline.splits import Split

__all__ = ["RidgeFolds"]

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class _System:
    """Equations ``(gram + strength) S = right``, of features (m = F) or of rows (m = n), and the way back to weights.

    Attributes
    ----------
    gram : array of shape (m, m)
    right : array of shape (m, T)
    center, inverse_scale : arrays of shape (F,)
        Standardization within the rows.
    y_mean : array of shape (T,)
    rows : (Z, roots of the row weights), or None
        Set where the equations are those of rows.
    """

    gram: Doubles
    right: Doubles
    center: Doubles
    inverse_scale: Doubles
    y_mean: Doubles
    rows: tuple[FloatArray, Doubles] | None = None

    def solve(self, strength: float) -> tuple[Doubles, Doubles]:
        """Weights (F, T) and intercepts (T,) on the features as they were before this standardization."""
        import torch  # its Cholesky factorization takes half the time of NumPy's

        damped = torch.from_numpy(self.gram).clone()
        damped.diagonal().add_(strength)
        factor = torch.linalg.cholesky(damped)
        S: Doubles = torch.cholesky_solve(torch.from_numpy(self.right), factor).numpy()
        if self.rows is not None:
            Z, root = self.rows
            S = root[:, None] * S
            spread = sum((part.T @ S[rows] for rows, part in blocks(Z)), start=np.zeros((Z.shape[1], S.shape[1])))
            S = (spread - np.outer(self.center, S.sum(axis=0))) * self.inverse_scale[:, None]
        W = S * self.inverse_scale[:, None]
        return W, self.y_mean - self.center @ W


class RidgeFolds:
    """The regressions of every fold and of all rows, at one strength after the other.

    Parameters
    ----------
    Z : array of shape (n, F)
        Standardized features.
    y : array of shape (n, T)
        Standardized targets.
    weights : array of shape (n,)
        Row weights, summing to one.
    folds : list of (train, test)
        The test parts share out the rows.
    scaled : bool
        Whether every fold scales its features to one spread; else they are only centered.
    """

    def __init__(
        self, Z: FloatArray, y: Doubles, weights: Doubles, folds: Sequence[Split], *, scaled: bool = True
    ) -> None:
        self._Z, self._y, self._weights = Z, y, weights
        self._tests = [test for _, test in folds]
        rows = np.vstack([fold_weights(weights, folds), weights])
        center, inverse = (moment.astype(np.float64) for moment in fold_moments(Z, rows))
        if not scaled:
            inverse = np.ones_like(inverse)
        make = _of_features if Z.shape[1] <= len(Z) else _of_rows
        *self._systems, self._whole = make(Z, y, rows, center, inverse)
        self._predictions: dict[float, Doubles] = {}

    def evaluate(self, strengths: Sequence[float]) -> list[StrengthScore]:
        """Fit every fold at these strengths and score held-out rows by squared error, 1 being that of the mean."""
        return [self._evaluate(strength) for strength in strengths]

    def held_out(self, strength: float) -> Doubles:
        """Out-of-fold predictions of the standardized targets, shape (n, T)."""
        return self._predictions[strength]

    def fit(self, strength: float) -> tuple[Doubles, Doubles]:
        """Weights (F, T) and intercepts (T,) from all rows."""
        return self._whole.solve(strength)

    def _evaluate(self, strength: float) -> StrengthScore:
        out = np.empty_like(self._y)
        for system, test in zip(self._systems, self._tests, strict=True):
            W, b = system.solve(strength)
            out[test] = self._Z[test] @ W + b
        self._predictions[strength] = out
        errors = np.mean((out - self._y) ** 2, axis=1)
        means = [np.average(errors[test], weights=self._weights[test]) for test in self._tests]
        return StrengthScore(strength, float(self._weights @ errors), float(np.std(means)))


def _of_rows(Z: FloatArray, y: Doubles, weights: Doubles, center: Doubles, inverse: Doubles) -> list[_System]:
    """Equations of the rows, one for each row of `weights`; a row without weight is an equation 0 = 0."""
    systems = []
    for own, mean, scale in zip(weights, center, inverse, strict=True):
        root, y_mean = np.sqrt(own), own @ y
        basis = (Z - mean) * scale * root[:, None]
        systems.append(_System(basis @ basis.T, root[:, None] * (y - y_mean), mean, scale, y_mean, (Z, root)))
    return systems


def _of_features(Z: FloatArray, y: Doubles, weights: Doubles, center: Doubles, inverse: Doubles) -> list[_System]:
    """Equations of the features; each fold's moments are those of all rows less those of the rows that it holds out."""
    *folds, whole = weights
    held_out = [_moments(Z[own == 0], y[own == 0], whole[own == 0]) for own in folds]
    total = np.sum(held_out, axis=0) if held_out else _moments(Z, y, whole)
    systems, width = [], Z.shape[1]
    for sums, scale in zip([*(total - part for part in held_out), total], inverse, strict=True):
        mean = sums[-1, :-1] / sums[-1, -1]
        covariance = sums[:-1, :-1] / sums[-1, -1] - np.outer(mean, mean)
        gram = covariance[:width, :width] * np.outer(scale, scale)
        right = covariance[:width, width:] * scale[:, None]
        systems.append(_System(gram, right, mean[:width], scale, mean[width:]))
    return systems


def _moments(Z: FloatArray, y: Doubles, weights: Doubles) -> Doubles:
    """Weighted sums of all products of two of: the features, the targets, one."""
    size = Z.shape[1] + y.shape[1] + 1
    total = np.zeros((size, size))
    for rows, part in blocks(Z):
        table = np.hstack([part, y[rows], np.ones((len(part), 1))])
        total += (table.T * weights[rows]) @ table
    return total
