"""Columns of a table as a smooth function of few rows: what trees, which answer in steps, cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from frostline.heads._state import State
from frostline.heads.kernel import KernelRegressor

__all__ = ["ColumnsRegressor"]

Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Dense:
    """Numbers as they are, the mean where one is missing and a column that says so; a column for each category.

    Attributes
    ----------
    levels : int array of shape (F,)
        Number of categories, 0 for numbers.
    fill : float64 array of shape (F,)
    gaps : bool array of shape (F,)
        Columns of numbers of which some are missing in training.
    """

    levels: NDArray[np.int64]
    fill: Doubles
    gaps: NDArray[np.bool_]

    @classmethod
    def learn(cls, X: Doubles, categorical: NDArray[np.bool_]) -> Self:
        known = ~np.isnan(X)
        counts = known.sum(axis=0)
        fill = np.where(known, X, 0.0).sum(axis=0) / np.maximum(counts, 1)
        largest = np.where(known, X, -1.0).max(axis=0)
        levels = np.where(categorical, largest + 1, 0).astype(np.int64)
        return cls(levels, fill, ~categorical & (counts < len(X)) & (counts > 0))

    def __call__(self, X: Doubles) -> Doubles:
        """Rows (n, F), NaN where a value is missing, as (n, F') without NaN."""
        numbers = self.levels == 0
        parts = [np.where(np.isnan(X), self.fill, X)[:, numbers], np.isnan(X[:, self.gaps]).astype(np.float64)]
        parts += [X[:, [j]] == np.arange(self.levels[j]) for j in np.flatnonzero(~numbers)]
        return np.hstack([part.astype(np.float64, copy=False) for part in parts])


class ColumnsRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Kernel regression on a table's columns: see :class:`KernelRegressor`.

    Parameters
    ----------
    categorical : bool array of shape (n_features,), optional
        Which columns hold category numbers 0, 1, ...; NaN is a missing value in any column.
    cv : int, default=5
    seed : int, default=0

    Attributes
    ----------
    kernel_ : KernelRegressor
    oof_pred_ : ndarray of shape (n_samples,)
        Out-of-fold predictions; absent where the rows allow no folds.
    """

    def __init__(self, categorical: Any = None, cv: int = 5, seed: int = 0) -> None:
        self.categorical = categorical
        self.cv = cv
        self.seed = seed

    def fit(self, X: ArrayLike, y: ArrayLike, groups: Sequence[Any] | None = None) -> Self:
        """Fit on rows (n_samples, n_features), groups never split."""
        rows = np.asarray(X, dtype=np.float64)
        mask = np.zeros(rows.shape[1], dtype=bool) if self.categorical is None else np.asarray(self.categorical)
        self.dense_ = _Dense.learn(rows, mask)
        self.kernel_ = KernelRegressor(cv=self.cv, seed=self.seed).fit(self.dense_(rows), y, groups)
        self.__dict__.pop("oof_pred_", None)
        if hasattr(self.kernel_, "oof_pred_"):
            self.oof_pred_ = self.kernel_.oof_pred_
        return self

    def predict(self, X: ArrayLike) -> Doubles:
        """Predicted targets, shape (n_samples,)."""
        check_is_fitted(self, "kernel_")
        return self.kernel_.predict(self.dense_(np.asarray(X, dtype=np.float64)))

    def get_state(self) -> State:
        """What is needed to predict, as plain values and arrays."""
        params, tensors = self.kernel_.get_state()
        own = {"levels": self.dense_.levels, "fill": self.dense_.fill, "gaps": self.dense_.gaps}
        return params, {**{f"kernel.{name}": array for name, array in tensors.items()}, **own}

    @classmethod
    def from_state(cls, params: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> Self:
        """Restore a fitted head from :meth:`get_state`."""
        head = cls()
        head.dense_ = _Dense(tensors["levels"], tensors["fill"], tensors["gaps"])
        start = "kernel."
        own = {name.removeprefix(start): array for name, array in tensors.items() if name.startswith(start)}
        head.kernel_ = KernelRegressor.from_state(params, own)
        return head
