"""Heads that read the text itself: hashed TF-IDF and a linear model, what any language model has to be better than."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.linear_model import Ridge
from sklearn.svm import LinearSVC
from sklearn.utils.validation import check_is_fitted

from frostline.errors import UserError
from frostline.heads._folds import inner_folds, tuning_folds
from frostline.heads._state import State, class_codes, labels_from_json, labels_to_json
from frostline.heads._terms import Terms
from frostline.heads._weights import class_weights
from frostline.heads.blend import Calibration
from frostline.splits import Split

__all__ = ["PENALTIES", "TfidfClassifier", "TfidfHead", "TfidfRegressor", "learn_terms"]

Doubles = NDArray[np.float64]

PENALTIES = {"svc": (0.1, 0.3, 1.0, 3.0), "ridge": (3.0, 1.0, 0.3, 0.1)}
"""LinearSVC's C and Ridge's alpha, from the strongest penalty to the weakest."""

"""Above this the penalty is chosen on one fold: each fit trains a model for each class."""

_ABSENT = -1.5
"""Margin of a class without a training row in a fold: a little below that of a row far from a class."""


class TfidfHead(BaseEstimator):  # type: ignore[misc]
    """What both share: folds, the walk over penalties, weights on the terms."""

    terms_: Terms
    coef_: NDArray[np.float32]
    intercept_: Doubles
    strength_: float

    def __init__(self, cv: int = 5, seed: int = 0) -> None:
        self.cv = cv
        self.seed = seed

    def _linear(self, texts: Sequence[str]) -> Doubles:
        """Outputs of the linear model, shape (n, n_outputs)."""
        check_is_fitted(self, "coef_")
        return np.asarray(self.terms_(texts) @ self.coef_.T, dtype=np.float64) + self.intercept_

    def _walk(
        self, penalties: Sequence[float], folds: Sequence[Split], fitted: Callable[..., Any], loss: Callable[..., float]
    ) -> float:
        """Walk to weaker penalties until the held-out loss rises."""
        best = (np.inf, penalties[len(penalties) // 2])
        for penalty in penalties if folds else ():
            found = float(np.mean([loss(fitted(penalty, train, test), test) for train, test in folds]))
            if found > best[0]:
                break
            best = (found, penalty)
        return best[1]

    def _state(self) -> State:
        params = {"analyzer": self.terms_.analyzer, "strength": float(self.strength_), "seed": int(self.seed)}
        return params, {
            "columns": self.terms_.columns,
            "idf": self.terms_.idf,
            "coef": self.coef_,
            "intercept": self.intercept_,
        }

    @classmethod
    def _restored(cls, params: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> Self:
        head = cls(seed=params["seed"])
        head.terms_ = Terms(params["analyzer"], tensors["columns"], tensors["idf"])
        head.strength_ = params["strength"]
        head.coef_, head.intercept_ = tensors["coef"], tensors["intercept"]
        return head


class TfidfClassifier(ClassifierMixin, TfidfHead):  # type: ignore[misc]
    """Linear support vector machines on TF-IDF, one class against the rest, their margins turned into probabilities.

    Parameters
    ----------
    cv : int, default=5
        Folds on the training rows; stratified, groups never split.
    seed : int, default=0
        Of the folds and the solver.
    class_weight : None, "balanced" or mapping of label to weight, default=None
        How much rows count; probabilities are then those of the weighted rows.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    strength_ : float
        LinearSVC's ``C``, chosen by held-out log loss.
    oof_proba_ : ndarray of shape (n_samples, n_classes)
        Out-of-fold probabilities; absent where the rows allow no folds.
    """

    def __init__(self, cv: int = 5, seed: int = 0, class_weight: str | Mapping[Any, float] | None = None) -> None:
        super().__init__(cv, seed)
        self.class_weight = class_weight

    def fit(self, texts: Sequence[str], y: ArrayLike, groups: Sequence[Any] | None = None) -> Self:
        """Choose the penalty on folds of the training rows, then fit on all of them.

        Parameters
        ----------
        texts : sequence of n_samples str
        y : array of shape (n_samples,)
        groups : sequence of length n_samples, optional
            Rows that are never split.

        Raises
        ------
        UserError
            One class only, or no text with a single character.
        """
        self.classes_, codes = class_codes(np.asarray(y))
        self.terms_, X = learn_terms(texts)
        folds = _folds(codes, groups, self.cv, self.seed, stratify=True)
        n_classes = len(self.classes_)
        weights = class_weights(self.class_weight, self.classes_, codes)[codes]

        def maps(C: float, train: NDArray[np.intp]) -> tuple[NDArray[np.float32], Doubles]:
            model = LinearSVC(C=C, tol=1e-2, random_state=self.seed)
            return _maps(model.fit(X[train], codes[train], weights[train]), n_classes)

        def margins(C: float, train: NDArray[np.intp], test: NDArray[np.intp]) -> Doubles:
            return _margins(*maps(C, train), X[test])

        def loss(found: Doubles, test: NDArray[np.intp]) -> float:
            return Calibration.fit(found, codes[test], weights[test]).loss(found, codes[test], weights[test])

        tuning = tuning_folds(folds, n_classes)
        self.strength_ = self._walk(PENALTIES["svc"], tuning, margins, loss)
        self.__dict__.pop("oof_proba_", None)
        self.calibration_ = Calibration(1.0)
        found = [maps(self.strength_, train) for train, _ in folds] or [maps(self.strength_, np.arange(len(codes)))]
        if folds:
            held_out = np.empty((len(codes), n_classes))
            for own, (_, test) in zip(found, folds, strict=True):
                held_out[test] = _margins(*own, X[test])
            self.calibration_ = Calibration.fit(held_out, codes, weights)
            self.oof_proba_ = self.calibration_(held_out)
        # The mean of the folds' models, not a model of all rows: on new rows its margins are as wide as those that the
        # calibration has seen, while a model of more rows is surer than it is right.
        self.coef_ = np.mean([W for W, _ in found], axis=0, dtype=np.float32)
        self.intercept_ = np.mean([b for _, b in found], axis=0)
        return self

    def predict_proba(self, texts: Sequence[str]) -> Doubles:
        """Class probabilities, shape (n_samples, n_classes), columns in the order of `classes_`."""
        return self.calibration_(_margins(self.coef_, self.intercept_, self.terms_(texts)))

    def predict(self, texts: Sequence[str]) -> NDArray[Any]:
        """The most probable label of each row."""
        return np.asarray(self.classes_[self.predict_proba(texts).argmax(axis=1)])

    def get_state(self) -> State:
        """What is needed to predict, as plain values and arrays."""
        params, tensors = self._state()
        calibration = float(self.calibration_.slope)
        return {**params, "classes": labels_to_json(self.classes_), "calibration": calibration}, tensors

    @classmethod
    def from_state(cls, params: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> Self:
        """Restore a fitted head from :meth:`get_state`."""
        head = cls._restored(params, tensors)
        head.classes_ = labels_from_json(params["classes"])
        head.calibration_ = Calibration(params["calibration"])
        return head


class TfidfRegressor(RegressorMixin, TfidfHead):  # type: ignore[misc]
    """Ridge regression on TF-IDF.

    Parameters
    ----------
    cv : int, default=5
        Folds on the training rows; groups never split.
    seed : int, default=0
        Of the folds.

    Attributes
    ----------
    strength_ : float
        Ridge's ``alpha``, chosen by held-out squared error.
    oof_pred_ : ndarray of shape (n_samples,)
        Out-of-fold predictions; absent where the rows allow no folds.
    """

    def fit(self, texts: Sequence[str], y: ArrayLike, groups: Sequence[Any] | None = None) -> Self:
        """Choose the penalty on folds of the training rows, then fit on all of them.

        Parameters
        ----------
        texts : sequence of n_samples str
        y : array of shape (n_samples,)
        groups : sequence of length n_samples, optional
            Rows that are never split.

        Raises
        ------
        UserError
            No text with a single character.
        """
        targets = np.asarray(y, dtype=np.float64)
        self.terms_, X = learn_terms(texts)
        X = X.astype(np.float64)
        folds = _folds(targets, groups, self.cv, self.seed, stratify=False)

        def held_out(alpha: float, train: NDArray[np.intp], test: NDArray[np.intp]) -> Doubles:
            return np.asarray(_ridge(alpha).fit(X[train], targets[train]).predict(X[test]))

        def loss(found: Doubles, test: NDArray[np.intp]) -> float:
            return float(((found - targets[test]) ** 2).mean())

        self.strength_ = self._walk(PENALTIES["ridge"], folds, held_out, loss)
        self.__dict__.pop("oof_pred_", None)
        if folds:
            self.oof_pred_ = np.empty(len(targets))
            for train, test in folds:
                self.oof_pred_[test] = held_out(self.strength_, train, test)
        model = _ridge(self.strength_).fit(X, targets)
        self.coef_ = np.atleast_2d(model.coef_).astype(np.float32)
        self.intercept_ = np.atleast_1d(model.intercept_).astype(float)
        return self

    def predict(self, texts: Sequence[str]) -> Doubles:
        """Predicted targets, shape (n_samples,)."""
        return self._linear(texts)[:, 0]

    def get_state(self) -> State:
        """What is needed to predict, as plain values and arrays."""
        return self._state()

    @classmethod
    def from_state(cls, params: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> Self:
        """Restore a fitted head from :meth:`get_state`."""
        return cls._restored(params, tensors)


def _ridge(alpha: float) -> Ridge:
    return Ridge(alpha=alpha, solver="sparse_cg", tol=1e-4)


def learn_terms(texts: Sequence[str]) -> tuple[Terms, Any]:
    """Count the terms of training texts; with their rows of weights.

    Raises
    ------
    UserError
        No text with a single character.
    """
    terms, X = Terms.learn(texts)
    if X.shape[1] == 0:
        raise UserError("No text has a single character, so there are no terms.", hint="use features='embedding'")
    return terms, X


def _folds(y: NDArray[Any], groups: Sequence[Any] | None, cv: int, seed: int, *, stratify: bool) -> list[Split]:
    """Inner folds whose training parts can be fitted; none where the rows are too few."""
    try:
        folds = inner_folds(y, groups, cv, seed, stratify)
    except UserError:
        return []
    return [] if stratify and any(len(np.unique(y[train])) < 2 for train, _ in folds) else folds


def _maps(model: LinearSVC, n_classes: int) -> tuple[NDArray[np.float32], Doubles]:
    """Weights (K, F) and intercepts (K,); one row for two classes, and for absent classes no weight."""
    if n_classes == 2:
        return model.coef_.astype(np.float32), np.atleast_1d(model.intercept_).astype(np.float64)
    coef, intercept = np.zeros((n_classes, model.coef_.shape[1]), dtype=np.float32), np.full(n_classes, _ABSENT)
    there = model.classes_
    if len(there) == 2:  # such a model has one row, that of its second class
        coef[there], intercept[there] = (
            np.vstack([-model.coef_, model.coef_]),
            [-model.intercept_[0], model.intercept_[0]],
        )
    else:
        coef[there], intercept[there] = model.coef_, model.intercept_
    return coef, intercept


def _margins(coef: NDArray[np.float32], intercept: Doubles, X: Any) -> Doubles:
    """Margins of all classes, shape (n, n_classes)."""
    found = np.asarray(X @ coef.T, dtype=np.float64) + intercept
    return np.hstack([-found, found]) if found.shape[1] == 1 else found
