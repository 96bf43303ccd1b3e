"""The beginning of a huge text, where its first tokens are provably those of the whole: a 50 MB cell costs no minutes."""

from __future__ import annotations

from typing import Any

__all__ = ["LONG_TEXT", "beginning", "splits_at_spaces"]

LONG_TEXT = 100_000
"""Texts with more characters than this are not tokenized whole where only their first window is asked for."""

_SPLITTERS = ("BertPreTokenizer", "Whitespace", "WhitespaceSplit", "ByteLevel")
_NORMALIZERS = ("NoneType", "BertNormalizer", "NFC", "NFD", "NFKC", "NFKD", "Lowercase")


def splits_at_spaces(tokenizer: Any) -> bool:
    """Whether what stands before a space is tokenized alike, whatever follows.

    True for pre-tokenizers that end every piece where a space follows a letter, normalizers that act on single characters
    and what combines with them, and added tokens without spaces; False where that is not known.
    """
    if not tokenizer.is_fast or tokenizer.truncation_side != "right":
        return False
    parts = tokenizer.backend_tokenizer
    return (
        type(parts.pre_tokenizer).__name__ in _SPLITTERS
        and getattr(parts.pre_tokenizer, "use_regex", True)
        and type(parts.normalizer).__name__ in _NORMALIZERS
        and not any(" " in token.content for token in parts.get_added_tokens_decoder().values())
    )


def beginning(text: str, n_characters: int) -> str:
    """At least the first `n_characters`, up to a space that follows no space; the whole text where there is none."""
    at = text.find(" ", n_characters)
    while at > 0 and text[at - 1].isspace():
        at = text.find(" ", at + 1)
    return text if at < 0 else text[:at]
