"""Judge a fitted estimator on rows that it has not seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.engines.classes import Answered, find_mistakes
from frostline.engines.sets import score_sets
from frostline.errors import UserError
from frostline.estimators import TextClassifier, TextRegressor
from frostline.features import Features
from frostline.heads import fit_head, make_head
from frostline.numerics.metrics import classification_metrics, confusion, regression_metrics, reliability_bins
from frostline.reports.model import LayerScore, Mistake
from frostline.uncertainty import TooFewRowsError

__all__ = ["LEVEL", "Judgement", "judge", "judge_folds", "layer_scores"]

LEVEL = 0.9
"""Nominal coverage of the intervals in every report."""


_OWN = ("targets", "certainty", "answered", "answers", "mistakes", "counts")
"""What a report takes over only in part."""


@dataclasses.dataclass(frozen=True)
class Judgement:
    """Scores and what plots need; see :class:`frostline.contracts.FitReport` for the fields."""

    metrics: dict[str, float]
    baselines: dict[str, dict[str, float]]
    metrics_without_overlap: dict[str, float] | None = None
    metrics_std: dict[str, float] | None = None
    labels: list[str] = dataclasses.field(default_factory=list)
    confusion: NDArray[Any] | None = None
    counts: NDArray[Any] | None = None
    reliability: list[tuple[float, float, int]] = dataclasses.field(default_factory=list)
    scatter: dict[str, NDArray[Any]] = dataclasses.field(default_factory=dict)
    mistakes: list[Mistake] = dataclasses.field(default_factory=list)
    certainty: NDArray[Any] | None = None
    answers: NDArray[Any] | None = None
    answered: Answered | None = None
    targets: list[Judgement] = dataclasses.field(default_factory=list)

    def as_report(self) -> dict[str, Any]:
        """The fields that a report takes over as they are."""
        names = [field.name for field in dataclasses.fields(self)]
        return {name: getattr(self, name) for name in names if name not in _OWN}


def judge(
    estimator: TextClassifier | TextRegressor,
    features: Features,
    y: NDArray[Any],
    shared: NDArray[np.bool_],
    baselines: dict[str, dict[str, float]] | list[dict[str, dict[str, float]]],
    interval: float | None = None,
) -> Judgement:
    """Score on test rows; rows in `shared` also stand in training, and the score without them is given too.

    Of several targets, `y` of shape (n, n_targets), `baselines` is a list, and the scores are means. `interval` is the level
    of the intervals that are judged; None = 0.9, where there are enough rows for any.
    """
    if isinstance(baselines, list):
        each = zip(estimator.each_, y.T, baselines, strict=True)
        return _mean_of([judge(part, features, column, shared, own, interval) for part, column, own in each])
    judge_task = _judge_classes if isinstance(estimator, TextClassifier) else partial(_judge_numbers, level=interval)
    whole = judge_task(estimator, features, y, baselines)
    if not shared.any() or shared.all():
        return whole
    rest = np.flatnonzero(~shared)
    return dataclasses.replace(
        whole, metrics_without_overlap=judge_task(estimator, features.take(rest), y[rest], baselines).metrics
    )


def _judge_classes(
    estimator: Any, features: Features, y: NDArray[Any], baselines: dict[str, dict[str, float]]
) -> Judgement:
    if (sets := score_sets(estimator, features, y)) is not None:
        certainty = np.column_stack([sets.proba.ravel(), sets.truths.ravel()])
        return Judgement(
            metrics=sets.metrics,
            baselines=baselines,
            labels=[str(label) for label in sets.labels],
            counts=sets.counts,
            reliability=reliability_bins(*certainty.T),
            certainty=certainty,
        )
    classes, decided = estimator.classes_, estimator.decide_features(features)
    # A class that training had no row of: each of its rows is an error, and stands as one in the confusion.
    every = np.concatenate([classes, np.setdiff1d(y, classes)])
    found = Judgement(
        metrics={},
        baselines=baselines,
        labels=[str(label) for label in every],
        confusion=confusion(y, decided.labels, every),
        mistakes=find_mistakes(decided, y, features.texts),
        answers=decided.labels,
        answered=Answered.of(decided, y) if estimator.rule_.cutoff is not None else None,
    )
    if hasattr(estimator, "predict_proba"):
        proba = estimator.proba_features(features)
        certainty, right = proba.max(1), classes[proba.argmax(1)] == y
        metrics = classification_metrics(y, proba, classes, decided.labels)
        return dataclasses.replace(
            found,
            metrics=metrics | _mean_cost(estimator, decided.labels, y),
            reliability=reliability_bins(certainty, right),
            certainty=np.column_stack([certainty, right]),
        )
    # One-hot "probabilities" of a head that gives none would make log loss and calibration error look measured.
    hard = classification_metrics(y, (decided.labels[:, None] == classes[None, :]).astype(np.float64), classes)
    return dataclasses.replace(found, metrics={name: hard[name] for name in ("accuracy", "macro_f1")})


def _mean_cost(estimator: Any, predicted: NDArray[Any], y: NDArray[Any]) -> dict[str, float]:
    """What the decisions cost a row, by the matrix that was given; nothing without one."""
    if estimator.decision is None or estimator.decision.cost is None:
        return {}
    if len(new := np.setdiff1d(y, estimator.classes_)):
        raise UserError(
            f"The costs name no class {new[0]!r}, which is tested but was not in training.", hint="leave such rows out"
        )
    true, decided = (np.searchsorted(estimator.classes_, labels) for labels in (y, predicted))
    return {"cost": float(estimator.rule_.cost[true, decided].mean())}


def _judge_numbers(
    estimator: Any, features: Features, y: NDArray[Any], baselines: dict[str, dict[str, float]], level: float | None
) -> Judgement:
    y = y.astype(np.float64)
    ends: dict[str, NDArray[Any]] = {}
    try:
        predicted, ends["lower"], ends["upper"] = estimator.predict_with_interval(
            features, LEVEL if level is None else level
        )
    except TooFewRowsError:  # scores without coverage; who asks for intervals is told why there are none
        if level is not None:
            raise
        predicted = estimator.predict_features(features)
    return Judgement(
        metrics=regression_metrics(y, predicted, **ends),
        baselines=baselines,
        scatter={"y_true": y, "y_pred": predicted, **ends},
        answers=predicted,
    )


def judge_folds(folds: Sequence[Judgement]) -> Judgement:
    """Join the folds of a cross-validation: mean and standard deviation of scores, all rows in the plots."""
    if len(folds) == 1:
        return folds[0]
    if targets := list(zip(*(fold.targets for fold in folds), strict=True)):
        joined_targets = _mean_of([judge_folds(own) for own in targets])
        return dataclasses.replace(joined_targets, metrics_std=_over([fold.metrics for fold in folds], np.std))
    names = folds[0].baselines
    certainty = [fold.certainty for fold in folds if fold.certainty is not None]
    joined = np.concatenate(certainty) if certainty else None
    labels = list(dict.fromkeys(label for fold in folds for label in fold.labels))
    answered = [fold.answered for fold in folds if fold.answered is not None]
    return Judgement(
        metrics=_over([fold.metrics for fold in folds], np.mean),
        metrics_std=_over([fold.metrics for fold in folds], np.std),
        baselines={name: _over([fold.baselines[name] for fold in folds], np.mean) for name in names},
        labels=labels,
        confusion=_confusion_over(folds, labels) if labels and folds[0].confusion is not None else None,
        counts=_counts_over(folds, labels) if folds[0].counts is not None else None,
        mistakes=[mistake for fold in folds for mistake in fold.mistakes],
        answers=np.concatenate([fold.answers for fold in folds if fold.answers is not None] or [np.empty(0)]),
        answered=sum(answered[1:], answered[0]) if answered else None,
        reliability=[] if joined is None else reliability_bins(joined[:, 0], joined[:, 1].astype(bool)),
        scatter={
            key: np.concatenate([fold.scatter[key] for fold in folds])
            for key in folds[0].scatter
            if all(key in fold.scatter for fold in folds)
        },
    )


def _mean_of(targets: Sequence[Judgement]) -> Judgement:
    """Several targets: the mean of each score over those that vary in the test rows, and what is known of each target."""
    counted = [own for own in targets if np.ptp(own.scatter["y_true"]) > 0] or targets
    rest = [own.metrics_without_overlap for own in counted if own.metrics_without_overlap is not None]
    return Judgement(
        metrics=_over([own.metrics for own in counted], np.mean),
        baselines={name: _over([own.baselines[name] for own in counted], np.mean) for name in counted[0].baselines},
        metrics_without_overlap=_over(rest, np.mean) if rest else None,
        targets=list(targets),
    )


def _confusion_over(folds: Sequence[Judgement], labels: Sequence[str]) -> NDArray[Any]:
    """Counts of all folds, of which some may lack a class."""
    counts = np.zeros((len(labels), len(labels)), dtype=np.intp)
    for fold in folds:
        if fold.confusion is not None:
            own = [labels.index(label) for label in fold.labels]
            counts[np.ix_(own, own)] += fold.confusion
    return counts


def _counts_over(folds: Sequence[Judgement], labels: Sequence[str]) -> NDArray[Any]:
    """Counts of each label in all folds, of which some may lack a label."""
    counts = np.zeros((len(labels), 3), dtype=np.intp)
    for fold in folds:
        if fold.counts is not None:
            counts[[labels.index(label) for label in fold.labels]] += fold.counts
    return counts


def _over(metrics: Sequence[Mapping[str, float]], function: Any) -> dict[str, float]:
    """Over the folds; a score that one of them is too small for, such as coverage, is left out."""
    shared = [name for name in metrics[0] if all(name in fold for fold in metrics)]
    return {name: float(function([fold[name] for fold in metrics])) for name in shared}


def layer_scores(task: str, features: Features, y: NDArray[Any], groups: NDArray[Any], seed: int) -> list[LayerScore]:
    """Score each tap alone by cross-validation of a linear head on training rows: accuracy or R2."""
    found = []
    codes = np.unique(y, return_inverse=True)[1] if task == "classification" else y.astype(np.float64)
    for tap in features.taps:
        head = make_head("linear", task, seed)
        fit_head(head, features.fused([tap], "concat"), codes, groups)
        found.append(LayerScore(tap.name, *_cv_score(head, task, codes, groups)))
    return found


def _cv_score(head: Any, task: str, y: NDArray[Any], groups: NDArray[Any]) -> tuple[float, float]:
    """Out-of-fold score of a linear head, its spread taken over tenths of the rows."""
    parts = np.array_split(np.random.default_rng(0).permutation(len(y)), min(10, len(y)))
    if task == "classification":
        right = head.oof_proba_.argmax(1) == y
        scores = [float(right[part].mean()) for part in parts]
        return float(right.mean()), float(np.std(scores) / np.sqrt(len(parts)))
    error = (y - head.oof_pred_) ** 2
    variance = max(float(np.var(y)), 1e-300)
    scores = [1 - float(error[part].mean()) / variance for part in parts]
    return 1 - float(error.mean()) / variance, float(np.std(scores) / np.sqrt(len(parts)))
