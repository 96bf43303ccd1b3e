"""Which head: by name, or any scikit-learn estimator; and what every head can be asked for."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor

from frostline.contracts import FloatArray
from frostline.errors import UserError, nearest
from frostline.heads._folds import inner_folds
from frostline.heads.cooccurrence import CooccurrenceClassifier
from frostline.heads.linear import LinearClassifier, LinearRegressor
from frostline.heads.mlp import MLPClassifier, MLPRegressor

__all__ = ["fit_head", "make_head", "oof_predict", "reads_layers"]

_BY_NAME: dict[str, dict[str, Any]] = {
    "linear": {"classification": LinearClassifier, "regression": LinearRegressor},
    "mlp": {"classification": MLPClassifier, "regression": MLPRegressor},
    "cooccurrence": {"classification": CooccurrenceClassifier},
}


def make_head(head: Any, task: str, seed: int) -> Any:
    """Make a fresh, unfitted head.

    Parameters
    ----------
    head : str or estimator
        ``"linear"``, ``"mlp"``, ``"cooccurrence"`` (classification), or a scikit-learn estimator, which is cloned.
    task : {"classification", "regression"}
    seed : int
        Of folds and weights; a given estimator keeps its own.

    Raises
    ------
    UserError
        An unknown name, a class instead of an estimator, or an estimator for the other task.
    """
    if isinstance(head, str):
        if head not in _BY_NAME:
            raise UserError(
                f"Unknown head {head!r}. Allowed: {', '.join(map(repr, _BY_NAME))}, or a scikit-learn estimator.",
                hint=nearest(head, _BY_NAME) or None,
            )
        if task not in _BY_NAME[head]:
            raise UserError(
                f"The head {head!r} is for {' and '.join(_BY_NAME[head])} only, the task is {task}.",
                hint="use 'linear' or 'mlp'",
            )
        return _BY_NAME[head][task](seed=seed)
    if inspect.isclass(head) or not isinstance(head, BaseEstimator) or not hasattr(head, "fit"):
        what = f"the class {head.__name__}" if inspect.isclass(head) else repr(head)
        raise UserError(
            f"head must be {', '.join(map(repr, _BY_NAME))} or a scikit-learn estimator, got {what}.",
            hint="pass an instance, such as Ridge()" if inspect.isclass(head) else None,
        )
    if (is_regressor if task == "classification" else is_classifier)(head):
        raise UserError(
            f"The head {type(head).__name__} is for {'regression' if task == 'classification' else 'classification'}, "
            f"the task is {task}.",
            hint="use a head for this task, or the other estimator",
        )
    return clone(head)


def reads_layers(head: Any) -> bool:
    """Whether a head must see the layers side by side."""
    return isinstance(head, CooccurrenceClassifier)


def fit_head(
    head: Any, X: FloatArray, y: NDArray[Any], groups: NDArray[Any] | None, *, n_layers: int | None = None
) -> Any:
    """Fit a head; `groups` go to heads that take them, the number of layers in `X` to those that have yet to know it."""
    if reads_layers(head) and head.n_layers is None and head.widths is None:
        head.set_params(n_layers=n_layers)
    if "groups" in inspect.signature(head.fit).parameters:
        return head.fit(X, y, groups=groups)
    return head.fit(X, y)


def oof_predict(
    head: Any, X: FloatArray, y: NDArray[Any], groups: NDArray[Any] | None, *, cv: int, seed: int
) -> NDArray[Any] | None:
    """Out-of-fold predictions of a fitted regression head.

    Parameters
    ----------
    head : estimator
        Its own ``oof_pred_`` is taken where it has one; else clones of it are fitted on folds.
    X : array of shape (n, F)
    y : array of shape (n,)
    groups : array of shape (n,) or None
    cv, seed : int

    Returns
    -------
    array of shape (n,), or None
        None where the rows allow no folds.
    """
    if hasattr(head, "oof_pred_"):
        return np.asarray(head.oof_pred_)
    try:
        folds = inner_folds(y, None if groups is None else list(groups), cv, seed, stratify=False)
    except UserError:
        return None
    out = np.empty(len(y), dtype=np.float64)
    for train, test in folds:
        own = None if groups is None else groups[train]
        out[test] = fit_head(clone(head), X[train], y[train], own).predict(X[test])
    return out
