"""The beginning of a huge text, where its first tokens are provably those of the whole: a 50 MB cell costs no minutes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

__all__ = ["LONG_TEXT", "Ends", "beginning", "ends_at_space"]

LONG_TEXT = 100_000
"""Texts with more characters than this are not tokenized whole where only their first window is asked for."""

Ends = Callable[[str], bool]
"""Whether a character ends a piece where a space follows it."""

_SPLITTERS = ("BertPreTokenizer", "Whitespace", "WhitespaceSplit", "ByteLevel", "Metaspace")
_BY_CHARACTER = ("BertNormalizer", "NFC", "NFD", "NFKC", "NFKD", "Lowercase")
_KEEPING_WORDS = (*_BY_CHARACTER, "Nmt", "Precompiled", "Prepend", "Strip", "StripAccents")
_SPACES = ({"String": " "}, {"Regex": " {2,}"})

_LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_KNOWN_PATTERNS = ({"Regex": _LLAMA_3 % "{1,3}"}, {"Regex": _LLAMA_3 % ""})  # Llama 3, Qwen 2 and 3

_ACROSS = re.compile("[^ \u2581][ \u2581]")


def ends_at_space(tokenizer: Any) -> Ends | None:
    """Where what stands before a space is tokenized alike, whatever follows; None where that is not known.

    Known are pre-tokenizers that end every piece at a space, and models of SentencePiece that read a text as one piece but
    have no token in which a space follows a letter. Normalizers must act on single characters, what combines with them,
    and runs of spaces; added tokens must hold no space.

    Parameters
    ----------
    tokenizer
        Of transformers.
    """
    if not tokenizer.is_fast or tokenizer.truncation_side != "right":
        return None
    parts = tokenizer.backend_tokenizer
    normalizers, splitters = _leaves(parts.normalizer, "normalizers"), _leaves(parts.pre_tokenizer, "pretokenizers")
    if any(" " in token.content for token in parts.get_added_tokens_decoder().values()):
        return None
    if not all(step["type"] in _KEEPING_WORDS or step.get("pattern") in _SPACES for step in normalizers):
        return None
    first = splitters[0] if splitters else {"type": "none"}
    if first["type"] in _SPLITTERS and first.get("use_regex", True) and first.get("split", True):
        plain = first["type"] != "Metaspace" and all(step["type"] in _BY_CHARACTER for step in normalizers)
        return _no_space if plain else str.isalnum
    if first.get("pattern") in _KNOWN_PATTERNS or (_reads_whole(first, normalizers) and not _has_token_across(parts)):
        return str.isalnum
    return None


def _no_space(character: str) -> bool:
    return not character.isspace()


def _leaves(part: Any, name: str) -> list[dict[str, Any]]:
    """The steps of a normalizer or pre-tokenizer, sequences taken apart."""

    def flat(step: dict[str, Any]) -> list[dict[str, Any]]:
        return [leaf for inner in step[name] for leaf in flat(inner)] if step["type"] == "Sequence" else [step]

    return [] if part is None else flat(json.loads(part.__getstate__()))


def _reads_whole(first: dict[str, Any], normalizers: list[dict[str, Any]]) -> bool:
    """Whether the model itself sees the spaces, as the mark that SentencePiece writes for them."""
    marks = any(step.get("pattern") == {"String": " "} and step["content"] == "\u2581" for step in normalizers)
    return first["type"] == "Metaspace" or (
        marks and (first["type"] == "none" or first.get("pattern") == {"String": " "})
    )


def _has_token_across(parts: Any) -> bool:
    """Whether a token reaches from a word over the space behind it; models other than these two may look further."""
    kinds = ("BPE", "Unigram")
    return type(parts.model).__name__ not in kinds or any(_ACROSS.search(token) for token in parts.get_vocab())


def beginning(text: str, n_characters: int, ends: Ends) -> str:
    """At least the first `n_characters`, up to a space behind a character that `ends` a piece; else the whole text."""
    at = text.find(" ", n_characters)
    while at > 0 and not ends(text[at - 1]):
        at = text.find(" ", at + 1)
    return text if at < 0 else text[:at]
