"""The packed path in 8 bits: long texts in bytes, short ones in float32."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from frostline.backbones.packed.encoder import PackedEncoder
from frostline.backbones.packed.int8 import Int8Linear
from frostline.backbones.packed.quantize import Recorder, to_int8
from frostline.backbones.packed.weights import ROLES, EncoderWeights
from frostline.contracts import IntArray, Tap

__all__ = ["SHORT_TEXT", "Int8Encoder"]

SHORT_TEXT = 8
"""Up to this many tokens a text runs in float32: over so few the errors of single tokens do not average out, and what they
cost is little. The length is the text's own, so its vector does not depend on the texts beside it."""


class Int8Encoder:
    """An encoder whose linear maps run on bytes, but for texts of a few tokens.

    Parameters
    ----------
    single : PackedEncoder
        In float32.
    weights : EncoderWeights
        Of which it was made.
    fitted_on : sequence of int arrays
        Token sequences of common texts, on which the weights are rounded.

    Attributes
    ----------
    numerics : str
    kernels : dict
        Kernel of each linear map, and of attention.
    """

    numerics = "int8"

    def __init__(self, single: PackedEncoder, weights: EncoderWeights, fitted_on: Sequence[IntArray]) -> None:
        with torch.inference_mode():
            maps = []
            for block, seen in zip(weights.blocks, single.record(fitted_on, Recorder), strict=True):
                dense = {role: to_int8(getattr(block, role), seen[role], role) for role in ROLES}
                maps.append({r: Int8Linear(d, weights.activation if r == "up" else None) for r, d in dense.items()})
        self._short, self._long = single, single.with_kernels(maps, self.numerics)
        self.kernels = self._long.kernels

    def forward(self, token_ids: Sequence[IntArray], taps: Sequence[Tap]) -> NDArray[np.float32]:
        """Run a batch through as many blocks as `taps` need.

        Parameters
        ----------
        token_ids : sequence of int arrays
            B token sequences.
        taps : sequence of Tap
            Explicit layers: 0..n or ``"final"``.

        Returns
        -------
        float32 array of shape (B, len(taps), D)
        """
        short = np.fromiter((len(ids) <= SHORT_TEXT for ids in token_ids), dtype=np.bool_, count=len(token_ids))
        parts = [(self._short, np.flatnonzero(short).tolist()), (self._long, np.flatnonzero(~short).tolist())]
        found = [(rows, encoder.forward([token_ids[i] for i in rows], taps)) for encoder, rows in parts]
        out = np.empty((len(token_ids), *found[0][1].shape[1:]), dtype=np.float32)
        for rows, vectors in found:
            out[rows] = vectors
        return out
