"""Scores of label sets: rows that have any number of labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from frostline.errors import UserError

__all__ = ["average_precision", "multilabel_metrics"]


def multilabel_metrics(y_true: ArrayLike, proba: ArrayLike, y_pred: ArrayLike) -> dict[str, float]:
    """Score sets of labels.

    Parameters
    ----------
    y_true : bool array of shape (n, n_labels)
    proba : array of shape (n, n_labels)
        Probability of each label.
    y_pred : bool array of shape (n, n_labels)
        Labels that were given.

    Returns
    -------
    dict
        ``subset_accuracy``, the share of rows whose set is exactly right; ``micro_f1`` over all decisions; ``macro_f1``, the
        mean over labels that are true or predicted somewhere; ``hamming_loss``, the share of wrong decisions;
        ``average_precision``, the mean of :func:`average_precision` over labels that are true somewhere; ``log_loss``, the
        mean over decisions in nats. Sets that are empty throughout have F1 1.

    Raises
    ------
    UserError
        No row or label, or shapes that do not fit.
    """
    true, given = np.asarray(y_true, dtype=bool), np.asarray(y_pred, dtype=bool)
    p = np.asarray(proba, dtype=np.float64)
    if true.ndim != 2 or not true.size or true.shape != p.shape or true.shape != given.shape:
        raise UserError(
            f"Label sets need truth, probabilities and decisions of one shape (n, n_labels), neither 0; "
            f"got {true.shape}, {p.shape} and {given.shape}."
        )
    hits, either = (true & given).sum(axis=0), true.sum(axis=0) + given.sum(axis=0)
    seen, positive = either > 0, true.any(axis=0)
    of_true = np.where(true, p, 1 - p)
    return {
        "subset_accuracy": float((true == given).all(axis=1).mean()),
        "micro_f1": float(2 * hits.sum() / either.sum()) if seen.any() else 1.0,
        "macro_f1": float((2 * hits[seen] / either[seen]).mean()) if seen.any() else 1.0,
        "hamming_loss": float((true != given).mean()),
        "average_precision": float(
            np.mean([average_precision(true[:, k], p[:, k]) for k in np.flatnonzero(positive)])
            if positive.any()
            else 0.0
        ),
        "log_loss": float(-np.log(np.clip(of_true, 1e-15, 1.0)).mean()),
    }


def average_precision(true: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    """Mean of the precision at each step of recall, rows of equal score taken together.

    Parameters
    ----------
    true : bool array of shape (n,)
        At least one is true.
    score : array of shape (n,)

    Returns
    -------
    float
    """
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.diff(score[order]) != 0, True)
    hits = np.cumsum(true[order])[ends]
    precision = hits / (np.flatnonzero(ends) + 1)
    return float(np.diff(hits, prepend=0) @ precision / hits[-1])
