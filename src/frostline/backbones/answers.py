"""Read an answer of an embeddings service; whatever is not exactly what was asked for is refused by name."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.errors import UserError

__all__ = ["read_vectors"]


def read_vectors(answer: Any, n_texts: int, dim: int | None) -> dict[int, NDArray[np.float32]]:
    """Take the vectors out of an answer.

    Parameters
    ----------
    answer : object
        Parsed JSON: ``{"data": [{"index": 0, "embedding": [...] or base64}, ...]}``.
    n_texts : int
        Texts that were sent.
    dim : int or None
        Width that the vectors must have; None = any.

    Returns
    -------
    dict of int to float32 array of shape (D,)
        By position of the text; some may be missing.

    Raises
    ------
    UserError
        No such answer, unknown or repeated positions, or a vector that cannot be one.
    """
    entries = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise _refused("it holds no list 'data'")
    found: dict[int, NDArray[np.float32]] = {}
    for entry in entries:
        index = entry.get("index")
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < n_texts:
            raise _refused(f"{n_texts} texts were sent, and it names the index {str(index)[:20]}")
        if index in found:
            raise _refused(f"it names the index {index} twice")
        found[index] = _vector(entry.get("embedding"), index)
        if dim is not None and len(found[index]) != dim:
            raise _refused(f"vector {index} has the wrong dimension: {len(found[index])}, expected {dim}")
    return found


def _vector(raw: Any, index: int) -> NDArray[np.float32]:
    try:
        numbers = np.frombuffer(base64.b64decode(raw, validate=True), "<f4") if isinstance(raw, str) else np.array(raw)
    except (ValueError, binascii.Error, OverflowError):
        numbers = np.array(None)
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iuf"):
        raise _refused(f"vector {index} is neither a list of numbers nor base64 of 32-bit floats")
    with np.errstate(over="ignore"):
        vector = numbers.astype(np.float32)
    if not np.isfinite(vector).all():
        raise _refused(f"vector {index} holds NaN or infinity")
    if not vector.any():
        raise _refused(f"vector {index} has length zero")
    return vector


def _refused(what: str) -> UserError:
    return UserError(
        f"The answer of the embeddings service cannot be used: {what}.",
        hint="nothing of it was stored; check that the service and its model are for embeddings",
    )
