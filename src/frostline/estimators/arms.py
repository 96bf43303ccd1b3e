"""The parts of a fitted predictor, each a head and what it reads, and how they are joined.

Three kinds: the backbone's vectors, the words of the rendered rows, the table's own columns. The predictions of each for
training rows that it was not trained on decide which are kept, and with which weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.baselines import RawColumns, TreesRegressor, boosting
from frostline.candidates import Candidate
from frostline.contracts import FloatArray
from frostline.errors import UserError
from frostline.estimators.fields import Fields
from frostline.estimators.grown import ColumnTrees, own_thread
from frostline.estimators.joining import BOTH, join
from frostline.features import Features
from frostline.heads import (
    ColumnsRegressor,
    KernelRegressor,
    LabelPool,
    LogPool,
    SumPool,
    TfidfClassifier,
    TfidfMultilabel,
    TfidfRegressor,
    fit_head,
    held_out,
    make_head,
)
from frostline.reports.model import CandidateScore
from frostline.selection import select

__all__ = ["Arm", "Fitted", "learn", "needs_backbone"]

KERNEL_ROWS = 10_000
"""With more rows no kernel is tried beside ridge and trees: it would take minutes, and trees do as well."""

TFIDF_HEADS: dict[str, Any] = {
    "classification": TfidfClassifier,
    "multilabel": TfidfMultilabel,
    "regression": TfidfRegressor,
}


@dataclass(frozen=True)
class Arm:
    """A fitted head and what it reads.

    Attributes
    ----------
    kind : {"embedding", "fields", "tfidf", "raw"}
    head : estimator
    candidate : Candidate or None
        How an embedding is read.
    encoder : RawColumns or None
        How the table's columns become numbers.
    fields : Fields or None
        How text columns are read each on its own.
    """

    kind: str
    head: Any
    candidate: Candidate | None = None
    encoder: RawColumns | None = None
    fields: Fields | None = None

    def inputs(self, features: Features) -> Any:
        """What the head reads of rows."""
        if self.fields is not None:
            return self.fields(features)
        if self.candidate is not None:
            return self.candidate.features(features)
        return features.texts if self.encoder is None else self.encoder.transform(features.table)

    def predict(self, features: Features, *, proba: bool) -> FloatArray:
        """Class probabilities, or class numbers or numbers."""
        inputs = self.inputs(features)
        with own_thread(inputs):
            return np.asarray(self.head.predict_proba(inputs) if proba else self.head.predict(inputs))


@dataclass(frozen=True)
class Fitted:
    """What :func:`learn` found.

    Attributes
    ----------
    arms : list of Arm
    pool : LogPool, LabelPool, SumPool or None
        None where there is one arm whose own output counts.
    table : list of CandidateScore
        Everything that was compared.
    rows, oof : arrays
        Training rows that were held out, and what was predicted for them; ``oof`` of shape (m, n_classes) or (m,).
    """

    arms: list[Arm]
    pool: LogPool | LabelPool | SumPool | None
    table: list[CandidateScore]
    rows: NDArray[np.intp]
    oof: FloatArray


def _kinds_of(kinds: str, task: str, features: Features) -> tuple[str, ...]:
    """The kinds of arm that ``features=`` asks for, of rows that were read like these."""
    if kinds == "both":
        return BOTH[task]
    if kinds != "auto":
        return (kinds,)
    if task == "multilabel":
        return BOTH[task]
    n_columns = 0 if features.table is None else features.table.num_columns
    has_raw = n_columns > (0 if task == "regression" else 1)
    return ("embedding", *(("fields",) if features.fields else ()), "tfidf", *(("raw",) if has_raw else ()))


def needs_backbone(features: str) -> bool:
    """Whether a fit with ``features=`` runs the backbone."""
    return features not in ("tfidf", "raw")


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
    class_weight: NDArray[np.float64] | None = None,
    trees: ColumnTrees | None = None,
) -> Fitted:
    """Train the arms that `kinds` asks for, and join them.

    Parameters
    ----------
    task : {"classification", "multilabel", "regression"}
    found : sequence of Candidate
        Empty where no backbone is read.
    features : Features
    y : array of shape (n,)
        Class numbers or numbers; of sets of labels truth values, shape (n, n_labels).
    groups : int array of shape (n,)
    kinds : {"embedding", "tfidf", "raw", "both", "auto"}
    head : str or estimator
        Trained under the class weights already, where there are any.
    seed : int
    class_weight : array of shape (n_classes,), optional
        How much rows of each class count in training. Probabilities are led back to the classes' true frequencies.
    trees : ColumnTrees, optional
        Of these rows; for numbers, where columns may be read.

    Raises
    ------
    UserError
        ``"both"`` with a head whose predictions cannot be weighed against others, or columns where no table is known.
    """
    arms: list[Arm] = []
    table: list[CandidateScore] = []
    weights = {} if class_weight is None else {"class_weight": dict(enumerate(class_weight.tolist()))}
    for kind in _kinds_of(kinds, task, features):
        if kind == "embedding":
            chosen = select(found, features, y, groups, task=task, head=head, seed=seed)
            arms.append(Arm(kind, chosen.head, chosen.candidate))
            table = chosen.table
            if _is_smooth(task, y) and kinds != "embedding" and head == "auto":
                vectors = chosen.candidate.features(features)
                arms.append(Arm(kind, KernelRegressor(seed=seed).fit(vectors, y, list(groups)), chosen.candidate))
        elif kind == "fields":
            arms.append(_fit_fields(task, arms[0].candidate, features, y, groups, seed, weights))
        elif kind == "raw":
            arms += _fit_raw(task, features, y, groups, seed, weights, trees)
        elif kinds == "tfidf" or any(features.texts):
            words = TFIDF_HEADS[task](seed=seed).set_params(**weights)
            arms.append(Arm(kind, words.fit(features.texts, y, list(groups))))
    parts = [_held_out(arm, features, y, groups, task, seed, trees, alone=len(arms) == 1) for arm in arms]
    if all(len(rows) for rows, _ in parts) and (len(arms) > 1 or task != "regression"):
        joined = join(task, [arm.kind for arm in arms], parts, y, choose=kinds == "auto", class_weight=class_weight)
        return Fitted([arms[i] for i in joined.arms], joined.pool, table + joined.seen, joined.rows, joined.oof)
    if kinds == "both":
        raise UserError(
            f"The head's predictions cannot be weighed against those of {'columns' if task == 'regression' else 'words'}: "
            "it gives no probabilities, or there are too few rows to hold any out.",
            hint="use features='embedding', or head='linear'",
        )
    pool: LogPool | None = None
    if class_weight is not None and hasattr(arms[0].head, "predict_proba"):
        pool = LogPool(np.ones(1), -np.log(class_weight))
    return Fitted(arms[:1], pool, table, *parts[0])


def _is_smooth(task: str, y: NDArray[Any]) -> bool:
    """Whether kernels are worth a try: for numbers, where there are not so many rows that trees do as well."""
    return task == "regression" and len(y) <= KERNEL_ROWS


def _fit_raw(
    task: str,
    features: Features,
    y: NDArray[Any],
    groups: NDArray[Any],
    seed: int,
    weights: dict[str, Any],
    trees: ColumnTrees | None,
) -> list[Arm]:
    """Boosted trees on the table's own columns; of numbers from few rows a kernel regression beside them.

    Raises
    ------
    UserError
        The rows come without a table.
    """
    if features.table is None:
        raise UserError(
            "These features hold no table, so there are no columns to learn on.", hint="features='embedding'"
        )
    if trees is None:
        encoder = RawColumns(seed=seed).fit(features.table)
        X = encoder.transform(features.table)
        with own_thread(X):
            made = boosting("classification", y, encoder.categorical_, seed).set_params(**weights)
            return [Arm("raw", made.fit(X, y), encoder=encoder)]
    arms = [Arm("raw", trees.fit(y), encoder=trees.encoder)]
    if _is_smooth(task, y):
        smooth = ColumnsRegressor(trees.encoder.categorical_, seed=seed).fit(trees.X, y, list(groups))
        arms.append(Arm("raw", smooth, encoder=trees.encoder))
    return arms


def _fit_fields(
    task: str,
    candidate: Candidate | None,
    features: Features,
    y: NDArray[Any],
    groups: NDArray[Any],
    seed: int,
    weights: dict[str, Any],
) -> Arm:
    """A linear head on the text columns, read by the (last) backbone that the whole rows are read by."""
    if candidate is None:
        raise UserError("Text columns are read beside whole rows, which are not read here.")
    taps = next(iter(features.fields.values())).taps
    tap = next(tap for tap in taps if tap.backbone == candidate.taps[-1].backbone)
    fields = Fields(tuple(features.fields), tap)
    head = fit_head(make_head("linear", task, seed).set_params(**weights), fields(features), y, groups)
    return Arm("fields", head, candidate, fields=fields)


def _held_out(
    arm: Arm,
    features: Features,
    y: NDArray[Any],
    groups: NDArray[Any],
    task: str,
    seed: int,
    trees: ColumnTrees | None,
    *,
    alone: bool,
) -> tuple[NDArray[np.intp], FloatArray]:
    if trees is not None and isinstance(arm.head, TreesRegressor):
        return trees.held_out(y)
    if alone and getattr(arm.head, "as_published", False):  # the published code holds nothing out
        return np.empty(0, dtype=np.intp), np.empty(0)
    if arm.kind == "tfidf":
        found = getattr(arm.head, "oof_pred_" if task == "regression" else "oof_proba_", None)
        return (np.arange(len(y)), found) if found is not None else (np.empty(0, dtype=np.intp), np.empty(0))
    if task == "classification" and not hasattr(arm.head, "predict_proba"):
        return np.empty(0, dtype=np.intp), np.empty(0)
    every = task == "regression" or arm.kind == "raw"  # intervals need the errors of all rows
    inputs = arm.inputs(features)
    with own_thread(inputs) if arm.kind == "raw" else nullcontext():
        return held_out(arm.head, inputs, y, groups, task, seed, every=every)
