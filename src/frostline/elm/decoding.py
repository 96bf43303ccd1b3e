"""How answers are written: greedily, or by draws that belong to a row and not to its company; towards what is the row's own.

References
----------
Ho and Salimans, 2022, arXiv 2207.12598 (classifier-free guidance); Sanchez et al., 2023, arXiv 2306.17806 (of language models);
Li et al., 2023, arXiv 2210.15097 (only tokens that are plausible by themselves). The ELM paper decodes without guidance.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import LogitsProcessor

from frostline.errors import UserError

__all__ = ["Decoding", "Guided", "OwnDraws", "row_seed"]

PLAUSIBLE = 0.1
"""Under guidance a token needs this share of the most probable one's probability."""


@dataclass(frozen=True)
class Decoding:
    """How an answer is written.

    Parameters
    ----------
    max_new_tokens : int, default=96
    temperature : float or None, default=None
        None = greedy: always the most probable token.
    top_p : float, default=0.95
        Draws come from the fewest tokens that together have this probability.
    no_repeat_ngram : int, default=6
        Never write so many tokens in a row twice in an answer; 0 = no such rule. Small language models fall into loops without it.
    guidance : float, default=1.0
        How strongly tokens are preferred that the vector makes likelier than the space's mean vector does: scores are
        ``log p + guidance * (log p - log p_mean)``; see :class:`Guided` for what is written again. 0 = the language
        model's own probabilities, at half the cost.
    opening : int, optional
        So many tokens, in which a text says what it is about, are written without guidance: the most probable kind is right more
        often than the most telling one. None = what the explainer's tasks say: films 14, others 0; folders of earlier
        versions have 0.
    """

    max_new_tokens: int = 96
    temperature: float | None = None
    top_p: float = 0.95
    no_repeat_ngram: int = 6
    guidance: float = 1.0
    opening: int | None = None

    def checked(self) -> Decoding:
        """Return these settings where they can be used.

        Raises
        ------
        UserError
        """
        if self.max_new_tokens < 1:
            raise UserError(f"max_new_tokens must be 1 or more, got {self.max_new_tokens}.")
        if self.temperature is not None and not self.temperature > 0:
            raise UserError(f"temperature must be above 0, or None for greedy, got {self.temperature}.")
        if not 0 <= self.guidance < math.inf:
            raise UserError(f"guidance must be 0 or more, got {self.guidance}.")
        if self.opening is not None and self.opening < 0:
            raise UserError(f"opening must be 0 or more tokens, got {self.opening}.")
        if not 0 < self.top_p <= 1:
            raise UserError(f"top_p must be above 0 and at most 1, got {self.top_p}.")
        return self


def row_seed(vectors: Sequence[NDArray[np.floating]], seed: int, number: int) -> int:
    """A seed for one candidate of one prompt: a function of its vectors, so that company and order do not matter."""
    digest = hashlib.blake2b(f"{seed}:{number}".encode(), digest_size=8)
    for vector in vectors:
        digest.update(np.ascontiguousarray(vector, dtype=np.float32).tobytes())
    return int.from_bytes(digest.digest(), "big")


class OwnDraws(LogitsProcessor):
    """Leave one token possible in each row, drawn by that row's own numbers.

    Parameters
    ----------
    decoding : Decoding
    seeds : sequence of int
        One for each row.
    """

    def __init__(self, decoding: Decoding, seeds: Sequence[int]) -> None:
        self.decoding = decoding
        draws = [np.random.default_rng(seed).random(decoding.max_new_tokens) for seed in seeds]
        self.draws = torch.tensor(np.stack(draws), dtype=torch.float64)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores that are finite at the drawn token only."""
        at = input_ids.shape[1]
        # Guidance leaves few tokens possible: the others need not be put in order.
        possible = int(scores.isfinite().sum(dim=-1).max())
        ordered, tokens = (scores.double() / float(self.decoding.temperature or 1.0)).topk(possible, dim=-1)
        ladder = ordered.softmax(dim=-1).cumsum(dim=-1)
        # The token that crosses top_p is kept, those after it are not.
        mass = torch.where(ladder >= self.decoding.top_p, ladder, torch.inf).amin(dim=-1, keepdim=True)
        mass = mass.clamp(max=float(1))
        wanted = self.draws[:, at : at + 1].to(scores.device) * mass
        rank = torch.searchsorted(ladder, wanted, right=True).clamp(max=possible - 1)
        return torch.full_like(scores, -torch.inf).scatter(1, tokens.gather(1, rank), 0.0)


class Guided(LogitsProcessor):
    """Move away from what would be written about the mean vector.

    The first half of the rows has the vectors, the second the mean in their places; both halves go on with the same tokens.

    What has followed the last token once before is left to the language model there, and what has followed it twice or more is held
    back as strongly as it was preferred: else the vector calls for the same words again and again ("the earth, and the vast earth,
    and the earth"). What the vector does not prefer, as most words of grammar, may return as often as it likes. Classifier-free
    guidance knows no such limit; this is ours.

    Parameters
    ----------
    guidance : float
    opening : int, default=0
        Written tokens from which on there is any.
    """

    def __init__(self, guidance: float, opening: int = 0) -> None:
        self.guidance = guidance
        self.opening = opening

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Guided scores, the same for both halves."""
        own, mean = scores.float().log_softmax(dim=-1).chunk(2)
        gain = own - mean
        written = input_ids[: len(own)]
        after, again = written[:, 1:], written[:, :-1] == written[:, -1:]
        times = torch.zeros_like(gain).scatter_add_(1, after, again.to(gain.dtype)).gather(1, after)
        push = gain.gather(1, after)
        gain = gain.scatter(1, after, torch.where(push > 0, push * (1 - times).clamp(min=-1), push))
        guided = own + (self.guidance if written.shape[1] >= self.opening else 0.0) * gain
        least = own.amax(dim=-1, keepdim=True) + math.log(PLAUSIBLE)
        return guided.masked_fill(own < least, -torch.inf).repeat(2, 1)
