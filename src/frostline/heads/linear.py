"""Linear heads: logistic and ridge regression on standardized features, their strength chosen by cross-validation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from frostline.contracts import FloatArray
from frostline.heads._crossval import LogisticFolds
from frostline.heads._folds import folds_or_none, tuning_folds
from frostline.heads._logistic import Doubles, Metric, Problems, minimize, n_columns, probabilities
from frostline.heads._path import StrengthScore, best_strength, check_strengths, search
from frostline.heads._ridge import RidgeFolds
from frostline.heads._standard import Standardized, blocks, standardize
from frostline.heads._state import State, class_codes, labels_from_json, labels_to_json
from frostline.heads._weights import class_weights
from frostline.splits import Split

__all__ = ["LinearClassifier", "LinearRegressor", "LogisticHead"]

_UNTESTED_STRENGTH = 0.1
"""Penalty where the rows are too few to hold any out: strong, since nothing speaks for a weak one."""

_MAX_STEPS = 5000

_PRECISE_ENTRIES = 2**27
"""Entries times columns of logits above which the last digits, which no score shows, would take most of the time."""


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

    def _state(self) -> dict[str, Any]:
        return {
            "strength": float(self.strength_),
            "cv_scores": [[float(value) for value in score] for score in self.cv_scores_],
            "n_features_in": int(self.n_features_in_),
            "cv": int(self.cv),
            "seed": int(self.seed),
        }

    @classmethod
    def _restored(cls, params: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> Self:
        head = cls(cv=params["cv"], seed=params["seed"])
        head.strength_, head.n_features_in_ = params["strength"], params["n_features_in"]
        head.cv_scores_ = [StrengthScore(*score) for score in params["cv_scores"]]
        head.coef_, head.intercept_ = tensors["coef"], tensors["intercept"]
        return head


class LogisticHead(_Linear):
    """What logistic heads share: the strength chosen on folds, then a fit on all rows.

    `codes` are class numbers (n,), or truth values (n, n_classes) where each column is a question of its own.
    """

    oof_proba_: FloatArray

    def _learn(
        self, table: FloatArray, codes: NDArray[Any], weights: Doubles, folds: list[Split], n_classes: int
    ) -> None:
        """Choose the strength on the folds, if any, and fit on all rows under these weights."""
        k = n_classes if codes.ndim == 2 else n_columns(n_classes)
        scaled = standardize(table, weights, k)
        metric = Metric(scaled.Z, weights)
        start = np.zeros((1, k, scaled.Z.shape[1] + 1), dtype=scaled.Z.dtype)
        if not folds:
            self.cv_scores_, self.strength_ = [], _UNTESTED_STRENGTH
            self.__dict__.pop("oof_proba_", None)
        else:
            found = self._tune(scaled.Z, codes, weights, folds, metric, n_classes)
            if found.n_folds < len(folds):
                theta = found.start(self.strength_)
                found = LogisticFolds(scaled.Z, codes, n_classes, weights, folds, metric, start=theta)
                found.evaluate([self.strength_])
            start = found.start(self.strength_)
            self.oof_proba_ = found.held_out(self.strength_)
        theta = _whole_fit(scaled, codes, k, weights, self.strength_, metric, start)
        self.coef_, self.intercept_ = scaled.to_original(theta[0, :, :-1], theta[0, :, -1])

    def _held_out(
        self, table: FloatArray, codes: NDArray[Any], weights: Doubles, folds: list[Split], n_classes: int
    ) -> tuple[NDArray[np.intp], FloatArray] | None:
        """Choose the strength, and what is predicted at it for the rows that were held out."""
        if not folds:
            return None
        Z = standardize(table, weights).Z.astype(np.float32, copy=False)
        found = self._tune(Z, codes, weights, folds, Metric(Z, weights), n_classes)
        rows = np.sort(np.concatenate([test for _, test in folds[: found.n_folds]]))
        return rows, found.held_out(self.strength_)[rows]

    def _tune(
        self, Z: FloatArray, codes: NDArray[Any], weights: Doubles, folds: list[Split], metric: Metric, n_classes: int
    ) -> LogisticFolds:
        """Choose the strength; returns the folds that it was chosen on."""
        found = LogisticFolds(Z, codes, n_classes, weights, tuning_folds(folds, n_classes), metric)
        # Several strengths at a time share the reading of the table; many columns fill the product on their own.
        self._choose(found, start=-2, chunk=3 if found.n_columns <= 30 else 1)
        return found


class LinearClassifier(ClassifierMixin, LogisticHead):  # type: ignore[misc]
    """Logistic regression with an L2 penalty: softmax over the classes, logistic for two.

    Parameters
    ----------
    strengths : "auto" or iterable of float, default="auto"
        Penalties to choose from, per unit of mean loss on standardized features; scikit-learn's ``C`` is
        ``1 / (n_samples * strength)``. ``"auto"`` walks in half-decades as far as the score asks for.
    cv : int, default=5
        Folds on the training rows; stratified, groups never split.
    seed : int, default=0
        Of the folds.
    class_weight : None, "balanced" or mapping of label to weight, default=None
        How much rows count: a row of weight 2 is fitted as if it stood there twice. Probabilities are then those of the
        weighted rows, as scikit-learn's are; :class:`frostline.TextClassifier` turns them back.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (1 or n_classes, n_features)
        On the original features.
    intercept_ : ndarray of shape (1 or n_classes,)
    strength_ : float
        The penalty of lowest held-out log loss.
    cv_scores_ : list of (strength, mean, std)
        Held-out log loss of each penalty tried.
    oof_proba_ : ndarray of shape (n_samples, n_classes)
        Out-of-fold probabilities at `strength_`; absent where the rows allow no folds.
    """

    def __init__(
        self,
        strengths: str | Iterable[float] = "auto",
        cv: int = 5,
        seed: int = 0,
        class_weight: str | Mapping[Any, float] | None = None,
    ) -> None:
        super().__init__(strengths, cv, seed)
        self.class_weight = class_weight

    def fit(self, X: ArrayLike, y: ArrayLike, groups: Sequence[Any] | None = None) -> Self:
        """Choose the strength on folds of the training rows, then fit on all of them.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
        y : array of shape (n_samples,)
            Labels of any one type.
        groups : sequence of length n_samples, optional
            Rows that are never split.
        """
        table, labels = validate_data(self, X, y, dtype=[np.float32, np.float64])
        self.classes_, codes = class_codes(labels)
        weights = class_weights(self.class_weight, self.classes_, codes)[codes] / len(table)
        folds = folds_or_none(codes, groups, self.cv, self.seed, stratify=True) or []
        self._learn(table, codes, weights, folds, len(self.classes_))
        return self

    def tune(
        self, X: ArrayLike, y: ArrayLike, groups: Sequence[Any] | None = None
    ) -> tuple[NDArray[np.intp], FloatArray] | None:
        """Choose the strength as :meth:`fit` does, and fit nothing on all rows.

        Parameters
        ----------
        X, y, groups
            As for :meth:`fit`.

        Returns
        -------
        rows : int array of shape (m,)
            Held out: all rows, with many classes those of one fold.
        proba : array of shape (m, n_classes)
            Out-of-fold probabilities at the best strength; None instead of both where the rows allow no folds.
        """
        table, labels = validate_data(self, X, y, dtype=[np.float32, np.float64])
        self.classes_, codes = class_codes(labels)
        weights = class_weights(self.class_weight, self.classes_, codes)[codes] / len(table)
        folds = folds_or_none(codes, groups, self.cv, self.seed, stratify=True) or []
        return self._held_out(table, codes, weights, folds, len(self.classes_))

    def decision_function(self, X: ArrayLike) -> Doubles:
        """Logits: shape (n_samples,) for two classes, else (n_samples, n_classes)."""
        logits = self._linear(X)
        return logits[:, 0] if logits.shape[1] == 1 else logits

    def predict_proba(self, X: ArrayLike) -> Doubles:
        """Class probabilities, shape (n_samples, n_classes), columns in the order of `classes_`."""
        p: Doubles = probabilities(self._linear(X)).astype(np.float64, copy=False)
        return np.hstack([1 - p, p]) if p.shape[1] == 1 else p

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The most probable label of each row."""
        logits = self._linear(X)
        codes = (logits[:, 0] > 0).astype(int) if logits.shape[1] == 1 else logits.argmax(axis=1)
        return np.asarray(self.classes_[codes])

    def get_state(self) -> State:
        """What is needed to predict, as plain values and arrays."""
        params = {**self._state(), "classes": labels_to_json(self.classes_)}
        return params, {"coef": self.coef_, "intercept": self.intercept_}

    @classmethod
    def from_state(cls, params: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> Self:
        """Restore a fitted head from :meth:`get_state`."""
        head = cls._restored(params, tensors)
        head.classes_ = labels_from_json(params["classes"])
        return head


class LinearRegressor(RegressorMixin, _Linear):  # type: ignore[misc]
    """Ridge regression in closed form.

    Parameters
    ----------
    strengths : "auto" or iterable of float, default="auto"
        Penalties to choose from, per unit of mean squared error on standardized features and targets; scikit-learn's
        ``alpha`` is ``n_samples * strength``.
    cv : int, default=5
        Folds on the training rows; groups never split.
    seed : int, default=0
        Of the folds.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        On the original features.
    intercept_ : float or ndarray of shape (n_targets,)
    strength_ : float
        The penalty of lowest held-out squared error, one for all targets.
    cv_scores_ : list of (strength, mean, std)
    oof_pred_ : ndarray of the shape of y
        Out-of-fold predictions at `strength_`; absent where the rows allow no folds.
    """

    def fit(self, X: ArrayLike, y: ArrayLike, groups: Sequence[Any] | None = None) -> Self:
        """Choose the strength on folds of the training rows, then fit on all of them.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
        y : array of shape (n_samples,) or (n_samples, n_targets)
        groups : sequence of length n_samples, optional
            Rows that are never split.
        """
        table, targets = validate_data(self, X, y, dtype=[np.float32, np.float64], multi_output=True, y_numeric=True)
        columns = np.asarray(targets, dtype=np.float64).reshape(len(targets), -1)
        weights = np.full(len(table), 1 / len(table))
        scaled = standardize(table, weights)
        mean = weights @ columns
        spread = np.sqrt(weights @ (columns - mean) ** 2)
        scale = np.where(spread > 0, spread, 1.0)
        folds = folds_or_none(columns, groups, self.cv, self.seed, stratify=False)
        ridge = RidgeFolds(scaled.Z, (columns - mean) / scale, weights, folds or [])
        if folds is None:
            self.cv_scores_, self.strength_ = [], _UNTESTED_STRENGTH
            self.__dict__.pop("oof_pred_", None)
        else:
            self._choose(ridge, start=1, chunk=1)
            self.oof_pred_ = (ridge.held_out(self.strength_) * scale + mean).reshape(targets.shape)
        W, b = ridge.fit(self.strength_)
        coef, intercept = scaled.to_original((W * scale).T, b * scale + mean)
        flat = targets.ndim == 1
        self.coef_, self.intercept_ = (coef[0], intercept[0]) if flat else (coef, intercept)
        return self

    def predict(self, X: ArrayLike) -> Doubles:
        """Predicted targets, shaped as y was."""
        found = self._linear(X)
        return found[:, 0] if self.coef_.ndim == 1 else found

    def get_state(self) -> State:
        """What is needed to predict, as plain values and arrays."""
        return self._state(), {"coef": self.coef_, "intercept": np.asarray(self.intercept_)}

    @classmethod
    def from_state(cls, params: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> Self:
        """Restore a fitted head from :meth:`get_state`."""
        return cls._restored(params, tensors)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _whole_fit(
    scaled: Standardized,
    codes: NDArray[Any],
    k: int,
    weights: Doubles,
    strength: float,
    metric: Metric,
    start: FloatArray,
) -> Doubles:
    """Fit on all rows: to the precision of the table first, where that is single the last steps in double."""
    width = scaled.Z.shape[1]
    problems = Problems(
        scaled.Z, codes, k, weights[None].astype(scaled.Z.dtype), np.zeros((1, width), scaled.Z.dtype),
        np.ones((1, width), scaled.Z.dtype), np.array([strength]),
    )  # fmt: skip
    if scaled.Z.dtype == np.float32:
        start = minimize(problems, metric, start, 1e-5, _MAX_STEPS)
        problems = replace(problems, weights=weights[None])
    tolerance = 1e-10 if scaled.Z.size * k <= _PRECISE_ENTRIES else 1e-7
    return minimize(problems, metric, start.astype(np.float64), tolerance, _MAX_STEPS).astype(np.float64)
