"""The parts of a fitted predictor: a head on the backbone's vectors, a head on the text itself, and how they are joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from frostline.backbones.written import is_several, read_backbones
from frostline.candidates import Candidate, candidates, together
from frostline.contracts import FloatArray
from frostline.embedder import AnyExtractor, TextEmbedder
from frostline.errors import UserError
from frostline.features import Features, PlainTexts
from frostline.heads import LogPool, SumPool, TfidfClassifier, TfidfRegressor, held_out
from frostline.numerics.metrics import mean_and_error
from frostline.reports.model import CandidateScore
from frostline.selection import FEW_ROWS, row_hits, row_losses, select

__all__ = ["Arm", "Fitted", "candidates_of", "learn", "whole_embedder"]

MARGIN = 0.01
"""Share of the loss by which words alone may be worse, its error included, for the backbone to be left out."""

TFIDF_HEADS: dict[str, Any] = {"classification": TfidfClassifier, "regression": TfidfRegressor}
_POOLS: dict[str, Any] = {"classification": LogPool, "regression": SumPool}


@dataclass(frozen=True)
class Arm:
    """A fitted head and what it reads.

    Attributes
    ----------
    kind : {"embedding", "tfidf"}
    head : estimator
    candidate : Candidate or None
        How an embedding is read.
    """

    kind: str
    head: Any
    candidate: Candidate | None = None

    def predict(self, features: Features, *, proba: bool) -> FloatArray:
        """Class probabilities, or class numbers or numbers."""
        inputs = features.texts if self.candidate is None else self.candidate.features(features)
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


def whole_embedder(embedder: TextEmbedder) -> TextEmbedder:
    """The embedder with its defaults where a choice is left open by ``"auto"``."""
    defaults = {"layers": "final", "pooling": "recipe", "fusion": "concat"}
    is_open: dict[str, Any] = {name: value for name, value in defaults.items() if getattr(embedder, name) == "auto"}
    if is_several(embedder.backbone):
        own = [one.plain() for one in read_backbones(embedder.backbone)]
        of_each = [{k: defaults[k] if v == "auto" and k in defaults else v for k, v in one.items()} for one in own]
        is_open["backbone"] = of_each
    fixed: TextEmbedder = clone(embedder).set_params(**is_open)
    for name in ("n_features_in_", "feature_names_in_", "input_types_"):
        if hasattr(embedder, name):
            setattr(fixed, name, getattr(embedder, name))
    return fixed


def candidates_of(embedder: TextEmbedder, extractor: AnyExtractor, *, several_layers: bool) -> list[Candidate]:
    """What may be chosen where `embedder` leaves layers, pooling, fusion, or one of several backbones open."""
    if isinstance(extractor, PlainTexts):
        return []
    found = together(
        [
            candidates(part.backbone.n_layers, part.taps, one.layers, str(one.pooling), embedder.fusion)
            for part, one in zip(extractor.parts, embedder.written(), strict=True)
        ],
        embedder.fusion,
    )
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
    seed: int,
) -> Fitted:
    """Train the arms that `kinds` asks for, and join them.

    Parameters
    ----------
    task : {"classification", "regression"}
    found : sequence of Candidate
        Empty with ``kinds="tfidf"``.
    features : Features
    y : array of shape (n,)
        Class numbers or numbers.
    groups : int array of shape (n,)
    kinds : {"embedding", "tfidf", "both", "auto"}
    head : str or estimator
    seed : int

    Raises
    ------
    UserError
        ``"both"`` with a head whose predictions cannot be weighed against others.
    """
    arms, table = [], []
    if kinds != "tfidf":
        chosen = select(found, features, y, groups, task=task, head=head, seed=seed)
        arms.append(Arm("embedding", chosen.head, chosen.candidate))
        table = chosen.table
    if kinds != "embedding" and (kinds == "tfidf" or any(features.texts)):
        arms.append(Arm("tfidf", TFIDF_HEADS[task](seed=seed).fit(features.texts, y, list(groups))))
    parts = [_held_out(arm, features, y, groups, task, seed) for arm in arms]
    if len(arms) == 1 or not all(len(rows) for rows, _ in parts):
        if kinds == "both" and len(arms) == 2:
            raise UserError(
                "The head's predictions cannot be weighed against those of words: "
                "it gives no probabilities, or there are too few rows to hold any out.",
                hint="use features='embedding', or head='linear'",
            )
        return _alone(task, arms[0], table, *parts[0], y)
    rows = parts[0][0]
    return _joined(task, arms, table, rows, [parts[0][1], parts[1][1][rows]], y[rows], kinds)


def _held_out(
    arm: Arm, features: Features, y: NDArray[Any], groups: NDArray[Any], task: str, seed: int
) -> tuple[NDArray[np.intp], FloatArray]:
    if arm.candidate is None:
        found = getattr(arm.head, "oof_proba_" if task == "classification" else "oof_pred_", None)
        return (np.arange(len(y)), found) if found is not None else (np.empty(0, dtype=np.intp), np.empty(0))
    if task == "classification" and not hasattr(arm.head, "predict_proba"):
        return np.empty(0, dtype=np.intp), np.empty(0)
    every = task == "regression"  # intervals need the errors of all rows
    return held_out(arm.head, arm.candidate.features(features), y, groups, task, seed, every=every)


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
    rows: NDArray[np.intp],
    oof: list[FloatArray],
    y: NDArray[Any],
    kinds: str,
) -> Fitted:
    """Weigh two arms, each alone and both, and keep what pays."""
    ways = {"tfidf": [1], "embedding": [0], "both": [0, 1]}
    held = {name: _crossed(task, [oof[i] for i in own], y) for name, own in ways.items()}
    losses = {name: row_losses(task, predicted, y) for name, predicted in held.items()}
    # New rows bring words that none of a few rows had, so words count only where there are many.
    name = "both" if kinds == "both" else _cheapest(losses) if len(y) >= FEW_ROWS else "embedding"
    best = min(losses, key=lambda way: float(losses[way].mean()))
    scores = [_score(task, way, held[way], y, losses, best, way == name) for way in ways]
    own = ways[name]
    pool = _POOLS[task].fit([oof[i] for i in own], y)
    return Fitted([arms[i] for i in own], pool, table + scores, rows, held[name])


def _crossed(task: str, oof: list[FloatArray], y: NDArray[Any]) -> FloatArray:
    """What a pool predicts for rows that its weights were not learnt on: two halves, each weighed by the other."""
    out = np.empty_like(np.asarray(oof[0], dtype=np.float64))
    halves = np.arange(len(y)) % 2
    for half in (0, 1):
        here, there = np.flatnonzero(halves == half), np.flatnonzero(halves != half)
        pool = _POOLS[task].fit([p[there] for p in oof], y[there])
        out[here] = pool([p[here] for p in oof])
    return out


def _cheapest(losses: dict[str, FloatArray]) -> str:
    """Words alone where they are as good, else the backbone alone where both are not clearly better, else both."""
    best = min(losses.values(), key=lambda loss: float(loss.mean()))

    mean, error = mean_and_error(losses["tfidf"] - best)
    if mean + error <= MARGIN * float(best.mean()):
        return "tfidf"
    mean, error = mean_and_error(losses["embedding"] - best)
    return "embedding" if mean <= error else "both"


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
