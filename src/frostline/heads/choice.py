"""Which head: by name, or any scikit-learn estimator; and what every head can be asked for."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from frostline.contracts import FloatArray
from frostline.errors import UserError, nearest
from frostline.heads._folds import inner_folds
from frostline.heads.cooccurrence import CooccurrenceClassifier
from frostline.heads.kernel import KernelRegressor
from frostline.heads.linear import LinearClassifier, LinearRegressor
from frostline.heads.mlp import MLPClassifier, MLPRegressor
from frostline.heads.multilabel import LinearMultilabel
from frostline.splits import Split

__all__ = ["fit_head", "held_out", "make_head", "reads_layers", "settled"]


def _boosting(kind: Any) -> Callable[..., Any]:
    """Boosted trees on vectors: of so many columns 63 bins are enough, and validation rows of their own know no groups."""
    return lambda seed: kind(max_bins=63, early_stopping=False, random_state=seed)


_BY_NAME: dict[str, dict[str, Any]] = {
    "auto": {"classification": LinearClassifier, "regression": LinearRegressor, "multilabel": LinearMultilabel},
    "linear": {"classification": LinearClassifier, "regression": LinearRegressor, "multilabel": LinearMultilabel},
    "mlp": {"classification": MLPClassifier, "regression": MLPRegressor},
    "kernel": {"regression": KernelRegressor},
    "boosting": {
        "classification": _boosting(HistGradientBoostingClassifier),
        "regression": _boosting(HistGradientBoostingRegressor),
    },
    "cooccurrence": {"classification": CooccurrenceClassifier},
    "cooccurrence-published": {"classification": partial(CooccurrenceClassifier, as_published=True)},
}


def make_head(head: Any, task: str, seed: int) -> Any:
    """Make a fresh, unfitted head.

    Parameters
    ----------
    head : str or estimator
        ``"linear"``, ``"mlp"``, ``"boosting"``, ``"kernel"`` (regression), ``"cooccurrence"`` and
        ``"cooccurrence-published"`` (classification), ``"auto"`` (linear: on frozen vectors others were rarely better and
        never as fast), or a scikit-learn estimator, which is cloned.
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
                hint="use 'linear'",
            )
        return _BY_NAME[head][task](seed=seed)
    if inspect.isclass(head) or not isinstance(head, BaseEstimator) or not hasattr(head, "fit"):
        what = f"the class {head.__name__}" if inspect.isclass(head) else repr(head)
        raise UserError(
            f"head must be {', '.join(map(repr, _BY_NAME))} or a scikit-learn estimator, got {what}.",
            hint="pass an instance, such as Ridge()" if inspect.isclass(head) else None,
        )
    if task == "multilabel":
        if isinstance(head, LinearMultilabel):
            return clone(head)
        raise UserError(
            f"Rows with sets of labels are learnt by the head 'linear', not by a {type(head).__name__}.",
            hint="leave the head out",
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
    head: Any,
    X: FloatArray,
    y: NDArray[Any],
    groups: NDArray[Any] | None,
    *,
    layers: Sequence[Sequence[int]] | None = None,
) -> Any:
    """Fit a head; `groups` go to heads that take them, the layers in `X` to those that have yet to know them.

    `layers` holds for each backbone the widths of its layers, in the order of the columns.
    """
    if reads_layers(head) and head.n_layers is None and head.widths is None and layers is not None:
        widths = [width for own in layers for width in own]
        head.set_params(n_layers=len(layers[0]), widths=widths if len(layers) > 1 else None)
    if "groups" in inspect.signature(head.fit).parameters:
        return head.fit(X, y, groups=groups)
    return head.fit(X, y)


def held_out(
    head: Any, X: FloatArray, y: NDArray[Any], groups: NDArray[Any] | None, task: str, seed: int, *, every: bool = False
) -> tuple[NDArray[np.intp], FloatArray]:
    """What a fitted head predicts for rows when it has not seen them.

    Parameters
    ----------
    head : estimator
        Its own ``oof_proba_`` or ``oof_pred_`` is taken where it has one; else clones of it are fitted.
    X : array of shape (n, F)
    y : array of shape (n,)
        Class numbers 0..n_classes-1, or numbers.
    groups : array of shape (n,) or None
    task : {"classification", "regression"}
    seed : int
    every : bool
        Whether clones are fitted until every row was held out, or once only, for a fifth of the rows.

    Returns
    -------
    rows : int array of shape (m,)
        Empty where the rows allow no folds.
    predicted : array of shape (m, n_classes) or (m,)
        Of a classifier without probabilities, one for the class it names.
    """
    own = getattr(head, "oof_pred_" if task == "regression" else "oof_proba_", None)
    if own is not None:
        return np.arange(len(y)), np.asarray(own)
    n_classes = int(y.max()) + 1 if task == "classification" else 0
    nothing = np.empty(0, dtype=np.intp), np.empty((0, n_classes) if n_classes else 0)
    if task == "multilabel":  # its own head holds rows out wherever that is possible
        return nothing
    try:
        folds = inner_folds(y, None if groups is None else list(groups), 5, seed, stratify=bool(n_classes))
    except UserError:
        return nothing
    if any(n_classes and len(np.unique(y[train])) < 2 for train, _ in folds):
        return nothing
    return over_folds(head, X, y, groups, folds if every else folds[:1], task)


def over_folds(
    head: Any,
    X: FloatArray,
    y: NDArray[Any],
    groups: NDArray[Any] | None,
    folds: Sequence[Split],
    task: str,
    *,
    layers: Sequence[Sequence[int]] | None = None,
) -> tuple[NDArray[np.intp], FloatArray]:
    """What clones of a head, each fitted on the training part of a fold, predict for its test part.

    Parameters
    ----------
    head, X, y, groups
        As for :func:`held_out`. A class that a training part lacks gets no probability there.
    folds : sequence of (train, test)
    task
        As for :func:`held_out`.
    layers
        As for :func:`fit_head`.

    Returns
    -------
    rows, predicted
        As :func:`held_out` does.
    """
    n_classes = int(y.max()) + 1 if task == "classification" else 0
    parts = [(test, _fold(head, X, y, groups, train, test, n_classes, layers)) for train, test in folds]
    rows = np.concatenate([test for test, _ in parts])
    order = np.argsort(rows)
    return rows[order], np.concatenate([predicted for _, predicted in parts])[order]


def _fold(
    head: Any,
    X: FloatArray,
    y: NDArray[Any],
    groups: NDArray[Any] | None,
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    n_classes: int,
    layers: Sequence[Sequence[int]] | None,
) -> FloatArray:
    fitted = fit_head(clone(head), X[train], y[train], None if groups is None else groups[train], layers=layers)
    if not n_classes:
        return np.asarray(fitted.predict(X[test]), dtype=np.float64)
    if not hasattr(fitted, "predict_proba"):
        return np.eye(n_classes)[np.asarray(fitted.predict(X[test]), dtype=np.intp)]
    proba = np.zeros((len(test), n_classes))
    proba[:, np.asarray(fitted.classes_)] = fitted.predict_proba(X[test])
    return proba


def settled(fitted: Any) -> Any:
    """An unfitted head that repeats the choices of a fitted one: its strength, its rates, its steepness."""
    head = clone(fitted)
    if isinstance(fitted, LinearClassifier | LinearMultilabel | LinearRegressor):
        head.set_params(strengths=[fitted.strength_])
    if isinstance(fitted, MLPClassifier | MLPRegressor):
        head.set_params(lrs=[fitted.chosen_["lr"]], weight_decays=[fitted.chosen_["weight_decay"]])
    if isinstance(fitted, CooccurrenceClassifier):
        head.set_params(sigma=fitted.sigma_)
    return head


def n_parameters(head: Any, n_features: int = 0, n_classes: int = 0) -> int | None:
    """Numbers that training sets, standardization included; None of a head that does not say, such as trees.

    Parameters
    ----------
    head : estimator
    n_features, n_classes : int
        What a head that is not fitted would learn from; no classes = numbers.
    """
    if hasattr(head, "n_parameters_"):
        return int(head.n_parameters_)
    if hasattr(head, "coef_"):
        return int(np.size(head.coef_) + np.size(head.intercept_))
    if hasattr(head, "layers_"):
        return int(sum(array.size for array in head.layers_))
    if isinstance(head, LinearClassifier | LinearRegressor):
        return (n_features + 1) * (n_classes if n_classes > 2 else 1)
    if isinstance(head, MLPClassifier | MLPRegressor):
        widths = [n_features, *head.hidden, n_classes or 1]
        return int(head.n_seeds * sum((a + 1) * b for a, b in itertools.pairwise(widths)))
    if not hasattr(head, "get_state") or not hasattr(head, "n_features_in_"):
        return None
    return int(sum(np.size(array) for array in head.get_state()[1].values() if np.asarray(array).dtype.kind == "f"))
