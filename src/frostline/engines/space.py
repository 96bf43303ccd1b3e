"""Spaces from files: ratings or links in, vectors with ids out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from frostline.engines.inputs import column_values
from frostline.errors import UserError
from frostline.spaces import behavioral_space, graph_space
from frostline.tables import VECTOR_ENDINGS, check_output, id_text, pick_columns, read_table, write_vectors

__all__ = ["behavioral_table", "graph_table"]

_NAMED = 10
"""Ids of a kind that a report names; their number is always told."""


def behavioral_table(
    data: str | Path,
    *,
    user: str,
    item: str,
    out: str | Path,
    rating: str | None = None,
    out_users: str | Path | None = None,
    catalog: str | Path | None = None,
    dim: int = 32,
    test_size: float = 0.1,
    seed: int = 0,
) -> dict[str, Any]:
    """Write the vectors of items, and of users, from a table of who did what.

    Parameters
    ----------
    data : path
        A row for each rating, purchase or click.
    user, item : str
        Columns of ids.
    out : path
        ``.parquet`` with `id` and `vector`, a row for each item.
    rating : str, optional
        Column of ratings; without it every row counts alike.
    out_users : path, optional
        The same for users; not written where it is not given.
    catalog : path, optional
        A table of all items, in a column of the name `item`: those that nobody rated are told, they have no vector.
    dim, test_size, seed
        As for :func:`frostline.behavioral_space`.

    Returns
    -------
    dict
        `n_rows`, `n_items`, `n_users`, `dim`, `scores` as of :class:`~frostline.spaces.BehavioralSpace`, `cold_items`,
        `cold_users` and `absent_items` (each with `n` and the first `ids`; the last None without a catalog), `seconds`,
        `out` and `out_users`.

    Raises
    ------
    UserError
        Unknown columns, missing cells, or whatever :func:`frostline.behavioral_space` refuses.
    """
    check_output(out, VECTOR_ENDINGS[1:], [data, out_users, catalog])
    if out_users is not None:
        check_output(out_users, VECTOR_ENDINGS[1:], [data, catalog])
    _check_distinct({"--user": user, "--item": item, "--rating": rating})
    began = time.monotonic()
    table = pick_columns(read_table(data), [name for name in (user, item, rating) if name is not None])
    users, items = _whole_column(table, user), _whole_column(table, item)
    ratings = None if rating is None else _whole_column(table, rating)
    listed = None if catalog is None else _whole_column(read_table(catalog), item)
    space = behavioral_space(users, items, ratings, dim=dim, test_size=test_size, seed=seed)
    write_vectors(out, space.item_ids, space.items)
    if out_users is not None:
        write_vectors(out_users, space.user_ids, space.users)
    rated = set(map(id_text, space.item_ids.tolist()))
    absent = None if listed is None else sorted({name for name in listed if id_text(name) not in rated}, key=str)
    return {
        "n_rows": table.num_rows,
        "n_items": len(space.item_ids),
        "n_users": len(space.user_ids),
        "dim": dim,
        "scores": space.scores,
        "cold_items": _named(space.cold_items),
        "cold_users": _named(space.cold_users),
        "absent_items": None if absent is None else _named(absent),
        "seconds": time.monotonic() - began,
        "out": str(out),
        "out_users": None if out_users is None else str(out_users),
    }


def graph_table(
    data: str | Path,
    *,
    source: str,
    target: str,
    out: str | Path,
    weight: str | None = None,
    dim: int = 32,
    test_size: float = 0.1,
    seed: int = 0,
) -> dict[str, Any]:
    """Write the vectors of a graph's nodes from a table of its links.

    Parameters
    ----------
    data : path
        A row for each link.
    source, target : str
        Columns of ids.
    out : path
        ``.parquet`` with `id` and `vector`, a row for each node.
    weight : str, optional
        Column of weights.
    dim, test_size, seed
        As for :func:`frostline.graph_space`.

    Returns
    -------
    dict
        `n_rows`, `n_nodes`, `n_components`, `dim`, `scores` as of :class:`~frostline.spaces.GraphSpace`, `seconds` and `out`.

    Raises
    ------
    UserError
        Unknown columns, missing cells, or whatever :func:`frostline.graph_space` refuses.
    """
    check_output(out, VECTOR_ENDINGS[1:], [data])
    _check_distinct({"--source": source, "--target": target, "--weight": weight})
    began = time.monotonic()
    table = read_table(data)
    ends = _whole_column(table, source), _whole_column(table, target)
    weights = None if weight is None else _whole_column(table, weight)
    space = graph_space(ends[0], ends[1], weights, dim=dim, test_size=test_size, seed=seed)
    write_vectors(out, space.ids, space.vectors)
    return {
        "n_rows": table.num_rows,
        "n_nodes": len(space.ids),
        "n_components": space.n_components,
        "dim": dim,
        "scores": space.scores,
        "seconds": time.monotonic() - began,
        "out": str(out),
    }


def _check_distinct(columns: dict[str, str | None]) -> None:
    """Refuse one column that is named for two things."""
    flags: dict[str, str] = {}
    for flag, name in columns.items():
        if name is not None and (first := flags.setdefault(name, flag)) != flag:
            raise UserError(f"Both {first} and {flag} name the column {name!r}.", hint="each needs a column of its own")


def _whole_column(table: Any, name: str) -> list[Any]:
    """List a column's values, none missing."""
    values = column_values(table, name)
    if missing := [row for row, value in enumerate(values) if value is None or value == ""]:
        raise UserError(
            f"{len(missing)} of {len(values)} rows have nothing in {name!r}; the first is row {missing[0] + 1}.",
            hint="drop those rows",
        )
    return values


def _named(ids: list[Any]) -> dict[str, Any]:
    """How many ids, and the first of them."""
    return {"n": len(ids), "ids": ids[:_NAMED]}
