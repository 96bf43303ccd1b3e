"""Prediction intervals from the errors on rows that the model had not seen: split conformal, CV+, or out of fold.

All take the k-th smallest of n errors (of CV+ n numbers, one for each row), k = ceil((n + 1) * level). Where k is more than
n, no finite interval keeps its promise: :func:`conformal_quantile` answers infinity, and intervals refuse, saying how many
rows are needed.

References
----------
Vovk, Gammerman and Shafer, 2005, Algorithmic Learning in a Random World. Lei et al., 2018, arXiv 1604.04173 (split
conformal). Barber et al., 2021, arXiv 1905.02928 (jackknife+ and CV+).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from frostline.errors import ArtifactError, UserError

__all__ = ["CrossIntervals", "ResidualIntervals", "TooFewRowsError", "conformal_quantile", "cv_plus"]

Floats = NDArray[np.float64]
_ROUNDING = 1e-9
"""Keeps (n + 1) * level from counting as the next integer through floating-point noise."""

_AT_ONCE = 2**22
"""Numbers that are held while CV+ ranks them."""


def conformal_rank(n: int, level: float) -> int:
    """Which of n scores, counted from the smallest as 1, bounds a further exchangeable one with probability `level`.

    Parameters
    ----------
    n : int
    level : float
        Between 0 and 1.

    Returns
    -------
    int
        ceil((n + 1) * level), at least 1; n + 1 where no score is large enough.

    Raises
    ------
    UserError
        A level out of range.
    """
    if not 0 < level < 1:
        raise UserError(f"The level of an interval lies between 0 and 1, such as 0.9; got {level!r}.")
    return max(math.ceil((n + 1) * level - _ROUNDING), 1)


def conformal_quantile(scores: ArrayLike, level: float) -> float:
    """The score that bounds a further exchangeable one with probability of at least `level`; infinite where n is too small.

    Parameters
    ----------
    scores : array of shape (n,)
    level : float
        Between 0 and 1.

    Raises
    ------
    UserError
        A level out of range.
    """
    values = np.sort(np.asarray(scores, dtype=np.float64))
    k = conformal_rank(len(values), level)
    return float(values[k - 1]) if k <= len(values) else math.inf


def cv_plus(predicted: ArrayLike, residuals: ArrayLike, folds: ArrayLike, level: float) -> tuple[Floats, Floats]:
    """Intervals of CV+; with as many folds as rows, of jackknife+.

    Around each training row i stands what its fold's model, which had not seen it, predicts for the new row, plus and minus
    the error of that model on row i. The upper end is the k-th smallest of the n upper numbers, k = ceil((n + 1) * level),
    the lower end the k-th largest of the n lower ones.

    Parameters
    ----------
    predicted : array of shape (n_folds, m)
        For m new rows by the model of each fold.
    residuals : array of shape (n,)
        Absolute error on each training row of the model of its fold.
    folds : int array of shape (n,)
        Fold that each training row was held out in.
    level : float
        Between 0 and 1.

    Returns
    -------
    lower, upper : float64 arrays of shape (m,)
        Infinite where n is too small for the level.

    Raises
    ------
    UserError
        A level out of range.
    """
    models, errors = np.asarray(predicted, dtype=np.float64), np.asarray(residuals, dtype=np.float64)
    own, m, n = np.asarray(folds), models.shape[1], len(errors)
    k = conformal_rank(n, level)
    lower, upper = np.full(m, -np.inf), np.full(m, np.inf)
    if k > n:
        return lower, upper
    step = max(1, _AT_ONCE // n)
    for rows in (slice(start, start + step) for start in range(0, m, step)):
        centers = models[own, rows]
        upper[rows] = np.partition(centers + errors[:, None], k - 1, axis=0)[k - 1]
        lower[rows] = np.partition(centers - errors[:, None], n - k, axis=0)[n - k]
    return lower, upper


class TooFewRowsError(UserError):
    """So few rows promise no interval at this level; predictions without intervals can be had."""


def _check_rows(n: int, level: float) -> int:
    """The rank that is needed.

    Raises
    ------
    UserError
        A level out of range, or more than so few rows can promise.
    """
    if (k := conformal_rank(n, level)) > n:
        needed = math.ceil(level / (1 - level) - _ROUNDING)
        raise TooFewRowsError(
            f"{n} rows are too few for intervals at level {level:g}: at least {needed} are needed.",
            hint=f"Train on more rows, or ask for a level of at most {n / (n + 1):.3g}.",
        )
    return k


@dataclass(frozen=True, eq=False)
class ResidualIntervals:
    """Intervals prediction +- q, with q the conformal quantile of the absolute out-of-fold errors.

    q is the k-th smallest of n absolute errors, k = ceil((n + 1) * level). Of errors of the final model on fresh
    exchangeable rows (split conformal), an interval covers a new row with probability at least `level`, and at most
    level + 1 / (n + 1) without ties. Errors from cross-validation carry no such proof: those of folds that strengths and
    weights were chosen on are too small. Every row gets the same width, so coverage holds on average over rows, not for
    each kind of row.

    Parameters
    ----------
    residuals : float64 array of shape (n,)
        Absolute errors, ascending.
    """

    residuals: Floats

    @classmethod
    def from_oof(cls, y: ArrayLike, oof_pred: ArrayLike) -> ResidualIntervals:
        """Take the errors from cross-validation.

        Parameters
        ----------
        y, oof_pred : arrays of shape (n,)
            The truth, and for each row the prediction of a model that had not seen the row or its group.

        Returns
        -------
        ResidualIntervals

        Raises
        ------
        UserError
            No row, different shapes, several targets, or values that are not finite.
        """
        truth, prediction = np.asarray(y, dtype=np.float64), np.asarray(oof_pred, dtype=np.float64)
        if truth.ndim != 1 or truth.shape != prediction.shape or not truth.size:
            raise UserError(
                f"Intervals need the truth and the prediction of one target, shape (n,), n >= 1; "
                f"got {truth.shape} and {prediction.shape}."
            )
        residuals = np.sort(np.abs(truth - prediction))
        if not np.isfinite(residuals).all():
            raise UserError("Intervals need finite truths and predictions; got NaN or infinity.")
        return cls(residuals)

    def radius(self, level: float) -> float:
        """Half the width of an interval, in units of the target.

        Parameters
        ----------
        level : float
            Wanted coverage, between 0 and 1.

        Raises
        ------
        UserError
            A level out of range, or more than so few rows can promise.
        """
        return float(self.residuals[_check_rows(len(self.residuals), level) - 1])

    def width(self, level: float) -> float:
        """Upper end minus lower end, in units of the target; raises as :meth:`radius` does."""
        return 2 * self.radius(level)

    def interval(self, pred: ArrayLike, level: float) -> tuple[Floats, Floats]:
        """Put an interval around predictions.

        Parameters
        ----------
        pred : array of shape (n,)
            Predictions of the final model.
        level : float
            Wanted coverage, between 0 and 1.

        Returns
        -------
        lower, upper : float64 arrays of shape (n,)

        Raises
        ------
        UserError
            See :meth:`radius`.
        """
        center, radius = np.asarray(pred, dtype=np.float64), self.radius(level)
        return center - radius, center + radius

    def get_state(self) -> tuple[dict[str, Any], dict[str, Floats]]:
        """Return what a saved folder keeps: parameters (none) and tensors."""
        return {}, {"residuals": self.residuals}

    @classmethod
    def from_state(cls, params: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> ResidualIntervals:
        """Rebuild from :meth:`get_state`.

        Raises
        ------
        ArtifactError
            Unknown or missing entries, or residuals that were not written by :meth:`get_state`.
        """
        if params or set(tensors) != {"residuals"}:
            raise ArtifactError(f"Saved intervals hold 'residuals' only; got {sorted({*params, *tensors})}.")
        residuals = np.asarray(tensors["residuals"], dtype=np.float64)
        is_sound = residuals.ndim == 1 and residuals.size and np.isfinite(residuals).all()
        if not is_sound or residuals[0] < 0 or (np.diff(residuals) < 0).any():
            raise ArtifactError("Saved residuals must be finite, ascending and at least 0; these are not.")
        return cls(residuals)


@dataclass(frozen=True, eq=False)
class CrossIntervals:
    """Intervals of CV+, see :func:`cv_plus`.

    For exchangeable rows (or groups, which folds never split, of one size) and a method that sees nothing of a fold's
    held-out rows, an interval covers a new row with probability of at least 2 * level - 1 - sqrt(2 / n) in the worst case
    (Barber et al., theorem 4), and about `level` where the models are stable.

    Parameters
    ----------
    residuals : float64 array of shape (n,)
        Absolute errors of the fold models on rows that they had not seen.
    folds : int array of shape (n,)
        The fold of each row, 0 to K - 1.
    """

    residuals: Floats
    folds: NDArray[np.int64]

    @property
    def n_folds(self) -> int:
        """K."""
        return int(self.folds.max()) + 1

    def interval(self, predicted: ArrayLike, level: float) -> tuple[Floats, Floats]:
        """Put an interval around what the fold models predict.

        Parameters
        ----------
        predicted : array of shape (K, m)
        level : float
            Wanted coverage, between 0 and 1.

        Returns
        -------
        lower, upper : float64 arrays of shape (m,)

        Raises
        ------
        UserError
            A level out of range, or more than so few rows can promise.
        """
        _check_rows(len(self.residuals), level)
        return cv_plus(predicted, self.residuals, self.folds, level)

    def get_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return what a saved folder keeps: parameters (none) and tensors."""
        return {}, {"residuals": self.residuals, "folds": self.folds}

    @classmethod
    def from_state(cls, params: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> CrossIntervals:
        """Rebuild from :meth:`get_state`.

        Raises
        ------
        ArtifactError
            Unknown or missing entries, or arrays that were not written by :meth:`get_state`.
        """
        if params or set(tensors) != {"residuals", "folds"}:
            raise ArtifactError(f"Saved CV+ intervals hold residuals and folds; got {sorted({*params, *tensors})}.")
        residuals, folds = np.asarray(tensors["residuals"], dtype=np.float64), np.asarray(tensors["folds"])
        is_sound = residuals.ndim == 1 and residuals.shape == folds.shape and residuals.size and (residuals >= 0).all()
        if not is_sound or folds.dtype.kind not in "iu" or not np.isfinite(residuals).all() or folds.min() < 0:
            raise ArtifactError("Saved CV+ intervals need errors of at least 0 and the fold of each; these are not.")
        return cls(residuals, folds.astype(np.int64))
