"""Words and a linear model, as strong as they get in a few seconds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline

from frostline.numerics.metrics import classification_metrics
from frostline.splits import Indices, KeyColumn, Split, group_folds, group_ids

__all__ = ["N_FOLDS", "STRENGTHS", "Task", "fit_text", "read_analyzer", "text_pipeline"]

Task = Literal["classification", "regression"]

STRENGTHS = {"classification": (3.0, 10.0, 30.0, 100.0), "regression": (0.1, 0.3, 1.0, 3.0, 10.0)}
"""What is tried for C of the logistic regression and alpha of the ridge regression."""

N_FOLDS = 3
MANY_CLASSES = 10
"""Above this, the strength is chosen on one fold, since one-against-rest takes a fit for each class."""

MAX_TERMS = 50_000
"""The most frequent terms of the training texts that a linear model sees."""


def text_pipeline(
    task: Task, seed: int, *, analyzer: Literal["word", "char"] = "word", strength: float | None = None
) -> Pipeline:
    """Make the unfitted text baseline: TF-IDF of n-grams and a linear model.

    Parameters
    ----------
    task : {"classification", "regression"}
        One-against-rest logistic regression, which gives probabilities, or ridge regression.
    seed : int
    analyzer : {"word", "char"}
        Words and pairs of words (a word is any run of letters and digits), or one to three characters.
    strength : float, optional
        C or alpha; by default the middle of :data:`STRENGTHS`.

    Returns
    -------
    Pipeline
        Strings in; a vectorizer and a linear model.
    """
    vectorizer = TfidfVectorizer(
        analyzer=analyzer,
        ngram_range=(1, 2) if analyzer == "word" else (1, 3),
        token_pattern=r"(?u)\b\w+\b" if analyzer == "word" else None,
        sublinear_tf=True,
        max_features=MAX_TERMS,
    )
    return make_pipeline(vectorizer, _linear(task, _default_strength(task) if strength is None else strength, seed))


def fit_text(
    task: Task, texts: Sequence[str], y: NDArray[Any], *, seed: int, groups: KeyColumn | None = None
) -> Pipeline | None:
    """Fit the text baseline, its strength chosen by cross-validation over groups of rows.

    Terms and their weights, which see no target, are counted once over all texts. The strength with the lowest mean
    logarithmic loss or squared error wins; where no fold can be made, the middle one is taken. Texts without a single
    word are read as characters.

    Parameters
    ----------
    task : {"classification", "regression"}
    texts : sequence of n strings
    y : array of shape (n,) or (n, n_targets)
        Class numbers or values.
    seed : int
    groups : key column of length n, optional
        Rows that stay together; equal texts always do.

    Returns
    -------
    Pipeline or None
        None where no text has a character.
    """
    analyzer = read_analyzer(texts)
    if analyzer is None:
        return None
    vectorizer = text_pipeline(task, seed, analyzer=analyzer)[0]
    X = vectorizer.fit_transform(texts)
    ids = group_ids(texts) if groups is None else group_ids(texts, groups)
    folds = _tuning_folds(task, y, ids, seed)

    def mean_loss(strength: float) -> float:
        fits = ((_linear(task, strength, seed).fit(X[train], y[train]), test) for train, test in folds)
        return float(np.mean([_loss(task, model, X[test], y[test]) for model, test in fits]))

    best = min(STRENGTHS[task], key=mean_loss) if folds else _default_strength(task)
    return make_pipeline(vectorizer, _linear(task, best, seed).fit(X, y))


def read_analyzer(texts: Sequence[str]) -> Literal["word", "char"] | None:
    """Choose words where there is one, else characters, else nothing."""
    if any(re.search(r"\w", text) for text in texts):
        return "word"
    return "char" if any(texts) else None


def _default_strength(task: Task) -> float:
    """Take the middle of the grid."""
    return STRENGTHS[task][len(STRENGTHS[task]) // 2]


def _linear(task: Task, strength: float, seed: int) -> Any:
    """Make the unfitted linear model; the dual solver has the same optimum as the primal, on sparse terms much sooner."""
    if task == "regression":
        return Ridge(alpha=strength, random_state=seed)
    logistic = LogisticRegression(C=strength, solver="liblinear", dual=True, tol=0.1, max_iter=1000, random_state=seed)
    return OneVsRestClassifier(logistic)


def _tuning_folds(task: Task, y: NDArray[Any], groups: Indices, seed: int) -> list[Split]:
    """Folds to choose a strength by; none where there are too few groups, or a training part has one class only."""
    n_folds = min(N_FOLDS, int(groups.max()) + 1)
    if n_folds < 2:
        return []
    folds = group_folds(y, groups, n_folds, seed, stratify=task == "classification")
    if task == "regression":
        return folds
    usable = [(train, test) for train, test in folds if len(np.unique(y[train])) > 1]
    return usable[:1] if len(np.unique(y)) > MANY_CLASSES else usable


def _loss(task: Task, model: Any, X: Any, y: NDArray[Any]) -> float:
    """Score a strength on rows it was not fitted on; lower is better."""
    if task == "classification":
        return classification_metrics(y, model.predict_proba(X), model.classes_)["log_loss"]
    spread = y.var(axis=0)
    squared = ((y - model.predict(X)) ** 2).mean(axis=0)
    return float(np.mean(squared / np.where(spread > 0, spread, 1.0)))
