"""How the arms of a predictor are joined: which of them are kept, with which weights, by their out-of-fold predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from frostline.contracts import FloatArray
from frostline.heads import LabelPool, LogPool, SumPool
from frostline.numerics.metrics import mean_and_error
from frostline.reports.model import CandidateScore
from frostline.selection import FEW_ROWS, row_hits, row_losses

__all__ = ["BOTH", "Joined", "join", "ways_name"]

MARGIN = 0.01
"""Share of the loss by which predictors without the backbone may be worse, their error included, for it to be left out."""

BOTH = {
    "classification": ("embedding", "tfidf"),
    "multilabel": ("embedding", "tfidf"),
    "regression": ("embedding", "raw"),
}
"""What ``features="both"`` stands for."""


class Joined(NamedTuple):
    """Which arms are kept, and how they are weighed.

    Attributes
    ----------
    arms : list of int
        Positions of the arms that are kept, in the order of the pool's weights.
    pool : LogPool, LabelPool or SumPool
    seen : list of CandidateScore
        Everything that was compared.
    rows, oof : arrays
        Rows that all arms held out, and what the pool predicts for them, its weights learnt on others.
    """

    arms: list[int]
    pool: LogPool | LabelPool | SumPool
    seen: list[CandidateScore]
    rows: NDArray[np.intp]
    oof: FloatArray


def join(
    task: str,
    kinds: Sequence[str],
    parts: Sequence[tuple[NDArray[np.intp], FloatArray]],
    y: NDArray[Any],
    *,
    choose: bool,
    class_weight: NDArray[np.float64] | None = None,
) -> Joined:
    """Weigh the arms against each other.

    Parameters
    ----------
    task : {"classification", "regression"}
    kinds : sequence of str
        Of each arm; arms of one kind stay together.
    parts : sequence of (rows, predicted)
        What each arm predicts for rows that it was not trained on; never empty.
    y : array of shape (n,)
        Class numbers or numbers.
    choose : bool
        Whether every set of kinds is tried and the cheapest that is as good as the best is kept; else all arms are.
    class_weight : array of shape (n_classes,), optional
        What the heads were trained under; the pool leads probabilities back to the classes' true frequencies.
    """
    rows = parts[0][0]
    for held_rows, _ in parts[1:]:
        rows = np.intersect1d(rows, held_rows)
    oof = [np.asarray(predicted[np.searchsorted(own, rows)], dtype=np.float64) for own, predicted in parts]
    y = y[rows]
    if task != "regression" and len(parts) == 1:
        alone = _pool(task, oof, y, class_weight)
        return Joined([0], alone, [], rows, alone(oof))
    ways = _ways(task, kinds, oof, y)
    held = {name: _crossed(task, [oof[i] for i in own], y, class_weight) for name, own in ways.items()}
    losses = {name: row_losses(task, predicted, y) for name, predicted in held.items()}
    name = _chosen(task, losses, len(y)) if choose else ways_name(kinds, task)
    best = min(losses, key=lambda way: float(losses[way].mean()))
    seen = [_score(task, way, held[way], y, losses, best, way == name) for way in ways] if len(ways) > 1 else []
    kept = ways[name]
    pool = _pool(task, [oof[i] for i in kept], y, class_weight)
    some = pool.weights.any() and not pool.weights.all()
    if choose and task != "multilabel" and some:  # what has no weight need not be read
        kept = [i for i, weight in zip(kept, pool.weights, strict=True) if weight]
        pool = replace(pool, weights=pool.weights[pool.weights > 0])
    return Joined(kept, pool, seen, rows, held[name])


def ways_name(kinds: Sequence[str], task: str) -> str:
    """A set of kinds by name: ``raw``, ``both``, ``embedding+raw+tfidf``."""
    return "both" if set(kinds) == set(BOTH[task]) else "+".join(sorted(set(kinds)))


def _ways(task: str, kinds: Sequence[str], oof: Sequence[FloatArray], y: NDArray[Any]) -> dict[str, list[int]]:
    """The arms of every set of kinds, cheapest set first: by whether the backbone must run, then by the number of kinds.

    Within a set, numbers stand with the most exact arm first, where the weights of a pool start; classes as they come, the
    backbone first.
    """
    order = list(range(len(kinds)))
    if task == "regression":
        order.sort(key=[float(row_losses(task, found, y).mean()) for found in oof].__getitem__)
    known = list(dict.fromkeys(kinds))
    sets = [own for size in range(1, len(known) + 1) for own in combinations(known, size)]
    sets.sort(key=lambda own: (_reads_backbone(own), len(own)))
    return {ways_name(own, task): [i for i in order if kinds[i] in own] for own in sets}


def _reads_backbone(kinds: Sequence[str]) -> bool:
    return not {"tfidf", "raw"}.issuperset(kinds)


def _pool(
    task: str, predicted: Sequence[FloatArray], y: NDArray[Any], class_weight: NDArray[np.float64] | None
) -> LogPool | LabelPool | SumPool:
    if task == "multilabel":
        return LabelPool.fit(predicted, y)
    return SumPool.fit(predicted, y) if task == "regression" else LogPool.fit(predicted, y, class_weight)


def _crossed(task: str, oof: list[FloatArray], y: NDArray[Any], class_weight: NDArray[np.float64] | None) -> FloatArray:
    """What a pool predicts for rows that its weights were not learnt on: two halves, each weighed by the other."""
    out = np.empty_like(oof[0])
    halves = np.arange(len(y)) % 2
    for half in (0, 1):
        here, there = np.flatnonzero(halves == half), np.flatnonzero(halves != half)
        pool = _pool(task, [p[there] for p in oof], y[there], class_weight)
        out[here] = pool([p[here] for p in oof])
    return out


def _chosen(task: str, losses: Mapping[str, FloatArray], n_rows: int) -> str:
    """Of sets of kinds, cheapest first, the first that is as good as the best.

    Without the backbone a set must be as good with its error included; with it, not clearly worse, nor worse at all than a
    cheaper one: where rows are few, errors are so wide that the worst would pass. With few rows nothing is compared: of
    classes vectors and words are both read, and the pool gives words what weight they earn; labels and numbers leave words
    out, as new rows bring words that none of a few rows had.
    """
    if n_rows < FEW_ROWS and task != "regression":
        return "both" if task == "classification" and "both" in losses else "embedding"
    few = n_rows < FEW_ROWS and len(losses) > 1
    open_ways = {name: loss for name, loss in losses.items() if not (few and "tfidf" in name)}
    best = min(open_ways.values(), key=lambda loss: float(loss.mean()))
    means = [float(loss.mean()) for loss in open_ways.values()]

    def is_as_good(place: int, name: str) -> bool:
        mean, error = mean_and_error(open_ways[name] - best)
        near = mean + error <= MARGIN * float(best.mean())
        reads_backbone = name == "both" or _reads_backbone(name.split("+"))
        return near or (reads_backbone and mean <= error and means[place] == min(means[: place + 1]))

    return next(name for place, name in enumerate(open_ways) if is_as_good(place, name))


def _score(
    task: str,
    way: str,
    predicted: FloatArray,
    y: NDArray[Any],
    losses: Mapping[str, FloatArray],
    best: str,
    chosen: bool,
) -> CandidateScore:
    score, std = mean_and_error(row_hits(task, predicted, y))
    behind, behind_std = mean_and_error(losses[way] - losses[best])
    return CandidateScore(
        f"features {way}",
        score=score,
        std=std,
        loss=float(losses[way].mean()),
        behind=behind,
        behind_std=behind_std,
        note="chosen" if chosen else "",
    )
