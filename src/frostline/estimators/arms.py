"""The parts of a fitted predictor, each a head and what it reads, and how they are joined.

Three kinds: the backbone's vectors, the words of the rendered rows, the table's own columns. The predictions of each for
training rows that it was not trained on decide which are kept, and with which weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from frostline.baselines import SMALL_TABLE, RawColumns, boosting
from frostline.contracts import FloatArray
from frostline.embedder import TextEmbedder
from frostline.errors import UserError
from frostline.estimators.targets import TargetScale, choose_scale
from frostline.extraction import Extractor
from frostline.features import Features
from frostline.heads import LinearRegressor, LogPool, SumPool, TfidfClassifier, TfidfRegressor, fit_head, held_out
from frostline.numerics.metrics import mean_and_error
from frostline.reports.model import CandidateScore
from frostline.selection import FEW_ROWS, Candidate, candidates, row_hits, row_losses, select
from frostline.splits import holdout

__all__ = [
    "BOTH", "Arm", "Fitted", "auto_scale", "candidates_of", "learn", "needs_backbone", "ways_name", "whole_embedder",
]  # fmt: skip

MARGIN = 0.01
"""Share of the loss by which predictors without the backbone may be worse, their error included, for it to be left out."""

SCALE_ROWS = 5_000
"""Rows that scales of the targets are compared on."""

BOTH = {"classification": ("embedding", "tfidf"), "regression": ("embedding", "raw")}
"""What ``features="both"`` stands for."""

TFIDF_HEADS: dict[str, Any] = {"classification": TfidfClassifier, "regression": TfidfRegressor}
_POOLS: dict[str, Any] = {"classification": LogPool, "regression": SumPool}


@dataclass(frozen=True)
class Arm:
    """A fitted head and what it reads.

    Attributes
    ----------
    kind : {"embedding", "tfidf", "raw"}
    head : estimator
    candidate : Candidate or None
        How an embedding is read.
    encoder : RawColumns or None
        How the table's columns become numbers.
    """

    kind: str
    head: Any
    candidate: Candidate | None = None
    encoder: RawColumns | None = None

    def inputs(self, features: Features) -> Any:
        """What the head reads of rows."""
        if self.candidate is not None:
            return self.candidate.features(features)
        return features.texts if self.encoder is None else self.encoder.transform(features.table)

    def predict(self, features: Features, *, proba: bool) -> FloatArray:
        """Class probabilities, or class numbers or numbers."""
        inputs = self.inputs(features)
        with _own_thread(inputs):
            return np.asarray(self.head.predict_proba(inputs) if proba else self.head.predict(inputs))


@dataclass(frozen=True)
class Fitted:
    """What :func:`learn` found.

    Attributes
    ----------
    arms : list of Arm
    pool : LogPool, SumPool or None
        None where there is one arm whose own output counts.
    table : list of CandidateScore
        Everything that was compared.
    rows, oof : arrays
        Training rows that were held out, and what was predicted for them; ``oof`` of shape (m, n_classes) or (m,).
    """

    arms: list[Arm]
    pool: LogPool | SumPool | None
    table: list[CandidateScore]
    rows: NDArray[np.intp]
    oof: FloatArray


def _kinds_of(features: str, task: str, n_columns: int) -> tuple[str, ...]:
    """The kinds of arm that ``features=`` asks for, of a table with so many columns (0: none is known)."""
    if features == "both":
        return BOTH[task]
    if features != "auto":
        return (features,)
    raw = n_columns > (0 if task == "regression" else 1)
    return ("embedding", "tfidf", *(("raw",) if raw else ()))


def needs_backbone(features: str) -> bool:
    """Whether a fit with ``features=`` runs the backbone."""
    return features not in ("tfidf", "raw")


def whole_embedder(embedder: TextEmbedder) -> TextEmbedder:
    """The embedder with its defaults where a choice is left open by ``"auto"``."""
    defaults = {"layers": "final", "pooling": "recipe", "fusion": "concat"}
    is_open = {name: value for name, value in defaults.items() if getattr(embedder, name) == "auto"}
    fixed: TextEmbedder = clone(embedder).set_params(**is_open)
    for name in ("n_features_in_", "feature_names_in_", "input_types_"):
        if hasattr(embedder, name):
            setattr(fixed, name, getattr(embedder, name))
    return fixed


def candidates_of(embedder: TextEmbedder, extractor: Extractor, *, several_layers: bool) -> list[Candidate]:
    """What may be chosen where `embedder` leaves layers, pooling or fusion open."""
    found = candidates(extractor.backbone.n_layers, extractor.taps, embedder.layers, embedder.pooling, embedder.fusion)
    side_by_side = [c for c in found if len(c.taps) > 1 and c.fusion == "concat"]
    return side_by_side if several_layers and side_by_side else found


def learn(
    task: str,
    found: Sequence[Candidate],
    features: Features,
    y: NDArray[Any],
    groups: NDArray[Any],
    *,
    kinds: str,
    head: Any,
    n_layers: int,
    seed: int,
) -> Fitted:
    """Train the arms that `kinds` asks for, and join them.

    Parameters
    ----------
    task : {"classification", "regression"}
    found : sequence of Candidate
        Empty where no backbone is read.
    features : Features
    y : array of shape (n,)
        Class numbers or numbers.
    groups : int array of shape (n,)
    kinds : {"embedding", "tfidf", "raw", "both", "auto"}
    head : str or estimator
    n_layers, seed : int

    Raises
    ------
    UserError
        ``"both"`` with a head whose predictions cannot be weighed against others, or columns where no table is known.
    """
    arms: list[Arm] = []
    table: list[CandidateScore] = []
    for kind in _kinds_of(kinds, task, 0 if features.table is None else features.table.num_columns):
        if kind == "embedding":
            chosen = select(found, features, y, groups, task=task, head=head, n_layers=n_layers, seed=seed)
            arms.append(Arm(kind, chosen.head, chosen.candidate))
            table = chosen.table
        elif kind == "raw":
            arms.append(_fit_raw(task, features, y, seed))
        elif kinds == "tfidf" or any(features.texts):
            arms.append(Arm(kind, TFIDF_HEADS[task](seed=seed).fit(features.texts, y, list(groups))))
    parts = [_held_out(arm, features, y, groups, task, seed) for arm in arms]
    if len(arms) > 1 and all(len(rows) for rows, _ in parts):
        return _joined(task, arms, table, parts, y, kinds)
    if kinds == "both" and len(arms) == 2:
        raise UserError(
            f"The head's predictions cannot be weighed against those of {'words' if task == 'classification' else 'columns'}: "
            "it gives no probabilities, or there are too few rows to hold any out.",
            hint="use features='embedding', or head='linear'",
        )
    return _alone(task, arms[0], table, *parts[0], y)


def _fit_raw(task: str, features: Features, y: NDArray[Any], seed: int) -> Arm:
    """Boosted trees on the table's own columns.

    Raises
    ------
    UserError
        The rows come without a table.
    """
    if features.table is None:
        raise UserError(
            "These features hold no table, so there are no columns to learn on.", hint="features='embedding'"
        )
    encoder = RawColumns(seed=seed).fit(features.table)
    X = encoder.transform(features.table)
    with _own_thread(X):
        trees = boosting("classification" if task == "classification" else "regression", y, encoder.categorical_, seed)
        return Arm("raw", trees.fit(X, y), encoder=encoder)


def auto_scale(features: Features, y: NDArray[Any], groups: NDArray[Any], *, kinds: str, seed: int) -> TargetScale:
    """Choose the targets' scale by the cheapest of the heads that a fit will train.

    Parameters
    ----------
    features, y, groups, kinds, seed
        As for :func:`learn`.
    """
    rows = np.arange(len(y))
    if len(y) > SCALE_ROWS:
        rows = holdout(y, groups, SCALE_ROWS / len(y), seed, stratify=False)[1]
        features, groups = features.take(rows), groups[rows]
    X: NDArray[Any]
    if kinds in ("auto", "both", "raw") and features.table is not None:
        encoder = RawColumns(seed=seed).fit(features.table)
        X = encoder.transform(features.table)
        head = boosting("regression", y[rows], encoder.categorical_, seed)
    elif kinds == "tfidf":
        X, head = np.array(features.texts, dtype=object), TfidfRegressor(seed=seed)
    else:
        X, head = features.vectors[:, -1], LinearRegressor(seed=seed)

    def out_of_fold(z: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        with _own_thread(X):
            fitted = fit_head(clone(head), X, z, groups) if hasattr(head, "cv") else head
            found, predicted = held_out(fitted, X, z, groups, "regression", seed, every=True)
        return found, np.asarray(predicted, dtype=np.float64)

    return choose_scale(y[rows], out_of_fold, y)


def _own_thread(inputs: Any) -> Any:
    """Trees of a small table grow and answer on one thread, see :data:`frostline.baselines.SMALL_TABLE`."""
    small = isinstance(inputs, np.ndarray) and inputs.size < SMALL_TABLE
    return threadpool_limits(1 if small else None, user_api="openmp")


def _held_out(
    arm: Arm, features: Features, y: NDArray[Any], groups: NDArray[Any], task: str, seed: int
) -> tuple[NDArray[np.intp], FloatArray]:
    if arm.kind == "tfidf":
        found = getattr(arm.head, "oof_proba_" if task == "classification" else "oof_pred_", None)
        return (np.arange(len(y)), found) if found is not None else (np.empty(0, dtype=np.intp), np.empty(0))
    if task == "classification" and not hasattr(arm.head, "predict_proba"):
        return np.empty(0, dtype=np.intp), np.empty(0)
    every = task == "regression" or arm.kind == "raw"  # intervals need the errors of all rows
    inputs = arm.inputs(features)
    with _own_thread(inputs) if arm.kind == "raw" else nullcontext():
        return held_out(arm.head, inputs, y, groups, task, seed, every=every)


def _alone(
    task: str, arm: Arm, table: list[CandidateScore], rows: NDArray[np.intp], oof: FloatArray, y: NDArray[Any]
) -> Fitted:
    """One arm: class probabilities are calibrated by one slope, numbers are left as they are."""
    if task == "regression" or not len(rows):
        return Fitted([arm], None, table, rows, oof)
    pool = LogPool.fit([oof], y[rows])
    return Fitted([arm], pool, table, rows, pool([oof]))


def _joined(
    task: str,
    arms: list[Arm],
    table: list[CandidateScore],
    parts: list[tuple[NDArray[np.intp], FloatArray]],
    y: NDArray[Any],
    kinds: str,
) -> Fitted:
    """Weigh the arms, each alone and together, and keep what pays."""
    rows = parts[0][0]
    for held_rows, _ in parts[1:]:
        rows = np.intersect1d(rows, held_rows)
    oof = [predicted[np.searchsorted(held_rows, rows)] for held_rows, predicted in parts]
    y = y[rows]
    ways = {ways_name([arms[i].kind for i in way], task): list(way) for way in _ways(arms, oof, y, task)}
    held = {name: _crossed(task, [oof[i] for i in own], y) for name, own in ways.items()}
    losses = {name: row_losses(task, predicted, y) for name, predicted in held.items()}
    if kinds == "both":
        name = "both"
    else:
        # New rows bring words that none of a few rows had, so words count only where there are many.
        few = len(y) < FEW_ROWS
        open_ways = {n: loss for n, loss in losses.items() if not few or all(arms[i].kind != "tfidf" for i in ways[n])}
        name = "embedding" if few and task == "classification" else _cheapest(open_ways)
    best = min(losses, key=lambda way: float(losses[way].mean()))
    scores = [_score(task, way, held[way], y, losses, best, way == name) for way in ways]
    own = ways[name]
    pool = _POOLS[task].fit([oof[i] for i in own], y)
    return Fitted([arms[i] for i in own], pool, table + scores, rows, held[name])


def _ways(arms: Sequence[Arm], oof: Sequence[FloatArray], y: NDArray[Any], task: str) -> list[tuple[int, ...]]:
    """Every set of arms, cheapest first: by whether the backbone must run, then by the number of arms.

    Within a set, numbers stand with the most exact arm first, where the weights of a pool start; classes with the
    backbone first.
    """
    order = list(range(len(arms)))
    if task == "regression":
        order.sort(key=[float(row_losses(task, found, y).mean()) for found in oof].__getitem__)
    sets = [own for size in range(1, len(arms) + 1) for own in combinations(order, size)]
    return sorted(sets, key=lambda own: (any(arms[i].candidate is not None for i in own), len(own)))


def ways_name(kinds: Sequence[str], task: str) -> str:
    """A set of arms by name: ``raw``, ``both``, ``embedding+tfidf+raw``."""
    return "both" if set(kinds) == set(BOTH[task]) else "+".join(sorted(kinds))


def _crossed(task: str, oof: list[FloatArray], y: NDArray[Any]) -> FloatArray:
    """What a pool predicts for rows that its weights were not learnt on: two halves, each weighed by the other."""
    out = np.empty_like(np.asarray(oof[0], dtype=np.float64))
    halves = np.arange(len(y)) % 2
    for half in (0, 1):
        here, there = np.flatnonzero(halves == half), np.flatnonzero(halves != half)
        pool = _POOLS[task].fit([p[there] for p in oof], y[there])
        out[here] = pool([p[here] for p in oof])
    return out


def _cheapest(losses: Mapping[str, FloatArray]) -> str:
    """Of sets of arms, cheapest first, the first that is as good as the best.

    Without the backbone a set must be as good with its error included; with it, not clearly worse.
    """
    best = min(losses.values(), key=lambda loss: float(loss.mean()))

    def is_as_good(name: str) -> bool:
        mean, error = mean_and_error(losses[name] - best)
        near = mean + error <= MARGIN * float(best.mean())
        return near or (_reads_backbone(name) and mean <= error)

    return next(filter(is_as_good, losses))


def _reads_backbone(features: str) -> bool:
    """Whether a set of arms, by its name, reads the backbone."""
    return not {"both", "embedding"}.isdisjoint(features.split("+"))


def _score(
    task: str,
    way: str,
    predicted: FloatArray,
    y: NDArray[Any],
    losses: dict[str, FloatArray],
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
