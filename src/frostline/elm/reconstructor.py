"""A reconstructor: text to vector, for spaces whose encoder reads no text. Cross-fitted, so that no score is of its own rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import HashingVectorizer

from frostline.elm.crossfit import Floats, cross_ridge, fold_of
from frostline.embedder import TextEmbedder
from frostline.errors import UserError

__all__ = ["Reconstructor"]

N_HASHED = 2048
STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1000.0)


class Reconstructor:
    """Ridge regression from features of a text to the vector.

    Parameters
    ----------
    features : {"minilm", "words"}
        Embeddings of MiniLM, or hashed words and pairs of words (TF-IDF).
    store : str, path or None, default="default"
        Feature store of MiniLM's embeddings.
    progress : "auto" or bool, default=False
        Whether a bar is shown while MiniLM embeds texts.
    """

    kind = "reconstructor"

    def __init__(self, features: str, *, store: Any = "default", progress: Any = False) -> None:
        self.features = features
        self.embedder = TextEmbedder(store=store, progress=progress) if features == "minilm" else None
        self.coefficients: NDArray[np.floating[Any]] = np.empty((0, 0, 0))
        self.mean = np.empty(0)
        self.idf = np.ones(N_HASHED)
        self.fold_of: dict[str, int] = {}
        self.strength = 0.0

    @classmethod
    def fit(
        cls,
        texts: Sequence[str],
        vectors: NDArray[np.float32],
        ids: Sequence[str],
        *,
        features: str = "auto",
        store: Any = "default",
        progress: Any = "auto",
    ) -> Reconstructor:
        """Learn from training rows: once from all of them, and once without each fifth.

        Parameters
        ----------
        texts : sequence of n str
        vectors : array of shape (n, D)
        ids : sequence of n str
            A row's fold is a function of its id.
        features : {"auto", "minilm", "words"}, default="auto"
            ``"auto"``: MiniLM where it is installed.
        store : str, path or None, default="default"
        progress : "auto" or bool, default="auto"
            While the training texts are embedded; what is read back later is too little for a bar.
        """
        self = cls(_available() if features == "auto" else features, store=store, progress=progress)
        counts = self._words(texts) if self.embedder is None else None
        if counts is not None:
            self.idf = np.log((1 + len(texts)) / (1 + (counts > 0).sum(axis=0))) + 1
        X = self._features(texts)
        if self.embedder is not None:
            self.embedder.progress = False
        self.mean = vectors.mean(axis=0, dtype=np.float64)
        self.fold_of = {name: fold_of(name) for name in ids}
        fitted = cross_ridge(X, vectors - self.mean, ids, STRENGTHS)
        self.strength = fitted.strength
        self.coefficients = fitted.coefficients.astype(np.float32)  # as it is saved
        return self

    def read(self, texts: Sequence[str], ids: Sequence[str | None] | None = None) -> NDArray[np.float32]:
        """Vectors of texts, less their mean; those of training ids come from the fold that did not see them."""
        X = self._features(texts)
        which = np.array([self.fold_of.get(name or "", -1) + 1 for name in ids or [None] * len(texts)], dtype=int)
        out = np.empty((len(texts), self.coefficients.shape[2]), np.float32)
        for part in np.unique(which):
            W = self.coefficients[part]
            out[which == part] = X[which == part] @ W[:-1] + W[-1]
        out[[not text.strip() for text in texts]] = 0.0
        return out

    def center(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vectors less the mean of the training rows."""
        return np.asarray(vectors - self.mean, dtype=np.float32)

    def _features(self, texts: Sequence[str]) -> Floats:
        if self.embedder is not None:
            return np.asarray(self.embedder.fit_transform([text or " " for text in texts]), dtype=np.float64)
        found = self._words(texts) * self.idf
        return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12))

    def _words(self, texts: Sequence[str]) -> Floats:
        counts = HashingVectorizer(
            n_features=N_HASHED, ngram_range=(1, 2), alternate_sign=False, norm=None, dtype=np.float64
        ).transform(texts)
        return np.asarray(np.log1p(counts.toarray()))

    def get_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Plain values and arrays, for :meth:`from_state`."""
        arrays: dict[str, NDArray[Any]] = {
            "coefficients": self.coefficients.astype(np.float32),
            "mean": self.mean,
            "idf": self.idf,
        }
        return {"features": self.features, "strength": self.strength}, arrays

    @classmethod
    def from_state(
        cls, state: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], ids: Sequence[str], *, store: Any = "default"
    ) -> Reconstructor:
        """Make a fitted reconstructor of what :meth:`get_state` gave, and the ids that it was fitted on."""
        self = cls(state["features"], store=store)
        self.strength = state["strength"]
        self.coefficients, self.mean, self.idf = (arrays[name] for name in ("coefficients", "mean", "idf"))
        self.fold_of = {name: fold_of(name) for name in ids}
        return self


def _available() -> str:
    try:
        TextEmbedder().extractor()
    except UserError:
        return "words"
    return "minilm"
