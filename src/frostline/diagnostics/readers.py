"""Rows to vectors, for checks: through an embedder, layer by layer, or as the numbers that they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.backbones import layer_sensitivity
from frostline.candidates import Candidate, candidates, union
from frostline.contracts import EmbedStats, Tap
from frostline.diagnostics.evidence import Part, Reader, layer_name
from frostline.diagnostics.model import NotApplicable
from frostline.embedder import TextEmbedder
from frostline.features import Features
from frostline.store import keys_of
from frostline.tables import render_rows, to_rows

__all__ = ["EmbedderReader", "MatrixReader", "find_embedder", "make_part", "make_reader"]


class EmbedderReader:
    """Vectors of a frozen backbone at the layers that are read and at a ladder of depths.

    Parameters
    ----------
    embedder : TextEmbedder
    """

    def __init__(self, embedder: TextEmbedder) -> None:
        extractor = embedder.extractor()
        self._embedder, self._parts = embedder, extractor.parts
        self.read = Candidate(tuple(extractor.taps), embedder.fusion, embedder.pooling)
        ladder = [self.read]
        for part in extractor.parts:
            if part.backbone.service is None:  # a service answers one vector, whatever it computes on the way
                ladder += candidates(part.backbone.n_layers, part.taps, "auto", embedder.pooling, "concat")
        self._taps = union(ladder)

    def __call__(self, part: Part) -> Features:
        """Vectors of rows at all layers."""
        return self._embedder.render(part.X).through(self._embedder.extractor(self._taps))

    def pieces(self, words: Sequence[str]) -> list[NDArray[np.int32]] | None:
        """Token ids of each word by the (first) backbone, special tokens included; None where the tokenizer is a service's."""
        first = self._parts[0]
        if first.backbone.service is not None:
            return None
        return first.backbone.tokenize(list(words), first.max_length).ids if words else []

    def sensitivity(self, part: Part, rows: NDArray[np.intp], seed: int) -> dict[str, float]:
        """How much each layer's vector moves with the token embeddings; see :func:`layer_sensitivity`."""
        texts = self._embedder.render(part.X).texts
        found: dict[str, float] = {}
        for own in self._parts:
            taps = [tap for tap in self._taps if tap.backbone == own.taps[0].backbone]
            tokens = own.backbone.tokenize([own.prompt + texts[row] for row in rows], own.max_length)
            moved = layer_sensitivity(own.backbone, tokens.ids, taps, seed=seed).mean(axis=0)
            found |= {layer_name(tap): float(value) for tap, value in zip(taps, moved, strict=True)}
        return found


class MatrixReader:
    """Rows that are numbers already: one layer, which is all there is."""

    def __init__(self) -> None:
        self.read = Candidate((Tap("final", "given"),), "concat", "given")

    def __call__(self, part: Part) -> Features:
        """The rows themselves."""
        Z = np.asarray(part.X, dtype=np.float32)
        nothing = np.zeros(len(Z), dtype=bool)
        keys = keys_of([np.frombuffer(row.tobytes(), np.uint8) for row in Z])
        read = np.zeros((len(Z), 2), dtype=np.int64)
        stats, width = EmbedStats(n_rows=len(Z)), (Z.shape[1],)
        return Features(Z, keys, nothing, read, list(part.texts), self.read.taps, width, (0,), stats, part.table)

    def pieces(self, words: Sequence[str]) -> None:
        """There is no tokenizer."""
        return

    def sensitivity(self, part: Part, rows: NDArray[np.intp], seed: int) -> dict[str, float]:
        """There is no backbone."""
        raise NotApplicable("No backbone lies between the rows and their vectors.")


def is_matrix(X: Any) -> bool:
    """Whether rows are numbers in a plain array."""
    return isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "fiu"


def find_embedder(estimator: Any) -> TextEmbedder | None:
    """The embedder of a Frostline predictor that reads a backbone, or the first step of a pipeline."""
    if getattr(estimator, "reads_backbone_", False):
        found: Any = estimator.embedder_
    else:
        steps = getattr(estimator, "steps", None)
        found = steps[0][1] if steps else None
    return found if isinstance(found, TextEmbedder) else None


def make_reader(embedder: TextEmbedder | None, X: Any) -> Reader | None:
    """What turns rows to vectors, if anything does."""
    if embedder is not None:
        return EmbedderReader(embedder)
    return MatrixReader() if is_matrix(X) else None


def make_part(X: Any, y: Any, estimator: Any, embedder: TextEmbedder | None) -> Part | None:
    """Rows as they were given, as a table and as texts.

    Parameters
    ----------
    X : rows, or None
    y : array of shape (n,), or None
    estimator : object, or None
        A Frostline predictor renders its own columns.
    embedder : TextEmbedder, or None
    """
    if X is None:
        return None
    own = embedder or getattr(estimator, "embedder_", None)
    if isinstance(own, TextEmbedder):
        rendered = own.render(X)
        table, texts = rendered.table, rendered.texts
    else:
        table = to_rows(np.where(np.isfinite(X), X, np.nan) if is_matrix(X) else X)
        texts = render_rows(table)
    return Part(X, table, texts, None if y is None else np.asarray(y))
