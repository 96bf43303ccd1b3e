"""Models of folds beside the final one, so that a regressor's intervals come from errors that nothing was chosen on.

Every head is fitted again on the rows of each fold's training part, where it chooses its strength anew, and errs on the rows
that were held out. What the whole table has decided stays: the targets' scale, layers, which heads are joined, and their
weights, a handful of numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from frostline.baselines import TreesRegressor
from frostline.errors import UserError, nearest
from frostline.estimators.arms import Arm
from frostline.estimators.grown import N_FOLDS, ColumnTrees, own_thread
from frostline.features import Features
from frostline.heads import MLPRegressor, SumPool, fit_head, settled
from frostline.splits import group_folds
from frostline.uncertainty import CrossIntervals

__all__ = ["INTERVALS", "CrossFit", "check_intervals", "combine", "cross_fit"]

INTERVALS = ("auto", "cv+", "oof")
"""Where prediction intervals come from: models of folds, or the out-of-fold errors that the fit has anyway."""

CROSS_ROWS = 5_000
"""With more training rows ``"auto"`` keeps no models of folds: each head's choice is then too small a part of its error."""

FEWEST_ROWS = 20
"""With fewer, a fold's training part is too small to choose anything on."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class CrossFit:
    """What CV+ needs.

    Attributes
    ----------
    heads : list of lists
        Of each fold the heads, in the order of the arms.
    intervals : CrossIntervals
    """

    heads: list[list[Any]]
    intervals: CrossIntervals


def check_intervals(method: Any) -> None:
    """Refuse an unknown method.

    Raises
    ------
    UserError
    """
    if method not in INTERVALS:
        raise UserError(
            f"Unknown intervals {method!r}. Allowed: {', '.join(map(repr, INTERVALS))}.",
            hint=nearest(str(method), INTERVALS) or None,
        )


def cross_fit(
    arms: Sequence[Arm],
    pool: SumPool | None,
    features: Features,
    z: Doubles,
    groups: NDArray[Any],
    *,
    method: str,
    seed: int,
    trees: ColumnTrees | None = None,
) -> CrossFit | None:
    """Fit the heads again for each fold, and keep their errors.

    Parameters
    ----------
    arms : sequence of Arm
        As fitted on all rows.
    pool : SumPool or None
    features : Features
        Of the n training rows.
    z : float64 array of shape (n,)
        Targets as the heads see them.
    groups : int array of shape (n,)
        Rows that are never split.
    method : {"auto", "cv+", "oof"}
    seed : int
    trees : ColumnTrees, optional
        Of the same rows, groups and seed, whose folds are these: they choose nothing, so they need not be grown again.

    Returns
    -------
    CrossFit or None
        None with ``"oof"``, with ``"auto"`` where the rows are many, and where they are too few to be dealt into folds.
    """
    n_groups = len(np.unique(groups))
    many = method == "auto" and len(z) > CROSS_ROWS
    if method == "oof" or many or len(z) < FEWEST_ROWS or n_groups < N_FOLDS:
        return None
    heads, residuals, folds = [], np.empty(len(z)), np.empty(len(z), dtype=np.int64)
    inputs = [arm.inputs(features) for arm in arms]
    for k, (train, held) in enumerate(group_folds(z, list(groups), N_FOLDS, seed, False)):
        own = [
            trees.of_folds(z)[k]
            if trees is not None and isinstance(arm.head, TreesRegressor)
            else _refit(arm.head, _rows(X, train), z[train], groups[train])
            for arm, X in zip(arms, inputs, strict=True)
        ]
        found = combine(own, [_rows(X, held) for X in inputs], pool)
        heads.append(own)
        residuals[held], folds[held] = np.abs(z[held] - found), k
    return CrossFit(heads, CrossIntervals(residuals, folds))


def combine(heads: Sequence[Any], inputs: Sequence[Any], pool: SumPool | None) -> Doubles:
    """What several heads predict together.

    Parameters
    ----------
    heads : sequence of estimator
    inputs : sequence
        What each of them reads of n rows.
    pool : SumPool or None
        None where there is one head.

    Returns
    -------
    float64 array of shape (n,)
    """
    found = []
    for head, X in zip(heads, inputs, strict=True):
        with own_thread(X):
            found.append(np.asarray(head.predict(X), dtype=np.float64))
    return found[0] if pool is None else pool(found)


def _refit(head: Any, X: Any, z: Doubles, groups: NDArray[Any]) -> Any:
    """The head, fitted again on fewer rows; of a network's sweep only the winner, which costs a fifteenth."""
    fresh = settled(head) if isinstance(head, MLPRegressor) else clone(head)
    with own_thread(X):
        return fit_head(fresh, X, z, groups)


def _rows(X: Any, rows: NDArray[np.intp]) -> Any:
    """Some rows of a matrix or of a list of texts."""
    return X[rows] if isinstance(X, np.ndarray) else [X[row] for row in rows]
