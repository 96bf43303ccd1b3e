"""Which rows to label next: those that the predictor is least sure of, and no two that say the same.

References
----------
Ash et al., 2020, arXiv 1906.03671 (BADGE: k-means++ seeding among gradients, long where the predictor is unsure). We differ by
gradients without their sign, vectors of unit length times the probability of being wrong, which needs no product of classes
and columns. Wu, Lin and Huang, 2019, Information Sciences 474 (for numbers: greedy
sampling in vectors and targets, iGS).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from frostline.errors import UserError
from frostline.estimators.kept import TrainingRows, kept_rows
from frostline.features import Features
from frostline.labelsets import LabelRule

if TYPE_CHECKING:
    from frostline.estimators.base import TextEstimator

__all__ = ["Suggestions", "suggest"]

_BLOCK = 2**22


@dataclass(frozen=True)
class Suggestions:
    """Rows to label next, the most useful first.

    Attributes
    ----------
    rows : int array of shape (n,)
        Places among the rows that were given.
    predictions : array of shape (n,)
        What is predicted for them now.
    margins : float64 array of shape (n,), or None
        Probability of the most probable class minus that of the second; of sets of labels the smallest difference between
        having a label and not having it; None for numbers.
    n_candidates : int
        Distinct rows that were not labeled yet.
    """

    rows: NDArray[np.intp]
    predictions: NDArray[Any]
    margins: NDArray[np.float64] | None
    n_candidates: int


def suggest(
    estimator: TextEstimator, features: Features, n: int, labeled: NDArray[np.bool_] | None = None
) -> Suggestions:
    """Choose rows to label.

    Parameters
    ----------
    estimator : TextClassifier or TextRegressor
        Fitted.
    features : Features
        Of the rows to choose from.
    n : int
        How many; fewer where there are fewer.
    labeled : bool array, optional
        Rows that have a target already. Rows whose text was trained on are left out anyway.

    Raises
    ------
    UserError
        Nothing is known of the training rows, the head gives no probabilities, or no row is left.
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise UserError(f"The number of rows to suggest must be a whole number, 1 or more, got {n!r}.")
    rows = kept_rows(estimator)
    known = {key.tobytes() for key in rows.keys}
    candidates = []
    for row in range(len(features.keys)):
        if (key := features.keys[row].tobytes()) not in known and (labeled is None or not labeled[row]):
            candidates.append(row)
            known.add(key)
    if not candidates:
        raise UserError("Every row is labeled already, or was trained on.", hint="give rows without a target")
    at = np.array(candidates)
    own = features.take(at)
    Z = rows.standardized(estimator.fused(own))
    if hasattr(estimator, "classes_"):
        found, predictions, margins = _of_classes(estimator, own, Z, n)
    else:
        found, predictions, margins = *_of_numbers(estimator, own, Z, rows, n), None
    return Suggestions(
        at[found], predictions[found], None if margins is None else margins[found], n_candidates=len(candidates)
    )


def _of_classes(
    estimator: Any, features: Features, Z: NDArray[np.float64], n: int
) -> tuple[NDArray[np.intp], NDArray[Any], NDArray[np.float64]]:
    """Spread among vectors that are as long as the predictor is unsure; of words alone the smallest margins."""
    if not hasattr(estimator, "predict_proba"):
        raise UserError("This head gives no probabilities, so nobody knows where it is unsure.", hint="head='linear'")
    proba = estimator.proba_features(features)
    if isinstance(estimator.rule_, LabelRule):  # as unsure as the label that is nearest to a toss-up
        margins = np.abs(2 * proba - 1).min(axis=1)
        wrong = (1 - margins) / 2
    else:
        ranked = np.sort(proba, axis=1)
        margins, wrong = ranked[:, -1] - ranked[:, -2], 1 - ranked[:, -1]
    chosen = np.argsort(margins, kind="stable")[:n]
    if Z.shape[1]:
        lengths = np.linalg.norm(Z, axis=1)
        unsure = wrong / np.where(lengths > 0, lengths, 1)
        chosen = _spread(Z * unsure[:, None], n, np.random.default_rng(int(estimator.seed)))
    return chosen, estimator.decide_features(features).labels, margins


def _spread(G: NDArray[np.float64], n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Seeds of k-means++: the longest row, then rows drawn by their squared distance to the nearest one taken."""
    squares = np.einsum("ij,ij->i", G, G)
    taken = [int(squares.argmax())]
    gap = np.full(len(G), np.inf)
    while len(taken) < min(n, len(G)):
        last = taken[-1]
        gap = np.minimum(gap, np.maximum(squares + squares[last] - 2 * G @ G[last], 0))
        gap[taken] = 0
        left = np.setdiff1d(np.arange(len(G)), taken)
        # Where all that is left equals something taken, any of it is as good.
        taken.append(int(rng.choice(len(G), p=gap / gap.sum())) if gap.sum() > 0 else int(left[0]))
    return np.array(taken)


def _of_numbers(
    estimator: Any, features: Features, Z: NDArray[np.float64], rows: TrainingRows, n: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Far from all training rows in vector and in number at once (iGS); chosen rows count as if labeled as predicted."""
    if not Z.shape[1]:
        raise UserError("This predictor reads no vectors, so no row is far from another.", hint="features='embedding'")
    predicted = np.asarray(estimator.predict_features(features), dtype=np.float64)
    gap = np.full(len(Z), np.inf)

    def approach(vectors: NDArray[Any], targets: NDArray[np.float64]) -> None:
        norms = (Z**2).sum(axis=1)[:, None] + (vectors**2).sum(axis=1)
        distances = np.sqrt(np.maximum(norms - 2 * Z @ vectors.T, 0))
        np.minimum(gap, (distances * np.abs(predicted[:, None] - targets)).min(axis=1), out=gap)

    step = max(1, _BLOCK // max(len(Z), Z.shape[1]))
    for start in range(0, len(rows.where), step):
        part = slice(start, start + step)
        approach(rows.vectors[part].astype(np.float64), np.asarray(rows.targets[rows.where[part]], dtype=np.float64))
    taken: list[int] = []
    while len(taken) < min(n, len(Z)):
        taken.append(int(gap.argmax()))
        approach(Z[taken[-1:]], predicted[taken[-1:]])
        gap[taken] = -1
    return np.array(taken), predicted
