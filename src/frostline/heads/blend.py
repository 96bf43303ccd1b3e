"""Several predictors of one target become one: class probabilities in a weighted product, numbers in a weighted sum.

The weights are few and are learnt on out-of-fold predictions, so that a predictor which only remembers its training
rows gets none. They start from the first predictor alone and move away from it as far as the rows support.

References
----------
Hinton, 2002, Training products of experts (the weighted product). Wolpert, 1992, Stacked generalization.
Guo et al., 2017, arXiv 1706.04599 (a single slope is temperature scaling).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit

__all__ = ["Calibration", "LabelPool", "LogPool", "SumPool", "binary_loss"]

Doubles = NDArray[np.float64]

_PRIOR_ROWS = 10.0
"""How many rows the starting weights count for: a dozen labeled rows hardly move them, a thousand rule alone."""

_SMALLEST = 1e-6
"""What smaller probabilities count as: one predictor's certainty must not outvote all others."""


def _softmax(logits: Doubles) -> Doubles:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _log_loss(logits: Doubles, codes: NDArray[np.intp], weights: Doubles | None = None) -> float:
    top = logits.max(axis=1)
    norm = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return float(np.average(norm - logits[np.arange(len(codes)), codes], weights=weights))


def binary_loss(logits: Doubles, truths: NDArray[np.bool_]) -> float:
    """Mean log loss, in nats, of the logits of truth values."""
    against = np.where(truths, -logits, logits)
    return float((np.maximum(against, 0) + np.log1p(np.exp(-np.abs(against)))).mean())


@dataclass(frozen=True)
class Calibration:
    """Scores to probabilities: softmax of the scores times one slope.

    Parameters
    ----------
    slope : float
        One over the temperature.
    """

    slope: float

    @classmethod
    def fit(cls, scores: Doubles, codes: NDArray[np.intp], weights: Doubles | None = None) -> Self:
        """Choose the slope of least log loss on held-out scores.

        Parameters
        ----------
        scores : array of shape (n, n_classes)
        codes : int array of shape (n,)
            True classes.
        weights : array of shape (n,), optional
            Of the rows.
        """

        def cost(log_slope: float) -> float:
            return _log_loss(np.exp(log_slope) * scores, codes, weights) + log_slope**2 / len(codes)

        return cls(float(np.exp(minimize_scalar(cost, bounds=(-4, 5), method="bounded").x)))

    def __call__(self, scores: Doubles) -> Doubles:
        """Probabilities, shape (n, n_classes)."""
        return _softmax(self.slope * scores)

    def loss(self, scores: Doubles, codes: NDArray[np.intp], weights: Doubles | None = None) -> float:
        """Mean log loss in nats."""
        return _log_loss(self.slope * scores, codes, weights)


@dataclass(frozen=True, eq=False)
class LogPool:
    """Class probabilities of several predictors in a weighted product, normalized.

    Parameters
    ----------
    weights : float array of shape (n_predictors,)
        Not negative.
    shift : float array of shape (n_classes,), optional
        Added to the log probabilities: where predictors were trained on weighted rows, this leads back to the classes'
        true frequencies.
    """

    weights: Doubles
    shift: Doubles | None = None

    @classmethod
    def fit(
        cls, probabilities: Sequence[ArrayLike], codes: NDArray[np.intp], class_weight: Doubles | None = None
    ) -> Self:
        """Learn the weights of least log loss on out-of-fold probabilities.

        Parameters
        ----------
        probabilities : sequence of arrays of shape (n, n_classes)
            The first one is where the weights start: 1 for it, 0 for the others.
        codes : int array of shape (n,)
            True classes.
        class_weight : float array of shape (n_classes,), optional
            What the predictors were trained under. A shift is learnt then, and starts where it would be exact for
            predictors that are: at minus the log weights (Elkan, 2001, IJCAI, theorem 2).
        """
        logs = _logs(probabilities)
        n, m = len(codes), len(logs)
        true = logs[:, np.arange(n), codes]
        start = np.eye(m)[0]
        if class_weight is not None:
            start = np.concatenate([start, -np.log(class_weight)])
        counts = np.bincount(codes, minlength=logs.shape[2])

        def cost(theta: Doubles) -> tuple[float, Doubles]:
            logits = np.tensordot(theta[:m], logs, 1) + (theta[m:] if len(theta) > m else 0.0)
            pull = _PRIOR_ROWS / n * (theta - start)
            p = _softmax(logits)
            gradient = (np.einsum("nk,pnk->pn", p, logs) - true).mean(axis=1)
            if len(theta) > m:
                gradient = np.concatenate([gradient, (p.sum(axis=0) - counts) / n])
            return _log_loss(logits, codes) + float(pull @ (theta - start)) / 2, gradient + pull

        bounds = [(0, None)] * m + [(None, None)] * (len(start) - m)
        found = np.asarray(minimize(cost, start, jac=True, bounds=bounds, method="L-BFGS-B").x, dtype=np.float64)
        return cls(found[:m], found[m:] if class_weight is not None else None)

    def __call__(self, probabilities: Sequence[ArrayLike]) -> Doubles:
        """Probabilities, shape (n, n_classes)."""
        logits = np.tensordot(self.weights, _logs(probabilities), 1)
        return _softmax(logits if self.shift is None else logits + self.shift)


@dataclass(frozen=True, eq=False)
class LabelPool:
    """Probabilities of independent labels: for each label a weighted sum of log odds.

    Parameters
    ----------
    weights : float array of shape (n_predictors, n_labels)
        Not negative.
    shift : float array of shape (n_labels,)
    """

    weights: Doubles
    shift: Doubles

    @classmethod
    def fit(cls, probabilities: Sequence[ArrayLike], truths: NDArray[np.bool_]) -> Self:
        """Learn weights and shift of least log loss on out-of-fold probabilities, for each label on its own.

        Parameters
        ----------
        probabilities : sequence of arrays of shape (n, n_labels)
            The first one is where the weights start: 1 for it, 0 for the others.
        truths : bool array of shape (n, n_labels)
        """
        odds = _odds(probabilities)
        n, m = len(truths), len(odds)
        start = np.append(np.eye(m)[0], 0.0)
        found = np.empty((m + 1, truths.shape[1]))
        for k in range(truths.shape[1]):
            own, true = np.vstack([odds[:, :, k], np.ones(n)]), truths[:, k]

            def cost(theta: Doubles, own: Doubles = own, true: NDArray[np.bool_] = true) -> tuple[float, Doubles]:
                logits, pull = theta @ own, _PRIOR_ROWS / n * (theta - start)
                gradient = own @ (expit(logits) - true) / n
                return binary_loss(logits, true) + float(pull @ (theta - start)) / 2, gradient + pull

            bounds = [(0, None)] * m + [(None, None)]
            found[:, k] = minimize(cost, start, jac=True, bounds=bounds, method="L-BFGS-B").x
        return cls(found[:m], found[m])

    def __call__(self, probabilities: Sequence[ArrayLike]) -> Doubles:
        """Probability of each label, shape (n, n_labels)."""
        return np.asarray(expit(np.einsum("pk,pnk->nk", self.weights, _odds(probabilities)) + self.shift))


@dataclass(frozen=True, eq=False)
class SumPool:
    """Numbers of several predictors in a weighted sum.

    Parameters
    ----------
    weights : float array of shape (n_predictors,)
        Not negative.
    shift : float
    """

    weights: Doubles
    shift: float

    @classmethod
    def fit(cls, predictions: Sequence[ArrayLike], y: Doubles) -> Self:
        """Learn the weights of least squared error on out-of-fold predictions.

        Where few targets are far larger than the others they alone decide these weights, and a predictor that is wrong by
        little on them and by much on all others gets some. So a predictor as it is stands against the sum, and is taken where
        root mean squared error times mean absolute error is smaller.

        Parameters
        ----------
        predictions : sequence of arrays of shape (n,)
            The first one is where the weights start: 1 for it, 0 for the others.
        y : array of shape (n,)
        """
        columns = np.column_stack([np.asarray(p, dtype=np.float64) for p in predictions])
        center, mean = columns.mean(axis=0), float(y.mean())
        scale = float(y.std()) or 1.0
        A, b = (columns - center) / scale, (y - mean) / scale
        start = np.eye(A.shape[1])[0]

        def squared(w: Doubles) -> tuple[float, Doubles]:
            error, pull = A @ w - b, _PRIOR_ROWS / len(b) * (w - start)
            return float((error**2).mean() + pull @ (w - start)) / 2, A.T @ error / len(b) + pull

        w = minimize(squared, start, jac=True, bounds=[(0, None)] * len(start), method="L-BFGS-B").x
        found = cls(np.asarray(w, dtype=np.float64), mean - float(center @ w))

        def cost(pool: Self) -> float:
            error = pool(predictions) - y
            return float(np.sqrt((error**2).mean()) * np.abs(error).mean())

        return min([found, *(cls(weights, 0.0) for weights in np.eye(len(w)))], key=cost)

    def __call__(self, predictions: Sequence[ArrayLike]) -> Doubles:
        """Numbers, shape (n,)."""
        return np.asarray(np.column_stack([np.asarray(p) for p in predictions]) @ self.weights + self.shift)


def _logs(probabilities: Sequence[ArrayLike]) -> Doubles:
    return np.log(np.clip(np.stack([np.asarray(p, dtype=np.float64) for p in probabilities]), _SMALLEST, 1.0))


def _odds(probabilities: Sequence[ArrayLike]) -> Doubles:
    """Log odds, shape (n_predictors, n, n_labels)."""
    p = np.clip(np.stack([np.asarray(p, dtype=np.float64) for p in probabilities]), _SMALLEST, 1 - _SMALLEST)
    return np.asarray(np.log(p) - np.log1p(-p))
