"""Gradient boosting that stands a column without a single value among the rows it is fitted on."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

__all__ = ["TreesClassifier", "TreesRegressor"]


class _Trees:
    """scikit-learn's trees refuse a column that is all NaN, which a fold easily has; here it is a constant instead."""

    empty_: NDArray[np.bool_]

    def fit(self, X: NDArray[np.float64], y: NDArray[Any]) -> Self:
        """Fit on rows (n, F), NaN where a value is missing."""
        self.empty_ = np.asarray(np.isnan(X).all(axis=0))
        super().fit(self._filled(X), y)  # type: ignore[misc]
        return self

    def predict(self, X: NDArray[np.float64]) -> NDArray[Any]:
        """Predict for rows (n, F)."""
        return np.asarray(super().predict(self._filled(X)))  # type: ignore[misc]

    def _filled(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(self.empty_, 0.0, X) if self.empty_.any() else X


class TreesRegressor(_Trees, HistGradientBoostingRegressor):  # type: ignore[misc]
    """Numbers from columns."""


class TreesClassifier(_Trees, HistGradientBoostingClassifier):  # type: ignore[misc]
    """Classes from columns."""

    def predict_proba(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Class probabilities, shape (n, n_classes)."""
        return np.asarray(super().predict_proba(self._filled(X)))
