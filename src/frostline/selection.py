"""Which layers, fusion and head: chosen on the training rows alone, over features that one embedding pass stored.

Every candidate is cross-validated on the same folds, so two of them are compared row by row. Of those that are not
clearly worse than the best, the cheapest wins: first by the blocks of the backbone that must run, then by the width.

References
----------
LLMEmbed (Liu et al., 2024, arXiv 2406.03725), for depth fusion. The paper fixes its layers and tunes nothing on training
rows; we choose by cross-validation. The rule of one standard error is that of Breiman et al., 1984, Classification and
Regression Trees, here with the error of the paired difference.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.backbones import resolve_layers
from frostline.contracts import CandidateScore, FloatArray, Layer, Tap
from frostline.features import Features
from frostline.heads import LinearClassifier, fit_head, held_out, make_head
from frostline.numerics.fusion import fuse
from frostline.splits import holdout

__all__ = ["Candidate", "Selection", "candidates", "row_losses", "select", "union"]

LADDER = 7
"""Depths that `auto` looks at, evenly spaced, so that a model of 80 layers costs no more than one of 6."""

SELECTION_ROWS = 20_000
"""Rows that candidates are compared on; the winner is trained on all."""

SELECTION_WORK = 2e9
"""Products of rows, columns and regressions that comparing may take, about a minute on two cores: with more, fewer rows
are compared. It is counted, not timed, so that two machines choose alike."""

_FEWEST_ROWS = 2_000


@dataclass(frozen=True)
class Candidate:
    """One way to read the backbone.

    Attributes
    ----------
    taps : tuple of Tap
        Layers, with their pooling.
    fusion : str
    pooling : str
        As a user would write it.
    """

    taps: tuple[Tap, ...]
    fusion: str
    pooling: str

    @property
    def layers(self) -> list[Layer]:
        """The layers alone."""
        return [tap.layer for tap in self.taps]

    @property
    def name(self) -> str:
        """For tables: ``layers 4+5+final, concat``."""
        layers = "+".join(str(layer) for layer in self.layers)
        return f"layer {layers}" if len(self.taps) == 1 else f"layers {layers}, {self.fusion}"

    def cost(self, n_layers: int, dim: int) -> tuple[int, int]:
        """Blocks that run, and width of the fused vector: compared in this order."""
        deepest = max(n_layers if layer == "final" else int(layer) for layer in self.layers)
        return deepest, dim * (len(self.taps) if self.fusion == "concat" else 1)

    def features(self, features: Features) -> NDArray[np.float32]:
        """The fused vectors of rows, shape (n, F)."""
        return fuse(features.at(self.taps), self.fusion)


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


def candidates(n_layers: int, taps: Sequence[Tap], layers: Any, pooling: str, fusion: str) -> list[Candidate]:
    """List the ways to read a backbone that the user has left open.

    Parameters
    ----------
    n_layers : int
        Blocks of the backbone.
    taps : sequence of Tap
        What an embedder with these settings reads; their pooling is taken over.
    layers, pooling, fusion
        As the user wrote them; ``"auto"`` leaves the choice open.

    Returns
    -------
    list of Candidate
        Single layers of a ladder of depths, its upper three, and all of it; with ``fusion="auto"`` side by side, and
        all of it as a mean.
    """
    written = "recipe" if pooling == "auto" else pooling
    first = taps[0]
    groups: list[Sequence[Layer]] = [[tap.layer for tap in taps]]
    if layers == "auto":
        ladder = resolve_layers(_ladder(n_layers), n_layers)
        groups = [[layer] for layer in ladder]
        groups += [part for part in (ladder[-3:], ladder) if len(part) > 1]
        groups = [list(part) for part in dict.fromkeys(map(tuple, groups))]
    found = []
    for i, group in enumerate(groups):
        own = tuple(replace(first, layer=layer) for layer in group)
        whole = i == len(groups) - 1 and len(group) > 1
        fusions = [fusion] if fusion != "auto" else ["concat", "mean"] if whole else ["concat"]
        found += [Candidate(own, how, written) for how in fusions]
    return found


def union(found: Sequence[Candidate]) -> list[Tap]:
    """Everything that one pass must read for all candidates, shallow layers first."""
    taps = dict.fromkeys(tap for candidate in found for tap in candidate.taps)
    return sorted(taps, key=lambda tap: np.inf if tap.layer == "final" else float(tap.layer))


def select(
    found: Sequence[Candidate],
    features: Features,
    y: NDArray[Any],
    groups: NDArray[Any],
    *,
    task: str,
    head: Any,
    n_layers: int,
    seed: int,
) -> Selection:
    """Compare candidates by cross-validation and train a head on the one that wins.

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
        What is trained on each.
    n_layers : int
        Blocks of the backbone, for the cost.
    seed : int

    Returns
    -------
    Selection
    """
    ordered = sorted(found, key=lambda c: c.cost(n_layers, features.vectors.shape[2]))
    if len(ordered) == 1:
        return Selection(ordered[0], _fit(ordered[0], features, y, groups, task, head, seed), [])
    rows = np.arange(len(y))
    if (n_rows := _n_rows(ordered, features.vectors.shape[2], y, task)) < len(y):
        rows = holdout(y, groups, n_rows / len(y), seed, task == "classification")[1]
    sample, y_sample = (features.take(rows), y[rows]) if len(rows) < len(y) else (features, y)
    if task == "classification":  # a rare class may have no row in a sample, and heads expect classes without gaps
        y_sample = np.unique(y_sample, return_inverse=True)[1]
    tried = [_try(candidate, sample, y_sample, groups[rows], task, head, seed) for candidate in ordered]
    if not all(len(t.losses) for t in tried):  # too few rows to hold any out: what an embedder reads by default
        own = next((c for c in ordered if c.layers == ["final"]), ordered[-1])
        return Selection(own, _fit(own, features, y, groups, task, head, seed), [])
    best = min(tried, key=lambda t: float(t.losses.mean()))
    chosen = next(t for t in tried if _ties(t.losses, best.losses))
    table = [t.score(chosen, best) for t in tried]
    fitted = chosen.head
    if fitted is None or len(rows) < len(y):
        fitted = _fit(chosen.candidate, features, y, groups, task, head, seed)
    return Selection(chosen.candidate, fitted, table)


def _n_rows(found: Sequence[Candidate], dim: int, y: NDArray[Any], task: str) -> int:
    """How many rows the candidates can be compared on."""
    width = sum(candidate.cost(0, dim)[1] for candidate in found)
    n_classes = int(y.max()) + 1 if task == "classification" else 2
    regressions = 5 if n_classes == 2 else n_classes * (5 if n_classes <= 10 else 1)  # see LinearClassifier.tune
    affordable = max(_FEWEST_ROWS, int(SELECTION_WORK / (width * regressions)))
    return min(len(y), SELECTION_ROWS, affordable)


@dataclass(frozen=True)
class _Tried:
    candidate: Candidate
    head: Any  # None where it was not fitted on all rows
    losses: FloatArray
    hits: FloatArray  # 1 where the row is right, or its share of the explained variance
    seconds: float

    def score(self, chosen: _Tried, best: _Tried) -> CandidateScore:
        difference = self.losses - best.losses
        n = len(self.losses)
        return CandidateScore(
            self.candidate.name,
            str(self.candidate.layers[0]) if len(self.candidate.taps) == 1 else None,
            score=float(self.hits.mean()),
            std=float(self.hits.std() / np.sqrt(n)),
            loss=float(self.losses.mean()),
            behind=float(difference.mean()),
            behind_std=float(difference.std() / np.sqrt(n)),
            seconds=self.seconds,
            note="chosen" if self is chosen else "",
        )


def _try(
    candidate: Candidate,
    features: Features,
    y: NDArray[Any],
    groups: NDArray[Any],
    task: str,
    head: Any,
    seed: int,
) -> _Tried:
    """Cross-validate one candidate."""
    began = time.perf_counter()
    X, made, fitted = candidate.features(features), make_head(head, task, seed), None
    if isinstance(made, LinearClassifier):
        rows, predicted = made.tune(X, y, list(groups)) or (np.empty(0, dtype=np.intp), np.empty((0, 1)))
    else:
        fitted = fit_head(made, X, y, groups, n_layers=len(candidate.taps))
        rows, predicted = held_out(fitted, X, y, groups, task, seed)
    losses, hits = row_losses(task, predicted, y[rows]), _hits(task, predicted, y[rows])
    return _Tried(candidate, fitted, losses, hits, time.perf_counter() - began)


def _fit(
    candidate: Candidate,
    features: Features,
    y: NDArray[Any],
    groups: NDArray[Any],
    task: str,
    head: Any,
    seed: int,
) -> Any:
    made = make_head(head, task, seed)
    return fit_head(made, candidate.features(features), y, groups, n_layers=len(candidate.taps))


def _ties(losses: FloatArray, best: FloatArray) -> bool:
    """Whether the mean paired difference lies within one standard error of itself."""
    difference = losses - best
    return bool(difference.mean() <= difference.std() / np.sqrt(len(difference)))


def row_losses(task: str, predicted: FloatArray, y: NDArray[Any]) -> FloatArray:
    """What each row costs: log loss in nats of (n, n_classes) probabilities, or squared error over the variance of y."""
    if task == "classification":
        return np.asarray(-np.log(np.clip(predicted[np.arange(len(y)), y], 1e-15, 1.0)))
    return np.asarray((predicted - y) ** 2 / max(float(np.var(y)), 1e-300))


def _hits(task: str, predicted: FloatArray, y: NDArray[Any]) -> FloatArray:
    if task == "classification":
        return np.asarray(predicted.argmax(axis=1) == y, dtype=np.float64)
    return 1 - row_losses(task, predicted, y)


def _ladder(n_layers: int) -> list[Layer]:
    depths = np.unique(np.round(np.linspace(0, n_layers, min(LADDER, n_layers + 1))).astype(int))
    return ["final" if depth == n_layers else int(depth) for depth in depths]
