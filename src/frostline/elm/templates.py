"""Targets from columns: ``"A {genres} film of the {year|decade}: {text|first_sentence}"``.

A field is a column, with a filter after ``|``; in a task over two vectors it has a side: ``{a.genres}``, ``{b.genres}``,
``{shared.genres}``, ``{only_a.genres}``, ``{only_b.genres}``; ``{near.genres}`` is what most of the nearest rows have. A column
whose cells are lists (or text that the pack splits) is written ``drama, comedy and war``. A row in which a field is empty has no
such target.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from frostline.elm.facts import first_sentence
from frostline.errors import UserError, nearest

__all__ = ["FILTERS", "Row", "Template", "decade", "joined"]

_FIELD = re.compile(r"\{(?:(\w+)\.)?(\w+)(?:\|(\w+))?\}")
_SIDES = {"": 1, "near": 1, "a": 2, "b": 2, "shared": 2, "only_a": 2, "only_b": 2}

FILTERS = ("first_sentence", "decade", "lower", "first")


@dataclass(frozen=True)
class Row:
    """A row of the table as tasks see it: text by column, lists by column, and those of its nearest rows."""

    text: Mapping[str, str]
    lists: Mapping[str, tuple[str, ...]]
    near: Sequence[Mapping[str, tuple[str, ...]]] = ()


@dataclass(frozen=True)
class Template:
    """A template, read.

    Attributes
    ----------
    pieces : tuple of str
    fields : tuple of (side, column, filter)
    """

    pieces: tuple[str, ...]
    fields: tuple[tuple[str, str, str], ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Read a template.

        Raises
        ------
        UserError
            An unknown side or filter, or braces that hold no field.
        """
        pieces, fields, end = [], [], 0
        for match in _FIELD.finditer(text):
            side, column, name = (part or "" for part in match.groups())
            for value, allowed, what in ((side, tuple(_SIDES), "side"), (name, ("", *FILTERS), "filter")):
                if value not in allowed:
                    raise UserError(
                        f"The template {text!r} has the unknown {what} {value!r}. Allowed: {', '.join(filter(None, allowed))}.",
                        hint=nearest(value, allowed) or None,
                    )
            pieces.append(text[end : match.start()])
            fields.append((side, column, name))
            end = match.end()
        pieces.append(text[end:])
        if any("{" in piece or "}" in piece for piece in pieces):
            raise UserError(f"The template {text!r} has braces that hold no field.", hint="write fields as {column}")
        return cls(tuple(pieces), tuple(fields))

    @property
    def columns(self) -> list[str]:
        """Columns that it reads, each once."""
        return list(dict.fromkeys(column for _, column, _ in self.fields))

    @property
    def n_rows(self) -> int:
        """Rows that it speaks of."""
        return max((_SIDES[side] for side, _, _ in self.fields), default=1)

    def render(self, rows: Sequence[Row]) -> str:
        """Fill in the fields; empty where one of them is."""
        values = [_value(side, column, name, rows) for side, column, name in self.fields]
        if not all(values):
            return ""
        parts = [part for pair in zip(self.pieces, values, strict=False) for part in pair]
        text = "".join([*parts, self.pieces[-1]]).strip()
        return text[:1].upper() + text[1:]


def _value(side: str, column: str, name: str, rows: Sequence[Row]) -> str:
    row = rows[1] if side == "b" else rows[0]
    if column in row.lists:
        found = _listed(side, column, rows)
        return found[0] if name == "first" and found else joined(found)
    text = row.text.get(column, "")
    if side in ("shared", "only_a", "only_b"):
        same = _filtered(rows[0].text.get(column, ""), name) == (other := _filtered(rows[1].text.get(column, ""), name))
        return other if same and side == "shared" else ""
    return _filtered(text, name)


def _listed(side: str, column: str, rows: Sequence[Row]) -> list[str]:
    if side == "near":
        counts = Counter(value for other in rows[0].near for value in other.get(column, ()))
        return [value for value, n in counts.most_common() if 2 * n > len(rows[0].near)]
    a = list(rows[0].lists[column])
    b = list(rows[1].lists.get(column, ())) if len(rows) > 1 else []
    chosen = {"b": b, "shared": [v for v in a if v in b], "only_a": [v for v in a if v not in b]}
    return chosen.get(side, [v for v in b if v not in a] if side == "only_b" else a)


def _filtered(text: str, name: str) -> str:
    if name == "first_sentence":
        return first_sentence(text)
    if name == "decade":
        return decade(text)
    return text.lower() if name == "lower" else text


def decade(text: str) -> str:
    """``"1990s"`` of ``"1994"``, ``"1994.0"`` or ``"1994-05-01"``; empty where there is no year."""
    year = re.match(r"\s*(1[5-9]|20)(\d)\d(?!\d)", str(text))
    return f"{year.group(1)}{year.group(2)}0s" if year else ""


def joined(values: Sequence[Any]) -> str:
    """``"drama, comedy and war"``."""
    words = [str(value) for value in values]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1] if words else ""
