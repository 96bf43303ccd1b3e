"""What reads texts back into a space: the encoder that made it where there is one, else a reconstructor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.elm.reconstructor import Reconstructor
from frostline.elm.scores import EncoderReader, Reader
from frostline.embedder import TextEmbedder

__all__ = ["open_reader", "reader_state"]

N_CHECKED = 32
"""Training rows whose texts and vectors are compared before an encoder is taken at its word."""

_RUN_TIME = ("store", "device", "progress", "trust_remote_code")


def open_reader(
    encoder: Any,
    space: Mapping[str, Any],
    texts: Sequence[str],
    vectors: NDArray[np.float32],
    ids: Sequence[str],
    *,
    store: Any = "default",
    progress: Any = "auto",
    trust_remote_code: str | None = None,
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
    store, progress, trust_remote_code
        As for :class:`frostline.TextEmbedder`.

    Raises
    ------
    UserError
        An encoder of another width, or one that did not make the vectors.
    """
    how = {"store": store, "progress": False, "trust_remote_code": trust_remote_code}
    if encoder == "auto":
        said = space.get("embedder")
        encoder = TextEmbedder(**said, **how) if isinstance(said, dict) else None
    elif isinstance(encoder, str) and encoder not in ("words", "none"):
        encoder = TextEmbedder(encoder, **how)
    told = [i for i, text in enumerate(texts) if text.strip()] or list(range(len(texts)))
    if encoder is None or isinstance(encoder, str):
        features = "words" if encoder == "words" else "auto"
        own, names = [texts[i] for i in told], [ids[i] for i in told]
        return Reconstructor.fit(own, vectors[told], names, features=features, store=store, progress=progress)
    reader = EncoderReader(encoder)
    spread = told[:: max(1, len(told) // (4 * N_CHECKED))]  # sorted tables have rows of one thing side by side
    distinct = np.unique(vectors[spread], axis=0, return_index=True)[1]
    some = [spread[i] for i in np.sort(distinct)[:N_CHECKED]]
    reader.check(vectors[some], [texts[i] or "-" for i in some])
    return reader


def reader_state(reader: Reader | None) -> dict[str, Any]:
    """What a reader is, as plain values; what a reconstructor has learnt is not in it."""
    if isinstance(reader, EncoderReader):
        return {k: v for k, v in reader.embedder.get_params(deep=False).items() if k not in _RUN_TIME}
    return reader.get_state()[0] if isinstance(reader, Reconstructor) else {}
