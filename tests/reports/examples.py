"""Reports of many shapes, made of seeded numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from frostline.contracts import EmbedStats
from frostline.reports.model import ClassScore, FitReport, LayerScore, Mistake, Share

CHOSEN = {
    "backbone": "minilm",
    "layers": ["2", "4", "final"],
    "pooling": "mean",
    "fusion": "concat",
    "head": "linear",
    "C": 0.1,
    "input": "{text}",
    "seed": 0,
}


def binary() -> FitReport:
    """Movie reviews: better than TF-IDF by more than the standard error."""
    return FitReport(
        task="classification",
        title="movie-reviews",
        target="label",
        split="The test file is used as it was given.",
        n_train=8530,
        n_test=1066,
        metrics={"accuracy": 0.8002, "macro_f1": 0.8001, "log_loss": 0.4406, "ece": 0.0212},
        baselines={
            "dummy": {"accuracy": 0.5, "macro_f1": 0.3333, "log_loss": 0.6931, "ece": 0.0},
            "text": {"accuracy": 0.7617, "macro_f1": 0.7617, "log_loss": 0.5123, "ece": 0.0344},
        },
        chosen=dict(CHOSEN),
        embed=EmbedStats(9596, 9581, 9581, 12, 251310, 41.7),
        overlap=3,
        metrics_without_overlap={"accuracy": 0.7996, "macro_f1": 0.7995, "log_loss": 0.4415, "ece": 0.0213},
        seconds={"embed": 41.7, "fit": 6.31, "total": 49.2},
        layer_scores=[
            LayerScore(name, score, 0.007)
            for name, score in zip(
                ["0", "1", "2", "3", "4", "5", "final"],
                [0.701, 0.722, 0.741, 0.752, 0.769, 0.774, 0.781],
                strict=True,
            )
        ],
        layer_metric="accuracy",
        labels=["negative", "positive"],
        confusion=np.array([[431, 102], [111, 422]]),
        reliability=[
            (0.553, 0.561, 98),
            (0.651, 0.630, 119),
            (0.752, 0.733, 160),
            (0.853, 0.842, 241),
            (0.957, 0.934, 448),
        ],
        notes=["2 rows had no label and were dropped.", "The text of 12 rows was cut at 256 tokens."],
        created="2026-08-11 14:02",
        version="0.1.0",
    )


def worse() -> FitReport:
    """TF-IDF wins by 1.2 points, and the standard error is smaller than that."""
    report = binary()
    baselines = report.baselines | {"text": report.baselines["text"] | {"accuracy": 0.8122, "macro_f1": 0.7}}
    return replace(report, baselines=baselines, n_test=10660, overlap=0, metrics_without_overlap=None)


def level() -> FitReport:
    """A difference of 0.4 points at a standard error of 1.2."""
    report = binary()
    return replace(report, baselines=report.baselines | {"text": report.baselines["text"] | {"accuracy": 0.7962}})


def many_classes(n: int = 52) -> FitReport:
    """R52-like: frequencies fall steeply, a few classes are mixed up."""
    rng = np.random.default_rng(0)
    sizes = np.maximum((900 * np.exp(-np.arange(n) / 6)).astype(int), 3)
    confusion = np.zeros((n, n), dtype=np.int64)
    for i, size in enumerate(sizes):
        weights = np.full(n, 0.02 / n)
        weights[i], weights[(i + 1) % n], weights[i // 2] = 0.9, 0.05, weights[i // 2] + 0.05
        confusion[i] = rng.multinomial(size, weights / weights.sum())
    accuracy = float(np.trace(confusion) / confusion.sum())
    score = {"accuracy": accuracy, "macro_f1": 0.71, "log_loss": 0.41, "ece": 0.034}
    return replace(
        binary(),
        title="r52",
        target="topic",
        n_test=int(confusion.sum()),
        metrics=score,
        metrics_without_overlap=None,
        overlap=0,
        baselines={
            "text": {name: 0.97 * value for name, value in score.items()},
            "raw_columns": {name: 0.9 * value for name, value in score.items()},
            "dummy": {"accuracy": 0.42, "macro_f1": 0.01, "log_loss": 2.9, "ece": 0.0},
        },
        labels=[f"topic-{i:02d}" for i in range(n)],
        confusion=confusion,
        reliability=[(float(c), float(min(1, c * 0.97)), int(20 + 900 * c**6)) for c in np.linspace(0.12, 0.99, 15)],
        layer_scores=[LayerScore(str(i), 0.7 + 0.2 * math.sin(i / 12), 0.01) for i in range(29)],
        layer_metric="macro_f1",
    )


def regression(n: int = 1500) -> FitReport:
    """Intervals of two widths; some rows outside."""
    rng = np.random.default_rng(1)
    true = rng.gamma(3.0, 40.0, n)
    predicted = 25 + 0.8 * true + rng.normal(0, 25, n)
    half = np.where(predicted > 150, 60.0, 40.0)
    return FitReport(
        task="regression",
        title="apache",
        target="performance",
        split="20 % of the rows, chosen by distinct text with seed 0.",
        n_train=4 * n,
        n_test=n,
        metrics={
            "kendall_tau": 0.6123,
            "spearman": 0.8012,
            "r2": 0.7345,
            "mae": 21.234,
            "rmse": 1027.8,
            "coverage": 0.9013,
            "width": 98.76,
        },
        baselines={
            "dummy": {"kendall_tau": math.nan, "spearman": math.nan, "r2": -0.0004, "mae": 53.1, "rmse": 1969.3},
            "text": {"kendall_tau": 0.5567, "spearman": 0.7345, "r2": 0.6512, "mae": 25.43, "rmse": 1131.2},
            "raw_columns": {"kendall_tau": 0.5721, "spearman": 0.7456, "r2": 0.7612, "mae": 20.87, "rmse": 1010.4},
        },
        chosen=CHOSEN | {"head": "ridge", "alpha": 10.0, "input": "{a}:{b}, {c}\n{d}"},
        embed=EmbedStats(5 * n, 5 * n, 0, 0, 312345, 0.42),
        seconds={"embed": 0.42, "fit": 131.3, "total": 7325.0},
        scatter={"y_true": true, "y_pred": predicted, "lower": predicted - half, "upper": predicted + half},
        layer_scores=[LayerScore("final", 0.6, 0.02)],
        layer_metric="kendall_tau",
        created="2026-08-11 14:02",
        version="0.1.0",
    )


def bare() -> FitReport:
    """As little as a report can hold."""
    return FitReport(
        task="classification",
        title="",
        target="y",
        split="",
        n_train=10,
        n_test=4,
        metrics={"accuracy": math.nan, "macro_f1": math.inf},
        baselines={"dummy": {"accuracy": 0.5}, "text": {"accuracy": math.nan}},
        chosen={},
        embed=EmbedStats(),
    )


def hostile() -> FitReport:
    """Names that would break a page, a card or a terminal if they were not escaped."""
    evil = "<script>alert('x')</script>"
    labels = [
        evil,
        'a "quoted" & very long name that goes on and on to sixty characters',
        "pipe | `tick` *star*\x1b[31m",
    ]
    return replace(
        binary(),
        title=f"{evil} & sons",
        target='tar"get</title>',
        split=f"Split by {evil}.",
        labels=labels,
        confusion=np.array([[30, 4, 1], [2, 40, 0], [9, 0, 14]]),
        notes=[evil, "[link](javascript:alert) | pipe", "nul \x00 and escape \x1b[31m"],
        chosen=CHOSEN | {"input": evil},
    )


def saved() -> FitReport:
    """Saved from Python: out-of-fold scores, no test rows, no baselines, nothing known of the embedding."""
    return replace(
        bare(),
        title="120 rows",
        split="Out-of-fold predictions on the training rows.",
        n_train=120,
        n_test=0,
        metrics={"accuracy": 0.81, "log_loss": 0.5},
        baselines={},
        chosen=CHOSEN | {"template": None, "max_length": None},
        labels=["a", "b"],
        created="2026-08-11T14:02:33+00:00",
        version="0.1.0",
    )


def folds() -> FitReport:
    """Cross-validation: spread over folds, no separate test rows."""
    return replace(
        binary(),
        split="5 folds by distinct text, seed 0; every row is tested once.",
        metrics_std={"accuracy": 0.0071, "macro_f1": 0.0072, "log_loss": 0.0123, "ece": 0.0041},
    )


def decided() -> FitReport:
    """Weighted classes, abstention, and mistakes with their texts."""
    report, scores = many_classes(), []
    for i, (label, own) in enumerate(zip(report.labels, report.confusion, strict=True)):
        hits, n, predicted = int(own[i]), int(own.sum()), int(report.confusion[:, i].sum())
        recall = Share(hits / n, max(0.0, hits / n - 0.1), min(1.0, hits / n + 0.05))
        precision = Share(hits / predicted if predicted else math.nan, 0.0, 1.0)
        scores.append(ClassScore(label, 8 * n, n, predicted, precision, recall, recall))
    mistakes = [
        Mistake("topic-01", "topic-00", 0.97, "shares fell <b>sharply</b> & nobody knew why"),
        Mistake("topic-01", "topic-00", math.nan, "a head without probabilities"),
    ]
    test = {"n_rows": 60, "n_answered": 50, "n_right": 49}
    test |= {"coverage": [0.83, 0.71, 0.91], "precision": [0.98, 0.89, 0.999]}
    cutoff = {"precision": 0.95, "level": 0.95, "confidence": 0.81, "n": 400, "kept": 300, "right": 296, "bound": 0.955}
    decision = {"class_weight": {"topic-00": 0.5, "topic-01": 7.5}, "abstention": cutoff | {"test": test}}
    return replace(report, classes=scores, mistakes=mistakes, decision=decision)


EXAMPLES = {
    "decided": decided,
    "binary": binary,
    "worse": worse,
    "level": level,
    "many_classes": many_classes,
    "regression": regression,
    "bare": bare,
    "hostile": hostile,
    "saved": saved,
    "folds": folds,
}
