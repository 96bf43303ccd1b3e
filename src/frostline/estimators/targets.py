"""The scale that targets are learnt on: as they are, logarithmic, Yeo-Johnson or by rank; and the way back.

Every head is fitted on the transformed target z. Intervals are made in z and carried back end by end, which keeps their
coverage, since every scale is monotone. A point prediction is the mean of y, not the image of the mean of z, which would
be the median: the back-transform is averaged over the out-of-fold errors of z (smearing). Ranks are the same by both.

References
----------
Duan, 1983, Smearing estimate: a nonparametric retransformation method. Yeo and Johnson, 2000, A new family of power
transformations to improve normality or symmetry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.base import clone

from frostline.errors import ArtifactError, UserError, nearest
from frostline.estimators.grown import ColumnTrees
from frostline.features import Features
from frostline.heads import LinearRegressor, TfidfRegressor, fit_head, held_out
from frostline.numerics.metrics import mean_and_error
from frostline.splits import holdout

__all__ = ["SCALES", "TargetScale", "auto_scale", "check_scale", "choose_scale"]

Doubles = NDArray[np.float64]

SCALE_ROWS = 5_000
"""Rows that scales are compared on."""

SCALES = ("auto", "none", "log", "log1p", "yeo-johnson", "quantile")
"""What `target_transform` may be: ``"log"`` for targets above 0, ``"log1p"`` for targets of at least 0."""

_KNOTS = 200
_SMEARED = 41
"""Quantiles of the errors that the back-transform is averaged over."""

_ALIKE = 0.99
"""A scale whose values correlate with the targets more than this is the plain one but for a hair: it is not tried."""

_BEYOND = 0.25
"""By what share of their range predictions may leave that of the training rows before the way back is taken: a linear head
errs without bound, and exp would make a number of any size of that. Of the range of y for Yeo-Johnson and, upwards, for
logarithms; else of z."""


@dataclass(frozen=True, eq=False)
class TargetScale:
    """A monotone scale for targets.

    Attributes
    ----------
    kind : str
        One of :data:`SCALES` but ``"auto"``.
    numbers : float64 array
        Of ``"yeo-johnson"`` mean, standard deviation and lambda; of ``"quantile"`` the targets at equal steps of rank.
    bounds : float64 array of shape (2,)
        Between which z is taken back.
    errors : float64 array of shape (m,)
        Quantiles of the out-of-fold errors of z.
    """

    kind: str
    numbers: Doubles
    bounds: Doubles
    errors: Doubles

    @classmethod
    def learn(cls, kind: str, y: Doubles) -> Self:
        """Learn the scale from training targets.

        Parameters
        ----------
        kind : str
        y : array of shape (n,)

        Raises
        ------
        UserError
            A logarithm of targets that have none.
        """
        if (kind == "log" and y.min() <= 0) or (kind == "log1p" and y.min() < 0):
            raise UserError(
                f"target_transform={kind!r} needs targets {'above' if kind == 'log' else 'of at least'} 0; "
                f"the smallest is {y.min():g}.",
                hint="use 'yeo-johnson' or 'auto'",
            )
        numbers = np.empty(0)
        if kind == "yeo-johnson":
            mean, std = float(y.mean()), float(y.std()) or 1.0
            best = stats.yeojohnson_normmax((y - mean) / std) if np.ptp(y) > 0 else 1.0
            numbers = np.array([mean, std, np.clip(best, -1.0, 3.0)])  # beyond, rounding rules
        elif kind == "quantile":
            numbers = np.quantile(y, np.linspace(0, 1, min(_KNOTS, len(y))))
        plain = cls(kind, numbers, np.array([-np.inf, np.inf]), np.zeros(1))
        if kind == "none":
            return plain
        ends = np.array([y.min(), y.max()])
        beyond = ends + _BEYOND * np.ptp(ends) * np.array([-1, 1])
        if kind == "yeo-johnson":  # its inverse ends where the power is negative, so the margin is one of targets
            return replace(plain, bounds=plain(beyond))
        z = plain(ends)
        bounds = z + _BEYOND * np.ptp(z) * np.array([-1, 1])
        if kind != "quantile":  # a quarter more on the logarithmic scale may be several times the largest target
            bounds[1] = plain(beyond[1:])[0]
        return replace(plain, bounds=bounds)

    def __call__(self, y: Doubles) -> Doubles:
        """Targets on the scale."""
        if self.kind == "log":
            return np.asarray(np.log(y))
        if self.kind == "log1p":
            return np.asarray(np.log1p(y))
        if self.kind == "yeo-johnson":
            mean, std, power = self.numbers
            return np.asarray(stats.yeojohnson((y - mean) / std, power), dtype=np.float64)
        if self.kind == "quantile":
            # A target that many rows share stands at the middle of its ranks.
            ranks = np.linspace(0, 1, len(self.numbers))
            low, high = (np.interp(sign * y, *_increasing(self.numbers, ranks, sign)) for sign in (1, -1))
            return np.asarray(stats.norm.ppf(np.clip((low + high) / 2, *_edges(len(ranks)))), dtype=np.float64)
        return y

    def back(self, z: Doubles) -> Doubles:
        """Numbers of the scale as targets: of a mean of z the median of y."""
        z = np.clip(z, *self.bounds)
        if self.kind == "log":
            return np.asarray(np.exp(z))
        if self.kind == "log1p":
            return np.asarray(np.expm1(z))
        if self.kind == "yeo-johnson":
            mean, std, power = self.numbers
            return np.asarray(_yeo_johnson_back(z, float(power)) * std + mean)
        if self.kind == "quantile":
            return np.asarray(np.interp(stats.norm.cdf(z), np.linspace(0, 1, len(self.numbers)), self.numbers))
        return z

    def mean(self, z: Doubles) -> Doubles:
        """The mean of y where z errs as it did out of fold."""
        if self.kind == "none":
            return z
        return np.asarray(np.mean([self.back(z + error) for error in self.errors], axis=0))

    def smeared(self, errors: Doubles) -> Self:
        """The scale with out-of-fold errors of z, shape (n,), none or more."""
        if not len(errors):
            return self
        return replace(self, errors=np.quantile(errors, (np.arange(_SMEARED) + 0.5) / _SMEARED))

    def get_state(self) -> tuple[dict[str, Any], dict[str, Doubles]]:
        """What a saved folder keeps: plain values and arrays."""
        return {"kind": self.kind}, {"numbers": self.numbers, "bounds": self.bounds, "errors": self.errors}

    @classmethod
    def from_state(cls, params: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> Self:
        """Restore from :meth:`get_state`."""
        if set(params) != {"kind"} or params["kind"] not in SCALES or set(tensors) != {"numbers", "bounds", "errors"}:
            raise ArtifactError(f"A saved target scale has a kind and three arrays; got {sorted({*params, *tensors})}.")
        return cls(params["kind"], **{name: np.asarray(array) for name, array in tensors.items()})


def check_scale(kind: Any) -> None:
    """Refuse an unknown scale.

    Raises
    ------
    UserError
    """
    if kind not in SCALES:
        raise UserError(
            f"Unknown target_transform {kind!r}. Allowed: {', '.join(map(repr, SCALES))}.",
            hint=nearest(str(kind), SCALES) or None,
        )


def choose_scale(
    y: Doubles, held_out: Callable[[Doubles], tuple[NDArray[np.intp], Doubles]], whole: Doubles | None = None
) -> TargetScale:
    """Choose by out-of-fold error on the targets' own scale.

    A less plain scale is taken where the absolute error is clearly smaller, by more than a standard error of the paired
    difference, and the squared error is not clearly larger. One that hardly bends the targets is not tried. ``"quantile"``
    is never taken by itself: it raised ranks at the cost of squared error on most of the tables where it won
    (docs/regression.md).

    Parameters
    ----------
    y : array of shape (n,)
    held_out : callable
        From transformed targets (n,) to rows (m,) and what is predicted for them when they are not trained on.
    whole : array, optional
        Targets of all rows, where `y` is only of some: the chosen scale is learnt on these.
    """
    whole = y if whole is None else whole
    plain = TargetScale.learn("none", y)
    if len(np.unique(y)) < 3:
        return plain
    kinds = ["log" if y.min() > 0 else "log1p" if y.min() >= 0 else "", "yeo-johnson"]
    bent = [scale for scale in (TargetScale.learn(kind, y) for kind in kinds if kind) if _bends(scale, y)]
    best = plain
    losses: dict[str, tuple[Doubles, Doubles]] = {}
    for scale in [plain, *bent] if bent else []:
        z = scale(y)
        rows, found = held_out(z)
        if not len(rows):
            return plain
        smeared = scale.smeared(z[rows] - found)
        losses[scale.kind] = np.abs(y[rows] - scale.back(found)), (y[rows] - smeared.mean(found)) ** 2
        if scale is not best and _beats(losses[scale.kind], losses[best.kind]):
            best = scale
    return TargetScale.learn(best.kind, whole)


def auto_scale(
    features: Features,
    y: NDArray[Any],
    groups: NDArray[Any],
    *,
    kinds: str,
    seed: int,
    trees: ColumnTrees | None,
) -> TargetScale:
    """Choose the targets' scale by the cheapest of the heads that a fit will train.

    Parameters
    ----------
    features, y, groups, kinds, seed, trees
        As for :func:`learn`.
    """
    rows = np.arange(len(y))
    if len(y) > SCALE_ROWS:
        rows = holdout(y, groups, SCALE_ROWS / len(y), seed, stratify=False)[1]
        features, groups = features.take(rows), groups[rows]
        if trees is not None and features.table is not None:
            trees = ColumnTrees(features.table, groups, seed)
    if trees is not None:
        return choose_scale(y[rows], trees.held_out, y)
    X: NDArray[Any]
    if kinds == "tfidf":
        X, head = np.array(features.texts, dtype=object), TfidfRegressor(seed=seed)
    else:
        X, head = features.fused(features.taps[-1:], "concat"), LinearRegressor(seed=seed)

    def out_of_fold(z: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        found, predicted = held_out(fit_head(clone(head), X, z, groups), X, z, groups, "regression", seed, every=True)
        return found, np.asarray(predicted, dtype=np.float64)

    return choose_scale(y[rows], out_of_fold, y)


def _bends(scale: TargetScale, y: Doubles) -> bool:
    return float(np.corrcoef(y, scale(y))[0, 1]) <= _ALIKE


def _beats(own: tuple[Doubles, Doubles], plain: tuple[Doubles, Doubles]) -> bool:
    (absolute, absolute_error), (squared, squared_error) = (
        mean_and_error(a - b) for a, b in zip(own, plain, strict=True)
    )
    return absolute + absolute_error < 0 and squared - squared_error <= 0


def _increasing(values: Doubles, ranks: Doubles, sign: int) -> tuple[Doubles, Doubles]:
    """Knots for np.interp in ascending order of ``sign * value``: of equal values the last counts."""
    return (values, ranks) if sign == 1 else (-values[::-1], ranks[::-1])


def _edges(n: int) -> tuple[float, float]:
    """Ranks within which a normal quantile is finite."""
    return 0.5 / n, 1 - 0.5 / n


def _yeo_johnson_back(z: Doubles, power: float) -> Doubles:
    """Invert scipy's ``yeojohnson``: above 0 with the power, below with 2 less the power."""
    out = np.empty_like(z)
    for side, own, sign in ((z >= 0, power, 1.0), (z < 0, 2 - power, -1.0)):
        part = sign * z[side]
        out[side] = sign * (np.expm1(part) if abs(own) < 1e-12 else (part * own + 1) ** (1 / own) - 1)
    return out
