"""What a backbone makes of a set: hidden states of every layer that an arm may ask for, embedded once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from frostline.backbones import resolve, resolve_layers
from frostline.backbones.written import is_service
from frostline.candidates import ladder
from frostline.contracts import BackboneSpec, FloatArray, canonical_json
from frostline.embedder import TextEmbedder
from frostline.features import Features
from frostline.studies.sets import StudySet

__all__ = ["DEEPEST", "Reading", "Readings", "n_states", "pooling_of", "stamp_of"]

DEEPEST = 13
"""Last states that are kept of a deep backbone, beside the ladder that ``auto`` looks at."""


@dataclass(frozen=True)
class Reading:
    """One set as one backbone reads it.

    Attributes
    ----------
    backbone, pooling : str
    train, test : Features
        Layers from shallow to deep.
    """

    backbone: str
    pooling: str
    train: Features
    test: Features

    @property
    def dim(self) -> int:
        """Width of one state."""
        return int(self.train.vectors.shape[2])

    def states(self, n: int) -> tuple[FloatArray, FloatArray]:
        """The last n states of training and test rows, each of shape (rows, n, D)."""
        return self.train.vectors[:, -n:], self.test.vectors[:, -n:]


class Readings:
    """Embeds sets when they are asked for, and keeps the last few.

    Parameters
    ----------
    store
        As for :class:`frostline.TextEmbedder`.
    progress : "auto" or bool
    """

    def __init__(self, store: Any, progress: Any) -> None:
        self._store, self._progress = store, progress
        self._kept: dict[tuple[str, str], Reading] = {}

    def of(self, data: StudySet, backbone: str) -> Reading:
        """The set as the backbone reads it; sets before it are let go."""
        key = data.digest, backbone
        if key not in self._kept:
            self._kept = {known: reading for known, reading in self._kept.items() if known[0] == data.digest}
            pooling = pooling_of(backbone)
            layers = _layers(backbone)
            embedder = TextEmbedder(
                backbone, layers=layers, pooling=pooling, store=self._store, progress=self._progress
            )
            self._kept[key] = Reading(
                backbone, pooling, embedder.features(data.train.texts), embedder.features(data.test.texts)
            )
        return self._kept[key]


def pooling_of(backbone: str) -> str:
    """The mean over tokens, whatever a model's recipe says, so that backbones are read alike; a service pools itself."""
    return "recipe" if is_service(backbone) else "mean"


def n_states(backbone: str) -> int:
    """How many states a backbone has: its blocks and the embeddings below them."""
    return resolve(BackboneSpec(backbone)).n_layers + 1


def stamp_of(backbone: str) -> str:
    """16 hexadecimal digits: the digest of the weights and all else that decides the backbone's vectors."""
    identity = dict(resolve(BackboneSpec(backbone)).identity)
    return hashlib.blake2b(canonical_json(identity).encode(), digest_size=8).hexdigest()


def _layers(backbone: str) -> Any:
    n = n_states(backbone) - 1
    if n < DEEPEST:
        return "all"

    depths = ladder(n)
    wanted = {*resolve_layers(depths, n), *range(n - DEEPEST + 1, n), "final"}
    return sorted(wanted, key=lambda layer: n if layer == "final" else int(layer))
