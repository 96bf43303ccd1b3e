"""Pooling: T hidden states of one layer become one vector, under the mask.

The names are those of sentence-transformers, with underscores. Each function takes ``hidden`` of shape (B, T, D) and a
boolean ``mask`` of shape (B, T), True at real tokens, padding on either side, and returns (B, D) in float32: a half
precision sum over hundreds of tokens would lose digits that the model itself still had.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from frostline.contracts import POOLINGS
from frostline.errors import UserError, nearest

__all__ = ["check_pooling", "pool"]


def _mean(hidden: Tensor, mask: Tensor) -> Tensor:
    weights = mask.to(torch.float32)
    return torch.einsum("btd,bt->bd", hidden.float(), weights) / weights.sum(1, keepdim=True)


def _weighted_mean(hidden: Tensor, mask: Tensor) -> Tensor:
    """Position-weighted mean (SGPT, Muennighoff 2022, arXiv 2202.08904): real token i of n weighs i."""
    weights = mask.to(torch.float32).cumsum(1) * mask
    return torch.einsum("btd,bt->bd", hidden.float(), weights) / weights.sum(1, keepdim=True)


def _max(hidden: Tensor, mask: Tensor) -> Tensor:
    return hidden.float().masked_fill(~mask.unsqueeze(-1), -torch.inf).amax(1)


def _first_token(hidden: Tensor, mask: Tensor) -> Tensor:
    first = mask.int().argmax(1)  # the first True, also where padding stands on the left
    return hidden[torch.arange(len(hidden), device=hidden.device), first].float()


def _last_token(hidden: Tensor, mask: Tensor) -> Tensor:
    last = mask.shape[1] - 1 - mask.flip(1).int().argmax(1)
    return hidden[torch.arange(len(hidden), device=hidden.device), last].float()


_POOL: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mean": _mean,
    "max": _max,
    "first_token": _first_token,
    "last_token": _last_token,
    "weighted_mean": _weighted_mean,
}


def check_pooling(name: str) -> None:
    """Refuse a pooling that does not exist.

    Raises
    ------
    UserError
        The name is not one of :data:`frostline.contracts.POOLINGS`.
    """
    if name not in POOLINGS:
        raise UserError(
            f"Unknown pooling {name!r}. Allowed: 'recipe', {', '.join(map(repr, POOLINGS))}.",
            hint=nearest(str(name), ["recipe", *POOLINGS]) or None,
        )


def pool(hidden: Tensor, mask: Tensor, how: str, *, normalize: bool = False) -> Tensor:
    """Pool the hidden states of one layer.

    Parameters
    ----------
    hidden : tensor of shape (B, T, D)
        Hidden states.
    mask : bool tensor of shape (B, T)
        True at real tokens.
    how : str
        One of :data:`frostline.contracts.POOLINGS`.
    normalize : bool
        Scale each pooled vector to unit length.

    Returns
    -------
    float32 tensor of shape (B, D)

    Raises
    ------
    UserError
        Unknown pooling, or a text without a single token.
    """
    check_pooling(how)
    if not bool(mask.any(1).all()):
        raise UserError("A text has no tokens, so there is nothing to pool.", hint="drop or fill empty texts first")
    pooled = _POOL[how](hidden, mask)
    return torch.nn.functional.normalize(pooled, dim=1) if normalize else pooled
