"""All simple methods on one task, scored as the real model is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.multioutput import MultiOutputRegressor
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from frostline.baselines.raw_columns import RawColumns
from frostline.baselines.text import Task, fit_text
from frostline.baselines.trees import TreesClassifier, TreesRegressor
from frostline.errors import UserError
from frostline.numerics.metrics import classification_metrics, regression_metrics
from frostline.splits import KeyColumn

__all__ = ["SMALL_TABLE", "boosting", "run_baselines"]

SMALL_TABLE = 2_000_000
"""Numbers in a table whose trees grow on one thread. They need a second or two; more threads wait for each other many
thousand times, which on a busy machine takes a hundred times as long. OpenMP keeps the limit for the calling thread."""


def run_baselines(
    task: Task,
    train_texts: Sequence[str],
    y_train: ArrayLike,
    test_texts: Sequence[str],
    y_test: ArrayLike,
    train_rows: pa.Table | None = None,
    test_rows: pa.Table | None = None,
    *,
    seed: int,
    groups: KeyColumn | None = None,
) -> dict[str, dict[str, float]]:
    """Fit the simple methods on the training rows and score them on the test rows.

    Parameters
    ----------
    task : {"classification", "regression"}
    train_texts : sequence of n_train strings
        Rows as the backbone reads them.
    y_train : array of shape (n_train,), for regression also (n_train, n_targets)
        Labels of at least two classes, or numbers.
    test_texts, y_test
        The same for the test rows.
    train_rows, test_rows : tables of n_train and n_test rows, optional
        The input columns, without the target.
    seed : int
    groups : key column of length n_train, optional
        Training rows that stay together when a strength is chosen; equal texts always do.

    Returns
    -------
    dict of dict
        Metrics (see :mod:`frostline.numerics.metrics`) of ``dummy`` (the prior, the mean), ``text`` (:func:`fit_text`)
        and, where rows are given, of ``raw_columns`` (:class:`RawColumns` and :func:`boosting`) for regression, and for
        classification from more than one column. Where no training text has a character, ``text`` is the dummy: a
        linear model without terms is its intercept.
    """
    if (train_rows is None) != (test_rows is None):
        raise UserError("Raw columns are compared on training and test rows; got one of the two tables.")
    known, y = _numbered(y_train) if task == "classification" else ([], np.asarray(y_train, dtype=np.float64))

    def score(model: Any, inputs: Any) -> dict[str, float]:
        if task == "classification":
            return classification_metrics(y_test, model.predict_proba(inputs), known)
        return regression_metrics(y_test, model.predict(inputs).reshape(np.shape(y_test)))

    prior = DummyClassifier(strategy="prior") if task == "classification" else DummyRegressor()
    scores = {"dummy": score(prior.fit(train_texts, y), test_texts)}
    text = fit_text(task, train_texts, y, seed=seed, groups=groups)
    scores["text"] = score(text, test_texts) if text is not None else dict(scores["dummy"])
    if train_rows is not None and (task == "regression" or train_rows.num_columns > 1):
        encoder = RawColumns(seed=seed).fit(train_rows)
        X = encoder.transform(train_rows)
        with threadpool_limits(1 if X.size < SMALL_TABLE else None, user_api="openmp"):
            trees = boosting(task, y, encoder.categorical_, seed).fit(X, y)
            scores["raw_columns"] = score(trees, encoder.transform(test_rows))
    return scores


def _numbered(y: ArrayLike) -> tuple[list[Any], NDArray[np.intp]]:
    """List the distinct labels in order of appearance, and number the rows by them."""
    labels = np.asarray(y, dtype=object).tolist()
    number = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    return list(number), np.array([number[label] for label in labels], dtype=np.intp)


def boosting(task: Task, y: NDArray[Any], categorical: NDArray[np.bool_], seed: int) -> Any:
    """Make unfitted histogram gradient boosting for the columns of :class:`RawColumns`.

    Parameters
    ----------
    task : {"classification", "regression"}
    y : array of shape (n,) or (n, n_targets)
        Decides the number of models (one for each target) and of rounds: 100 with up to ten classes; with more, where
        each round grows a tree for each class, about 1,000 trees in all and at least 20 rounds.
    categorical : bool array of shape (F,)
        Which columns hold category numbers; decides the number of bins, 63 instead of scikit-learn's 255 above 64
        columns: those are components of strings, where finer bins take twice the time for the same score.
    seed : int

    Returns
    -------
    scikit-learn estimator
    """
    settings: dict[str, Any] = {
        "categorical_features": categorical if categorical.any() else None,
        "max_bins": 255 if len(categorical) <= 64 else 63,
        "early_stopping": False,  # it would split off validation rows without regard for groups or rare classes
        "random_state": seed,
    }
    if task == "classification":
        n_rounds = min(100, max(20, 1000 // len(np.unique(y))))
        return TreesClassifier(max_iter=n_rounds, **settings)
    model = TreesRegressor(**settings)
    return model if y.ndim == 1 else MultiOutputRegressor(model)
