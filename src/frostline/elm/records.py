"""The rows of a table as tasks see them: columns found by their names, lists split, names taken out of texts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from frostline.elm.facts import Names
from frostline.elm.tasks import Attribute, Pack
from frostline.elm.templates import Row, decade
from frostline.errors import UserError, nearest
from frostline.tables import bare_texts, id_text, parse_number_format, pick_columns

__all__ = ["Records", "find_columns", "generalized", "read_records", "row_ids"]

MAX_VALUES = 30
"""A text column of at most this many values, each in several rows, is an attribute where a pack names none."""


@dataclass(frozen=True)
class Records:
    """Rows by id.

    Attributes
    ----------
    rows : dict of str to Row
    columns : dict of str to str
        Which column of the table stands for each of the pack's.
    pack : Pack
        With the attributes that the table has.
    """

    rows: dict[str, Row]
    columns: dict[str, str]
    pack: Pack

    def attribute_values(self, name: str, id: str) -> tuple[str, ...]:
        """What a row says of an attribute."""
        attribute, row = self.pack.attributes[name], self.rows[id]
        if attribute.kind == "decade":
            found = decade(row.text.get(attribute.column, ""))
            return (found,) if found else ()
        if attribute.column in row.lists:
            return row.lists[attribute.column]
        value = row.text.get(attribute.column, "").strip().lower()
        return (value,) if value else ()


def find_columns(pack: Pack, names: Sequence[str], text: str | None) -> dict[str, str]:
    """Which columns of the table stand for those of the pack.

    Raises
    ------
    UserError
        The text column is not there, or none can be found.
    """
    found = {
        key: next(name for name in allowed if name in names)
        for key, allowed in pack.columns.items()
        if any(name in names for name in allowed)
    }
    needed = {c for task in pack.tasks for c in task.template.columns} | {a.column for a in pack.attributes.values()}
    found |= {name: name for name in needed if name in names and name not in pack.columns}
    if text is not None:
        if text not in names:
            raise UserError(
                f"The table has no column {text!r}; it has {', '.join(names)}.", hint=nearest(text, names) or None
            )
        found["text"] = text
    if not any(set(task.template.columns) <= set(found) for task in pack.tasks):
        raise UserError(
            f"No task of {pack.name!r} finds its columns: the table has {', '.join(names)}.",
            hint="name the text column with --text, or give tasks of your own as YAML",
        )
    return found


def read_records(table: pa.Table, id: str, pack: Pack, text: str | None = None) -> Records:
    """Read the rows of a table.

    Parameters
    ----------
    table : pa.Table
    id : str
        Column of ids.
    pack : Pack
    text : str, optional
        Column of texts; cells that are no text, such as lists, are written as for a model that embeds them.

    Raises
    ------
    UserError
        Missing columns, ids that are missing, or an id that stands in two rows.
    """
    names = list(table.column_names)
    ids = row_ids(table, id)
    columns = find_columns(pack, names, text)
    pack = _with_attributes(pack, table, {id, *columns.values()})
    columns |= {a.column: a.column for a in pack.attributes.values() if a.column not in columns and a.column in names}
    cells = {key: pick_columns(table, [name]).column(0).to_pylist() for key, name in columns.items()}
    if "text" in cells and "text" not in pack.lists:
        cells["text"] = bare_texts(table, columns["text"], parse_number_format("plain"))
    rows = {}
    for i, name in enumerate(ids):
        own = {key: values[i] for key, values in cells.items()}
        rows[name] = Row(_texts(own, pack), _lists(own, pack))
    kept = {n: a for n, a in pack.attributes.items() if a.column in columns}
    return Records(rows, columns, replace(pack, attributes=kept))


def row_ids(table: pa.Table, id: str) -> list[str]:
    """The ids of the rows, as text.

    Raises
    ------
    UserError
        No such column, a row without an id, or an id that stands in two rows.
    """
    values = pick_columns(table, [id]).column(0).to_pylist()
    if None in values:
        raise UserError(f"{values.count(None)} rows have no id in {id!r}.")
    ids = [id_text(value) for value in values]
    if twice := [name for name, n in Counter(ids).items() if n > 1]:
        raise UserError(
            f"{len(twice)} ids stand in more than one row of the table, such as {twice[0]!r}.", hint="one row an id"
        )
    return ids


def _texts(cells: Mapping[str, Any], pack: Pack) -> dict[str, str]:
    lists = {key for key, cell in cells.items() if key in pack.lists or isinstance(cell, list)}
    return {key: " ".join(_text(cell).split()) for key, cell in cells.items() if cell is not None and key not in lists}


def _text(cell: Any) -> str:
    """An object as JSON; anything else as it is."""
    return json.dumps(cell, ensure_ascii=False, default=str) if isinstance(cell, (dict, list)) else str(cell)


def _lists(cells: Mapping[str, Any], pack: Pack) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for key, cell in cells.items():
        if isinstance(cell, list):
            parts = [_text(value) for value in cell if value is not None]
        elif key in pack.lists:
            parts = [] if cell is None else _text(cell).split(pack.lists[key])
        else:
            continue
        cleaned = (part.strip().lower() for part in parts)
        found[key] = tuple(dict.fromkeys(p for p in cleaned if p and not p.startswith("(no ")))
    return found


def _with_attributes(pack: Pack, table: pa.Table, taken: set[str]) -> Pack:
    """The generic pack's attributes: text columns of few values."""
    if pack.attributes or pack.name != "generic":
        return pack
    found = {}
    for name in table.column_names:
        column = table.column(name)
        if name in taken or not pa.types.is_string(column.type):
            continue
        values = [value for value in column.to_pylist() if value]
        if 2 <= len(set(values)) <= MAX_VALUES and 4 * len(set(values)) <= len(values):
            found[name] = Attribute(name)
    return replace(pack, attributes=found)


def generalized(records: Records, names: Names) -> Records:
    """The same rows with names and titles taken out of every text but the title."""
    rows = {}
    for id, row in records.rows.items():
        title = row.text.get("title", "")
        free = {key: _free(key, text, title, names) for key, text in row.text.items()}
        rows[id] = replace(row, text=free)
    return replace(records, rows=rows)


def _free(key: str, text: str, title: str, names: Names) -> str:
    return text if key in ("title", "year") or " " not in text else names.generalize(text, title)
