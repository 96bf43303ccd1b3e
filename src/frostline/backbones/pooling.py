"""Pooling: T hidden states of one layer become one vector, under the mask.

The names are those of sentence-transformers, with underscores. Each function takes ``hidden`` of shape (B, T, D) and a
boolean ``mask`` of shape (B, T), True at real tokens, padding on either side, and returns (B, D) in float32: a half
precision sum over hundreds of tokens would lose digits that the model itself still had.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from frostline.contracts import PADDED_MEAN, POOLINGS, Tap
from frostline.errors import UserError, nearest

__all__ = ["check_pooling", "padded_window", "pool"]


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


def _padded_mean(hidden: Tensor, mask: Tensor) -> Tensor:
    return hidden.float().mean(1)


_POOL: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mean": _mean,
    "max": _max,
    "first_token": _first_token,
    "last_token": _last_token,
    "weighted_mean": _weighted_mean,
    PADDED_MEAN: _padded_mean,
}


def check_pooling(name: str) -> None:
    """Refuse a pooling that does not exist.

    Raises
    ------
    UserError
        The name is not one of :data:`frostline.contracts.POOLINGS`.
    """
    if name not in (known := (*POOLINGS, PADDED_MEAN)):
        raise UserError(
            f"Unknown pooling {name!r}. Allowed: 'recipe', {', '.join(map(repr, known))}.",
            hint=nearest(str(name), ["recipe", *known]) or None,
        )


def padded_window(taps: Sequence[Tap]) -> int | None:
    """The window that texts are padded to, where a tap averages over padding as well; else None."""
    windows = {int(window) for tap in taps for how, _, window in [tap.pooling.partition(":")] if how == PADDED_MEAN}
    if len(windows) > 1:
        raise UserError(f"One pass cannot pad to several windows: {', '.join(map(str, sorted(windows)))}.")
    return windows.pop() if windows else None


def pool(hidden: Tensor, mask: Tensor, how: str, *, normalize: bool = False) -> Tensor:
    """Pool the hidden states of one layer.

    Parameters
    ----------
    hidden : tensor of shape (B, T, D)
        Hidden states.
    mask : bool tensor of shape (B, T)
        True at real tokens.
    how : str
        One of :data:`frostline.contracts.POOLINGS`, or ``"padded_mean:T"`` where T is the window.
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
    how, _, window = how.partition(":")
    check_pooling(how)
    if how == PADDED_MEAN and hidden.shape[1] != int(window):
        raise UserError(f"A mean over a window of {window} needs texts padded to it, got {hidden.shape[1]} positions.")
    if not bool(mask.any(1).all()):
        raise UserError("A text has no tokens, so there is nothing to pool.", hint="drop or fill empty texts first")
    pooled = _POOL[how](hidden, mask)
    return torch.nn.functional.normalize(pooled, dim=1) if normalize else pooled
