"""Prediction intervals from the errors on rows that the model had not seen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from frostline.errors import ArtifactError, UserError

__all__ = ["ResidualIntervals"]

Floats = NDArray[np.float64]
_ROUNDING = 1e-9
"""Keeps (n + 1) * level from counting as the next integer through floating-point noise."""


@dataclass(frozen=True, eq=False)
class ResidualIntervals:
    """Intervals prediction +- q, with q the conformal quantile of the absolute out-of-fold errors.

    q is the k-th smallest of n absolute errors, k = ceil((n + 1) * level). Were the errors those of the final model on
    fresh exchangeable rows (split conformal), an interval would cover a new row with probability at least `level`,
    and at most level + 1 / (n + 1) without ties. Errors from cross-validation come from models trained on fewer rows, so
    here coverage is approximate: close to `level` in practice and on the wide side, but without a proof; the related
    CV+ has the worst-case guarantee 2 * level - 1. Every row gets the same width, so coverage holds on average over rows,
    not for each kind of row.

    Parameters
    ----------
    residuals : float64 array of shape (n,)
        Absolute errors, ascending.

    References
    ----------
    Vovk, Gammerman and Shafer, 2005, Algorithmic Learning in a Random World. Lei et al., 2018, arXiv 1604.04173.
    Barber et al., 2021, arXiv 1905.02928 (CV+).
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
        if not 0 < level < 1:
            raise UserError(f"The level of an interval lies between 0 and 1, such as 0.9; got {level!r}.")
        n = len(self.residuals)
        k = math.ceil((n + 1) * level - _ROUNDING)
        if k > n:
            needed = math.ceil(level / (1 - level) - _ROUNDING)
            raise UserError(
                f"{n} rows are too few for intervals at level {level:g}: at least {needed} are needed.",
                hint=f"Train on more rows, or ask for a level of at most {n / (n + 1):.3g}.",
            )
        return float(self.residuals[max(k, 1) - 1])

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
