"""The simple methods where rows have sets of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.baselines.text import N_FOLDS, read_analyzer, text_pipeline
from frostline.labelsets import LabelRule, make_label_rule
from frostline.numerics.multilabel import multilabel_metrics
from frostline.splits import KeyColumn, group_folds, group_ids

__all__ = ["run_set_baselines"]

Truths = NDArray[np.bool_]


def run_set_baselines(
    train_texts: Sequence[str],
    train: Truths,
    test_texts: Sequence[str],
    test: Truths,
    *,
    seed: int,
    groups: KeyColumn | None = None,
) -> dict[str, dict[str, float]]:
    """Fit the simple methods on the training rows and score them on the test rows.

    Parameters
    ----------
    train_texts : sequence of n_train strings
    train : bool array of shape (n_train, n_labels)
    test_texts, test
        The same for the test rows.
    seed : int
    groups : key column of length n_train, optional
        Training rows that stay together when thresholds are chosen; equal texts always do.

    Returns
    -------
    dict of dict
        Metrics (see :mod:`frostline.numerics.multilabel`) of ``dummy``, which gives each label to all rows or none, as most
        training rows have it, and of ``text``: TF-IDF and one logistic regression for each label, with thresholds of
        highest F1 on three folds.
    """
    shares = np.tile(train.mean(axis=0), (len(test), 1))
    scores = {"dummy": multilabel_metrics(test, shares, shares >= 0.5)}
    analyzer = read_analyzer(train_texts)
    if analyzer is None:
        return {**scores, "text": dict(scores["dummy"])}
    texts = np.array(train_texts, dtype=object)

    def proba(rows: NDArray[np.intp], inputs: Any) -> NDArray[np.float64]:
        found = np.tile(train[rows].mean(axis=0), (len(inputs), 1))
        varies = np.flatnonzero((found[0] > 0) & (found[0] < 1)) if len(inputs) else np.empty(0, dtype=np.intp)
        if len(varies):
            model = text_pipeline("classification", seed, analyzer=analyzer)
            model.fit(texts[rows], train[rows][:, varies].astype(int))
            own = model.predict_proba(inputs)
            found[:, varies] = own[:, -len(varies) :]  # of a single label both of its probabilities come back
        return found

    ids = group_ids(train_texts) if groups is None else group_ids(train_texts, groups)
    rule = LabelRule(np.full(train.shape[1], 0.5))
    if ids.max() + 1 >= N_FOLDS:
        held_out = np.empty(train.shape)
        for rows, held in group_folds(np.arange(len(train)), ids, N_FOLDS, seed, stratify=False):
            held_out[held] = proba(rows, texts[held])
        rule = make_label_rule(None, range(train.shape[1]), train, held_out)
    found = proba(np.arange(len(train)), np.array(test_texts, dtype=object))
    return {**scores, "text": multilabel_metrics(test, found, rule(found))}
