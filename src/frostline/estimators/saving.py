"""Estimators to artifact folders and back, without pickle."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from frostline import heads
from frostline._version import __version__
from frostline.artifacts import check_keys, read_folder, write_folder
from frostline.contracts import EmbedStats, FitReport
from frostline.embedder import TextEmbedder
from frostline.errors import ArtifactError, UserError
from frostline.estimators.classifier import TextClassifier
from frostline.estimators.foreign import dump_foreign, load_foreign
from frostline.estimators.regressor import TextRegressor
from frostline.heads import reads_layers
from frostline.reports import to_card, to_html, to_json
from frostline.uncertainty import ResidualIntervals

if TYPE_CHECKING:
    from frostline.estimators.base import TextEstimator

__all__ = ["describe_choice", "load", "save_estimator"]

_KINDS: dict[str, type[TextEstimator]] = {"TextClassifier": TextClassifier, "TextRegressor": TextRegressor}
_HEADS = ("CooccurrenceClassifier", "LinearClassifier", "LinearRegressor", "MLPClassifier", "MLPRegressor")
_HEAD_FILE = "head.safetensors"
_KEYS = {
    "format", "files", "kind", "frostline", "params", "embedder", "layers", "backbone", "input", "head", "classes",
    "intervals", "n_train", "target", "cv_metrics",
}  # fmt: skip
_RUN_TIME = ("store", "device", "progress")  # of this machine, not of the model


def save_estimator(estimator: TextEstimator, folder: str | Path, report: FitReport | None) -> None:
    """Write a fitted estimator to a folder.

    Parameters
    ----------
    estimator : TextClassifier or TextRegressor
    folder : path
    report : FitReport or None
        None = out-of-fold metrics on the training rows.

    Raises
    ------
    UserError
        The head cannot be written safely, or the place cannot be written.
    """
    head, tensors = _pack_head(estimator.head_)
    intervals = getattr(estimator, "intervals_", None)
    params, arrays = (None, {}) if intervals is None else intervals.get_state()
    names = getattr(estimator, "feature_names_in_", None)
    classes = getattr(estimator, "classes_", None)
    manifest = {
        "kind": type(estimator).__name__,
        "frostline": __version__,
        "params": {
            "features": estimator.features,
            "seed": int(estimator.seed),
            "head": estimator.head if isinstance(estimator.head, str) else None,
        },
        "embedder": _embedder_params(estimator.embedder_),
        "layers": estimator.layers_,
        "backbone": estimator.backbone_,
        "input": {
            "n_features_in": estimator.n_features_in_,
            "feature_names_in": None if names is None else [str(name) for name in names],
            "types": estimator.input_types_,
        },
        "head": head,
        "classes": None if classes is None else _plain_labels(classes),
        "intervals": params,
        "n_train": estimator.n_train_,
        "target": estimator.target_,
        "cv_metrics": estimator.cv_metrics_,
    }
    tensors |= {f"intervals.{name}": array for name, array in arrays.items()}
    report = report or _own_report(estimator)
    name = Path(folder).name
    texts = {
        "report.json": json.dumps(to_json(report), indent=2, ensure_ascii=False) + "\n",
        "report.html": to_html(report),
        "card.md": to_card(report, name),
    }
    write_folder(folder, manifest, {_HEAD_FILE: tensors}, texts)


def load(folder: str | Path, *, store: Any = "default", device: str = "auto", progress: Any = "auto") -> TextEstimator:
    """Load a saved predictor.

    Parameters
    ----------
    folder : path
        What ``save`` or ``frostline fit --out`` wrote.
    store : str, path or None, default="default"
        Feature store to use from now on.
    device : str, default="auto"
        Where the backbone runs.
    progress : "auto" or bool, default="auto"

    Returns
    -------
    TextClassifier or TextRegressor
        Fitted; its backbone is found and checked when it first predicts.

    Raises
    ------
    ArtifactError
        No artifact, not whole, edited, or of another version.
    """
    manifest, tensors = read_folder(folder)
    where = f"{folder}/frostline.json"
    check_keys(manifest, _KEYS, where)
    if manifest["kind"] not in _KINDS:
        raise ArtifactError(f"{where} holds a {manifest['kind']!r}; allowed: {', '.join(_KINDS)}.")
    check_keys(manifest["params"], {"features", "seed", "head"}, f"{where}: params")
    check_keys(manifest["embedder"], set(TextEmbedder().get_params()) - set(_RUN_TIME), f"{where}: embedder")
    embedder = TextEmbedder(**manifest["embedder"], store=store, device=device, progress=progress)
    arrays = dict(tensors[_HEAD_FILE])
    residuals = {name.partition(".")[2]: arrays.pop(name) for name in list(arrays) if name.startswith("intervals.")}
    head = _unpack_head(manifest["head"], arrays)
    params = manifest["params"]
    estimator = _KINDS[manifest["kind"]](
        features=params["features"], seed=params["seed"], head=params["head"] or clone(head), embedder=embedder
    )
    _restore(estimator, manifest, head)
    if isinstance(estimator, TextRegressor):
        params = manifest["intervals"]
        estimator.intervals_ = None if params is None else ResidualIntervals.from_state(params, residuals)
    return estimator


def _restore(estimator: TextEstimator, manifest: dict[str, Any], head: Any) -> None:
    estimator.embedder_ = clone(estimator.embedder)
    estimator.head_ = head
    estimator.backbone_ = manifest["backbone"]
    estimator.layers_ = manifest["layers"]
    estimator.n_train_ = manifest["n_train"]
    estimator.target_ = manifest["target"]
    estimator.cv_metrics_ = manifest["cv_metrics"]
    names = manifest["input"]["feature_names_in"]
    for target in (estimator, estimator.embedder_):
        target.n_features_in_ = manifest["input"]["n_features_in"]
        target.input_types_ = manifest["input"]["types"]
        if names is not None:
            target.feature_names_in_ = np.array(names, dtype=object)
    estimator.embedder_.layers_ = manifest["layers"]
    if manifest["classes"] is not None:
        estimator.classes_ = np.array(manifest["classes"]["values"], dtype=manifest["classes"]["dtype"])


def _embedder_params(embedder: TextEmbedder) -> dict[str, Any]:
    params = {name: value for name, value in embedder.get_params(deep=False).items() if name not in _RUN_TIME}
    if not isinstance(params["layers"], int | str):
        params["layers"] = [int(x) if isinstance(x, np.integer) else x for x in params["layers"]]
    return params


def _plain_labels(classes: NDArray[Any]) -> dict[str, Any]:
    if classes.dtype.kind not in "OUSbiuf" or not all(
        isinstance(v, str | int | float | bool) for v in classes.tolist()
    ):
        raise UserError(
            f"Labels of dtype {classes.dtype} cannot be written as JSON.",
            hint="use text, whole numbers or booleans as labels",
        )
    dtype = "object" if classes.dtype.kind == "O" else classes.dtype.str
    return {"dtype": dtype, "values": classes.tolist()}


def _pack_head(head: Any) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    name = type(head).__name__
    if type(head) in [getattr(heads, known) for known in _HEADS]:
        state, tensors = head.get_state()
        return {"type": name, "state": state}, dict(tensors)
    return {"type": "skops", "state": {"class": name}}, {"skops": dump_foreign(head)}


def _unpack_head(head: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Any:
    if head["type"] in _HEADS:
        return getattr(heads, head["type"]).from_state(head["state"], arrays)
    if head["type"] != "skops":
        raise ArtifactError(f"Unknown head {head['type']!r}; allowed: {', '.join((*_HEADS, 'skops'))}.")
    return load_foreign(arrays["skops"])


def _own_report(estimator: TextEstimator) -> FitReport:
    labels = [] if getattr(estimator, "classes_", None) is None else [str(label) for label in estimator.classes_]
    return FitReport(
        task="classification" if labels else "regression",
        title=f"{estimator.n_train_} rows",
        target=estimator.target_ or "y",
        split="Out-of-fold predictions on the training rows; the strength was chosen on the same folds, so they flatter a little.",
        n_train=estimator.n_train_,
        n_test=0,
        metrics=estimator.cv_metrics_,
        baselines={},
        chosen=describe_choice(estimator),
        embed=EmbedStats(),
        labels=labels,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        version=__version__,
        notes=["Saved from Python without a test set, so there are no baselines here; `frostline fit` gives both."],
    )


def describe_choice(estimator: TextEstimator) -> dict[str, Any]:
    """What was chosen, as plain values for reports."""
    embedder = estimator.embedder_
    head = estimator.head_
    names = getattr(estimator, "feature_names_in_", None)
    chosen: dict[str, Any] = {
        "backbone": embedder.backbone,
        "layers": estimator.layers_,
        "pooling": embedder.pooling,
        "fusion": embedder.fusion,
        "features": estimator.features,
        "head": estimator.head if isinstance(estimator.head, str) else type(head).__name__,
        "input": "text" if names is None else [str(name) for name in names],
        "template": embedder.template,
        "max_length": embedder.max_length,
        "overflow": embedder.overflow,
        "precision": embedder.precision,
        "seed": int(estimator.seed),
    }
    if hasattr(head, "strength_"):
        chosen["strength"] = float(head.strength_)
    if hasattr(head, "chosen_"):
        chosen["cooccurrence" if reads_layers(head) else "mlp"] = head.chosen_
    return chosen
