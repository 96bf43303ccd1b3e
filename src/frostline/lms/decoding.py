"""Token after token with a key-value cache: the loop under every completion, from token ids or from embeddings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from frostline.lms.contracts import Sampling

__all__ = ["decode", "forward", "left_padded", "pick"]


def left_padded(rows: Sequence[Sequence[int]], pad: int, device: Any = None) -> tuple[Tensor, Tensor]:
    """Token ids of shape (B, T) that end together, and the mask of the real ones; `pad` is never read."""
    width = max(map(len, rows))
    ids = torch.full((len(rows), width), pad, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, width - len(row) :] = torch.as_tensor(list(row))
        mask[i, width - len(row) :] = 1
    return ids.to(device), mask.to(device)


def forward(model: Any, tokens: Tensor, mask: Tensor, past: Any = None, *, last: bool = True) -> tuple[Tensor, Any]:
    """Read further tokens.

    Parameters
    ----------
    model
        A causal language model of transformers.
    tokens : int tensor of shape (B, S), or float tensor of shape (B, S, D)
        Token ids, or embeddings in their place.
    mask : int tensor of shape (B, P + S)
        1 at real tokens, of the P that were read before and of these.
    past
        The cache of what was read before; it is added to.
    last : bool
        Whether the logits after the last token are all that is needed.

    Returns
    -------
    logits : tensor of shape (B, 1 or S, V)
    past
        The cache.
    """
    takes = inspect.signature(model.forward).parameters
    given: dict[str, Any] = {"inputs_embeds" if tokens.is_floating_point() else "input_ids": tokens}
    if "position_ids" in takes:  # padding on the left must not move a token
        given["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
    if last and "logits_to_keep" in takes:
        given["logits_to_keep"] = 1
    found = model(**given, attention_mask=mask, past_key_values=past, use_cache=True)
    return found.logits[:, -1:] if last else found.logits, found.past_key_values


def decode(
    model: Any,
    start: Tensor,
    mask: Tensor,
    sampling: Sampling,
    *,
    ends: Collection[int],
    rngs: Sequence[np.random.Generator] | None = None,
    stops: Callable[[list[int]], bool] | None = None,
) -> list[list[int]]:
    """Write after each row.

    Parameters
    ----------
    model
        A causal language model of transformers.
    start : int tensor of shape (B, T), or float tensor of shape (B, T, D)
        Token ids or embeddings, padded on the left.
    mask : int tensor of shape (B, T)
    sampling : Sampling
        `max_tokens`, `temperature` and `top_p` count.
    ends : collection of int
        Token ids that end a completion.
    rngs : sequence of B generators, optional
        Needed with a temperature: each row draws from its own.
    stops : callable, optional
        Whether a completion, given as its token ids, is over.

    Returns
    -------
    list of B lists of int
        The end token included where it was written.
    """
    written: list[list[int]] = [[] for _ in range(len(start))]
    alive = list(range(len(start)))
    tokens, past = start, None
    with torch.inference_mode():
        for _ in range(sampling.max_tokens):
            logits, past = forward(model, tokens, mask, past)
            chosen = _choose(logits[:, -1], sampling, [rngs[i] for i in alive] if rngs else None)
            for i, token in zip(alive, chosen, strict=True):
                written[i].append(token)
            going = [
                place
                for place, i in enumerate(alive)
                if written[i][-1] not in ends and not (stops is not None and stops(written[i]))
            ]
            if not going:
                break
            if len(going) < len(alive):
                rows = torch.tensor(going, device=mask.device)
                past.batch_select_indices(rows)
                mask, alive = mask[rows], [alive[place] for place in going]
            tokens = torch.tensor([[written[i][-1]] for i in alive], device=mask.device)
            mask = torch.cat([mask, torch.ones_like(mask[:, :1])], 1)
    return written


def _choose(logits: Tensor, sampling: Sampling, rngs: Sequence[np.random.Generator] | None) -> list[int]:
    if sampling.temperature <= 0 or rngs is None:
        greedy: list[int] = logits.argmax(-1).tolist()
        return greedy
    table = logits.double().cpu().numpy()
    return [pick(row, sampling, rng) for row, rng in zip(table, rngs, strict=True)]


def pick(logits: NDArray[np.float64], sampling: Sampling, rng: np.random.Generator) -> int:
    """Draw one token.

    Parameters
    ----------
    logits : float64 array of shape (V,)
    sampling : Sampling
    rng : numpy.random.Generator

    Returns
    -------
    int

    References
    ----------
    Holtzman et al., 2020, arXiv 1904.09751, section 3.1: `top_p` is nucleus sampling.
    """
    p = np.exp((logits - logits.max()) / sampling.temperature)
    order = np.argsort(-p, kind="stable")
    total = np.cumsum(p[order]) / p.sum()
    kept = order[: int(np.searchsorted(total, min(sampling.top_p, 1.0) - 1e-12)) + 1]
    return int(rng.choice(kept, p=p[kept] / p[kept].sum()))
