"""How far a text holds the vector that it explains: consistency, its controls, and whether the text finds its own vector.

References
----------
Tennenholtz et al., 2023, arXiv 2310.04475, section 4 (semantic consistency: cosine of the re-embedded text and the vector). The
controls are ours: the paper has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from frostline.embedder import TextEmbedder
from frostline.errors import UserError

__all__ = ["EncoderReader", "Reader", "cosines", "identification", "identification_rows", "spearman_of_rankings"]


class Reader(Protocol):
    """Whatever turns texts back into vectors of the space.

    Attributes
    ----------
    kind : str
        ``"encoder"`` or ``"reconstructor"``.
    """

    kind: str

    def read(self, texts: Sequence[str], ids: Sequence[str | None] | None = None) -> NDArray[np.float32]:
        """Vectors (n, D) of texts; a row whose id it learnt from is read by a model that did not."""
        ...

    def center(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vectors as they are compared with what was read."""
        ...


class EncoderReader:
    """The space's own encoder: texts are embedded as the vectors were.

    Parameters
    ----------
    embedder : TextEmbedder
    """

    kind = "encoder"

    def __init__(self, embedder: TextEmbedder) -> None:
        self.embedder = embedder

    def read(self, texts: Sequence[str], ids: Sequence[str | None] | None = None) -> NDArray[np.float32]:
        """Embed texts; an empty one has the zero vector."""
        full = [i for i, text in enumerate(texts) if text.strip()]
        found = self.embedder.fit_transform([texts[i] for i in full] or ["-"])  # of no text at all: for its width
        out = np.zeros((len(texts), found.shape[1]), np.float32)
        out[full] = found[: len(full)]
        return out

    def center(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vectors as they are."""
        return vectors

    def check(self, vectors: NDArray[np.float32], texts: Sequence[str]) -> None:
        """Compare texts, read, with the vectors that are said to be theirs.

        Raises
        ------
        UserError
            Another width, or texts that are no nearer to their own vectors than to the next row's: with eight or more rows whose
            difference in cosine is not above three standard errors.
        """
        read = self.read(texts)
        if read.shape[1] != vectors.shape[1]:
            raise UserError(
                f"The encoder {self.embedder.backbone!r} yields vectors of width {read.shape[1]}, the space has "
                f"{vectors.shape[1]}.",
                hint="name the encoder that made the vectors, or none",
            )
        nearer = cosines(read, vectors) - cosines(read, np.roll(vectors, 1, axis=0))
        if len(nearer) >= 8 and nearer.mean() <= 3 * nearer.std(ddof=1) / len(nearer) ** 0.5:
            raise UserError(
                f"The texts, embedded by {self.embedder.backbone!r}, are no nearer to their own vectors than to others "
                f"(cosine {nearer.mean():+.3f} on {len(nearer)} rows): it did not make these vectors, or of other texts.",
                hint="name the encoder and the text column that the vectors were made with, or --encoder none",
            )


def cosines(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Cosine of each row of `a` with the same row of `b`, shape (n,); 0 where one of them is zero."""
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    dots = np.einsum("ij,ij->i", a, b, dtype=np.float64)
    return np.asarray(np.divide(dots, lengths, out=np.zeros(len(a)), where=lengths > 0))


def identification(read: NDArray[Any], vectors: NDArray[Any], *, n: int = 100, seed: int = 0) -> float:
    """How often a text's vector is nearer to its own vector than to n - 1 others, by cosine.

    Parameters
    ----------
    read : array of shape (m, D)
        Of texts.
    vectors : array of shape (m, D)
        That these texts explain.
    n : int, default=100
        Choices; all m where there are fewer.
    seed : int, default=0
        Draws the others, 20 times for each text.

    Returns
    -------
    float
        A tie is half a hit; chance is 1 / n.
    """
    return float(identification_rows(read, vectors, n=n, seed=seed).mean())


def identification_rows(
    read: NDArray[Any], vectors: NDArray[Any], *, n: int = 100, seed: int = 0
) -> NDArray[np.float64]:
    """:func:`identification` of each text on its own, shape (m,): the share of its draws that it wins."""
    m = len(vectors)
    unit_read, unit = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (read, vectors))
    similar = np.asarray(unit_read, np.float64) @ np.asarray(unit, np.float64).T
    own = np.diag(similar)
    n = min(n, m)
    rng = np.random.default_rng(seed)
    hits = np.zeros(m)
    draws = 1 if n == m else 20
    for i in range(m):
        others = np.delete(similar[i], i)
        best = np.array([rng.choice(others, n - 1, replace=False).max(initial=-np.inf) for _ in range(draws)])
        hits[i] = ((own[i] > best) + 0.5 * (own[i] == best)).mean()
    return hits


def spearman_of_rankings(read: NDArray[Any], vectors: NDArray[Any], catalog: NDArray[Any]) -> NDArray[np.float64]:
    """Behavioral consistency: how alike a text's and a vector's vector rank a catalog, by cosine; Spearman, shape (n,).

    The paper defines it for users only and reports it for films too; this is our reading of it.
    """
    from scipy.stats import rankdata

    def ranks(x: NDArray[Any]) -> NDArray[np.float64]:
        unit, items = (y / np.maximum(np.linalg.norm(y, axis=1, keepdims=True), 1e-12) for y in (x, catalog))
        found = rankdata(unit @ items.T, axis=1)
        return np.asarray(found - found.mean(axis=1, keepdims=True))

    return cosines(ranks(read), ranks(vectors))
