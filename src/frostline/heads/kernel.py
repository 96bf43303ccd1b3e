"""Kernel ridge regression, the mean of a Gaussian process: for numbers that are a smooth function of few rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from frostline.errors import UserError
from frostline.heads._folds import folds_or_none
from frostline.heads._path import StrengthScore, best_strength, search
from frostline.heads._ridge import RidgeFolds
from frostline.heads._smoother import SmootherFolds
from frostline.heads._standard import standardize
from frostline.heads._state import State
from frostline.splits import Split

__all__ = ["KernelRegressor"]

Doubles = NDArray[np.float64]

_UNTESTED = (1.0, 0.1)
"""Scale and penalty where the rows are too few to hold any out."""

_ROWS_AT_ONCE = 2_000


class _Landmarks:
    """Regressions on the features that a few landmarks' kernels span, where all rows' own would be too many.

    Parameters
    ----------
    kernel : array of shape (n, m)
        Of rows and landmarks.
    among : array of shape (m, m)
        Of landmarks.
    y : array of shape (n,)
    folds : list of (train, test)
    """

    def __init__(self, kernel: Doubles, among: Doubles, y: Doubles, folds: list[Split]) -> None:
        values, vectors = eigh(among)
        kept = values > values[-1] * 1e-10
        self._root = vectors[:, kept] / np.sqrt(values[kept])
        weights = np.full(len(y), 1 / len(y))
        self._ridge = RidgeFolds(kernel @ self._root, y[:, None], weights, folds, scaled=False)
        self.evaluate = self._ridge.evaluate

    def held_out(self, strength: float) -> Doubles:
        """Out-of-fold predictions, shape (n,)."""
        return self._ridge.held_out(strength)[:, 0]

    def fit(self, strength: float) -> tuple[Doubles, float]:
        """Weights of the landmarks' kernels, shape (m,), and the constant."""
        W, b = self._ridge.fit(strength)
        return self._root @ W[:, 0], float(b[0])


class _Trial(NamedTuple):
    """One scale: the regressions at it, and their scores."""

    scale: float
    ridge: _Landmarks | SmootherFolds
    scores: list[StrengthScore]


class KernelRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Ridge regression on an RBF kernel plus a linear one, scale and penalty chosen by closed-form cross-validation.

    ``k(x, x') = exp(-d2 / (2 scale m)) + linear * <x, x'> / F`` on standardized features, with d2 the squared distance, m
    its median over the landmarks, F the number of features. The same prediction is the posterior mean of a Gaussian
    process with this covariance and the penalty as noise. Rows beyond `n_landmarks` are summarized by the Nystroem map of
    that many of them, drawn at random; with fewer rows the kernel is exact.

    Parameters
    ----------
    scales : sequence of float, default=(0.3, 1.0, 4.0)
        Of the RBF, as shares of the median squared distance.
    linear : float, default=0.3
        Weight of the linear kernel: what keeps predictions sensible away from the training rows.
    n_landmarks : int, default=1000
    cv : int, default=5
        Folds on the training rows; groups never split.
    seed : int, default=0
        Of the folds and the landmarks.

    Attributes
    ----------
    scale_, strength_ : float
        What was chosen; the strength is the penalty per unit of mean squared error on standardized targets.
    cv_scores_ : list of (strength, mean, std)
        Held-out squared errors at `scale_`.
    oof_pred_ : ndarray of shape (n_samples,)
        Out-of-fold predictions; absent where the rows allow no folds.

    References
    ----------
    Williams and Seeger, 2000, Using the Nystroem method to speed up kernel machines. Rasmussen and Williams, 2006,
    Gaussian Processes for Machine Learning, chapter 2; we choose by held-out error, not by marginal likelihood, so that
    rows of one group stay together.
    """

    def __init__(
        self,
        scales: Sequence[float] = (0.3, 1.0, 4.0),
        linear: float = 0.3,
        n_landmarks: int = 1000,
        cv: int = 5,
        seed: int = 0,
    ) -> None:
        self.scales = scales
        self.linear = linear
        self.n_landmarks = n_landmarks
        self.cv = cv
        self.seed = seed

    def fit(self, X: ArrayLike, y: ArrayLike, groups: Sequence[Any] | None = None) -> Self:
        """Choose scale and penalty on folds of the training rows, then fit on all of them.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
        y : array of shape (n_samples,)
        groups : sequence of length n_samples, optional
            Rows that are never split.

        Raises
        ------
        UserError
            A scale, weight or number of landmarks that is not positive.
        """
        self._check()
        table, targets = validate_data(self, X, y, dtype=[np.float32, np.float64], y_numeric=True)
        targets = np.asarray(targets, dtype=np.float64)
        scaled = standardize(table, np.full(len(table), 1 / len(table)))
        Z = np.asarray(scaled.Z, dtype=np.float64)
        self.mean_, self.inverse_scale_ = scaled.mean, scaled.inverse_scale
        rows = np.random.default_rng(self.seed).permutation(len(Z))[: self.n_landmarks]
        self.landmarks_ = Z[np.sort(rows)]
        apart = _squared_distances(self.landmarks_, self.landmarks_)[np.triu_indices(len(rows), 1)]
        self.median_ = (float(np.median(apart)) if apart.size else 0.0) or 1.0
        mean, spread = float(targets.mean()), float(targets.std()) or 1.0
        folds = folds_or_none(targets[:, None], groups, self.cv, self.seed, stratify=False) or []
        z = (targets - mean) / spread
        trials = [self._trial(scale, Z, z, folds) for scale in (self.scales if folds else _UNTESTED[:1])]
        best = min(trials, key=lambda trial: min(score.mean for score in trial.scores))
        self.scale_, self.cv_scores_ = best.scale, best.scores
        self.strength_ = best_strength(best.scores)
        dual, intercept = best.ridge.fit(self.strength_)
        self.dual_, self.intercept_ = dual * spread, intercept * spread + mean
        self.__dict__.pop("oof_pred_", None)
        if folds:
            self.oof_pred_ = best.ridge.held_out(self.strength_) * spread + mean
        return self

    def _check(self) -> None:
        if not len(self.scales) or min(self.scales) <= 0 or self.linear < 0 or self.n_landmarks < 2:
            raise UserError(
                "A kernel needs positive scales, a linear weight of 0 or more and two landmarks or more; got "
                f"scales={self.scales!r}, linear={self.linear!r}, n_landmarks={self.n_landmarks!r}."
            )

    def _trial(self, scale: float, Z: Doubles, z: Doubles, folds: list[Split]) -> _Trial:
        """Walk over the penalties at one scale."""
        self.scale_ = float(scale)
        among = self._kernel(self.landmarks_)
        exact = len(Z) == len(self.landmarks_)
        ridge = SmootherFolds(among, z, folds) if exact else _Landmarks(self._kernel(Z), among, z, folds)
        scores = search(ridge.evaluate, start=-2, chunk=1) if folds else [StrengthScore(_UNTESTED[1], 0.0, 0.0)]
        return _Trial(self.scale_, ridge, scores)

    def predict(self, X: ArrayLike) -> Doubles:
        """Predicted targets, shape (n_samples,)."""
        check_is_fitted(self, "dual_")
        table = validate_data(self, X, dtype=[np.float32, np.float64], reset=False)
        parts = [table[i : i + _ROWS_AT_ONCE] for i in range(0, len(table), _ROWS_AT_ONCE)]
        return (
            np.concatenate([self._kernel((p - self.mean_) * self.inverse_scale_) @ self.dual_ for p in parts])
            + self.intercept_
        )

    def _kernel(self, Z: Doubles) -> Doubles:
        """Kernel of rows and landmarks, shape (n, m)."""
        near = np.exp(-_squared_distances(Z, self.landmarks_) / (2 * self.scale_ * self.median_))
        return np.asarray(near + self.linear / Z.shape[1] * (Z @ self.landmarks_.T))

    def get_state(self) -> State:
        """What is needed to predict, as plain values and arrays."""
        params = {
            "scale": self.scale_,
            "median": self.median_,
            "linear": float(self.linear),
            "strength": float(self.strength_),
            "intercept": self.intercept_,
            "n_features_in": int(self.n_features_in_),
        }
        names = ("landmarks", "dual", "mean", "inverse_scale")
        return params, {name: getattr(self, f"{name}_") for name in names}

    @classmethod
    def from_state(cls, params: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> Self:
        """Restore a fitted head from :meth:`get_state`."""
        head = cls(linear=params["linear"])
        for name in ("scale", "median", "strength", "intercept", "n_features_in"):
            setattr(head, f"{name}_", params[name])
        for name, array in tensors.items():
            setattr(head, f"{name}_", array)
        head.cv_scores_ = []
        return head


def _squared_distances(A: Doubles, B: Doubles) -> Doubles:
    found = (A**2).sum(axis=1)[:, None] + (B**2).sum(axis=1) - 2 * (A @ B.T)
    return np.asarray(np.maximum(found, 0))
