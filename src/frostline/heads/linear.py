"""Linear heads: logistic and ridge regression on standardized features, their strength chosen by cross-validation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from frostline.contracts import FloatArray
from frostline.errors import UserError
from frostline.heads._crossval import LogisticFolds
from frostline.heads._folds import inner_folds
from frostline.heads._logistic import Doubles, probabilities
from frostline.heads._path import StrengthScore, best_strength, check_strengths, search
from frostline.heads._ridge import RidgeFolds
from frostline.heads._standard import blocks, standardize
from frostline.heads._state import State, labels_from_json, labels_to_json

__all__ = ["LinearClassifier", "LinearRegressor"]


class _Linear(BaseEstimator):  # type: ignore[misc]
    """What both linear heads share: parameters, the path of strengths, the linear map."""

    coef_: Doubles
    intercept_: Doubles
    strength_: float
    cv_scores_: list[StrengthScore]
    n_features_in_: int

    def __init__(self, strengths: str | Iterable[float] = "auto", cv: int = 5, seed: int = 0) -> None:
        self.strengths = strengths
        self.cv = cv
        self.seed = seed

    def _weights(self, sample_weight: ArrayLike | None, X: FloatArray) -> Doubles:
        weights: Doubles = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if not weights.any():
            raise UserError("Every sample weight is zero.")
        return weights

    def _choose(self, folds: LogisticFolds | RidgeFolds, start: int, chunk: int) -> None:
        """Score the strengths that were asked for, or as many as it takes to find the best."""
        strengths = check_strengths(self.strengths)
        if strengths is None:
            self.cv_scores_ = search(folds.evaluate, start, chunk)
        else:
            parts = [strengths[i : i + chunk] for i in range(0, len(strengths), chunk)]
            self.cv_scores_ = [score for part in parts for score in folds.evaluate(part)]
        self.strength_ = best_strength(self.cv_scores_)

    def _linear(self, X: ArrayLike) -> Doubles:
        """``X @ coef.T + intercept`` in float64, shape (n, n_outputs)."""
        check_is_fitted(self)
        table: FloatArray = validate_data(self, X, dtype=[np.float32, np.float64], reset=False)
        coef = np.atleast_2d(self.coef_)
        return np.vstack([part @ coef.T + self.intercept_ for _, part in blocks(table)])
