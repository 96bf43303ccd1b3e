"""How likely given continuations are: the prefix that a prompt's options share is read once."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from frostline.lms.contracts import OptionScore
from frostline.lms.decoding import forward, left_padded

__all__ = ["shared_prefix", "tail_scores"]

_ROW_TOKENS = 16_384
"""Rows times tokens of one pass over options."""


def shared_prefix(prompt: Sequence[int], options: Sequence[Sequence[int]]) -> int:
    """Tokens that a prompt and all of its continuations begin with.

    A tokenizer may join the end of a prompt with the beginning of an option into one token; then that token belongs to the
    option, for every option alike, so that their probabilities stay comparable.

    Parameters
    ----------
    prompt : sequence of int
        Token ids of the prompt alone.
    options : sequence of sequences of int
        Token ids of the prompt with each option behind it.
    """
    same = (len(set(column)) == 1 for column in zip(prompt, *options, strict=False))
    return sum(1 for _ in itertools.takewhile(bool, same))


def tail_scores(
    model: Any, prefixes: Sequence[Sequence[int]], tails: Sequence[Sequence[Sequence[int]]], pad: int
) -> list[list[OptionScore]]:
    """Score the tails of one batch of prefixes.

    Parameters
    ----------
    model
        A causal language model of transformers.
    prefixes : sequence of B sequences of int
        None of them empty.
    tails : sequence of B sequences of sequences of int
        The options of each prefix; a tail may be empty, and then its probability is 1.
    pad : int

    Returns
    -------
    list of B lists of OptionScore
    """
    owners = [i for i, own in enumerate(tails) for _ in own]
    flat = [tail for own in tails for tail in own]
    found: list[OptionScore] = []
    with torch.inference_mode():
        ids, mask = left_padded(prefixes, pad, model.device)
        logits, past = forward(model, ids, mask)
        first = torch.log_softmax(logits[:, -1].double(), -1)
        step = max(1, _ROW_TOKENS // (ids.shape[1] + max(map(len, flat), default=0) + 1))
        for start in range(0, len(flat), step):
            part, rows = flat[start : start + step], torch.tensor(owners[start : start + step], device=ids.device)
            scores = _scored(model, part, first[rows], mask[rows], past, rows, pad)
            found += [OptionScore(score, len(tail)) for score, tail in zip(scores.tolist(), part, strict=True)]
    each = iter(found)
    return [[next(each) for _ in own] for own in tails]


def _scored(
    model: Any, tails: Sequence[Sequence[int]], first: Tensor, mask: Tensor, past: Any, rows: Tensor, pad: int
) -> Tensor:
    """Log-probability of each tail behind its prefix, shape (R,)."""
    width = max(map(len, tails))
    if not width:
        return torch.zeros(len(tails), dtype=torch.float64)
    ids = torch.tensor([[*tail, *[pad] * (width - len(tail))] for tail in tails], device=mask.device)
    real = torch.tensor([[1] * len(tail) + [0] * (width - len(tail)) for tail in tails], device=mask.device)
    predicted = first[:, None]
    if width > 1:
        own = copy.deepcopy(past)  # each pass over options continues the same prefix
        own.batch_select_indices(rows)
        logits, _ = forward(model, ids[:, :-1], torch.cat([mask, real[:, :-1]], 1), own, last=False)
        predicted = torch.cat([predicted, torch.log_softmax(logits.double(), -1)], 1)
    each = predicted.gather(2, ids[:, :, None])[:, :, 0]
    return (each * real).sum(1)
