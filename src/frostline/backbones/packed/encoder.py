"""The packed path: the tokens of a batch stand behind one another, so no position is spent on padding.

Linear maps see one matrix of all tokens, shape (M, D); attention and pooling see runs of texts of equal length, shape
(B, T, D), which are views of it. Q, K and V are one product, activation and residual ride on the products, and a pass
is cut into pieces of at most :data:`PIECE_TOKENS` tokens, so that memory does not grow with the batch.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from frostline.backbones.packed.attention import ATTENTIONS, SHORT, short_attention
from frostline.backbones.packed.kernels import KERNELS, Kernel, best_kernel
from frostline.backbones.packed.weights import (
    ROLES,
    BlockWeights,
    Dense,
    EncoderWeights,
    Norm,
    read_weights,
    unsupported,
)
from frostline.backbones.pooling import pool
from frostline.contracts import IntArray, Tap
from frostline.errors import UserError

__all__ = ["PIECE_TOKENS", "PackedEncoder"]

PIECE_TOKENS = 2048
"""Tokens that pass together; a longer text passes alone."""


_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class _Run:
    """Texts of equal length that stand behind one another."""

    texts: slice
    tokens: slice
    mask: Tensor  # (B, T), all True

    def of(self, rows: Tensor) -> Tensor:
        """The rows of these texts, (B, T, width), without a copy."""
        return rows[self.tokens].view(*self.mask.shape, -1)


@dataclass(frozen=True)
class _Block:
    qkv: Kernel
    out: Kernel
    attention_norm: Norm
    up: Kernel
    down: Kernel
    output_norm: Norm


Recording = TypeVar("Recording", bound=Kernel)


class PackedEncoder:
    """A BERT-like encoder without padding, on kernels chosen for this CPU.

    Parameters
    ----------
    weights : EncoderWeights
        In the type that the pass is to run in.
    kernels : mapping of str to str
        For each of ``qkv``, ``out``, ``up``, ``down``, a name in :data:`frostline.backbones.packed.kernels.KERNELS`; for
        ``attention``, that among short texts, one in :data:`frostline.backbones.packed.attention.ATTENTIONS`.

    Attributes
    ----------
    numerics : str
        What blocks compute in.
    kernels : dict
        As passed.
    """

    def __init__(self, weights: EncoderWeights, kernels: Mapping[str, str]) -> None:
        self.kernels = dict(kernels)
        self._words, self._positions, self._padding_id = weights.words, weights.positions, weights.padding_id
        self._norm, self._n_heads, self._bias = weights.norm, weights.n_heads, weights.position_bias
        self._dtype = weights.blocks[0].qkv.weight.dtype
        self.numerics = str(self._dtype).removeprefix("torch.")
        self._attend_short = ATTENTIONS[kernels["attention"]]
        self._blocks = [self._pack(block, weights.activation) for block in weights.blocks]

    @classmethod
    def supports(cls, config: Any) -> str | None:
        """Say why models of this configuration cannot be packed, or None where they can."""
        return unsupported(config)

    @classmethod
    def from_model(cls, model: nn.Module, config: Any, numerics: str = "float32") -> PackedEncoder:
        """Pack a model of transformers, which is left as it is.

        Parameters
        ----------
        model : torch.nn.Module
            In float32, on the CPU.
        config
            Its configuration.
        numerics : {"float32", "bfloat16"}
            What blocks compute in; embeddings, the weights of norms and pooling are float32 either way.

        Raises
        ------
        UserError
            The model cannot be packed.
        """
        if (reason := cls.supports(config)) is not None:
            raise UserError(f"This model cannot be packed: {reason}.", hint="use the reference path")
        with torch.inference_mode():
            weights = read_weights(model, config).to(_DTYPES[numerics])
            first = weights.blocks[0]
            return cls(
                weights,
                {
                    "qkv": best_kernel(first.qkv),
                    "attention": short_attention(_DTYPES[numerics]),
                    "out": best_kernel(first.out, residual=True),
                    "up": best_kernel(first.up, weights.activation),
                    "down": best_kernel(first.down, residual=True),
                },
            )

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

        Raises
        ------
        UserError
            A text without tokens, or an unknown pooling.
        """
        lengths = np.fromiter((len(ids) for ids in token_ids), dtype=np.int64, count=len(token_ids))
        if not lengths.all():
            raise UserError("A text has no tokens, so there is nothing to pool.", hint="drop or fill empty texts first")
        out = np.empty((len(token_ids), len(taps), self._words.shape[1]), dtype=np.float32)
        order = np.argsort(-lengths, kind="stable")
        with torch.inference_mode():
            for piece in _pieces(order, lengths):
                out[piece] = self._pass([token_ids[i] for i in piece], taps).numpy()
        return out

    def _pack(self, block: BlockWeights, activation: str) -> _Block:
        def kernel(role: str, dense: Dense, act: str | None = None) -> Kernel:
            return KERNELS[self.kernels[role]](dense, act)

        return _Block(
            qkv=kernel("qkv", block.qkv),
            out=kernel("out", block.out),
            attention_norm=block.attention_norm,
            up=kernel("up", block.up, activation),
            down=kernel("down", block.down),
            output_norm=block.output_norm,
        )

    def record(
        self, token_ids: Sequence[IntArray], recorder: Callable[[Kernel, int], Recording]
    ) -> Iterator[dict[str, Recording]]:
        """Run texts together, and after each block give what recorded the inputs of its linear maps; by role.

        Parameters
        ----------
        token_ids : sequence of int arrays
            Token sequences.
        recorder : callable
            Wraps a kernel; told how many of the rows are real.
        """
        ids = sorted(token_ids, key=len, reverse=True)
        runs, hidden, n_real = _runs(ids), self._embed(ids), sum(map(len, ids))
        for block in self._blocks:
            seen = {role: recorder(getattr(block, role), n_real) for role in ROLES}
            hidden = self._through(_replaced(block, seen), hidden, runs)
            yield seen

    def with_kernels(self, blocks: Sequence[Mapping[str, Kernel]], numerics: str) -> PackedEncoder:
        """The same encoder with other linear maps: for each block, by role."""
        other = copy.copy(self)
        other._blocks = [_replaced(block, kernels) for block, kernels in zip(self._blocks, blocks, strict=True)]
        other.kernels = self.kernels | {role: kernel.name for role, kernel in blocks[0].items()}
        other.numerics = numerics
        return other

    def _pass(self, ids: Sequence[IntArray], taps: Sequence[Tap]) -> Tensor:
        """Pooled vectors of texts that are sorted by length, (B, L, D)."""
        layers = [len(self._blocks) if tap.layer == "final" else tap.layer for tap in taps]
        runs = _runs(ids)
        pooled = torch.empty(len(ids), len(taps), self._words.shape[1])
        hidden = self._embed(ids)
        for depth in range(max(layers) + 1):
            if depth:
                hidden = self._through(self._blocks[depth - 1], hidden, runs)
            for i, (layer, tap) in enumerate(zip(layers, taps, strict=True)):
                if layer == depth:
                    for run in runs:
                        pooled[run.texts, i] = pool(run.of(hidden), run.mask, tap.pooling, normalize=tap.normalize)
        return pooled

    def _embed(self, ids: Sequence[IntArray]) -> Tensor:
        n = sum(len(i) for i in ids)
        places = np.zeros((2, _rounded(n)), dtype=np.int64)
        places[0, :n] = np.concatenate(ids)
        places[1, :n] = np.concatenate([_positions(np.asarray(i), self._padding_id) for i in ids])
        tokens, positions = torch.from_numpy(places)
        words = torch.nn.functional.embedding(tokens, self._words)
        return self._norm(words.add_(torch.nn.functional.embedding(positions, self._positions))).to(self._dtype)

    def _through(self, block: _Block, hidden: Tensor, runs: Sequence[_Run]) -> Tensor:
        context = self._attend(block.qkv(hidden), runs)
        hidden = block.attention_norm(block.out(context, hidden))
        return block.output_norm(block.down(block.up(hidden), hidden))

    def _attend(self, qkv: Tensor, runs: Sequence[_Run]) -> Tensor:
        """Attention within each text, (M, 3 D) to (M, D)."""
        context = qkv.new_zeros(len(qkv), qkv.shape[1] // 3)
        for run in runs:
            n, length = run.mask.shape
            q, k, v = run.of(qkv).view(n, length, 3, self._n_heads, -1).permute(2, 0, 3, 1, 4)
            bias = None if self._bias is None else self._bias[:, :length, :length]
            attended = (self._attend_short if length <= SHORT else ATTENTIONS["fused"])(q, k, v, bias)
            run.of(context).copy_(attended.transpose(1, 2).flatten(2))
        return context


def _replaced(block: _Block, kernels: Mapping[str, Kernel]) -> _Block:
    changes: dict[str, Any] = dict(kernels)
    return replace(block, **changes)


def _rounded(n: int) -> int:
    """Round up by at most 1/32: matrices of a few sizes reuse each other's memory, those of many sizes fragment it."""
    step = 1 << max(0, n.bit_length() - 6)
    return -(-n // step) * step


def _positions(ids: IntArray, padding_id: int | None) -> NDArray[np.int64]:
    """Rows of the position table for one text."""
    if padding_id is None:
        return np.arange(len(ids), dtype=np.int64)
    real = ids != padding_id
    positions: NDArray[np.int64] = np.cumsum(real, dtype=np.int64) * real + padding_id
    return positions


def _pieces(order: NDArray[np.intp], lengths: NDArray[np.int64]) -> list[NDArray[np.intp]]:
    """Cut texts into pieces of at most :data:`PIECE_TOKENS` tokens and near-equal size."""
    ends = np.cumsum(lengths[order])
    n_pieces = max(1, -(-int(ends[-1]) // PIECE_TOKENS)) if len(order) else 0
    if n_pieces <= 1:
        return [order] * n_pieces
    cuts = np.searchsorted(ends, ends[-1] * np.arange(1, n_pieces) / n_pieces)
    return [piece for piece in np.split(order, np.unique(cuts)) if len(piece)]


def _runs(ids: Sequence[IntArray]) -> list[_Run]:
    """Runs of equal length, with their places among the texts and among the tokens."""
    lengths = np.fromiter((len(i) for i in ids), dtype=np.int64, count=len(ids))
    starts = [0, *(np.flatnonzero(np.diff(lengths)) + 1).tolist(), len(ids)]
    tokens = np.concatenate([[0], np.cumsum(lengths)]).tolist()
    return [
        _Run(slice(a, b), slice(tokens[a], tokens[b]), torch.ones(b - a, int(lengths[a]), dtype=torch.bool))
        for a, b in itertools.pairwise(starts)
    ]
