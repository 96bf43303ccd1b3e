"""What a language model that writes is asked, and what it answers; no framework behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from frostline.contracts import IntArray

__all__ = ["Completion", "LanguageModel", "OptionScore", "Sampling"]


@dataclass(frozen=True)
class Sampling:
    """How a language model writes.

    Parameters
    ----------
    max_tokens : int
        Longest completion.
    temperature : float
        0 = always the likeliest token.
    top_p : float
        Draw among the likeliest tokens that together have this probability.
    stop : tuple of str
        A completion ends before the first of these.
    seed : int
        Of the draws; a local model draws for each prompt on its own, whatever others are asked beside it.
    system : str
        Said before every prompt: as the system's turn where the model has turns.
    """

    max_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int = 0
    system: str = ""


@dataclass(frozen=True)
class Completion:
    """What a language model wrote after one prompt.

    Attributes
    ----------
    text : str
        Empty where it failed.
    n_prompt_tokens, n_tokens : int
        As the model or service counts them: read, and written.
    ended : bool
        Whether it ended by itself, and not because it had reached the longest.
    error : str
        Why this prompt has no completion; empty where it has one.
    """

    text: str
    n_prompt_tokens: int
    n_tokens: int
    ended: bool
    error: str = ""


@dataclass(frozen=True)
class OptionScore:
    """How likely a given continuation of a prompt is.

    Attributes
    ----------
    logprob : float
        Logarithm (nats) of the probability of all its tokens.
    n_tokens : int
        How many these are.
    """

    logprob: float
    n_tokens: int


@runtime_checkable
class LanguageModel(Protocol):
    """A causal language model that writes: here or behind an endpoint.

    Attributes
    ----------
    name : str
        What it was asked for by.
    window : int or None
        Tokens that prompt and completion have together; None where nobody says.
    scores : bool
        Whether :meth:`score` can be asked.
    identity : mapping
        JSON-able; what decides its answers, as far as it is known.
    """

    name: str
    window: int | None
    scores: bool
    identity: Mapping[str, Any]

    def generate(self, prompts: Sequence[str], sampling: Sampling | None = None) -> list[Completion]:
        """Write after each prompt; a prompt that cannot be answered has an error, and the others are answered."""
        ...

    def score(
        self, prompts: Sequence[str], options: Sequence[Sequence[str]], system: str = ""
    ) -> list[list[OptionScore]]:
        """How likely each prompt's own options are as its continuation."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> IntArray:
        """Tokens of each text, shape (n,); of an endpoint an estimate."""
        ...
