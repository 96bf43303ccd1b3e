"""Heads for rows with any number of labels: one yes or no for each label, all trained together.

Targets are tables of truth values, a row for each sample and a column for each label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from sklearn.svm import LinearSVC
from sklearn.utils.validation import validate_data

from frostline.contracts import FloatArray
from frostline.errors import UserError
from frostline.heads._folds import inner_folds, tuning_folds
from frostline.heads._logistic import Doubles, probabilities
from frostline.heads._state import State
from frostline.heads.blend import binary_loss
from frostline.heads.linear import LogisticHead
from frostline.heads.tfidf import PENALTIES, TfidfHead, learn_terms
from frostline.splits import Split

__all__ = ["LinearMultilabel", "TfidfMultilabel"]

Truths = NDArray[np.bool_]

_NEVER = -4.0
"""Margin of a label that a fold has no training row of."""


def label_folds(Y: Truths, groups: Sequence[Any] | None, cv: int, seed: int) -> list[Split]:
    """Folds that spread the rows of rare labels: strata are the rarest label of each row; none where rows are too few.

    Parameters
    ----------
    Y : bool array of shape (n, n_labels)
    groups : sequence of length n or None
    cv, seed : int
    """
    rarity = np.where(Y, Y.sum(axis=0), len(Y) + 1)
    strata = np.where(Y.any(axis=1), rarity.argmin(axis=1), Y.shape[1])
    try:
        return inner_folds(strata, groups, cv, seed, stratify=True)
    except UserError:
        return []


class LinearMultilabel(LogisticHead):
    """Logistic regressions with an L2 penalty, one for each label, of one strength.

    Parameters
    ----------
    strengths : "auto" or iterable of float, default="auto"
        As for :class:`LinearClassifier`.
    cv : int, default=5
        Folds on the training rows; groups never split.
    seed : int, default=0
        Of the folds.

    Attributes
    ----------
    coef_, intercept_ : arrays of shape (n_labels, n_features) and (n_labels,)
    strength_ : float
    oof_proba_ : array of shape (n_samples, n_labels)
        Out-of-fold probabilities; absent where the rows allow no folds.
    """

    def fit(self, X: ArrayLike, Y: ArrayLike, groups: Sequence[Any] | None = None) -> Self:
        """Choose the strength on folds of the training rows, then fit on all of them.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
        Y : bool array of shape (n_samples, n_labels)
        groups : sequence of length n_samples, optional
            Rows that are never split.
        """
        table, truths, folds = self._prepare(X, Y, groups)
        constant = np.flatnonzero(truths.all(axis=0) | ~truths.any(axis=0))
        self._learn(table, truths, np.full(len(table), 1 / len(table)), folds, truths.shape[1])
        odds = np.log(len(table) + 1.0)  # a label that every row has, or none: nothing to learn but how often
        self.coef_[constant] = 0
        self.intercept_[constant] = np.where(truths[0, constant], odds, -odds)
        return self

    def tune(
        self, X: ArrayLike, Y: ArrayLike, groups: Sequence[Any] | None = None
    ) -> tuple[NDArray[np.intp], FloatArray] | None:
        """Choose the strength as :meth:`fit` does, and fit nothing on all rows; see :meth:`LinearClassifier.tune`.

        Parameters
        ----------
        X, Y, groups
            As for :meth:`fit`.
        """
        table, truths, folds = self._prepare(X, Y, groups)
        return self._held_out(table, truths, np.full(len(table), 1 / len(table)), folds, truths.shape[1])

    def predict_proba(self, X: ArrayLike) -> Doubles:
        """Probability of each label, shape (n_samples, n_labels)."""
        return np.asarray(probabilities(self._linear(X), independent=True), dtype=np.float64)

    def get_state(self) -> State:
        """What is needed to predict, as plain values and arrays."""
        return self._state(), {"coef": self.coef_, "intercept": self.intercept_}

    @classmethod
    def from_state(cls, params: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> Self:
        """Restore a fitted head from :meth:`get_state`."""
        return cls._restored(params, tensors)

    def _prepare(
        self, X: ArrayLike, Y: ArrayLike, groups: Sequence[Any] | None
    ) -> tuple[FloatArray, Truths, list[Split]]:
        table = validate_data(self, X, dtype=[np.float32, np.float64])
        truths = np.asarray(Y, dtype=bool)
        return table, truths, label_folds(truths, groups, self.cv, self.seed)


class TfidfMultilabel(TfidfHead):
    """Linear support vector machines on TF-IDF, one for each label, their margins turned into probabilities.

    Parameters
    ----------
    cv : int, default=5
        Folds on the training rows; groups never split.
    seed : int, default=0
        Of the folds and the solver.

    Attributes
    ----------
    strength_ : float
        LinearSVC's ``C``, one for all labels, chosen by held-out log loss.
    slope_ : float
        One for all labels; :class:`frostline.heads.LabelPool` calibrates each.
    oof_proba_ : ndarray of shape (n_samples, n_labels)
        Out-of-fold probabilities; absent where the rows allow no folds.
    """

    slope_: float

    def fit(self, texts: Sequence[str], Y: ArrayLike, groups: Sequence[Any] | None = None) -> Self:
        """Choose the penalty on folds of the training rows; the mean of the folds' models is kept.

        Parameters
        ----------
        texts : sequence of n_samples str
        Y : bool array of shape (n_samples, n_labels)
        groups : sequence of length n_samples, optional
            Rows that are never split.

        Raises
        ------
        UserError
            No text with a single character.
        """
        truths = np.asarray(Y, dtype=bool)
        self.terms_, X = learn_terms(texts)
        folds = label_folds(truths, groups, self.cv, self.seed)

        def maps(C: float, train: NDArray[np.intp]) -> tuple[NDArray[np.float32], Doubles]:
            found = [_map(X[train], truths[train, k], C, self.seed) for k in range(truths.shape[1])]
            return np.vstack([coef for coef, _ in found]), np.array([intercept for _, intercept in found])

        def margins(C: float, train: NDArray[np.intp], test: NDArray[np.intp]) -> Doubles:
            coef, intercept = maps(C, train)
            return np.asarray(X[test] @ coef.T, dtype=np.float64) + intercept

        def loss(found: Doubles, test: NDArray[np.intp]) -> float:
            return binary_loss(_slope(found, truths[test]) * found, truths[test])

        self.strength_ = self._walk(PENALTIES["svc"], tuning_folds(folds, truths.shape[1]), margins, loss)
        self.__dict__.pop("oof_proba_", None)
        self.slope_ = 1.0
        rows = [train for train, _ in folds] or [np.arange(len(truths))]
        found = [maps(self.strength_, train) for train in rows]
        if folds:
            held_out = np.empty(truths.shape)
            for (coef, intercept), (_, test) in zip(found, folds, strict=True):
                held_out[test] = np.asarray(X[test] @ coef.T, dtype=np.float64) + intercept
            self.slope_ = _slope(held_out, truths)
            self.oof_proba_ = probabilities(self.slope_ * held_out, independent=True)
        self.coef_ = np.mean([coef for coef, _ in found], axis=0, dtype=np.float32)
        self.intercept_ = np.mean([intercept for _, intercept in found], axis=0)
        return self

    def predict_proba(self, texts: Sequence[str]) -> Doubles:
        """Probability of each label, shape (n_samples, n_labels)."""
        return np.asarray(probabilities(self.slope_ * self._linear(texts), independent=True))

    def get_state(self) -> State:
        """What is needed to predict, as plain values and arrays."""
        params, tensors = self._state()
        return {**params, "slope": float(self.slope_)}, tensors

    @classmethod
    def from_state(cls, params: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> Self:
        """Restore a fitted head from :meth:`get_state`."""
        head = cls._restored(params, tensors)
        head.slope_ = params["slope"]
        return head


def _map(X: Any, truth: Truths, C: float, seed: int) -> tuple[NDArray[np.float32], float]:
    """Weights and intercept of one label."""
    if truth.all() or not truth.any():
        return np.zeros(X.shape[1], dtype=np.float32), -_NEVER if truth.all() else _NEVER
    model = LinearSVC(C=C, tol=1e-2, random_state=seed).fit(X, truth)
    return model.coef_[0].astype(np.float32), float(model.intercept_[0])


def _slope(margins: Doubles, truths: Truths) -> float:
    def cost(log_slope: float) -> float:
        return binary_loss(np.exp(log_slope) * margins, truths) + log_slope**2 / len(truths)

    return float(np.exp(minimize_scalar(cost, bounds=(-4, 5), method="bounded").x))
