"""Attention among texts of equal length: no mask, no padding."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from frostline.backbones.packed.timing import best_ms, preferred

__all__ = ["ATTENTIONS", "SHORT", "Attention", "fastest_attention"]

SHORT = 64
"""Up to this many tokens the score matrix stays in the caches, and the choice of kernel matters."""

Attention = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]
"""Queries, keys, values of shape (B, heads, T, d) and a bias of shape (heads, T, T) to (B, heads, T, d)."""


def _fused(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)


def _products(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    scores = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-1, -2))
    return torch.matmul(torch.softmax(scores if bias is None else scores.add_(bias), -1), v)


ATTENTIONS: Mapping[str, Attention] = {"fused": _fused, "products": _products}


def fastest_attention(n_heads: int, width: int, dtype: torch.dtype) -> str:
    """Time both kernels on short texts and name the one to take.

    Parameters
    ----------
    n_heads, width : int
        Heads, and width D over all heads.
    dtype : torch.dtype
    """
    q, k, v = torch.ones(21, 24, 3, n_heads, width // n_heads, dtype=dtype).permute(2, 0, 3, 1, 4)

    def call(name: str) -> Callable[[], Tensor]:
        return lambda: ATTENTIONS[name](q, k, v, None)

    calls = {name: call(name) for name in ATTENTIONS}
    for first in calls.values():
        first()
    return preferred(best_ms(calls))
