"""Scores of predictions, with their calibration and uncertainty, and smoothness; arrays in, plain Python numbers out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from frostline.errors import UserError
from frostline.numerics.smoothness import nlfd, smoothness_gap, table_smoothness_gap

__all__ = [
    "bootstrap_ci",
    "classification_metrics",
    "confusion",
    "expected_calibration_error",
    "kendall_tau",
    "nlfd",
    "paired_difference",
    "regression_metrics",
    "reliability_bins",
    "smoothness_gap",
    "table_smoothness_gap",
]

Floats = NDArray[np.float64]
SMALLEST_PROBABILITY = 1e-15
"""What the logarithmic loss takes for smaller probabilities, so that one row costs at most 34.5 nats."""


def classification_metrics(
    y_true: ArrayLike, proba: ArrayLike, classes: ArrayLike, y_pred: ArrayLike | None = None
) -> dict[str, float]:
    """Score class probabilities, and the classes that were predicted from them.

    A true label that is not among `classes` cannot be predicted: it counts as an error in ``accuracy``, as a class
    with F1 0 in ``macro_f1``, and with probability :data:`SMALLEST_PROBABILITY` in ``log_loss``.

    Parameters
    ----------
    y_true : array of shape (n,)
        True labels.
    proba : array of shape (n, n_classes)
        Probabilities, a column for each entry of `classes`.
    classes : array of shape (n_classes,)
        Labels that can be predicted.
    y_pred : array of shape (n,), optional
        Predicted labels; default: the most probable ones.

    Returns
    -------
    dict
        ``accuracy``; ``macro_f1``, the mean F1 of the labels that are true or predicted for some row; ``log_loss`` in
        nats; ``ece`` of the most probable label, see :func:`expected_calibration_error`.

    Raises
    ------
    UserError
        No row, shapes that do not fit, or a probability that is not a number from 0 to 1.
    """
    p = np.asarray(proba, dtype=np.float64)
    labels, known = _items(y_true), _items(classes)
    if p.shape != (len(labels), len(known)) or not p.size:
        raise UserError(
            f"Probabilities of {len(labels)} rows and {len(known)} classes have shape ({len(labels)}, {len(known)}), "
            f"neither 0; got {p.shape}."
        )
    if not ((p >= 0) & (p <= 1 + 1e-6)).all():
        raise UserError("Probabilities are numbers from 0 to 1; got others.")
    number = {label: i for i, label in enumerate(known)}
    true = np.array([number.setdefault(label, len(number)) for label in labels])
    top = p.argmax(axis=1)
    predicted = top if y_pred is None else np.array([number.setdefault(v, len(number)) for v in _items(y_pred)])
    if len(predicted) != len(true):
        raise UserError(f"True and predicted labels must be equally many; got {len(true)} and {len(predicted)}.")
    p_true = np.where(true < len(known), np.take_along_axis(p, np.minimum(true, len(known) - 1)[:, None], 1)[:, 0], 0.0)
    return {
        "accuracy": float((predicted == true).mean()),
        "macro_f1": _macro_f1(true, predicted),
        "log_loss": float(-np.log(np.clip(p_true, SMALLEST_PROBABILITY, 1.0)).mean()),
        "ece": expected_calibration_error(p.max(axis=1), top == true),
    }


def expected_calibration_error(
    confidence: ArrayLike, correct: ArrayLike, n_bins: int = 15, debias: bool = True
) -> float:
    """Estimate how far confidence is from accuracy on average, over bins of equally many rows.

    The plug-in estimate, the sum over bins b of p_b |d_b| with d_b = mean confidence - accuracy and p_b the share of
    rows, is too large: with few rows |d_b| is far from 0 even for perfect confidences. With `debias`, d_b is taken as
    normal with variance s_b^2 = a_b (1 - a_b) / (n_b - 1), a_b the accuracy, and the bias E|N(d_b, s_b^2)| - |d_b|,
    known in closed form, is subtracted; the sum is cut at 0. This keeps the scale of the familiar L1 error (the
    debiased L2 error of Kumar et al. is another quantity) and removes most of its bias, not all.

    Parameters
    ----------
    confidence : array of shape (n,)
        Probability of the predicted class.
    correct : bool array of shape (n,)
        Whether it was the true one.
    n_bins : int
        At most so many bins; rows of equal confidence share a bin.
    debias : bool
        Whether to subtract the bias.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    UserError
        No row, arrays of different lengths, or no bin.

    References
    ----------
    Guo et al., 2017, arXiv 1706.04599 (the L1 error). Kumar, Liang and Ma, 2019, arXiv 1909.10155 (debiasing).
    """
    bins = np.array(reliability_bins(confidence, correct, n_bins))
    accuracy, n = bins[:, 1], bins[:, 2]
    gap = np.abs(bins[:, 0] - accuracy)
    error = gap
    if debias:
        s = np.sqrt(accuracy * (1 - accuracy) / np.maximum(n - 1, 1))
        z = np.divide(gap, s, out=np.full_like(gap, np.inf), where=s > 0)
        mean_absolute = 2 * s * stats.norm.pdf(z) + gap * (2 * stats.norm.cdf(z) - 1)
        error = 2 * gap - mean_absolute
    return float(max(0.0, np.average(error, weights=n)))


def reliability_bins(confidence: ArrayLike, correct: ArrayLike, n_bins: int = 15) -> list[tuple[float, float, int]]:
    """Sort rows by confidence into bins of about equally many, for a reliability diagram.

    Parameters
    ----------
    confidence : array of shape (n,)
        Probability of the predicted class.
    correct : bool array of shape (n,)
        Whether it was the true one.
    n_bins : int
        At most so many bins; rows of equal confidence share a bin, so the order of rows does not matter.

    Returns
    -------
    list of (mean confidence, accuracy, number of rows)
        Non-empty bins by rising confidence.

    Raises
    ------
    UserError
        No row, arrays of different lengths, or no bin.
    """
    p, hit = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if p.ndim != 1 or p.shape != hit.shape or not p.size or n_bins < 1:
        raise UserError(
            f"Calibration needs equally many confidences and outcomes, at least one, and at least one bin; "
            f"got shapes {p.shape} and {hit.shape}, and {n_bins} bins."
        )
    rows_below = np.searchsorted(np.sort(p), p)
    _, bin_of = np.unique(rows_below * n_bins // len(p), return_inverse=True)
    n = np.bincount(bin_of)
    means, accuracies = np.bincount(bin_of, p) / n, np.bincount(bin_of, hit) / n
    return list(zip(means.tolist(), accuracies.tolist(), n.tolist(), strict=True))


def confusion(y_true: ArrayLike, y_pred: ArrayLike, classes: ArrayLike) -> NDArray[np.intp]:
    """Count the rows of each pair of true and predicted class.

    Parameters
    ----------
    y_true, y_pred : arrays of shape (n,)
        Labels.
    classes : array of shape (n_classes,)
        All labels that occur.

    Returns
    -------
    int array of shape (n_classes, n_classes)
        Rows are true classes, columns predicted ones.

    Raises
    ------
    UserError
        Different lengths, or a label that is not among `classes`.
    """
    known = _items(classes)
    number = {label: i for i, label in enumerate(known)}
    true, predicted = _items(y_true), _items(y_pred)
    if len(true) != len(predicted):
        raise UserError(f"True and predicted labels must be equally many; got {len(true)} and {len(predicted)}.")
    if unknown := [label for label in (*true, *predicted) if label not in number]:
        raise UserError(
            f"Label {unknown[0]!r} is not among the {len(known)} classes.", hint="Pass all labels that occur."
        )
    counts = np.zeros((len(known), len(known)), dtype=np.intp)
    np.add.at(counts, ([number[label] for label in true], [number[label] for label in predicted]), 1)
    return counts


def regression_metrics(
    y_true: ArrayLike, y_pred: ArrayLike, lower: ArrayLike | None = None, upper: ArrayLike | None = None
) -> dict[str, float]:
    """Score predicted numbers; with several targets, the mean of each score over those that are not constant.

    Parameters
    ----------
    y_true, y_pred : arrays of shape (n,) or (n, n_targets)
        True and predicted values.
    lower, upper : arrays of the same shape, optional
        Ends of prediction intervals.

    Returns
    -------
    dict
        ``kendall_tau`` (tau-b) and ``spearman``, both 0 where the truth or the prediction is constant; ``r2``, 0 where
        the truth is constant; ``mae`` and ``rmse`` in units of the target; with intervals ``coverage``, the share of
        rows inside, ends included, and ``width``, the mean of upper - lower.

    Raises
    ------
    UserError
        No row, shapes that do not fit, a value that is not finite, or only one end of the intervals.
    """
    if (lower is None) != (upper is None):
        raise UserError("Intervals need both ends; got one.")
    columns = [np.asarray(values, dtype=np.float64) for values in (y_true, y_pred, lower, upper) if values is not None]
    if any(c.shape != columns[0].shape or c.ndim not in (1, 2) or not c.size for c in columns):
        raise UserError(f"Truth and prediction must have one shape, not empty; got {[c.shape for c in columns]}.")
    if not all(np.isfinite(c).all() for c in columns):
        raise UserError("Truth and prediction must be finite; got NaN or infinity.")
    targets = list(zip(*(c.reshape(len(c), -1).T for c in columns), strict=True))
    varied = [target for target in targets if np.ptp(target[0]) > 0]  # there is nothing to tell of a constant
    scores = [_score_target(*target) for target in varied or targets]
    return {name: float(np.mean([score[name] for score in scores])) for name in scores[0]}


def kendall_tau(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """How far predictions rank rows as the truth does: Kendall's tau-b.

    Parameters
    ----------
    y_true, y_pred : arrays of shape (n,)

    Returns
    -------
    float
        From -1 to 1; 0 where either is constant.

    Raises
    ------
    UserError
        No row, different shapes, or a value that is not finite.
    """
    return regression_metrics(y_true, y_pred)["kendall_tau"]


def bootstrap_ci(
    statistic: Callable[..., float], *arrays: ArrayLike, n: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Bracket a statistic by the percentile bootstrap over rows.

    Parameters
    ----------
    statistic : callable
        Takes as many arrays as are given, returns a number.
    *arrays : arrays with one first axis of at least 2 rows
        Drawn together: row i of each stays with row i of the others.
    n : int
        Number of draws.
    level : float
        Between 0 and 1.
    seed : int
        Of the draws.

    Returns
    -------
    lower, upper : float

    Raises
    ------
    UserError
        Arrays of different lengths or fewer than 2 rows, a level out of range, or a draw without a finite statistic.

    References
    ----------
    Efron, 1979, The Annals of Statistics 7(1).
    """
    rows = [np.asarray(array) for array in arrays]
    if not rows or any(len(r) != len(rows[0]) for r in rows) or len(rows[0]) < 2 or n < 1:
        raise UserError(f"The bootstrap needs arrays of one length of at least 2; got {[len(r) for r in rows]}.")
    _check_level(level)
    rng = np.random.default_rng(seed)
    draws = np.empty(n)
    for i in range(n):
        drawn = rng.integers(0, len(rows[0]), len(rows[0]))
        draws[i] = statistic(*(r[drawn] for r in rows))
    if not np.isfinite(draws).all():
        raise UserError("The statistic is not finite on some bootstrap draws.", hint="Use more rows.")
    lower, upper = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return lower, upper


def mean_and_error(values: ArrayLike) -> tuple[float, float]:
    """Mean and its standard error (of the values as a population, so 0 for a single one)."""
    found = np.asarray(values, dtype=np.float64)
    return float(found.mean()), float(found.std() / np.sqrt(len(found)))


def paired_difference(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> dict[str, float]:
    """Compare two methods by their scores on the same rows.

    Parameters
    ----------
    a, b : arrays of shape (n,), n at least 2
        Score of each row, such as whether it was predicted rightly, or its absolute error.
    level : float
        Between 0 and 1.

    Returns
    -------
    dict
        ``difference``, the mean of a - b; its ``std_error``; ``lower`` and ``upper``, Student's interval.

    Raises
    ------
    UserError
        Arrays of different lengths or fewer than 2 rows, or a level out of range.
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape or len(first) < 2:
        raise UserError(
            f"A paired comparison needs two scores of each of n >= 2 rows; got {first.shape} and {second.shape}."
        )
    _check_level(level)
    gaps = first - second
    mean, std_error = float(gaps.mean()), float(gaps.std(ddof=1) / np.sqrt(len(gaps)))
    reach = float(stats.t.ppf((1 + level) / 2, len(gaps) - 1)) * std_error
    return {"difference": mean, "std_error": std_error, "lower": mean - reach, "upper": mean + reach}


def _items(values: ArrayLike) -> list[Any]:
    """List labels as Python values, strings and numbers side by side if need be."""
    items: list[Any] = np.asarray(values, dtype=object).tolist()
    return items


def _check_level(level: float) -> None:
    """Refuse a level outside (0, 1)."""
    if not 0 < level < 1:
        raise UserError(f"A level lies between 0 and 1, such as 0.9; got {level!r}.")


def _macro_f1(true: NDArray[np.intp], predicted: NDArray[np.intp]) -> float:
    """Average F1 = 2 TP / (true + predicted rows) over the classes that are true or predicted somewhere."""
    n_classes = int(max(true.max(), predicted.max())) + 1
    hits = np.bincount(true[true == predicted], minlength=n_classes)
    rows = np.bincount(true, minlength=n_classes) + np.bincount(predicted, minlength=n_classes)
    return float((2 * hits[rows > 0] / rows[rows > 0]).mean())


def _score_target(
    y: Floats, prediction: Floats, lower: Floats | None = None, upper: Floats | None = None
) -> dict[str, float]:
    """Score one target."""
    error = prediction - y
    spread = float(((y - y.mean()) ** 2).sum())
    varies = np.ptp(y) > 0
    ranked = varies and np.ptp(prediction) > 0  # a rank correlation with a constant is 0/0
    scores = {
        "kendall_tau": float(stats.kendalltau(y, prediction).statistic) if ranked else 0.0,
        "spearman": float(stats.spearmanr(y, prediction).statistic) if ranked else 0.0,
        "r2": 1 - float((error**2).sum()) / spread if varies and spread > 0 else 0.0,
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt((error**2).mean())),
    }
    if lower is not None and upper is not None:
        scores["coverage"] = float(((lower <= y) & (y <= upper)).mean())
        scores["width"] = float((upper - lower).mean())
    return scores
