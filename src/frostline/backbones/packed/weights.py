"""The weights of BERT-like encoders under one set of names, whatever their family calls them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["ACTIVATIONS", "ROLES", "BlockWeights", "Dense", "EncoderWeights", "Norm", "read_weights", "unsupported"]

ACTIVATIONS = ("gelu", "relu", "gelu_new")
"""Feed-forward activations that have a kernel here, named as transformers does."""

ROLES = ("qkv", "out", "up", "down")
"""The linear maps of a block, in the order in which they run."""


@dataclass(frozen=True)
class Dense:
    """A linear map: `weight` of shape (N, K), `bias` of shape (N,)."""

    weight: Tensor
    bias: Tensor

    def to(self, dtype: torch.dtype) -> Dense:
        """The same map in another type."""
        return Dense(self.weight.to(dtype), self.bias.to(dtype))


@dataclass(frozen=True)
class Norm:
    """A layer normalization over the last axis."""

    weight: Tensor
    bias: Tensor
    eps: float

    def __call__(self, hidden: Tensor) -> Tensor:
        """Normalize each row of `hidden`."""
        return torch.nn.functional.layer_norm(hidden, self.weight.shape, self.weight, self.bias, self.eps)


@dataclass(frozen=True)
class BlockWeights:
    """One post-norm block: attention and feed-forward, each followed by residual and norm."""

    qkv: Dense
    out: Dense
    attention_norm: Norm
    up: Dense
    down: Dense
    output_norm: Norm

    def to(self, dtype: torch.dtype) -> BlockWeights:
        """The same block with its linear maps in another type; norms compute in float32 whatever they are fed."""
        maps = {role: getattr(self, role).to(dtype) for role in ROLES}
        return replace(self, **maps)


@dataclass(frozen=True)
class EncoderWeights:
    """A whole encoder.

    Attributes
    ----------
    words : tensor of shape (V, D)
        Token embeddings.
    positions : tensor of shape (P, D)
        Position embeddings, with the first token type already added.
    padding_id : int or None
        Where set, positions count from ``padding_id + 1`` and skip tokens with this id, as in RoBERTa.
    position_bias : tensor of shape (heads, P, P) or None
        Added to the attention scores of every block, as in MPNet.
    """

    words: Tensor
    positions: Tensor
    padding_id: int | None
    norm: Norm
    blocks: tuple[BlockWeights, ...]
    n_heads: int
    activation: str
    position_bias: Tensor | None

    def to(self, dtype: torch.dtype) -> EncoderWeights:
        """The same encoder with blocks in another type; embeddings stay as they are."""
        bias = None if self.position_bias is None else self.position_bias.to(dtype)
        return replace(self, blocks=tuple(block.to(dtype) for block in self.blocks), position_bias=bias)


@dataclass(frozen=True)
class _Family:
    """Where a family keeps its parts, as dotted paths from the model or from a block."""

    layers: str
    query: str
    key: str
    value: str
    out: str
    attention_norm: str
    up: str
    down: str
    output_norm: str
    activation: str = "hidden_act"
    counts_from_padding: bool = False


_BERT = _Family(
    layers="encoder.layer",
    query="attention.self.query",
    key="attention.self.key",
    value="attention.self.value",
    out="attention.output.dense",
    attention_norm="attention.output.LayerNorm",
    up="intermediate.dense",
    down="output.dense",
    output_norm="output.LayerNorm",
)
_ROBERTA = replace(_BERT, counts_from_padding=True)
_MPNET = replace(
    _ROBERTA,
    query="attention.attn.q",
    key="attention.attn.k",
    value="attention.attn.v",
    out="attention.attn.o",
    attention_norm="attention.LayerNorm",
)
_DISTILBERT = _Family(
    layers="transformer.layer",
    query="attention.q_lin",
    key="attention.k_lin",
    value="attention.v_lin",
    out="attention.out_lin",
    attention_norm="sa_layer_norm",
    up="ffn.lin1",
    down="ffn.lin2",
    output_norm="output_layer_norm",
    activation="activation",
)
_FAMILIES: Mapping[str, _Family] = {
    "bert": _BERT,
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "mpnet": _MPNET,
    "distilbert": _DISTILBERT,
}


def unsupported(config: Any) -> str | None:
    """Say why a model of this configuration cannot be packed.

    Parameters
    ----------
    config
        Configuration of a model of transformers.

    Returns
    -------
    str or None
        A sentence, or None where it can be packed.
    """
    family = _FAMILIES.get(config.model_type)
    if family is None:
        return f"models of type {config.model_type!r} have no packed form (those that have: {', '.join(_FAMILIES)})"
    activation = getattr(config, family.activation)
    if activation not in ACTIVATIONS:
        return f"activation {activation!r} has no packed form (those that have: {', '.join(ACTIVATIONS)})"
    if getattr(config, "is_decoder", False) or getattr(config, "add_cross_attention", False):
        return "decoders have no packed form"
    return None


def read_weights(model: nn.Module, config: Any) -> EncoderWeights:
    """Read the weights of a supported model; the large ones are shared with it, not copied, except Q, K and V.

    Parameters
    ----------
    model : torch.nn.Module
        A base model of transformers whose configuration :func:`unsupported` has nothing against.
    config
        Its configuration.
    """
    family = _FAMILIES[config.model_type]
    embeddings: Any = model.embeddings
    positions = embeddings.position_embeddings.weight.detach()
    if hasattr(embeddings, "token_type_embeddings"):
        positions = positions + embeddings.token_type_embeddings.weight.detach()[0]
    return EncoderWeights(
        words=embeddings.word_embeddings.weight.detach(),
        positions=positions,
        padding_id=int(embeddings.padding_idx) if family.counts_from_padding else None,
        norm=_norm(embeddings.LayerNorm),
        blocks=tuple(_block(layer, family) for layer in attrgetter(family.layers)(model)),
        n_heads=int(config.num_attention_heads),
        activation=str(getattr(config, family.activation)),
        position_bias=_position_bias(model, len(positions)),
    )


def _block(layer: nn.Module, family: _Family) -> BlockWeights:
    def part(path: str) -> Any:
        return attrgetter(path)(layer)

    fused = [part(path) for path in (family.query, family.key, family.value)]
    return BlockWeights(
        qkv=Dense(torch.cat([p.weight.detach() for p in fused]), torch.cat([p.bias.detach() for p in fused])),
        out=_dense(part(family.out)),
        attention_norm=_norm(part(family.attention_norm)),
        up=_dense(part(family.up)),
        down=_dense(part(family.down)),
        output_norm=_norm(part(family.output_norm)),
    )


def _dense(module: Any) -> Dense:
    return Dense(module.weight.detach(), module.bias.detach())


def _norm(module: Any) -> Norm:
    return Norm(module.weight.detach(), module.bias.detach(), float(module.eps))


def _position_bias(model: Any, n_positions: int) -> Tensor | None:
    """MPNet's bias depends on the distance of two tokens only, so one table serves every text."""
    compute = getattr(getattr(model, "encoder", None), "compute_position_bias", None)
    if compute is None:
        return None
    bias: Tensor = compute(torch.empty(1, n_positions, 1))[0].detach()
    return bias
