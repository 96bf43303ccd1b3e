"""Many L2-penalized logistic regressions over the same rows at once.

Every fold and every strength is a slice of one matrix product, so that the table is read once for all of them. Each
minimizes ``sum_i w_i log_loss_i + strength / 2 * ||W||^2`` by L-BFGS. Its starting metric is the Hessian with every
row's curvature p (1 - p) replaced by the mean, inverted once for all problems through the eigenvectors of Z'Z.

Letters: P problems, K columns of logits (1 for two classes), n rows, F features.

References
----------
Nocedal and Wright, Numerical Optimization, 2006, algorithm 7.4 (the two-loop recursion).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.contracts import FloatArray
from frostline.errors import FrostlineError
from frostline.heads._standard import blocks

__all__ = ["Metric", "Problems", "column_losses", "log_losses", "minimize", "n_columns", "probabilities"]

Doubles = NDArray[np.float64]

_MEMORY = 20
_SETTLED = 1e30
"""The logit of a class that a problem never, or only, trains on; still finite in float32, so that 0 times it is 0."""


def n_columns(n_classes: int) -> int:
    """Columns of logits: one for two classes, else one for each."""
    return 1 if n_classes == 2 else n_classes


def probabilities(logits: FloatArray, *, independent: bool = False) -> FloatArray:
    """Class probabilities of the columns: sigmoid of one, softmax of several; the second axis runs over columns.

    Independent columns are one question each: sigmoids.
    """
    if logits.shape[1] == 1 or independent:
        half = np.tanh(logits / 2)  # does not overflow
        return np.asarray((1 + half) / 2)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def log_losses(logits: FloatArray, labels: NDArray[Any]) -> FloatArray:
    """Log loss of every row, shape (P, n), from logits (P, K, n) and class numbers (n,) or truth values (n, K)."""
    if labels.ndim == 2:
        return np.asarray(column_losses(logits, labels).sum(axis=1))
    if logits.shape[1] == 1:
        against = np.where(labels == 1, -logits[:, 0], logits[:, 0])
        return np.maximum(against, 0) + np.log1p(np.exp(-np.abs(against)))
    top = logits.max(axis=1)
    total = np.exp(logits - top[:, None]).sum(axis=1)
    return np.asarray(np.log(total) + top - logits[:, labels, np.arange(len(labels))])


def column_losses(logits: FloatArray, truths: NDArray[np.bool_]) -> FloatArray:
    """Log loss of every truth value, shape (P, K, n), from logits (P, K, n) and truth values (n, K)."""
    against = np.where(truths.T, -logits, logits)
    return np.asarray(np.maximum(against, 0) + np.log1p(np.exp(-np.abs(against))))


class Metric:
    """The inverse of ``curvature * Z'WZ + strength``, for any curvature and strength.

    Parameters
    ----------
    Z : array of shape (n, F)
        Standardized features.
    weights : float64 array of shape (n,)
        Row weights, summing to one.
    max_rank : int
        With more rows and features than this, the eigenvectors are those of a sample of rows.
    """

    def __init__(self, Z: FloatArray, weights: Doubles, max_rank: int = 4096) -> None:
        n, width = Z.shape
        self._left: float | None = None
        if width <= min(n, max_rank):
            values, self._vectors = _eigh((Z * weights.astype(Z.dtype)[:, None]).T @ Z)
        else:
            sample = np.linspace(0, n - 1, min(n, max_rank)).astype(np.intp)
            A = Z[sample] * np.sqrt(weights[sample] / weights[sample].sum()).astype(Z.dtype)[:, None]
            values, rows = _eigh(A @ A.T)
            kept = values > 10 * np.finfo(Z.dtype).eps * len(values) * values[-1]
            values = values[kept]
            self._vectors = A.T @ (rows[:, kept] / np.sqrt(values))
            # A standardized column adds one to the trace; what the sample does not span is spread evenly.
            self._left = max(np.count_nonzero(Z.any(axis=0)) - float(values.sum()), 0.0) / max(1, width - len(values))
        self._values = np.maximum(values, 0)

    def solve(self, G: FloatArray, curvature: Doubles, strength: Doubles) -> FloatArray:
        """Apply the inverse to `G` of shape (P, K, F) under curvatures (P, K) and strengths (P,)."""
        vectors = self._vectors.astype(G.dtype, copy=False)
        inverse = 1 / (curvature[:, :, None] * self._values + strength[:, None, None])
        if self._left is None:
            return _times(_times(G, vectors) * inverse.astype(G.dtype), vectors.T)
        rest = 1 / (curvature[:, :, None] * self._left + strength[:, None, None])
        spanned = _times(_times(G, vectors) * (inverse - rest).astype(G.dtype), vectors.T)
        return spanned + G * rest.astype(G.dtype)


@dataclass(frozen=True)
class Problems:
    """P regressions over the same rows.

    Parameters
    ----------
    Z : array of shape (n, F)
        Standardized features.
    labels : int array of shape (n,) or bool array of shape (n, K)
        Class numbers; or truth values, one independent regression for each column.
    n_columns : int
        K.
    weights : array of shape (P, n)
        Row weights, 0 for held-out rows, each problem's summing to one.
    center, inverse_scale : arrays of shape (P, F)
        Moments of Z within each problem's rows: its own standardization.
    strength : float64 array of shape (P,)
    """

    Z: FloatArray
    labels: NDArray[Any]
    n_columns: int
    weights: FloatArray
    center: FloatArray
    inverse_scale: FloatArray
    strength: Doubles

    def keep(self, which: NDArray[Any]) -> Problems:
        """Only the problems that `which` selects."""
        names = ("weights", "center", "inverse_scale", "strength")
        return replace(self, **{name: getattr(self, name)[which] for name in names})

    def trained_classes(self) -> NDArray[np.bool_]:
        """Which classes have weight in each problem, shape (P, max(2, K))."""
        n_classes = max(2, self.n_columns)
        return np.stack([(self.weights[:, self.labels == c] > 0).any(axis=1) for c in range(n_classes)], axis=1)

    def settled(self) -> FloatArray:
        """Logits to add for classes without rows: the unpenalized intercept would run to infinity; shape (P, K)."""
        if self.labels.ndim == 2:
            rows = (self.weights > 0).astype(np.float32)
            yes, no = (rows @ side.astype(np.float32) > 0 for side in (self.labels, ~self.labels))
            return _SETTLED * (~no).astype(float) - _SETTLED * ~yes
        there = self.trained_classes()
        if self.n_columns > 1:
            return np.where(there, 0.0, -_SETTLED)
        return _SETTLED * (there[:, 1:].astype(float) - there[:, :1]) * ~there.all(axis=1, keepdims=True)

    def logits(self, theta: FloatArray) -> FloatArray:
        """Logits of all rows, shape (P, K, n), from weights and intercepts, shape (P, K, F + 1)."""
        W = theta[:, :, :-1] * self.inverse_scale[:, None]
        b = theta[:, :, -1:] - (W @ self.center[:, :, None].astype(W.dtype))
        out = np.empty((*theta.shape[:2], len(self.Z)), dtype=theta.dtype)
        for rows, part in self._table(theta.dtype):
            out[:, :, rows] = _times(W, part.T)
        out += b
        return out

    def gradient(self, residuals: FloatArray, theta: FloatArray) -> FloatArray:
        """Gradient with respect to `theta` from the derivative with respect to the logits, both shaped as they are."""
        G = np.zeros_like(theta)
        for rows, part in self._table(theta.dtype):
            G[:, :, :-1] += _times(np.ascontiguousarray(residuals[:, :, rows]), part)
        G[:, :, -1] = residuals.sum(axis=2, dtype=np.float64)
        G[:, :, :-1] -= G[:, :, -1:] * self.center[:, None]
        G[:, :, :-1] *= self.inverse_scale[:, None]
        G[:, :, :-1] += self.strength[:, None, None].astype(theta.dtype) * theta[:, :, :-1]
        return G

    def _table(self, dtype: np.dtype[Any]) -> Iterable[tuple[slice, FloatArray]]:
        """The table at once, or in blocks where it must first be cast."""
        return [(slice(None), self.Z)] if dtype == self.Z.dtype else blocks(self.Z, dtype)


def minimize(problems: Problems, metric: Metric, theta: FloatArray, tolerance: float, max_steps: int) -> FloatArray:
    """Minimize every problem.

    Parameters
    ----------
    problems : Problems
    metric : Metric
    theta : array of shape (P, K, F + 1)
        Start; its dtype is that of the computation.
    tolerance : float
        What is still to gain, estimated by the quadratic model, relative to the value.
    max_steps : int

    Returns
    -------
    array of shape (P, K, F + 1)

    Raises
    ------
    FrostlineError
        A problem did not converge.
    """
    out = np.array(theta)
    live = np.arange(len(theta))
    descent = _Descent(problems, metric, out)
    for _ in range(max_steps):
        step, gain = descent.direction()
        done = gain <= 2 * tolerance * descent.value
        if done.any():
            out[live[done]] = descent.theta[done]
            live, step, gain = live[~done], step[~done], gain[~done]
            descent.keep(~done)
        if not live.size:
            return out
        descent.advance(step, gain)
    raise FrostlineError(f"A logistic regression did not converge in {max_steps} steps.")


class _Descent:
    """The state of L-BFGS on several problems: where each stands, its value, its gradient, its last steps."""

    def __init__(self, problems: Problems, metric: Metric, theta: FloatArray) -> None:
        self.problems, self.metric, self.theta = problems, metric, theta
        self.history: list[tuple[FloatArray, FloatArray, Doubles]] = []
        self.logits = problems.logits(theta) + problems.settled()[:, :, None].astype(theta.dtype)
        self.value = self._value(self.logits, _dot(theta[:, :, :-1], theta[:, :, :-1]))
        self._differentiate()

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Go on with these problems only."""
        self.problems = self.problems.keep(which)
        self.history = [(s[which], y[which], r[which]) for s, y, r in self.history]
        for name in ("theta", "logits", "value", "slope", "curvature"):
            setattr(self, name, getattr(self, name)[which])

    def direction(self) -> tuple[FloatArray, Doubles]:
        """The next step of each problem, and twice the gain that it promises."""
        q, alphas = self.slope.copy(), []
        for s, y, r in reversed(self.history):
            alpha = r * _dot(s, q)
            q -= _scale(alpha, y)
            alphas.append(alpha)
        q[:, :, :-1] = self.metric.solve(np.ascontiguousarray(q[:, :, :-1]), self.curvature, self.problems.strength)
        q[:, :, -1] /= self.curvature
        for (s, y, r), alpha in zip(self.history, reversed(alphas), strict=True):
            q += _scale(alpha - r * _dot(y, q), s)
        return -q, _dot(self.slope, q)

    def advance(self, step: FloatArray, gain: Doubles) -> None:
        """Walk each problem along its step, at half the length until its value falls as it should."""
        W, D = self.theta[:, :, :-1], step[:, :, :-1]
        along = self.problems.logits(step)
        norms = _dot(W, W), _dot(W, D), _dot(D, D)
        length, slack = np.ones(len(gain)), 10 * np.finfo(step.dtype).eps
        for _ in range(30):
            logits = self.logits + _scale(length, along)
            value = self._value(logits, norms[0] + 2 * length * norms[1] + length**2 * norms[2])
            # Below rounding, values cannot be told apart: there the direction is trusted.
            failed = value > self.value - 1e-4 * length * gain + slack * np.abs(self.value)
            if not failed.any():
                break
            length[failed] /= 2
        self.logits, self.value, old = logits, value, self.slope
        self.theta = self.theta + (moved := _scale(length, step))
        self._differentiate()
        self._remember(moved, self.slope - old)

    def _remember(self, moved: FloatArray, turned: FloatArray) -> None:
        bend = _dot(moved, turned)
        usable = bend > np.finfo(moved.dtype).eps * _dot(turned, turned)
        self.history.append((moved, turned, np.divide(1.0, bend, out=np.zeros_like(bend), where=usable)))
        del self.history[:-_MEMORY]

    def _value(self, logits: FloatArray, squares: Doubles) -> Doubles:
        losses = log_losses(logits, self.problems.labels)
        data = np.einsum("pn,pn->p", losses, self.problems.weights, dtype=np.float64)
        return np.asarray(data + self.problems.strength / 2 * squares)

    def _differentiate(self) -> None:
        """Set the gradient, and the mean curvature of the rows for each column."""
        independent = self.problems.labels.ndim == 2
        p, rows = probabilities(self.logits, independent=independent), np.arange(len(self.problems.labels))
        weights = self.problems.weights.astype(p.dtype, copy=False)
        mean_curvature = ((p - p * p) @ weights[:, :, None])[:, :, 0]
        self.curvature = np.clip(mean_curvature, 1e-5, None).astype(np.float64)
        if independent:
            p -= self.problems.labels.T
        elif p.shape[1] == 1:
            p[:, 0] -= self.problems.labels
        else:
            p[:, self.problems.labels, rows] -= 1
        self.slope = self.problems.gradient(p * weights[:, None], self.theta)


def _eigh(A: FloatArray) -> tuple[FloatArray, FloatArray]:
    import torch  # its symmetric eigensolver takes a third of the time of NumPy's

    values, vectors = torch.linalg.eigh(torch.from_numpy(A))
    return values.numpy(), np.ascontiguousarray(vectors.numpy())


def _times(A: FloatArray, B: FloatArray) -> FloatArray:
    """Multiply the rows of all problems by one matrix, in one product."""
    product: FloatArray = (A.reshape(-1, A.shape[-1]) @ B).reshape(*A.shape[:-1], B.shape[1])
    return product


def _scale(factor: Doubles, A: FloatArray) -> FloatArray:
    scaled: FloatArray = factor.astype(A.dtype)[:, None, None] * A
    return scaled


def _dot(A: FloatArray, B: FloatArray) -> Doubles:
    """Inner product within each problem."""
    a, b = A.reshape(len(A), 1, -1), B.reshape(len(B), -1, 1)
    return np.asarray(np.matmul(a, b)[:, 0, 0], dtype=np.float64)
