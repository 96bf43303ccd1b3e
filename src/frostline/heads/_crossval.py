"""Cross-validation of logistic regression along a path of strengths, all folds in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.contracts import FloatArray
from frostline.heads._logistic import (
    Doubles,
    Metric,
    Problems,
    column_losses,
    log_losses,
    minimize,
    n_columns,
    probabilities,
)
from frostline.heads._path import StrengthScore
from frostline.heads._standard import fold_moments, fold_weights
from frostline.splits import Split

__all__ = ["LogisticFolds"]

_TOLERANCE = 1e-4
_MAX_STEPS = 2000


class LogisticFolds:
    """The regressions of every fold, at one strength after the other.

    Parameters
    ----------
    Z : array of shape (n, F)
        Standardized features.
    labels : int array of shape (n,) or bool array of shape (n, n_classes)
        Class numbers 0 to n_classes - 1; or truth values, each column a question of its own.
    n_classes : int
    weights : float64 array of shape (n,)
        Row weights, summing to one.
    folds : list of (train, test)
        Rows that none of them tests are not scored.
    metric : Metric
    start : array of shape (1, K, F + 1), optional
        Where every fold begins; zeros by default.
    """

    def __init__(
        self,
        Z: FloatArray,
        labels: NDArray[Any],
        n_classes: int,
        weights: Doubles,
        folds: Sequence[Split],
        metric: Metric,
        start: FloatArray | None = None,
    ) -> None:
        rows = fold_weights(weights, folds)
        self._fold_of = np.argmin(rows > 0, axis=0)
        held_out = (rows == 0).any(axis=0)
        center, inverse = fold_moments(Z, rows)
        one = np.ones(len(folds))
        self._independent = labels.ndim == 2
        k = n_classes if self._independent else n_columns(n_classes)
        self._problems = Problems(Z, labels, k, rows.astype(Z.dtype), center, inverse, one)
        self._theta = np.zeros((len(folds), k, Z.shape[1] + 1), dtype=Z.dtype)
        if start is not None:
            self._theta += start
        self._weights, self._metric = weights, metric
        self._start: dict[float, FloatArray] = {}
        self._logits: dict[float, FloatArray] = {}
        # A class that the fold did not train on costs the same at any strength: infinitely much.
        if self._independent:
            self._scored = (self._problems.settled() == 0)[self._fold_of] & held_out[:, None]
        else:
            self._scored = self._problems.trained_classes()[self._fold_of, labels] & held_out

    @property
    def n_folds(self) -> int:
        """Folds that are fitted."""
        return len(self._theta)

    @property
    def n_columns(self) -> int:
        """Columns of logits of all folds together at one strength."""
        return len(self._theta) * int(self._theta.shape[1])

    def evaluate(self, strengths: Sequence[float]) -> list[StrengthScore]:
        """Fit all folds at these strengths at once, from the last solution so far, and score held-out rows."""
        n_folds = len(self._theta)
        problems = self._problems.keep(np.tile(np.arange(n_folds), len(strengths)))
        problems = replace(problems, strength=np.repeat(np.asarray(strengths, dtype=np.float64), n_folds))
        start = np.tile(self._theta, (len(strengths), 1, 1))
        theta = minimize(problems, self._metric, start, _TOLERANCE, _MAX_STEPS)
        settled = self._problems.settled().astype(theta.dtype)[:, :, None]
        for strength, own in zip(strengths, np.split(theta, len(strengths)), strict=True):
            logits = self._problems.logits(own) + settled
            self._logits[strength] = logits[self._fold_of, :, np.arange(len(self._fold_of))]
            self._start[strength] = own.mean(axis=0, keepdims=True)
        self._theta = own
        return [self._score(strength) for strength in strengths]

    def start(self, strength: float) -> FloatArray:
        """The mean of the folds' solutions, shape (1, K, F + 1): near the solution on all rows."""
        return self._start[strength]

    def held_out(self, strength: float) -> FloatArray:
        """Out-of-fold probabilities, shape (n, n_classes)."""
        p = probabilities(self._logits[strength].astype(np.float64), independent=self._independent)
        return np.hstack([1 - p, p]) if p.shape[1] == 1 and not self._independent else p

    def _score(self, strength: float) -> StrengthScore:
        logits, labels = self._logits[strength].T[None].astype(np.float64), self._problems.labels
        if self._independent:
            losses = np.where(self._scored, column_losses(logits, labels)[0].T, 0).mean(axis=1)
            weights = self._weights * self._scored.any(axis=1)
        else:
            losses = np.where(self._scored, log_losses(logits, labels)[0], 0)
            weights = self._weights * self._scored
        of_fold = np.bincount(self._fold_of, weights * losses, len(self._theta))
        size = np.bincount(self._fold_of, weights, len(self._theta))
        means = (of_fold / np.maximum(size, np.finfo(np.float64).tiny))[size > 0]
        return StrengthScore(strength, float(of_fold.sum() / size.sum()), float(means.std()))
