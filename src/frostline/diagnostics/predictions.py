"""FRL3xx: what is wrong with the predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.kernel_ridge import KernelRidge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from frostline.diagnostics.drift import drift
from frostline.diagnostics.evidence import Evidence
from frostline.diagnostics.model import Check, NotApplicable, Verdict, issue, passed, tip
from frostline.heads import held_out
from frostline.numerics.metrics import expected_calibration_error, mean_and_error

__all__ = ["CHECKS"]

LEVEL = 0.9
"""Nominal coverage of the intervals that are checked."""

_DRAWS = 500
_FEWEST = 20


def beats_dummy(evidence: Evidence) -> Verdict:
    """Better than answering the same for every row, classes counted alike."""
    y = evidence.target(evidence.test)
    own, other = evidence.errors(evidence.test), evidence.errors(evidence.test, evidence.baseline("dummy"))
    if evidence.task == "classification":  # accuracy alone rewards naming the largest class for every row
        counts = np.bincount(y[y >= 0], minlength=len(evidence.classes))
        weight = np.where(y >= 0, len(y) / ((counts > 0).sum() * np.maximum(counts[y], 1)), 0.0)
        own, other = own * weight, other * weight
    return _compare(own, other, "a dummy that ignores the input", hard=True)


def beats_text(evidence: Evidence) -> Verdict:
    """Better than TF-IDF and a linear model."""
    own, other = evidence.errors(evidence.test), evidence.errors(evidence.test, evidence.baseline("text"))
    return _compare(own, other, "TF-IDF with a linear model")


def beats_raw(evidence: Evidence) -> Verdict:
    """Better than boosted trees on the columns."""
    if evidence.task == "classification" and evidence.train.table.num_columns < 2:
        raise NotApplicable("There is one column only.")
    own, other = evidence.errors(evidence.test), evidence.errors(evidence.test, evidence.baseline("raw_columns"))
    return _compare(own, other, "boosted trees on the raw columns")


def vectors_or_head(evidence: Evidence) -> Verdict:
    """Where predictions are poor: whether the vectors lack the target, or the head fails to find it."""
    y = evidence.sampled_target
    Z = np.asarray(evidence.read.features(evidence.sampled), dtype=np.float64)
    if len(y) < _FEWEST or (evidence.task == "classification" and np.bincount(y).min() < 2):
        raise NotApplicable("There are too few rows to hold any out.")
    dummy = _row_errors(evidence.task, y, _constant(evidence.task, y), y)
    found = {}
    for name, model in _models(evidence.task, len(y)).items():
        rows, predicted = held_out(
            model.fit(Z, y), Z, y, evidence.groups[evidence.sample], evidence.task, evidence.seed, every=True
        )
        if len(rows):
            values = predicted.argmax(axis=1) if evidence.task == "classification" else predicted
            found[name] = mean_and_error(_row_errors(evidence.task, y[rows], values, y) - dummy[rows])
    own = evidence.errors(evidence.test)
    base = evidence.errors(evidence.test, evidence.baseline("dummy"))
    gain, error = mean_and_error(base - own)
    value = {"predictor": gain, **{name: -mean for name, (mean, _) in found.items()}}
    if not found:
        raise NotApplicable("There are too few rows to hold any out.")
    best, (mean, spread) = min(found.items(), key=lambda item: item[1][0])
    if mean + 2 * spread >= 0 and gain <= 2 * error:
        return issue(
            "The vectors lack the target: neighbors and a kernel machine do no better with them than a dummy. Look at other "
            "layers, another backbone, or more of the row.",
            value,
        )
    if -mean - gain > 2 * np.hypot(spread, error) and -mean > 1.5 * max(gain, 0.0):
        return issue(
            f"The head is too small or badly tuned: out of fold, a {best} gains {-mean:.2f} over a dummy on the same vectors, the "
            f"predictor {gain:.2f}.",
            value,
        )
    return passed(f"The predictor gains {gain:.2f} over a dummy; the best of neighbors and kernels {-mean:.2f}.", value)


def over_fitting(evidence: Evidence) -> Verdict:
    """How much of the gain over a dummy is lost on new rows."""
    train, test = evidence.train, evidence.test
    known = evidence.target(train)
    on_train = (
        _row_errors(evidence.task, known, _constant(evidence.task, known), known).mean() - evidence.errors(train).mean()
    )
    new, error = mean_and_error(evidence.errors(test, evidence.baseline("dummy")) - evidence.errors(test))
    if on_train <= 0.01:
        raise NotApplicable("The predictor gains nothing on its training rows, so there is nothing to lose.")
    lost = float(1 - new / on_train)
    sure = float(1 - (new + 2 * error) / on_train)
    value = {"gain_train": float(on_train), "gain_test": new}
    message = f"{lost:.0%} of the gain over a dummy on training rows ({on_train:.2f}) is lost on new rows ({new:.2f})."
    if sure > 0.5:
        return issue(f"{message} Use fewer parameters, more regularization or more rows.", value)
    return (tip if sure > 0.25 else passed)(message, value)


def calibration(evidence: Evidence) -> Verdict:
    """Whether confidence is as good as its word."""
    if evidence.task != "classification" or evidence.predicted(evidence.test).proba is None:
        raise NotApplicable("The predictor gives no probabilities.")
    found = evidence.predicted(evidence.test)
    p = np.asarray(found.proba).max(axis=1)
    if len(p) < _FEWEST:
        raise NotApplicable(f"{len(p)} rows are too few to judge calibration by.")
    ece = expected_calibration_error(p, found.values == evidence.target(evidence.test))
    rng = np.random.default_rng(evidence.seed)
    null = [expected_calibration_error(p, rng.random(len(p)) < p) for _ in range(_DRAWS)]
    chance = (1 + sum(draw >= ece for draw in null)) / (1 + _DRAWS)
    message = (
        f"Confidence is off by {ece:.3f} on average (calibrated predictions reach that with probability {chance:.3f})."
    )
    if chance <= 0.01 and ece >= 0.02:
        return (issue if ece >= 0.1 else tip)(f"{message} Calibrate on held-out rows.", ece)
    return passed(message, ece)


def coverage(evidence: Evidence) -> Verdict:
    """Whether intervals hold as many rows as they promise."""
    if not hasattr(evidence.estimator, "predict_interval"):
        raise NotApplicable("The predictor gives no intervals.")
    lower, upper = evidence.estimator.predict_interval(evidence.test.X, level=LEVEL)
    y = evidence.target(evidence.test)
    inside = (np.asarray(lower) <= y) & (y <= np.asarray(upper))
    share = float(inside.mean())
    chance = float(stats.binomtest(int(inside.sum()), len(y), LEVEL).pvalue)
    message = f"{share:.1%} of {len(y)} test rows lie in their {LEVEL:.0%} interval (probability of so far off: {chance:.3f})."
    if chance <= 0.01 and share < LEVEL:
        return issue(f"{message} New rows differ from those that the width was learnt on.", share)
    return (tip if chance <= 0.01 else passed)(message, share)


def _compare(own: NDArray[np.float64], other: NDArray[np.float64], name: str, *, hard: bool = False) -> Verdict:
    """Errors row by row; with `hard`, being no better is an issue, else only being worse."""
    gain, error = mean_and_error(other - own)
    n = len(own)
    if n < 2:
        raise NotApplicable("One test row compares nothing.")
    reach = float(stats.t.ppf(0.975, n - 1)) * error
    value = {"gain": gain, "lower": gain - reach, "upper": gain + reach}
    message = f"Mean error {own.mean():.3f}, that of {name} {other.mean():.3f}: a gain of {gain:.3f} ± {reach:.3f} on {n} rows."
    if gain - reach > 0:
        return passed(message, value)
    if gain + reach < 0 or (hard and (gain <= 0 or n >= 100)):
        return issue(f"Not better. {message}", value)
    return tip(f"Not clearly better. {message}", value)


def _constant(task: str, y: NDArray[Any]) -> NDArray[Any]:
    return np.full(len(y), np.bincount(y[y >= 0]).argmax() if task == "classification" else y.mean())


def _row_errors(task: str, y: NDArray[Any], values: NDArray[Any], scale: NDArray[Any]) -> NDArray[np.float64]:
    """As :meth:`Evidence.errors`, by the variance of `scale`."""
    if task == "classification":
        return np.asarray(values != y, dtype=np.float64)
    return np.asarray((values - y) ** 2 / max(float(scale.var()), 1e-300))


def _models(task: str, n: int) -> dict[str, Any]:
    """What finds the target in vectors if it is there, however it bends."""
    k = max(1, min(10, n // 10))
    if task == "classification":
        found: dict[str, Any] = {"vote of neighbors": KNeighborsClassifier(k), "kernel machine": SVC()}
    else:
        found = {
            "mean of neighbors": KNeighborsRegressor(k),
            "kernel machine": _CenteredKernel(kernel="rbf", alpha=0.1),
        }
    return {name: make_pipeline(StandardScaler(), model) for name, model in found.items()}


class _CenteredKernel(KernelRidge):  # type: ignore[misc]
    """Kernel ridge around the mean of the targets, at the scale of the rows' distances."""

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> _CenteredKernel:
        self.mean_ = float(np.mean(y))
        self.gamma = 1 / X.shape[1]
        super().fit(X, y - self.mean_, sample_weight)
        return self

    def predict(self, X: Any) -> Any:
        return super().predict(X) + self.mean_


CHECKS = (
    Check("FRL301", "Better than a dummy", beats_dummy),
    Check("FRL302", "Better than words", beats_text),
    Check("FRL303", "Better than raw columns", beats_raw),
    Check("FRL304", "Vectors or head", vectors_or_head),
    Check("FRL305", "Over-fitting", over_fitting),
    Check("FRL306", "Calibration", calibration),
    Check("FRL307", "Coverage of intervals", coverage),
    Check("FRL308", "Drift", drift),
)
