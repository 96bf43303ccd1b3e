"""Jobs that use what was trained: predict and evaluate."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from frostline.backbones import WINDOW_ROWS
from frostline.contracts import EmbedStats
from frostline.embedder import TextEmbedder
from frostline.engines.classes import class_scores, decision_of, of_confusion
from frostline.engines.inputs import Labeled, known_labels, read_labeled
from frostline.engines.loading import target_of
from frostline.engines.scores import LEVEL, Judgement, judge
from frostline.engines.sets import known_sets, write_sets
from frostline.errors import UserError
from frostline.estimators import TextClassifier, TextRegressor, load
from frostline.estimators.kept import check_neighbors, find_neighbors
from frostline.features import Features, Forecast
from frostline.labelsets import LabelRule, are_sets
from frostline.rendering import RowStream
from frostline.reports.classes import class_json
from frostline.tables import PREDICTION_ENDINGS, check_output, iter_tables, prediction_writer, read_table

__all__ = ["evaluate_table", "forecast_predict", "predict_table"]


def predict_table(
    folder: str | Path,
    data: str | Path,
    *,
    out: str | Path,
    proba: bool = False,
    interval: float | None = None,
    neighbors: int | None = None,
    store: Any = "default",
    device: str = "auto",
    progress: Any = "auto",
    trust_remote_code: str | None = None,
) -> EmbedStats:
    """Predict every row of a file, in its order and in memory that does not grow with their number.

    Parameters
    ----------
    folder : path
        Artifact of a fit.
    data : path
        Rows with the columns of the fit.
    out : path
        ``.csv``, ``.parquet`` or ``.jsonl``: `prediction`, and as asked `proba_<label>`, `lower` and `upper`, `neighbors`;
        of several targets `prediction_<target>`, `lower_<target>`, `upper_<target>`.
    proba : bool, default=False
        Class probabilities as well.
    interval : float, optional
        Level of prediction intervals, between 0 and 1.
    neighbors : int, optional
        How many of the nearest training rows to name: a list of row, target, similarity and, where the folder keeps it,
        text.
    store, device, progress, trust_remote_code
        As in :func:`frostline.load`.

    Returns
    -------
    EmbedStats

    Raises
    ------
    UserError
        Missing columns, or something that this kind of predictor does not give.
    """
    check_output(out, PREDICTION_ENDINGS, [data])
    estimator = load(folder, store=store, device=device, progress=progress, trust_remote_code=trust_remote_code)
    _check_asked(estimator, folder, proba, interval, neighbors)
    embedder: TextEmbedder = estimator.embedder_
    windows = (embedder.render(table) for table in iter_tables(data, WINDOW_ROWS))
    stream = RowStream(estimator.reader(), windows)
    with prediction_writer(out) as write:
        for features in stream:
            columns = _columns(estimator, features, proba, interval)
            if neighbors is not None:
                columns["neighbors"] = find_neighbors(estimator, estimator.fused(features), neighbors).as_lists()
            write(columns)
    return stream.stats()


def _check_asked(
    estimator: Any, folder: str | Path, proba: bool, interval: float | None, neighbors: int | None = None
) -> None:
    """Refuse what this kind of predictor does not give."""
    if proba and not hasattr(estimator, "predict_proba"):
        raise UserError(f"--proba: {folder} predicts numbers or has a head without probabilities.", hint="leave it out")
    if interval is not None and not isinstance(estimator, TextRegressor):
        raise UserError(f"--interval: {folder} is a classifier; intervals are for numbers.", hint="use --proba")
    if neighbors is not None:
        check_neighbors(estimator, neighbors)


def _columns(estimator: Any, features: Features, proba: bool, interval: float | None) -> dict[str, Any]:
    if each := getattr(estimator, "each_", ()):  # of several targets each column with the name of its own
        names = estimator.target_ or range(len(each))
        found = {name: _columns(part, features, proba, interval) for name, part in zip(names, each, strict=True)}
        return {f"{column}_{name}": values for name, own in found.items() for column, values in own.items()}
    if interval is not None:
        return dict(
            zip(("prediction", "lower", "upper"), estimator.predict_with_interval(features, interval), strict=True)
        )
    if not isinstance(estimator, TextClassifier):
        return {"prediction": estimator.predict_features(features)}
    columns = _decided(estimator, features)
    if proba:
        values = estimator.proba_features(features)
        columns |= {f"proba_{label}": values[:, i] for i, label in enumerate(estimator.classes_)}
    return columns


def _decided(estimator: TextClassifier, features: Features) -> dict[str, Any]:
    """Labels; where a precision was asked for, none for the rows that are not answered, and a column that says so."""
    decided = estimator.decide_features(features)
    if isinstance(estimator.rule_, LabelRule):
        return {"prediction": write_sets(estimator, decided.labels)}
    labels: Any = decided.answers
    if decided.labels.dtype.kind != "O" or isinstance(decided.labels[0], str | date):
        # Typed by all labels, so that a window without any answer is of the same type.
        labels = pa.array(decided.labels, mask=decided.abstained)
    return {"prediction": labels} | ({} if estimator.rule_.cutoff is None else {"abstained": decided.abstained})


def evaluate_table(
    folder: str | Path,
    data: str | Path,
    *,
    out: str | Path | None = None,
    proba: bool = False,
    interval: float | None = None,
    store: Any = "default",
    device: str = "auto",
    progress: Any = "auto",
    trust_remote_code: str | None = None,
) -> dict[str, Any]:
    """Score a saved predictor on a file that has the target column of the fit.

    Parameters
    ----------
    folder : path
        Artifact of a fit.
    data : path
        Rows with the columns of the fit and its target.
    out : path, optional
        A file for the predictions of all rows, as :func:`predict_table` writes them.
    proba : bool, default=False
        Class probabilities in that file as well.
    interval : float, optional
        Level of the intervals that are judged, and in `out` written; None = judged at 0.9.
    store, device, progress, trust_remote_code
        As in :func:`frostline.load`.

    Returns
    -------
    dict
        ``metrics``, as in :class:`FitReport`, of several targets their means and under ``targets`` those of each;
        ``interval``, their level; ``n_rows``, those with a target, and ``n_unlabeled``, those without, which are
        left out; ``n_embedded``, ``n_truncated``, ``truncated_columns``; ``fields``, what it took to
        read text columns each on its own; ``out``.

    Raises
    ------
    UserError
        Missing columns, labels that the predictor never saw, or something that this kind of predictor does not give.
    """
    if out is not None:
        check_output(out, PREDICTION_ENDINGS, [data])
    elif proba:
        raise UserError(
            "--proba asks for probabilities in a file, and no --out is given.", hint="--out predictions.csv"
        )
    estimator = load(folder, store=store, device=device, progress=progress, trust_remote_code=trust_remote_code)
    _check_asked(estimator, folder, proba, interval)
    target = target_of(estimator, folder, hint="use frostline.load and score in Python")
    labeled = read_labeled(data, target, label_separator=getattr(estimator, "label_separator_", None))
    y = _truth(estimator, labeled, folder)
    read = estimator.extract(labeled.table if out is None else labeled.whole)
    features = read if out is None else read.take(labeled.rows)
    several = isinstance(target, list)
    baselines: Any = [{} for _ in target] if several else {}
    judgement = judge(estimator, features, y, np.zeros(len(y), dtype=bool), baselines, interval)
    if out is not None:
        with prediction_writer(out) as write:
            write(_columns(estimator, read, proba, interval))
    stats = read.stats
    return {
        "metrics": judgement.metrics,
        **({"targets": {n: own.metrics for n, own in zip(target, judgement.targets, strict=True)}} if several else {}),
        **_by_class(estimator, judgement),
        "interval": (LEVEL if interval is None else interval) if isinstance(estimator, TextRegressor) else None,
        "n_rows": len(y),
        "n_unlabeled": labeled.n_unlabeled,
        "n_embedded": stats.n_embedded,
        "n_truncated": stats.n_truncated,
        "truncated_columns": stats.truncated_columns,
        "fields": {name: asdict(own) for name, own in stats.fields.items()},
        "out": None if out is None else str(out),
    }


def _truth(estimator: Any, labeled: Labeled, folder: str | Path) -> Any:
    """The targets of a file as the predictor knows them."""
    if not isinstance(estimator, TextClassifier):
        return estimator.check_target(labeled.y, len(labeled.y))
    if not isinstance(estimator.rule_, LabelRule):
        return known_labels(labeled.y, estimator.classes_, labeled.name)
    if not are_sets(labeled.y):
        raise UserError(
            f"{folder} gives sets of labels, and {labeled.targets[0]!r} of {labeled.name} has one label a row.",
            hint="write lists, as in training",
        )
    return known_sets(labeled.y, estimator.classes_.tolist(), labeled.name)


def _by_class(estimator: Any, judgement: Judgement) -> dict[str, Any]:
    """Score of each class, and of the answers where rows may be abstained from."""
    counts = judgement.counts if judgement.confusion is None else of_confusion(judgement.confusion)
    if counts is None:
        return {}
    scores = class_scores(judgement.labels, counts, [0] * len(judgement.labels))
    found: dict[str, Any] = {"classes": [class_json(score) for score in scores]}
    for score in found["classes"]:
        del score["n_train"]
    return {**found, "decision": decision_of(estimator, judgement.answered)}


def forecast_predict(
    folder: str | Path,
    data: str | Path,
    *,
    proba: bool = False,
    interval: float | None = None,
    neighbors: int | None = None,
    store: Any = "default",
    device: str = "auto",
    trust_remote_code: str | None = None,
    out: str | Path | None = None,
) -> Forecast:
    """Say what :func:`predict_table` would do; nothing is written.

    Parameters
    ----------
    folder, data, proba, interval, neighbors, store, device, trust_remote_code
        As there.
    out : path, optional
        As there; None = its place is not checked.

    Returns
    -------
    Forecast

    Raises
    ------
    UserError
        What :func:`predict_table` refuses before it embeds.
    """
    if out is not None:
        check_output(out, PREDICTION_ENDINGS, [data])
    estimator = load(folder, store=store, device=device, progress=False, trust_remote_code=trust_remote_code)
    _check_asked(estimator, folder, proba, interval, neighbors)
    embedder: TextEmbedder = estimator.embedder_
    return embedder.render(read_table(data)).forecast(estimator.reader())
