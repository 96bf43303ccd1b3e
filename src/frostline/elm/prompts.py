"""Prompts with places for vectors: ``"What do {vector} and {vector} share?"``, ``"Would {vector:users} like {vector:items}?"``.

Each ``{vector}`` stands for the next vector given; after a colon stands the name of its space, which may be left out where an
explainer knows one space only. Around a prompt comes what the language model was trained with: its chat template, or else its
first token and a line break at the end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from frostline.errors import UserError, nearest

__all__ = ["EncodedPrompt", "Prompt", "PromptEncoder"]

_PLACE = re.compile(r"\{vector(?::([\w.-]+))?\}")
_BRACES = re.compile(r"\{[^{}]*\}")
_MARK = "\ue000"
"""Of Unicode's private use: stands for a vector while a chat template is put around the prompt."""


@dataclass(frozen=True)
class Prompt:
    """A prompt, cut at its vectors.

    Attributes
    ----------
    pieces : tuple of str
        The text before, between and after the vectors: one more than there are vectors.
    spaces : tuple of str
        The space of each vector.
    """

    pieces: tuple[str, ...]
    spaces: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, spaces: Sequence[str], *, n_vectors: int | None = None) -> Prompt:
        """Read a prompt.

        Parameters
        ----------
        text : str
        spaces : sequence of str
            Names that are known.
        n_vectors : int, optional
            How many vectors there are to place; None = at least one.

        Raises
        ------
        UserError
            No place for a vector, too few or too many, or an unknown space.
        """
        found = [match.group(1) for match in _PLACE.finditer(text)]
        if odd := [brace for brace in _BRACES.findall(text) if not _PLACE.fullmatch(brace)]:
            raise UserError(
                f"The prompt {text!r} holds {odd[0]}, which is no place for a vector.",
                hint="write {vector}, or {vector:SPACE} where there are several spaces",
            )
        if not found:
            raise UserError(
                f"The prompt {text!r} has no place for a vector.", hint="write {vector} where the vector is to stand"
            )
        if n_vectors is not None and len(found) != n_vectors:
            raise UserError(
                f"The prompt {text!r} has {len(found)} places for vectors; {n_vectors} vectors are given.",
                hint="write one {vector} for each vector",
            )
        named = tuple(_space(name, spaces, text) for name in found)
        return cls(tuple(_PLACE.split(text)[::2]), named)


def _space(name: str | None, spaces: Sequence[str], text: str) -> str:
    if name is None and len(spaces) == 1:
        return spaces[0]
    if name is None:
        raise UserError(
            f"The prompt {text!r} does not say of which space its vector is. Spaces: {', '.join(spaces)}.",
            hint=f"write {{vector:{spaces[0]}}}",
        )
    if name not in spaces:
        raise UserError(
            f"The prompt {text!r} names the unknown space {name!r}. Spaces: {', '.join(spaces)}.",
            hint=nearest(name, spaces) or None,
        )
    return name


@dataclass(frozen=True)
class EncodedPrompt:
    """Token ids of a prompt, with room for its vectors.

    Attributes
    ----------
    ids : tuple of int
        0 where a soft token stands.
    starts : tuple of int
        Where the soft tokens of each vector begin.
    spaces : tuple of str
        The space of each vector.
    """

    ids: tuple[int, ...]
    starts: tuple[int, ...]
    spaces: tuple[str, ...]


class PromptEncoder:
    """Turn prompts and targets into token ids.

    Parameters
    ----------
    tokenizer
        Of the language model.
    n_soft_tokens : int
    chat : bool
        Whether the tokenizer's chat template is put around prompts.
    """

    def __init__(self, tokenizer: Any, n_soft_tokens: int, *, chat: bool) -> None:
        self.tokenizer, self.n_soft_tokens, self.chat = tokenizer, n_soft_tokens, chat
        self._known: dict[tuple[Prompt, bool], EncodedPrompt] = {}

    def prompt(self, prompt: Prompt, *, empty: bool = False) -> EncodedPrompt:
        """Encode a prompt; with `empty` the vectors are left out, as a control."""
        key = (prompt, empty)
        if key not in self._known:
            self._known[key] = self._encode(prompt, 0 if empty else self.n_soft_tokens)
        return self._known[key]

    def target(self, text: str, limit: int) -> tuple[list[int], bool]:
        """Encode a target and its end; at most `limit` tokens, and whether some were cut."""
        ids = self._ids(text)
        cut = len(ids) > limit - 1
        return [*ids[: limit - 1], self.end], cut

    @property
    def end(self) -> int:
        """The token that ends an answer."""
        return int(self.tokenizer.eos_token_id)

    def _encode(self, prompt: Prompt, n_soft: int) -> EncodedPrompt:
        ids: list[int] = []
        starts = []
        pieces = self._around(_MARK.join(prompt.pieces)).split(_MARK)
        bos = self.tokenizer.bos_token_id
        if not self.chat and bos is not None:
            ids.append(int(bos))
        for i, piece in enumerate(pieces):
            if i:
                starts.append(len(ids))
                ids += [0] * n_soft
            ids += self._ids(piece)
        return EncodedPrompt(tuple(ids), tuple(starts) if n_soft else (), prompt.spaces if n_soft else ())

    def _around(self, text: str) -> str:
        if not self.chat:
            return text + "\n"
        turn = [{"role": "user", "content": text}]
        return str(
            self.tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True, enable_thinking=False)
        )

    def _ids(self, text: str) -> list[int]:
        return (
            [int(i) for i in self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]] if text else []
        )
