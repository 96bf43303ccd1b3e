"""One key for each thing that several tables describe, and a split by the hash of that key.

Rows that tell of one film, book or product under different ids must not stand on both sides of a split. `linked_keys`
gives such rows one key; `key_split` decides from the key alone, so two tables that share keys agree without ever
having met, today and after rows were added.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from frostline.errors import UserError
from frostline.splits import KeyColumn, group_ids

__all__ = ["key_split", "linked_keys", "plain_text", "title_key"]

_YEAR_AT_END = re.compile(r"\s*\((\d{4})\)\s*$")
_ASIDE = re.compile(r"(?<=\S)\s*\([^()]*\)")
_ARTICLES = r"the|a|an|la|le|les|l'|un|une|el|los|las|il|lo|der|die|das"
_ARTICLE_LAST = re.compile(rf"^(?P<rest>.+), (?:{_ARTICLES})$", re.IGNORECASE)
_ARTICLE_FIRST = re.compile(r"^(?:the|a|an) (?=.)")


def plain_text(text: str) -> str:
    """Write a text without what copies of it differ in: case, accents, punctuation and white space.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        Letters and digits in words parted by single spaces; empty when the text has none.
    """
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    bare = decomposed.translate({ord(char): None for char in set(decomposed) if unicodedata.combining(char)})
    return " ".join(re.findall(r"[^\W_]+", bare))


def title_key(title: str, year: int | None = None) -> str:
    """Name a film or book by its title and year, however a catalogue writes them.

    "Matrix, The (1999)" and ("The Matrix", 1999) have one key. Remarks in parentheses after the title, the article
    and everything that `plain_text` drops do not count.

    Parameters
    ----------
    title : str
        May end in a year in parentheses.
    year : int, optional
        Goes before the year that the title ends in.

    Returns
    -------
    str
        Such as `"matrix|1999"`, or `"matrix|"` where no year is known.
    """
    if found := _YEAR_AT_END.search(title):
        title, year = title[: found.start()], int(found.group(1)) if year is None else year
    title = _ASIDE.sub("", title).strip()
    if found := _ARTICLE_LAST.match(title):
        title = found.group("rest")
    name = _ARTICLE_FIRST.sub("", plain_text(title)) or title.casefold()
    return f"{name}|{'' if year is None else year}"


def linked_keys(names: Sequence[str], *others: KeyColumn) -> list[str]:
    """Give rows that share a name or any other key, directly or over other rows, the name of the first of them.

    Put the table that names things best first: rows appended later then change no key, unless they show that two of
    its rows are one thing.

    Parameters
    ----------
    names : sequence of n str
        Such as `title_key` of each row, the tables one after the other.
    *others : key columns, each of length n
        Such as `plain_text` of each description; None where a row has none.

    Returns
    -------
    list of n str

    Raises
    ------
    UserError
        Columns of different lengths.
    """
    ids = group_ids(names, *others)
    first = np.unique(ids, return_index=True)[1]
    return [names[row] for row in first[ids].tolist()]


def key_split(keys: KeyColumn, parts: Mapping[str, float], salt: str) -> NDArray[np.str_]:
    """Deal rows into parts by a hash of their key alone.

    A row's part depends on nothing but its key, the shares and the salt: not on the other rows, their order or a
    random generator. Shares are therefore met in expectation, not exactly.

    Parameters
    ----------
    keys : key column of length n
        Text, or whole numbers, which count as their decimal text: the id 7 and the id "7" are one key.
    parts : mapping of str to float
        The share of each part, in order; they sum to 1.
    salt : str
        Another salt makes an unrelated split.

    Returns
    -------
    str array of shape (n,)
        The name of each row's part.

    Raises
    ------
    UserError
        A key that is missing or neither text nor a whole number; shares that are negative or do not sum to 1.

    Notes
    -----
    The part is that in whose share of [0, 1) the number h / 2^64 falls, h the first 8 bytes of BLAKE2b of the key in
    UTF-8, keyed with the first 64 bytes of the salt in UTF-8, read as a big-endian integer.
    """
    shares = np.array(list(parts.values()), dtype=np.float64)
    if not shares.size or (shares < 0).any() or abs(shares.sum() - 1) > 1e-9:
        raise UserError(f"The shares of a split must be at least 0 and sum to 1; got {dict(parts)}.")
    listed = keys.tolist() if isinstance(keys, np.ndarray) else list(keys)
    secret = salt.encode()[:64]
    digests = [
        blake2b(_as_text(key, row).encode(), digest_size=8, key=secret).digest() for row, key in enumerate(listed)
    ]
    draws = np.array([int.from_bytes(digest, "big") for digest in digests], dtype=np.float64) / 2.0**64
    edges = np.cumsum(shares)[:-1]
    return np.array(list(parts), dtype=np.str_)[np.searchsorted(edges, draws, side="right")]


def _as_text(key: object, row: int) -> str:
    """Write a key as text; 7, 7.0 and "7" alike, since file formats do not agree on which an id is."""
    if isinstance(key, float | np.floating) and float(key).is_integer():
        key = int(key)
    if isinstance(key, str) or (isinstance(key, int | np.integer) and not isinstance(key, bool)):
        return str(key)
    raise UserError(
        f"The key of row {row} is {key!r}; a key is text or a whole number.",
        hint="Leave out rows without a key, or fill it.",
    )
