"""Estimators to artifact folders and back, without pickle."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from frostline import heads
from frostline._version import __version__
from frostline.artifacts import check_keys, read_folder, write_folder
from frostline.backbones.written import is_several, read_backbones
from frostline.contracts import EmbedStats, Task
from frostline.embedder import TextEmbedder, layers_of
from frostline.errors import ArtifactError, UserError
from frostline.estimators.classifier import TextClassifier
from frostline.estimators.deciding import decision_state, restore_decision
from frostline.estimators.joining import ways_name
from frostline.estimators.kept import TrainingRows
from frostline.estimators.packing import pack_learnt, read_arms, read_folds, take_arrays
from frostline.estimators.regressor import TextRegressor
from frostline.estimators.several import gather
from frostline.estimators.targets import TargetScale
from frostline.heads import LabelPool, LogPool, SumPool, labels_from_json, labels_to_json, reads_layers
from frostline.reports import to_card, to_html, to_json
from frostline.reports.model import FitReport
from frostline.uncertainty import CrossIntervals, ResidualIntervals

if TYPE_CHECKING:
    from frostline.estimators.base import TextEstimator

__all__ = ["describe_choice", "load", "own_report", "save_estimator"]

_KINDS: dict[str, type[TextEstimator]] = {"TextClassifier": TextClassifier, "TextRegressor": TextRegressor}
_HEAD_FILE = "head.safetensors"
_ROWS_FILE = "rows.safetensors"
_KEYS = {
    "format", "files", "kind", "frostline", "params", "embedder", "taps", "backbones", "input", "arms", "pool", "classes",
    "columns", "intervals", "folds", "scale", "targets", "n_train", "target", "cv_metrics", "decision",
}  # fmt: skip
_ONCE = {"format", "files", "kind", "frostline"}
_NOTHING_LEARNT: dict[str, Any] = {
    "arms": [],
    "pool": None,
    "columns": None,
    "intervals": None,
    "folds": [],
    "scale": None,
}
_RUN_TIME = ("store", "device", "progress", "trust_remote_code")  # of this machine and its user, not of the model


def save_estimator(
    estimator: TextEstimator, folder: str | Path, report: FitReport | None, *, keep_rows: bool, keep_texts: bool
) -> None:
    """Write a fitted estimator to a folder.

    Parameters
    ----------
    estimator : TextClassifier or TextRegressor
    folder : path
    report : FitReport or None
        None = out-of-fold metrics on the training rows.
    keep_rows, keep_texts : bool
        Whether what is known of the training rows goes with it, and whether their texts do.

    Raises
    ------
    UserError
        The head cannot be written safely, or the place cannot be written.
    """
    spec, tensors = _specify(estimator)
    manifest = {"kind": type(estimator).__name__, "frostline": __version__, **spec}
    rows = _rows_state(estimator, keep_rows, keep_texts)
    report = report or own_report(estimator)
    if estimator.rows_ is not None and rows:
        report = replace(report, notes=[*report.notes, estimator.rows_.describe(keep_texts=keep_texts)])
    if not keep_texts:
        report = replace(report, mistakes=[])
    files = {_HEAD_FILE: tensors, **({_ROWS_FILE: rows} if rows else {})}
    write_folder(folder, manifest, files, _pages(report, Path(folder).name))


def _specify(estimator: TextEstimator) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What a folder says of an estimator, and its arrays; of several targets one within the other."""
    each: Sequence[TextEstimator] = getattr(estimator, "each_", ())
    learnt, tensors = (dict(_NOTHING_LEARNT), {}) if each else pack_learnt(estimator)
    parts = [_specify(part) for part in each]
    tensors |= {f"target{j}.{name}": array for j, (_, own) in enumerate(parts) for name, array in own.items()}
    candidate = None if estimator.embedding_ is None else estimator.embedding_.candidate
    classes = getattr(estimator, "classes_", None)
    return {
        "params": {
            "features": estimator.features,
            "seed": int(estimator.seed),
            "head": estimator.head if isinstance(estimator.head, str) else None,
        },
        "embedder": _embedder_params(estimator.embedder_),
        "taps": [] if candidate is None else [asdict(tap) for tap in candidate.taps],
        "backbones": estimator.backbones_,
        "input": _input(estimator),
        "classes": None if classes is None else labels_to_json(classes),
        **learnt,
        "n_train": estimator.n_train_,
        "target": estimator.target_,
        "cv_metrics": estimator.cv_metrics_,
        "decision": decision_state(estimator) if isinstance(estimator, TextClassifier) else None,
        "targets": [spec for spec, _ in parts],
    }, tensors


def _pages(report: FitReport, folder_name: str) -> dict[str, str]:
    return {
        "report.json": json.dumps(to_json(report), indent=2, ensure_ascii=False) + "\n",
        "report.html": to_html(report),
        "card.md": to_card(report, folder_name),
    }


def _rows_state(estimator: TextEstimator, keep_rows: bool, keep_texts: bool) -> dict[str, NDArray[Any]]:
    """Arrays of the training rows; none where they are not to be kept."""
    if keep_texts and (not keep_rows or estimator.rows_ is None or estimator.rows_.texts is None):
        raise UserError(
            "Texts of the training rows are to be kept, but "
            + ("the rows themselves are not." if not keep_rows else "this predictor does not know them."),
            hint="keep_rows=True (no --no-neighbors)" if not keep_rows else "fit again, and save with keep_texts=True",
        )
    return estimator.rows_.get_state(keep_texts=keep_texts) if keep_rows and estimator.rows_ is not None else {}


def _input(estimator: TextEstimator) -> dict[str, Any]:
    names = getattr(estimator, "feature_names_in_", None)
    return {
        "n_features_in": estimator.n_features_in_,
        "feature_names_in": None if names is None else [str(name) for name in names],
        "types": estimator.input_types_,
    }


def load(
    folder: str | Path,
    *,
    store: Any = "default",
    device: str = "auto",
    progress: Any = "auto",
    trust_remote_code: str | None = None,
) -> TextEstimator:
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
    trust_remote_code : str, default=None
        Name of the backbone, where it brings Python code that may run. An artifact never allows it by itself.

    Returns
    -------
    TextClassifier or TextRegressor
        Fitted; its backbone is found and checked when it first predicts.

    Raises
    ------
    ArtifactError
        No artifact, not whole, edited, of another version, or of a backbone whose code is not allowed.
    """
    manifest, tensors = read_folder(folder)
    where = f"{folder}/frostline.json"
    kind = manifest.get("kind")
    if "kind" in manifest and kind not in _KINDS:
        raise ArtifactError(
            f"{where} holds {kind!r}, which does not predict; allowed: {', '.join(_KINDS)}.",
            hint="the folder of an adapt is for frostline explain"
            if kind == "ELM"
            else "give the --out folder of a fit",
        )
    check_keys(manifest, _KEYS, where)
    run_time = {"store": store, "device": device, "progress": progress, "trust_remote_code": trust_remote_code}
    estimator = _rebuild(manifest, manifest["kind"], dict(tensors[_HEAD_FILE]), run_time, str(folder))
    estimator.rows_ = TrainingRows.from_state(tensors[_ROWS_FILE]) if _ROWS_FILE in tensors else None
    return estimator


def _rebuild(
    manifest: dict[str, Any], kind: str, arrays: dict[str, NDArray[Any]], run_time: dict[str, Any], folder: str
) -> TextEstimator:
    """An estimator from what :func:`_specify` wrote."""
    where = f"{folder}/frostline.json"
    check_keys(manifest["params"], {"features", "seed", "head"}, f"{where}: params")
    check_keys(manifest["embedder"], set(TextEmbedder().get_params()) - set(_RUN_TIME), f"{where}: embedder")
    parts = []
    for j, own in enumerate(manifest["targets"]):
        check_keys(own, _KEYS - _ONCE, f"{where}: target {j}")
        parts.append(_rebuild(own, kind, take_arrays(arrays, f"target{j}"), run_time, folder))
    if not parts:
        _check_trust(manifest, run_time["trust_remote_code"], folder)
    embedder = TextEmbedder(**manifest["embedder"], **run_time)
    errors, scale = (take_arrays(arrays, prefix) for prefix in ("intervals", "scale"))
    folds = read_folds(manifest["folds"], arrays)
    arms = read_arms(manifest, arrays, embedder)
    params = manifest["params"]
    head = params["head"] or clone(parts[0].head_ if parts else arms[0].head)
    estimator = _KINDS[kind](features=params["features"], seed=params["seed"], head=head, embedder=embedder)
    estimator.arms_, estimator.rows_ = arms, None
    _restore(estimator, manifest)
    if isinstance(estimator, TextRegressor) and parts:
        gather(estimator, cast("list[TextRegressor]", parts))
    elif isinstance(estimator, TextRegressor):
        estimator.scale_ = TargetScale.from_state(manifest["scale"], scale)
        estimator.target_transform = estimator.scale_.kind
        estimator.fold_heads_, estimator.intervals = folds, "cv+" if folds else "oof"
        params, made = manifest["intervals"], CrossIntervals if folds else ResidualIntervals
        estimator.intervals_ = None if params is None else made.from_state(params, errors)
    return estimator


def _check_trust(manifest: dict[str, Any], trusted: str | None, folder: str) -> None:
    """A backbone with code of its own is known by the digest of that code."""
    for identity, one in zip(manifest["backbones"], read_backbones(manifest["embedder"]["backbone"]), strict=False):
        if "code" in identity and trusted is None:
            raise ArtifactError(
                f"{folder} was fitted on the backbone {one.name!r}, which runs Python code of its own; nothing allows that "
                "here.",
                hint=f"read that code first, then pass --trust-remote-code {one.name} (Python: "
                f"trust_remote_code={one.name!r})",
            )


def _restore(estimator: TextEstimator, manifest: dict[str, Any]) -> None:
    estimator.embedder_ = clone(estimator.embedder)
    pool = manifest["pool"]
    sets = "thresholds" in (manifest["decision"] or {})
    kind = LabelPool if sets else LogPool if isinstance(estimator, TextClassifier) else SumPool
    state: dict[str, Any] = {name: np.array(v) if isinstance(v, list) else v for name, v in (pool or {}).items()}
    estimator.pool_ = None if pool is None else kind(**state)
    estimator.selection_ = []
    estimator.backbones_ = manifest["backbones"]
    candidate = None if estimator.embedding_ is None else estimator.embedding_.candidate
    estimator.layers_ = [] if candidate is None else layers_of(candidate.taps)
    estimator.n_train_ = manifest["n_train"]
    estimator.target_ = manifest["target"]
    estimator.cv_metrics_ = manifest["cv_metrics"]
    names = manifest["input"]["feature_names_in"]
    for target in (estimator, estimator.embedder_):
        target.n_features_in_ = manifest["input"]["n_features_in"]
        target.input_types_ = manifest["input"]["types"]
        if names is not None:
            target.feature_names_in_ = np.array(names, dtype=object)
    estimator.embedder_.layers_ = estimator.layers_
    if manifest["classes"] is not None:
        estimator.classes_ = labels_from_json(manifest["classes"])
    if isinstance(estimator, TextClassifier):
        restore_decision(estimator, manifest["decision"])


def _embedder_params(embedder: TextEmbedder) -> dict[str, Any]:
    params = {name: value for name, value in embedder.get_params(deep=False).items() if name not in _RUN_TIME}
    params["layers"] = _plain_layers(params["layers"])
    if is_several(params["backbone"]):
        own = [one.plain() for one in read_backbones(params["backbone"])]
        params["backbone"] = [{k: _plain_layers(v) if k == "layers" else v for k, v in one.items()} for one in own]
    return params


def _plain_layers(layers: Any) -> Any:
    if isinstance(layers, int | str):
        return layers
    return [int(x) if isinstance(x, np.integer) else x for x in layers]


def own_report(estimator: TextEstimator) -> FitReport:
    """The report of a predictor that no test rows were held back from."""
    labels = [] if getattr(estimator, "classes_", None) is None else [str(label) for label in estimator.classes_]
    return FitReport(
        task=cast(Task, estimator._task),
        title=f"{estimator.n_train_} rows",
        target=" and ".join(_names(estimator)),
        targets={
            name: own_report(part)
            for name, part in zip(_names(estimator), getattr(estimator, "each_", ()), strict=False)
        },
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
        candidates=estimator.selection_,
        notes=["Saved from Python without a test set, so there are no baselines here; `frostline fit` gives both."],
    )


def _names(estimator: TextEstimator) -> list[str]:
    """What the targets are called."""
    if isinstance(estimator.target_, list):
        return estimator.target_
    n_targets = len(getattr(estimator, "each_", ()))
    return [f"y{j}" for j in range(n_targets)] or [estimator.target_ or "y"]


def describe_choice(estimator: TextEstimator) -> dict[str, Any]:
    """What was chosen, as plain values for reports."""
    embedder = estimator.embedder_
    head = estimator.head_
    names = getattr(estimator, "feature_names_in_", None)
    kinds = [arm.kind for arm in estimator.arms_]
    chosen: dict[str, Any] = {"features": ways_name(kinds, estimator._task)}
    if estimator.reads_backbone_:
        pooling = {one.name: one.pooling for one in embedder.written()}
        chosen |= {
            "backbone": list(pooling) if len(pooling) > 1 else next(iter(pooling)),
            "layers": estimator.layers_,
            "pooling": pooling if len(set(pooling.values())) > 1 else next(iter(pooling.values())),
            "fusion": embedder.fusion,
            "head": _head_name(estimator),
        }
    if estimator.pool_ is not None and len(kinds) > 1:
        named = zip(_arm_names(estimator), estimator.pool_.weights, strict=True)
        chosen["weights"] = {name: round(float(np.mean(weight)), 3) for name, weight in named}
    chosen["input"] = "text" if names is None else [str(name) for name in names]
    chosen |= {name: getattr(embedder, name) for name in ("template", "max_length", "overflow", "precision")}
    chosen["seed"] = int(estimator.seed)
    if each := getattr(estimator, "each_", ()):
        ways = [ways_name([arm.kind for arm in part.arms_], "regression") for part in each]
        return chosen | {"targets": dict(zip(_names(estimator), ways, strict=True))}
    if isinstance(estimator, TextRegressor):
        chosen["target_transform"] = estimator.scale_.kind
        chosen["intervals"] = "cv+" if estimator.fold_heads_ else "oof"
    if hasattr(head, "strength_"):
        chosen["strength"] = float(head.strength_)
    if hasattr(head, "chosen_"):
        chosen["cooccurrence" if reads_layers(head) else "mlp"] = head.chosen_
    return chosen


def _arm_names(estimator: TextEstimator) -> list[str]:
    """Each arm by its kind; the second of a kind, a kernel, by its head as well."""
    return [
        f"{arm.kind} (kernel)" if isinstance(arm.head, heads.KernelRegressor | heads.ColumnsRegressor) else arm.kind
        for arm in estimator.arms_
    ]


def _head_name(estimator: TextEstimator) -> str:
    if estimator.head == "auto":
        return "linear"
    return estimator.head if isinstance(estimator.head, str) else type(estimator.head_).__name__
