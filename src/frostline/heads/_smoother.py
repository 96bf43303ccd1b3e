"""Kernel ridge regression on all rows and on all but each fold's, from one decomposition of the whole kernel.

What a fold's regression predicts for the rows S that it did not see follows from the regression on all rows: with R the
matrix that takes targets to residuals, the held-out residuals are ``inv(R[S, S]) @ (R @ y)[S]``. So no fold is decomposed
on its own, and a further penalty costs a fraction of a factorization.

Letters: n rows, d eigenvalues and Q eigenvectors of the kernel of centered features.

References
----------
Hastie, Tibshirani and Friedman, 2009, The Elements of Statistical Learning, section 7.10, for single rows; blocks of them
follow in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from frostline.heads._path import StrengthScore
from frostline.splits import Split

__all__ = ["SmootherFolds"]

Doubles = NDArray[np.float64]


class SmootherFolds:
    """The regressions of every fold and of all rows with a free constant, at one strength after the other.

    Parameters
    ----------
    kernel : array of shape (n, n)
        Symmetric, not negative definite.
    y : array of shape (n,)
    folds : list of (train, test)
        The test parts share out the rows.
    """

    def __init__(self, kernel: Doubles, y: Doubles, folds: Sequence[Split]) -> None:
        self._kernel, self._y = kernel, y - y.mean()
        self._mean = float(y.mean())
        self._tests = [test for _, test in folds]
        means = kernel.mean(axis=0)
        values, self._vectors = eigh(kernel - means - means[:, None] + means.mean())
        self._values = np.maximum(values, 0.0)
        self._along = self._vectors.T @ self._y
        self._predictions: dict[float, Doubles] = {}

    def evaluate(self, strengths: Sequence[float]) -> list[StrengthScore]:
        """Score held-out rows at these strengths by squared error."""
        return [self._evaluate(strength) for strength in strengths]

    def held_out(self, strength: float) -> Doubles:
        """Out-of-fold predictions, shape (n,)."""
        return self._predictions[strength]

    def fit(self, strength: float) -> tuple[Doubles, float]:
        """Weights of the kernels of all rows, shape (n,), summing to zero, and the constant."""
        dual = self._vectors @ (self._along / (self._values + strength * len(self._y)))
        return dual, self._mean - float((self._kernel @ dual).mean())

    def _evaluate(self, strength: float) -> StrengthScore:
        residuals = np.empty_like(self._y)
        for test in self._tests:
            # A strength is one per unit of mean error, so that a fold's penalty goes with the rows that it trains on.
            penalty = strength * (len(self._y) - len(test))
            shrunk = penalty / (self._values + penalty)
            own = self._vectors[test]
            # The constant is a direction without shrinkage, which the centered kernel cannot tell from its null space.
            block = (own * shrunk) @ own.T - 1 / len(self._y)
            residuals[test] = np.linalg.solve(block, own @ (shrunk * self._along))
        self._predictions[strength] = self._y - residuals + self._mean
        means = [float((residuals[test] ** 2).mean()) for test in self._tests]
        return StrengthScore(strength, float((residuals**2).mean()), float(np.std(means)))
