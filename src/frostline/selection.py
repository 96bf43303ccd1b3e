"""Which layers, fusion and head: chosen on the training rows alone, over features that one embedding pass stored.

Every candidate is cross-validated on the same folds, so two of them are compared row by row. The upper three layers side
by side are the anchor, unless another candidate is clearly better; with few rows they are taken without a comparison, as
they were the best of the simple choices at 8 and at 64 labels a class. Of those that tie with the anchor within
error the cheapest wins: first by the blocks of the backbone that must run, then by the width.

References
----------
LLMEmbed (Liu et al., 2024, arXiv 2406.03725), for depth fusion. The paper fixes its layers and tunes nothing on training
rows; we choose by cross-validation. The rule of one standard error is that of Breiman et al., 1984, Classification and
Regression Trees, here with the error of the paired difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline._energy import EnergyMeter
from frostline.candidates import Candidate
from frostline.contracts import FloatArray
from frostline.features import Features
from frostline.heads import (
    LinearClassifier,
    LinearMultilabel,
    LinearRegressor,
    UnitClassifier,
    fit_head,
    held_out,
    make_head,
    n_parameters,
    over_folds,
    reads_layers,
    tuning_folds,
)
from frostline.numerics.metrics import mean_and_error
from frostline.reports.model import CandidateScore
from frostline.splits import Split, holdout

__all__ = ["Selection", "Trial", "attempt", "compared_rows", "recommend", "row_hits", "row_losses", "select"]

SELECTION_ROWS = 20_000
"""Rows that candidates are compared on; the winner is trained on all."""

SELECTION_WORK = 2e9
"""Products of rows, columns and regressions that comparing may take, about a minute on two cores: with more, fewer rows
are compared. It is counted, not timed, so that two machines choose alike."""

FEW_ROWS = 200
"""With fewer rows nothing is compared: held-out losses of a few dozen rows pick by luck, and lose to the usual choice."""

_FEW_A_CLASS = 20
"""With fewer rows a class, or few in all, the length of a vector is noise, and layers are scaled to length one."""

_FEWEST_ROWS = 2_000

_CLEAR = 2.0
"""Standard errors by which the best must be ahead of the usual choice: with ten candidates, one is too easily had."""

_MARGIN = 0.02
"""Share of the loss within which two candidates tie, the standard error of their difference included: an error that is
wider than this is no tie but too few rows to tell."""


@dataclass(frozen=True)
class Selection:
    """What was chosen, and everything that was compared.

    Attributes
    ----------
    candidate : Candidate
    head : estimator
        Fitted on all rows.
    table : list of CandidateScore
        In the order of cost.
    """

    candidate: Candidate
    head: Any
    table: list[CandidateScore]


def select(
    found: Sequence[Candidate],
    features: Features,
    y: NDArray[Any],
    groups: NDArray[Any],
    *,
    task: str,
    head: Any,
    seed: int,
) -> Selection:
    """Compare candidates by cross-validation and train a head on the one that wins.

    They are compared with a linear head whatever `head` is: what a linear head reads best, others rarely read worst, and
    networks would take minutes for each.

    Parameters
    ----------
    found : sequence of Candidate
    features : Features
        Of the training rows, at least at the taps of all candidates.
    y : array of shape (n,)
        Class numbers 0..n_classes-1, or numbers.
    groups : int array of shape (n,)
        Rows that are never split.
    task : {"classification", "regression"}
    head : str or estimator
        What is trained on the winner.
    seed : int

    Returns
    -------
    Selection
    """
    ordered = sorted(found, key=lambda c: c.cost(features))
    usual = next((candidate for candidate in ordered if candidate.usual), ordered[-1])
    if len(ordered) == 1 or len(y) < FEW_ROWS:
        return Selection(usual, _fit(usual, features, y, groups, task, head, seed), [])
    rows, sample, y_sample = compared_rows(ordered, features, y, groups, task=task, seed=seed)
    trials = [
        attempt(candidate, sample, y_sample, groups[rows], task=task, head="linear", seed=seed) for candidate in ordered
    ]
    if not all(len(trial.rows) for trial in trials):  # one group only: none can be held out
        return Selection(usual, _fit(usual, features, y, groups, task, head, seed), [])
    chosen, best = recommend(trials)
    fitted = _fit(chosen.candidate, features, y, groups, task, head, seed)
    return Selection(chosen.candidate, fitted, [trial.score(chosen, best) for trial in trials])


def compared_rows(
    found: Sequence[Candidate],
    features: Features,
    y: NDArray[Any],
    groups: NDArray[Any],
    *,
    task: str,
    seed: int,
) -> tuple[NDArray[np.intp], Features, NDArray[Any]]:
    """The training rows that candidates are compared on: all, or where that would take too long some.

    Parameters
    ----------
    found, features, y, groups, task, seed
        As for :func:`select`.

    Returns
    -------
    rows : int array of shape (m,)
    features : Features
        Of these rows.
    y : array of shape (m,)
        Class numbers without gaps, or numbers.
    """
    rows = np.arange(len(y))
    if (n_rows := _n_rows(found, features, y, task)) < len(y):
        # Each class keeps a row outside a stratified sample; where so many classes are too many for that, chance decides.
        stratify = task == "classification" and len(y) - len(np.unique(y)) >= n_rows
        rows = holdout(y, groups, n_rows / len(y), seed, stratify)[1]
        features, y = features.take(rows), y[rows]
    if task == "classification":  # a rare class may have no row in a sample, and heads expect classes without gaps
        y = np.unique(y, return_inverse=True)[1]
    return rows, features, y


def recommend(trials: Sequence[Trial]) -> tuple[Trial, Trial]:
    """Choose among trials in the order of their cost.

    A trial that held out fewer rows than others counts only where it is clearly better than the best of those: its wide
    error would let it tie with anything.

    Returns
    -------
    chosen : Trial
        The cheapest that ties with the anchor: the usual candidate, or the best where that is clearly ahead of it.
    best : Trial
        The one of lowest loss.
    """
    most = max(len(trial.rows) for trial in trials)
    best = min((t for t in trials if len(t.rows) == most), key=lambda trial: float(trial.losses.mean()))
    gains = [(sum(trial.behind(best)), i) for i, trial in enumerate(trials) if len(trial.rows) < most]
    if gains and min(gains)[0] < 0:
        best = trials[min(gains)[1]]
    anchor = best
    for usual in (trial for trial in trials if trial.candidate.usual and len(trial.rows) >= len(best.rows)):
        mean, error = usual.behind(best)
        anchor = best if mean > _CLEAR * error else usual

    def ties(trial: Trial) -> bool:
        mean, error = trial.behind(anchor)
        near = mean + error <= _MARGIN * float(anchor.losses.mean())
        return trial is anchor or (near and len(trial.rows) >= len(anchor.rows))

    return next(trial for trial in trials if ties(trial)), best


def _n_rows(found: Sequence[Candidate], features: Features, y: NDArray[Any], task: str) -> int:
    """How many rows the candidates can be compared on."""
    width = sum(candidate.width(features) for candidate in found)
    n_classes = int(y.max()) + 1 if task == "classification" else 2
    n_folds = len(tuning_folds([(y, y)] * 5, n_classes))
    regressions = n_folds * (1 if n_classes == 2 else n_classes)
    affordable = max(_FEWEST_ROWS, int(SELECTION_WORK / (width * regressions)))
    return min(len(y), SELECTION_ROWS, affordable)


@dataclass(frozen=True)
class Trial:
    """One candidate with one head, cross-validated.

    Attributes
    ----------
    candidate : Candidate
    name : str
        The head, as the user wrote it.
    rows : int array of shape (m,)
        Rows that were held out.
    losses, hits : arrays of shape (m,)
        See :func:`row_losses` and :func:`row_hits`.
    seconds : float
    joules : float or None
        None where the kernel does not count them.
    n_trained : int or None
        Numbers that the head learns; None where it does not say.
    """

    candidate: Candidate
    name: str
    rows: NDArray[np.intp]
    losses: FloatArray
    hits: FloatArray
    seconds: float
    joules: float | None = None
    n_trained: int | None = None

    def behind(self, best: Trial) -> tuple[float, float]:
        """Mean difference in loss to another trial, over rows that both held out, and its standard error."""
        _, own, other = np.intersect1d(self.rows, best.rows, return_indices=True)
        difference = self.losses[own] - best.losses[other]
        return mean_and_error(difference)

    def score(self, chosen: Trial, best: Trial) -> CandidateScore:
        """For tables."""
        (score, std), (behind, behind_std) = mean_and_error(self.hits), self.behind(best)
        return CandidateScore(
            self.candidate.name,
            self.candidate.taps[0].name if len(self.candidate.taps) == 1 else None,
            score=score,
            std=std,
            loss=float(self.losses.mean()),
            behind=behind,
            behind_std=behind_std,
            seconds=self.seconds,
            note="chosen" if self is chosen else "",
        )


def attempt(
    candidate: Candidate,
    features: Features,
    y: NDArray[Any],
    groups: NDArray[Any],
    *,
    task: str,
    head: Any,
    seed: int,
    folds: Sequence[Split] | None = None,
) -> Trial:
    """Cross-validate one candidate with one head.

    Parameters
    ----------
    candidate : Candidate
    features, y, groups, task, head, seed
        As for :func:`select`; `y` without gaps in its class numbers.
    folds : sequence of (train, test), optional
        Splits in time, say; None = the head's own, at random.

    Returns
    -------
    Trial
    """
    made = make_head(head, task, seed)
    with EnergyMeter() as meter:
        rows, predicted = _tried(made, candidate, features, y, groups, task, seed, folds)
    losses, hits = row_losses(task, predicted, y[rows]), row_hits(task, predicted, y[rows])
    n_trained = None
    if task != "multilabel":
        n_trained = n_parameters(made, candidate.width(features), int(y.max()) + 1 if task == "classification" else 0)
    return Trial(candidate, str(head), rows, losses, hits, meter.seconds, meter.joules, n_trained)


def _tried(
    made: Any,
    candidate: Candidate,
    features: Features,
    y: NDArray[Any],
    groups: NDArray[Any],
    task: str,
    seed: int,
    folds: Sequence[Split] | None,
) -> tuple[NDArray[np.intp], FloatArray]:
    """Rows that were held out, and what was predicted for them."""
    X, layout = candidate.features(features), candidate.layout(features)
    if folds is not None:
        return over_folds(made, X, y, groups, folds, task, layers=layout)
    if isinstance(made, LinearClassifier | LinearMultilabel):
        return made.tune(X, y, list(groups)) or (np.empty(0, dtype=np.intp), np.empty((0, 1)))
    if isinstance(made, LinearRegressor) or reads_layers(made):  # their fit holds rows out on the way
        fit_head(made, X, y, groups, layers=layout)
    return held_out(made, X, y, groups, task, seed)


def _fit(
    candidate: Candidate,
    features: Features,
    y: NDArray[Any],
    groups: NDArray[Any],
    task: str,
    head: Any,
    seed: int,
) -> Any:
    layout = candidate.layout(features)
    few = task == "classification" and len(y) < max(FEW_ROWS, _FEW_A_CLASS * (int(y.max()) + 1))
    if few and isinstance(head, str) and head == "auto":
        made: Any = UnitClassifier(layout if candidate.fusion == "concat" else None, seed=seed)
    else:
        made = make_head(head, task, seed)
    return fit_head(made, candidate.features(features), y, groups, layers=layout)


def row_losses(task: str, predicted: FloatArray, y: NDArray[Any]) -> FloatArray:
    """What each row costs: log loss in nats of (n, n_classes) probabilities, or squared error over the variance of y.

    Of sets of labels it is the mean over the labels.
    """
    if task == "classification":
        return np.asarray(-np.log(np.clip(predicted[np.arange(len(y)), y], 1e-15, 1.0)))
    if task == "multilabel":
        return np.asarray(-np.log(np.clip(np.where(y, predicted, 1 - predicted), 1e-15, 1.0)).mean(axis=1))
    return np.asarray((predicted - y) ** 2 / max(float(np.var(y)), 1e-300))


def row_hits(task: str, predicted: FloatArray, y: NDArray[Any]) -> FloatArray:
    """1 where a row (of sets: every label) is right, or its share of the explained variance."""
    if task == "classification":
        return np.asarray(predicted.argmax(axis=1) == y, dtype=np.float64)
    if task == "multilabel":
        return np.asarray(((predicted >= 0.5) == y).all(axis=1), dtype=np.float64)
    return 1 - row_losses(task, predicted, y)
