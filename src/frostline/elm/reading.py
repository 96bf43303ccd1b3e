"""What reads texts back into a space: the encoder that made it where there is one, else a reconstructor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.elm.reconstructor import Reconstructor
from frostline.elm.scores import EncoderReader, Reader
from frostline.embedder import TextEmbedder

__all__ = ["open_reader"]


def open_reader(
    encoder: Any,
    space: Mapping[str, Any],
    texts: Sequence[str],
    vectors: NDArray[np.float32],
    ids: Sequence[str],
    *,
    store: Any = "default",
    progress: Any = "auto",
) -> Reader:
    """Find or learn what reads texts back.

    Parameters
    ----------
    encoder : TextEmbedder, str or None
        As :meth:`frostline.ELM.fit` takes it; ``"none"`` is None.
    space : mapping
        How the vectors were made, as their file says.
    texts : sequence of n str
        Of training rows.
    vectors : array of shape (n, D)
    ids : sequence of n str
    store, progress
        As for :class:`frostline.TextEmbedder`.

    Raises
    ------
    UserError
        An encoder of another width.
    """
    if encoder == "auto":
        said = space.get("embedder")
        encoder = TextEmbedder(**said, store=store, progress=False) if isinstance(said, dict) else None
    elif isinstance(encoder, str) and encoder not in ("words", "none"):
        encoder = TextEmbedder(encoder, store=store, progress=False)
    if encoder is None or isinstance(encoder, str):
        features = "words" if encoder == "words" else "auto"
        return Reconstructor.fit(texts, vectors, ids, features=features, store=store, progress=progress)
    reader = EncoderReader(encoder)
    reader.check(vectors[:16], [text or "-" for text in texts[:16]])
    return reader
