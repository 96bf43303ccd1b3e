"""A linear head for few rows: vectors of length one, and the last layer beside all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted, validate_data

from frostline.contracts import FloatArray
from frostline.errors import UserError
from frostline.heads._logistic import Doubles
from frostline.heads._state import State, class_codes
from frostline.heads.blend import LogPool
from frostline.heads.linear import LinearClassifier

__all__ = ["UnitClassifier"]


class UnitClassifier(LinearClassifier):
    """Two logistic regressions on layers scaled to length one: of all layers, and of the last one alone.

    Their probabilities are joined in a weighted product, whose weights are learnt on held-out folds and start from all
    layers alone. With few rows the last layer is sometimes much the better of the two, and the length of a vector, which
    many rows teach a head to make use of, is noise.

    Parameters
    ----------
    layers : sequence of sequences of int, default=None
        For each backbone the widths of its layers, in the order of the columns; None = all columns are one layer.
    strengths : "auto" or iterable of float, default="auto"
        Of both regressions, see :class:`LinearClassifier`.
    cv : int, default=5
    seed : int, default=0

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_, intercept_ : ndarrays of shape (1 or n_classes, n_features) and (1 or n_classes,)
        On layers of length one: logits that are joined with weights are again linear.
    strength_, cv_scores_
        Of the regression on all layers.
    oof_proba_ : ndarray of shape (n_samples, n_classes)
        Out-of-fold probabilities; absent where the rows allow no folds.
    """

    def __init__(
        self,
        layers: Sequence[Sequence[int]] | None = None,
        strengths: str | Iterable[float] = "auto",
        cv: int = 5,
        seed: int = 0,
    ) -> None:
        super().__init__(strengths, cv, seed)
        self.layers = layers

    def fit(self, X: ArrayLike, y: ArrayLike, groups: Sequence[Any] | None = None) -> Self:
        """Fit both regressions and learn their weights.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
        y : array of shape (n_samples,)
        groups : sequence of length n_samples, optional
            Rows that are never split.

        Raises
        ------
        UserError
            The layers do not add up to the columns.
        """
        table, labels = validate_data(self, X, y, dtype=[np.float32, np.float64])
        self.classes_, codes = class_codes(labels)
        units, last = self._units(table), _last_layers(self._layout())
        parts = [np.ones_like(last)] if last.all() else [np.ones_like(last), last]
        fitted = [LinearClassifier(self.strengths, self.cv, self.seed).fit(units[:, p], codes, groups) for p in parts]
        oof = [head.oof_proba_ for head in fitted if hasattr(head, "oof_proba_")]
        self.__dict__.pop("oof_proba_", None)
        weights = np.eye(len(fitted))[0]
        if oof:
            pool = LogPool.fit(oof, codes)
            weights, self.oof_proba_ = pool.weights, pool(oof)
        self.strength_, self.cv_scores_ = fitted[0].strength_, fitted[0].cv_scores_
        self.coef_ = np.zeros_like(fitted[0].coef_)
        for head, own, weight in zip(fitted, parts, weights, strict=True):
            self.coef_[:, own] += weight * head.coef_
        self.intercept_ = np.sum([w * head.intercept_ for w, head in zip(weights, fitted, strict=True)], axis=0)
        return self

    def tune(
        self, X: ArrayLike, y: ArrayLike, groups: Sequence[Any] | None = None
    ) -> tuple[NDArray[np.intp], FloatArray] | None:
        """What is predicted for rows that were held out, see :meth:`LinearClassifier.tune`; of few rows, all are fitted as well.

        Parameters
        ----------
        X, y, groups
            As for :meth:`fit`.
        """
        self.fit(X, y, groups)
        return (np.arange(len(self.oof_proba_)), self.oof_proba_) if hasattr(self, "oof_proba_") else None

    def get_state(self) -> State:
        """What is needed to predict, as plain values and arrays."""
        params, tensors = super().get_state()
        return {**params, "layers": [list(map(int, own)) for own in self._layout()]}, tensors

    @classmethod
    def from_state(cls, params: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> Self:
        """Restore a fitted head from :meth:`get_state`."""
        head = super().from_state(params, tensors)
        head.layers = params["layers"]
        return head

    def _linear(self, X: ArrayLike) -> Doubles:
        check_is_fitted(self)
        table: FloatArray = validate_data(self, X, dtype=[np.float32, np.float64], reset=False)
        return super()._linear(self._units(table))

    def _layout(self) -> Sequence[Sequence[int]]:
        return [[self.n_features_in_]] if self.layers is None else self.layers

    def _units(self, table: FloatArray) -> FloatArray:
        """Each layer's columns scaled to length one; a vector of zeros stays."""
        ends = np.cumsum([width for own in self._layout() for width in own])
        if not ends.size or ends[-1] != table.shape[1]:
            raise UserError(f"The layers {self.layers} do not add up to the {table.shape[1]} columns.")
        blocks = np.split(table, ends[:-1], axis=1)
        norms = [np.linalg.norm(block, axis=1, keepdims=True) for block in blocks]
        return np.hstack([block / np.where(norm > 0, norm, 1) for block, norm in zip(blocks, norms, strict=True)])


def _last_layers(layout: Sequence[Sequence[int]]) -> NDArray[np.bool_]:
    """Which columns belong to the last layer of their backbone, shape (n_features,)."""
    return np.concatenate([np.arange(sum(own)) >= sum(own) - own[-1] for own in layout])
