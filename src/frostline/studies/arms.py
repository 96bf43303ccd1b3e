"""Ways to learn from one set: which layers, how fused, which head; each scored on the test rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.contracts import FloatArray
from frostline.embedder import TextEmbedder
from frostline.estimators import TextClassifier
from frostline.heads import (
    CooccurrenceClassifier,
    LinearClassifier,
    MLPClassifier,
    TfidfClassifier,
    fit_head,
    n_parameters,
)
from frostline.numerics.fusion import fuse
from frostline.numerics.metrics import classification_metrics
from frostline.splits import group_ids
from frostline.studies.readings import Reading
from frostline.studies.sets import Part

__all__ = ["HEADS", "Arm", "pack", "run_arm", "unpack"]

HEADS: dict[str, Callable[[int], Any]] = {
    "linear": lambda seed: LinearClassifier(seed=seed),
    "mlp 64": lambda seed: MLPClassifier(hidden=(64,), seed=seed),
    "mlp 256": lambda seed: MLPClassifier(hidden=(256,), seed=seed),
    "mlp 1024-256": lambda seed: MLPClassifier(hidden=(1024, 256), seed=seed),
    "cooccurrence": lambda seed: CooccurrenceClassifier(seed=seed),
    "cooccurrence, as published": lambda seed: CooccurrenceClassifier(as_published=True, seed=seed),
    "cooccurrence 1024": lambda seed: CooccurrenceClassifier(compressed=1024, seed=seed),
    "cooccurrence 25 M": lambda seed: CooccurrenceClassifier(
        compressed=1024, hidden=(4096, 4096, 1024, 256), seed=seed
    ),
}
"""Heads by the name in the tables. The published one is `cooccurrence, as published`: on layers of width 4096 it has
25.5 million numbers, on narrower ones far fewer; `cooccurrence 25 M` is widened until it has about as many."""


@dataclass(frozen=True)
class Arm:
    """One way to learn.

    Attributes
    ----------
    kind : {"vectors", "words", "auto", "majority"}
        A head on hidden states; TF-IDF; what ``TextClassifier`` chooses by itself; the most frequent class.
    head : str
        One of :data:`HEADS`.
    n_layers : int
        The last so many states are read, the one after the final norm first.
    fusion : str
    """

    kind: str = "vectors"
    head: str = "linear"
    n_layers: int = 1
    fusion: str = "concat"

    @property
    def name(self) -> str:
        """For tables."""
        if self.kind != "vectors":
            return {"words": "words (TF-IDF)", "auto": "auto", "majority": "most frequent class"}[self.kind]
        read = "final layer" if self.n_layers == 1 else f"last {self.n_layers}, {self.fusion}"
        return f"{read}, {self.head}"

    @property
    def key(self) -> dict[str, Any]:
        """What of it decides a result."""
        return asdict(self) if self.kind == "vectors" else {"kind": self.kind}

    @property
    def cost(self) -> int:
        """Beside a linear head on one layer."""
        if self.kind == "auto":
            return 12
        network = 10 if self.head != "linear" else 1
        return network + (self.n_layers if self.fusion == "concat" else 1)


def run_arm(
    arm: Arm, readings: Sequence[Reading], train: Part, test: Part, rows: NDArray[np.intp], seed: int
) -> dict[str, Any]:
    """Fit on some training rows and score on the test rows.

    Parameters
    ----------
    arm : Arm
    readings : sequence of Reading
        One for each backbone: the first is read in depth, of the others the state after the final norm. None where no
        backbone is read.
    train, test : Part
    rows : int array of shape (m,)
        Training rows to learn from; every class has one.
    seed : int

    Returns
    -------
    dict
        The metrics of :func:`frostline.metrics.classification_metrics`, ``n_parameters`` (trained numbers, or None),
        ``fit_seconds`` (of training and predicting), ``hits`` (which test rows were right, see :func:`unpack`).
    """
    y = train.labels[rows]
    began = time.perf_counter()
    proba, n_trained = _KINDS[arm.kind](arm, readings, (train.take(rows), rows), test, seed)
    seconds = round(time.perf_counter() - began, 3)
    classes = np.unique(train.labels)
    metrics = classification_metrics(test.labels, proba, classes)
    hits = classes[proba.argmax(axis=1)] == test.labels
    return {**metrics, "n_parameters": n_trained, "n_train": len(y), "fit_seconds": seconds, "hits": pack(hits)}


def pack(hits: NDArray[np.bool_]) -> dict[str, Any]:
    """Truth values as JSON: their number, and their bits in hexadecimal."""
    return {"n": len(hits), "bits": np.packbits(hits).tobytes().hex()}


def unpack(packed: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Truth values of shape (n,) that :func:`pack` wrote."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(packed["bits"]), np.uint8))[: packed["n"]].astype(bool)


_Rows = tuple[Part, NDArray[np.intp]]
_Found = tuple[FloatArray, int | None]


def _vectors(arm: Arm, readings: Sequence[Reading], train: _Rows, test: Part, seed: int) -> _Found:
    part, rows = train
    blocks, first = [reading.states(1 if i else arm.n_layers) for i, reading in enumerate(readings)], readings[0]
    X = [np.hstack([fuse(block[which], arm.fusion) for block in both]) for both, which in _both(blocks, rows)]
    head = HEADS[arm.head](seed)
    layers = [[first.dim] * arm.n_layers, *([reading.dim] for reading in readings[1:])]
    fit_head(head, X[0], part.labels, group_ids(part.texts), layers=layers)
    return head.predict_proba(X[1]), n_parameters(head)


def _both(blocks: Sequence[tuple[FloatArray, FloatArray]], rows: NDArray[np.intp]) -> Any:
    everything = slice(None)
    return [([train for train, _ in blocks], rows), ([test for _, test in blocks], everything)]


def _words(arm: Arm, readings: Sequence[Reading], train: _Rows, test: Part, seed: int) -> _Found:
    head = TfidfClassifier(seed=seed).fit(train[0].texts, train[0].labels, list(group_ids(train[0].texts)))
    return np.asarray(head.predict_proba(test.texts)), None


def _auto(arm: Arm, readings: Sequence[Reading], train: _Rows, test: Part, seed: int) -> _Found:
    reading = readings[0]
    embedder = TextEmbedder(
        reading.backbone, layers="auto", pooling=reading.pooling, fusion="auto", store=None, progress=False
    )
    clf = TextClassifier(embedder=embedder, seed=seed)
    clf.prepare(train[0].texts)
    clf.fit_features(reading.train.take(train[1]), train[0].labels)
    return clf.proba_features(reading.test), None


def _majority(arm: Arm, readings: Sequence[Reading], train: _Rows, test: Part, seed: int) -> _Found:
    counts = np.bincount(train[0].labels)
    return np.tile(counts / counts.sum(), (len(test.texts), 1)), None


_KINDS: dict[str, Callable[..., _Found]] = {
    "vectors": _vectors,
    "words": _words,
    "auto": _auto,
    "majority": _majority,
}
