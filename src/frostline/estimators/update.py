"""More rows for a fitted predictor, its choices kept: only what is new is embedded, and all rows are learnt from again."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from frostline.contracts import EmbedStats
from frostline.errors import UserError, nearest
from frostline.estimators.kept import TrainingRows, digests, kept_rows
from frostline.estimators.labeled import one_dimension
from frostline.features import Features, PlainTexts
from frostline.heads import settled

if TYPE_CHECKING:
    from frostline.estimators.base import TextEstimator

__all__ = ["STRENGTHS", "check_update", "learn_more"]

STRENGTHS = ("keep", "auto")
"""Whether the head keeps the strength that was chosen, or chooses again."""


def check_update(estimator: TextEstimator, strength: str = "keep") -> TrainingRows:
    """Refuse what :func:`learn_more` cannot do, before anything runs; returns what is known of the earlier rows.

    Raises
    ------
    UserError
    """
    if strength not in STRENGTHS:
        raise UserError(
            f"Unknown strength {strength!r}. Allowed: {', '.join(map(repr, STRENGTHS))}.",
            hint=nearest(str(strength), STRENGTHS) or None,
        )
    rows, kinds = kept_rows(estimator), [arm.kind for arm in estimator.arms_]
    words_beside = ["embedding", "tfidf"] if hasattr(estimator, "classes_") else []
    if kinds not in (["embedding"], ["tfidf"], words_beside):
        raise UserError(
            f"This predictor joins {len(kinds)} heads ({', '.join(kinds)}), which cannot be trained further.",
            hint="fit again on all rows, or once with features='embedding' to add rows from then on",
        )
    if "tfidf" in kinds and rows.texts is None:
        raise UserError(
            "This predictor learns on words, and the texts of its training rows are not kept.",
            hint="fit again with --keep-texts (Python: save(folder, keep_texts=True))",
        )
    return rows


def learn_more(
    estimator: TextEstimator,
    features: Features,
    y: Any,
    groups: Any = None,
    *,
    strength: str = "keep",
    names: Sequence[Any] | None = None,
) -> EmbedStats:
    """Fit an estimator on its own rows and further ones, with layers, fusion, features and head as they are.

    Parameters
    ----------
    estimator : TextClassifier or TextRegressor
        Fitted; left as it is where anything is wrong.
    features : Features
        Of the m new rows, by the estimator's own extractor.
    y : array of shape (m,)
    groups : sequence of length m, optional
    strength : {"keep", "auto"}
    names : sequence of length m, optional
        What the new rows are called.

    Returns
    -------
    EmbedStats
        Of reading the earlier rows again: those that the store holds are not run.

    Raises
    ------
    UserError
        The earlier rows cannot be had again, or the new targets are of another type.
    """
    rows, n_new = check_update(estimator, strength), len(features.texts)
    extractor = estimator.extractor()
    if rows.texts is not None or isinstance(extractor, PlainTexts):
        old = extractor(rows.texts or [])
    else:
        old = extractor.recall(rows.keys)
    targets = _joined_targets(estimator.as_given(rows.targets), one_dimension(y), n_new)
    every = _joined_groups(rows.groups, groups, len(rows), n_new)
    fresh = copy(estimator)
    fresh.features = "both" if len(estimator.arms_) > 1 else estimator.arms_[0].kind
    if estimator.reads_backbone_ and strength == "keep":
        fresh.head = settled(estimator.head_)
    if scale := getattr(estimator, "scale_", None):
        fresh.target_transform = scale.kind  # of numbers: the one that was chosen, as after saving and loading
    fresh.fit_features(old.followed_by(features), targets, None if every is None else every.tolist())
    called = [*map(rows.name, range(len(rows))), *(names or [f"added:{i}" for i in range(len(rows), len(targets))])]
    texts = None if rows.texts is None else [*rows.texts, *features.texts]
    if fresh.rows_ is not None:
        fresh.rows_ = replace(fresh.rows_, groups=every, names=called, texts=texts)
    fresh.target_, fresh.features, fresh.head = estimator.target_, estimator.features, estimator.head
    if scale:
        fresh.target_transform = estimator.target_transform
    estimator.__dict__.update(fresh.__dict__)
    return old.stats


def _joined_targets(old: NDArray[Any], new: NDArray[Any], n_new: int) -> NDArray[Any]:
    """Targets of all rows; text never turns into numbers nor numbers into text."""
    if new.shape != (n_new, *old.shape[1:]):
        raise UserError(f"The {n_new} new rows need as many targets; got an array of shape {new.shape}.")
    kinds = {array.dtype.kind.replace("U", "O") for array in (old, new)}
    if len(kinds) > 1 and not kinds <= set("iuf"):
        raise UserError(
            f"The new targets are of another type ({new.dtype}) than those of the fit ({old.dtype}).",
            hint="write them as they were at the fit",
        )
    return np.concatenate([old, new])


def _joined_groups(old: NDArray[np.uint64] | None, new: Any, n_old: int, n_new: int) -> NDArray[np.uint64] | None:
    """Digests of all groups; where one part has none, each of its rows is a group of its own."""
    if new is not None and len(new) != n_new:
        raise UserError(f"groups has {len(new)} entries, but there are {n_new} rows.")
    if old is None and new is None:
        return None
    first = digests([("alone", i) for i in range(n_old)]) if old is None else old
    second = digests([("alone", i) for i in range(n_old, n_old + n_new)]) if new is None else digests(new)
    return np.concatenate([first, second])
