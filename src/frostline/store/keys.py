"""Digests of token sequences, and the checks of arguments that every store makes.

A digest is BLAKE2b (Aumasson et al., 2013, RFC 7693) with 128 bits over the token ids as little-endian 32-bit integers,
followed by their number as a little-endian 64-bit integer.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.contracts import FeatureSpec, IntArray, KeyArray
from frostline.errors import StoreError, UserError

__all__ = ["check_append", "check_dim", "check_keys", "check_out", "key_of", "keys_of", "missing_keys"]

_INT32 = np.dtype("<i4")
_UINT64 = np.dtype("<u8")


def key_of(token_ids: IntArray) -> bytes:
    """Digest one token sequence.

    Parameters
    ----------
    token_ids : int array of shape (T,)
        What is fed to the model, special tokens included.

    Returns
    -------
    bytes
        16 bytes; the same for every integer type and memory layout of equal ids.

    Raises
    ------
    UserError
        The ids are not a one-dimensional array of integers that fit 32 bits.
    """
    if token_ids.dtype != _INT32 or token_ids.ndim != 1:
        token_ids = _as_int32(token_ids)
    return blake2b(token_ids.tobytes() + len(token_ids).to_bytes(8, "little"), digest_size=16).digest()


def keys_of(token_ids: Sequence[IntArray]) -> KeyArray:
    """Digest many token sequences.

    Parameters
    ----------
    token_ids : sequence of int arrays, each of shape (T_i,)

    Returns
    -------
    uint64 array of shape (n, 2)
        The digests of :func:`key_of`, each as two little-endian integers.

    Raises
    ------
    UserError
        One of them is not a one-dimensional array of integers that fit 32 bits.
    """
    digests = b"".join([key_of(ids) for ids in token_ids])
    return np.frombuffer(digests, _UINT64).astype(np.uint64).reshape(-1, 2)


def _as_int32(token_ids: IntArray) -> NDArray[np.int32]:
    if token_ids.ndim != 1 or token_ids.dtype.kind not in "iu":
        raise UserError(
            f"Token ids must be a one-dimensional integer array, got shape {token_ids.shape} of {token_ids.dtype}."
        )
    limits = np.iinfo(np.int32)
    if token_ids.size and (token_ids.min() < limits.min or token_ids.max() > limits.max):
        raise UserError(f"Token ids must lie in {limits.min}..{limits.max}, got {token_ids.min()}..{token_ids.max()}.")
    return token_ids.astype(_INT32)


def check_keys(keys: NDArray[Any]) -> None:
    """Raise a UserError unless `keys` is a uint64 array of shape (n, 2)."""
    if keys.dtype != np.uint64 or keys.ndim != 2 or keys.shape[1] != 2:
        raise UserError(
            f"Keys must be a uint64 array of shape (n, 2), got shape {keys.shape} of {keys.dtype}.",
            hint="make them with frostline.store.keys_of(token_ids)",
        )


def check_out(spec: FeatureSpec, keys: NDArray[Any], out: NDArray[Any]) -> None:
    """Raise a UserError unless `out` can take the vectors of `keys` under `spec`."""
    check_keys(keys)
    wanted = (len(keys), spec.dim)
    if out.shape != wanted or out.dtype != np.float32 or not out.flags.writeable:
        lock = "" if out.flags.writeable else " read-only"
        raise UserError(
            f"out must be a writeable float32 array of shape {wanted}, got{lock} {out.shape} of {out.dtype}."
        )


def check_append(specs: Sequence[FeatureSpec], keys: NDArray[Any], vectors: NDArray[Any]) -> None:
    """Raise a UserError unless `vectors` is a float32 array of shape (n, len(specs), D) that fits keys and specs."""
    check_keys(keys)
    if vectors.dtype != np.float32 or vectors.ndim != 3 or vectors.shape[:2] != (len(keys), len(specs)):
        raise UserError(
            f"vectors must be a float32 array of shape (n, len(specs), D) = ({len(keys)}, {len(specs)}, D), "
            f"got shape {vectors.shape} of {vectors.dtype}."
        )
    for spec in specs:
        if spec.dim != vectors.shape[2]:
            raise UserError(f"The vectors have width {vectors.shape[2]}, the specification says {spec.dim}.")
    if len({spec.address for spec in specs}) != len(specs):
        raise UserError("The same specification was passed twice in one append; they must be distinct.")


def check_dim(spec: FeatureSpec, stored: int) -> None:
    """Raise a StoreError unless `spec` has the width of what is stored under its address."""
    if spec.dim != stored:
        raise StoreError(
            f"The store holds vectors of width {stored} at {spec.address}, the specification says {spec.dim}: the model behind "
            "this name has changed. Nothing was mixed.",
            hint=f"use another store, or remove the old vectors: frostline store prune --address {spec.address}",
        )


def missing_keys(n_missing: int, n_keys: int, spec: FeatureSpec) -> StoreError:
    """Word the error for keys that a gather did not find."""
    return StoreError(
        f"{n_missing} of {n_keys} vectors are not in the store under the address {spec.address}.",
        hint="embed these texts first; another process may have pruned them since they were looked up",
    )
