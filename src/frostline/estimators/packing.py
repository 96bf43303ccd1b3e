"""What an estimator has learnt as plain values and arrays, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from frostline import heads
from frostline.artifacts import check_keys
from frostline.baselines import RawColumns
from frostline.candidates import Candidate
from frostline.contracts import Tap
from frostline.embedder import TextEmbedder
from frostline.errors import ArtifactError
from frostline.estimators.arms import Arm
from frostline.estimators.fields import Fields
from frostline.estimators.foreign import dump_foreign, load_foreign
from frostline.estimators.regressor import TextRegressor

if TYPE_CHECKING:
    from frostline.estimators.base import TextEstimator

__all__ = ["pack_learnt", "read_arms", "read_folds", "take_arrays"]

_HEADS = (
    "ColumnsRegressor", "CooccurrenceClassifier", "KernelRegressor", "LinearClassifier", "LinearMultilabel", "LinearRegressor",
    "MLPClassifier", "MLPRegressor", "TfidfClassifier", "TfidfMultilabel", "TfidfRegressor",
    "UnitClassifier",
)  # fmt: skip


def pack_learnt(estimator: TextEstimator) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Arms, their pool, the scale of numbers and their intervals."""
    packed = {str(i): _pack_arm(arm) for i, arm in enumerate(estimator.arms_)}
    states: dict[str, Any] = {"columns": None, "intervals": None, "folds": [], "scale": None}
    arrays = {name: own for name, (_, own) in packed.items()}
    for arm in estimator.arms_:
        if arm.encoder is not None:  # one for all that read columns
            states["columns"], arrays["columns"] = arm.encoder.get_state()
    if isinstance(estimator, TextRegressor):
        folds = {
            f"fold{k}.{i}": _pack_head(head)
            for k, own in enumerate(estimator.fold_heads_)
            for i, head in enumerate(own)
        }
        arrays |= {name: own for name, (_, own) in folds.items()}
        states["folds"] = [
            [folds[f"fold{k}.{i}"][0] for i in range(len(own))] for k, own in enumerate(estimator.fold_heads_)
        ]
        states["scale"], arrays["scale"] = estimator.scale_.get_state()
        if estimator.intervals_ is not None:
            states["intervals"], arrays["intervals"] = estimator.intervals_.get_state()
    tensors = {f"{prefix}.{name}": array for prefix, own in arrays.items() for name, array in own.items()}
    pool = None if estimator.pool_ is None else _plain(asdict(estimator.pool_))
    return {"arms": [arm for arm, _ in packed.values()], "pool": pool, **states}, tensors


def _pack_arm(arm: Arm) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    packed, tensors = _pack_head(arm.head)
    fields = None if arm.fields is None else {"columns": list(arm.fields.columns), "tap": asdict(arm.fields.tap)}
    return {"kind": arm.kind, "fields": fields, **packed}, tensors


def _pack_head(head: Any) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    name = type(head).__name__
    if type(head) in [getattr(heads, known) for known in _HEADS]:
        state, tensors = head.get_state()
        return {"type": name, "state": state}, dict(tensors)
    return {"type": "skops", "state": {"class": name}}, {"skops": dump_foreign(head)}


def read_arms(manifest: dict[str, Any], arrays: dict[str, NDArray[Any]], embedder: TextEmbedder) -> list[Arm]:
    """The heads, each with what it reads."""
    taps = tuple(Tap(**tap) for tap in manifest["taps"])
    candidate = Candidate(taps, embedder.fusion, embedder.pooling)
    arms = []
    columns = manifest["columns"]
    encoder = None if columns is None else RawColumns.from_state(columns, take_arrays(arrays, "columns"))
    for i, arm in enumerate(manifest["arms"]):
        check_keys(arm, {"kind", "type", "state", "fields"}, f"arm {i}")
        kind, head, fields = arm["kind"], _unpack_head(arm, take_arrays(arrays, str(i))), None
        if kind == "fields":
            check_keys(arm["fields"], {"columns", "tap"}, f"arm {i}: fields")
            fields = Fields(tuple(arm["fields"]["columns"]), Tap(**arm["fields"]["tap"]))
        reads = candidate if kind in ("embedding", "fields") else None
        arms.append(Arm(kind, head, reads, encoder if kind == "raw" else None, fields))
    return arms


def read_folds(folds: list[list[dict[str, Any]]], arrays: dict[str, NDArray[Any]]) -> list[list[Any]]:
    """The heads of each fold; none where intervals need none."""
    return [
        [_unpack_head(head, take_arrays(arrays, f"fold{k}.{i}")) for i, head in enumerate(heads)]
        for k, heads in enumerate(folds)
    ]


def _unpack_head(head: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Any:
    if head["type"] in _HEADS:
        return getattr(heads, head["type"]).from_state(head["state"], arrays)
    if head["type"] != "skops":
        raise ArtifactError(f"Unknown head {head['type']!r}; allowed: {', '.join((*_HEADS, 'skops'))}.")
    return load_foreign(arrays["skops"])


def take_arrays(arrays: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """Move the arrays named ``prefix.NAME`` to a mapping of their own."""
    start = prefix + "."
    return {name.removeprefix(start): arrays.pop(name) for name in list(arrays) if name.startswith(start)}


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}
