"""The data of a fit: vectors and rows matched by id, split by one key, made into examples. Nothing here trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from frostline.elm.facts import Names
from frostline.elm.records import Records, generalized, read_records, row_ids
from frostline.elm.targets import Example, Examples, Teacher, build_examples, with_targets
from frostline.elm.tasks import Pack
from frostline.errors import UserError
from frostline.keys import key_split, linked_keys, plain_text, title_key
from frostline.splits import check_seed
from frostline.tables import VectorTable, check_vectors, id_text, pick_columns, read_table, read_vectors, to_rows

__all__ = ["Prepared", "as_spaces", "as_table", "main_text", "prepare_data", "refuse_shared", "row_keys"]

Parts = tuple[list[str], list[str]]


@dataclass
class Prepared:
    """What a fit learns from.

    Attributes
    ----------
    records : Records
        With names taken out of texts, unless they were to stay.
    names : Names
    spaces : dict of str to VectorTable
        Only ids that have a row.
    parts : dict of str to (training ids, held-out ids)
        By space.
    examples : dict of str to (training examples, held-out examples)
        By space.
    counts : dict of str to int
        Ids without a row, rows without a vector, and rows that the column of the split leaves out.
    texts : dict of str to str
        Each row's text as the table has it: what targets are made of, and what controls show.
    keys : dict of str to str
        Rows of one key are one thing: see :func:`row_keys`.
    """

    records: Records
    names: Names
    spaces: dict[str, VectorTable]
    parts: dict[str, Parts] = field(default_factory=dict)
    examples: dict[str, tuple[Examples, Examples]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def taught(self) -> Pack:
        """The pack with the tasks that have training examples: no other can be asked."""
        names = {example.task.name for train, _ in self.examples.values() for example in train.items}
        pack = self.records.pack
        return replace(pack, tasks=[task for task in pack.tasks if task.name in names])


def as_spaces(vectors: Any, table: pa.Table, id: str) -> dict[str, VectorTable]:
    """Vectors in any form that a fit takes: by space, or of one space.

    Parameters
    ----------
    vectors : path, (ids, array), VectorTable, or mapping of space to these
        A ``.npy`` file holds no ids: its vectors are those of the table's rows, in their order.
    table : pa.Table
    id : str
        Its column of ids.

    Raises
    ------
    UserError
        Something else, or an array of another length than the table.
    """
    if isinstance(vectors, Mapping):
        return {str(name): _as_vectors(own, table, id) for name, own in vectors.items()}
    return {"vectors": _as_vectors(vectors, table, id)}


def _as_vectors(own: Any, table: pa.Table, id: str) -> VectorTable:
    if isinstance(own, VectorTable):
        return own
    if isinstance(own, str | Path):
        return _in_row_order(own, row_ids(table, id)) if Path(own).suffix.lower() == ".npy" else read_vectors(own)
    if isinstance(own, tuple) and len(own) == 2:
        return check_vectors(list(own[0]), np.asarray(own[1]))
    raise UserError(
        f"Vectors are a file, a pair (ids, array), or a mapping of spaces to these; got {type(own).__name__}."
    )


def _in_row_order(path: str | Path, ids: list[str]) -> VectorTable:
    found = read_vectors(path)
    if len(found.ids) != len(ids):
        raise UserError(
            f"{path} holds {len(found.ids)} vectors and no ids, so they would follow the {len(ids)} rows of the table.",
            hint="say which is which: --ids F, a file of one id a line; or write the vectors as .parquet",
        )
    return VectorTable(ids, found.vectors)


def as_table(table: Any) -> pa.Table:
    """Rows in any form that Frostline reads."""
    return read_table(table) if isinstance(table, str | Path) else to_rows(table)


def main_text(records: Records, id: str) -> str:
    """What a row's text is: its text column, else the first target that its columns give."""
    row = records.rows[id]
    if row.text.get("text"):
        return row.text["text"]
    rendered = (task.template.render([row]) for task in records.pack.tasks if task.n_vectors == 1)
    return next((text for text in rendered if text), "")


def prepare_data(
    spaces: dict[str, VectorTable],
    table: pa.Table,
    pack: Pack,
    *,
    id: str,
    text: str | None,
    held_out: float | str | Sequence[Any],
    keep_names: bool,
    seed: int,
    teacher: Teacher | None,
) -> Prepared:
    """Match, split and make examples.

    Raises
    ------
    UserError
        Ids that do not match, one row on both sides, or a table that no task can use.
    """
    check_seed(seed)
    column, n_left_out = isinstance(held_out, str), 0
    if isinstance(held_out, str):
        table, held_out, n_left_out = _by_column(table, id, held_out)
    raw = read_records(table, id, pack, text)
    counts = {"vectors_without_row": 0, "rows_without_vector": 0, "rows_left_out": n_left_out}
    matched = {name: _matched(name, own, raw, counts) for name, own in spaces.items()}
    known = dict.fromkeys(key for own in matched.values() for key in own.ids)
    if column and not isinstance(held_out, float | int):
        held_out = [key for key in map(id_text, held_out) if key in known]  # a row without a vector is only counted
    keys = dict(zip(known, row_keys(raw, *matched.values()), strict=True))
    held = _held_out(keys, held_out, seed)
    training = {name: _parts(own.ids, held) for name, own in matched.items()}
    train_ids = [key for part, _ in training.values() for key in part]
    texts = {key: main_text(raw, key) for key in known}
    names = Names.learn([texts[key] for key in dict.fromkeys(train_ids)], pack.noun)
    counts["rows_without_vector"] = len(set(raw.rows) - set(known))
    records = raw if keep_names else generalized(raw, names)
    found = Prepared(records, names, matched, training, {}, counts, texts, keys)
    for name, own in matched.items():
        found.examples[name] = _examples(records, own, training[name], name, len(spaces) == 1, seed, teacher)
    if not keep_names:
        for side in (side for sides in found.examples.values() for side in sides):
            _take_names_out(side, raw, names)
    return found


def _take_names_out(side: Examples, raw: Records, names: Names) -> None:
    """A teacher may know whom a text without names is about, and say so; columns have been generalized before."""

    def bare(example: Example) -> Example:
        text = example.text
        for key in example.ids:
            text = names.generalize(text, raw.rows[key].text.get("title", ""))
        return replace(example, text=text)

    taught = [bare(one) if one.task.source == "teacher" else one for one in side.items]
    side.items = with_targets(taught, side.empty)


def _by_column(table: pa.Table, id: str, column: str) -> tuple[pa.Table, list[Any], int]:
    """Rows that a column calls train or valid, the ids of the latter, and how many rows it calls otherwise."""
    said = np.array([str(value) for value in pick_columns(table, [column]).column(0).to_pylist()])
    kept = np.isin(said, ("train", "valid"))
    if not (said == "train").any() or not (said == "valid").any():
        raise UserError(
            f"The column {column!r} must call some rows 'train' and some 'valid'; it says {', '.join(sorted(set(said))[:5])}."
        )
    valid = pick_columns(table.filter(pa.array(said == "valid")), [id]).column(0).to_pylist()
    return table.filter(pa.array(kept)), valid, int((~kept).sum())


def _matched(name: str, own: VectorTable, raw: Records, counts: dict[str, int]) -> VectorTable:
    kept = [i for i, key in enumerate(own.ids) if key in raw.rows]
    if not kept:
        raise UserError(
            f"No id of the {len(own.ids)} vectors of {name!r} stands in the table: vectors have ids such as {own.ids[0]!r}, "
            f"the table such as {next(iter(raw.rows), '')!r}.",
            hint="name the table's column of ids with --id",
        )
    counts["vectors_without_row"] += len(own.ids) - len(kept)
    return VectorTable([own.ids[i] for i in kept], own.vectors[kept], own.space)


def _held_out(keys: Mapping[str, str], held_out: float | Sequence[Any], seed: int) -> set[str]:
    """The ids that no space learns from: those given, or a share by the rows' keys."""
    ids = list(keys)
    if len(set(keys.values())) == 1:
        raise UserError(
            f"All {len(keys)} rows are one thing: they share a text, a vector, or a title and year, so that none can be held out.",
            hint="look at the vectors: they may all be equal",
        )
    if isinstance(held_out, float | int):
        if not 0 < held_out < 1:
            raise UserError(f"held_out must be a share between 0 and 1, or ids; got {held_out}.")
        shares = {"train": 1.0 - held_out, "held out": float(held_out)}
        sides = key_split(list(keys.values()), shares, f"elm-{seed}")
        return {key for key, side in zip(ids, sides, strict=True) if side == "held out"}
    wanted = {id_text(key) for key in held_out}
    if missing := sorted(wanted - set(ids)):
        raise UserError(f"{len(missing)} held-out ids have no vector and row, such as {missing[0]!r}.")
    refuse_shared(ids, list(keys.values()), np.array([key not in wanted for key in ids]))
    return wanted


def _parts(ids: Sequence[str], held: set[str]) -> Parts:
    """The two sides of one space."""
    train = [key for key in ids if key not in held]
    if not 0 < len(train) < len(ids):
        raise UserError(
            f"{len(train)} of {len(ids)} rows would train and the rest be held out; both need some.",
            hint="give more rows, or another share",
        )
    return train, [key for key in ids if key in held]


def row_keys(raw: Records, *spaces: VectorTable) -> list[str]:
    """Rows of one text, one vector in some space, or one title and year have one key; of all ids, in the order of the spaces."""
    ids = list(dict.fromkeys(key for own in spaces for key in own.ids))
    names, texts = [], []
    for key in ids:
        text = raw.rows[key].text
        year = text.get("year", "")[:4]
        title = text.get("title", "")
        names.append(title_key(title, int(year) if year.isdecimal() else None) if title else f"id {key}")
        texts.append(plain_text(main_text(raw, key)) or None)
    vectors = [{key: vector.tobytes() for key, vector in zip(own.ids, own.vectors, strict=True)} for own in spaces]
    return linked_keys(names, texts, *([own.get(key) for key in ids] for own in vectors))


def refuse_shared(ids: Sequence[str], keys: Sequence[str], is_train: NDArray[np.bool_]) -> None:
    """Refuse a split that parts rows of one key.

    Raises
    ------
    UserError
    """
    both = {k for k, yes in zip(keys, is_train, strict=True) if yes} & {
        k for k, yes in zip(keys, is_train, strict=True) if not yes
    }
    if both:
        shared = [key for key, k in zip(ids, keys, strict=True) if k in both]
        raise UserError(
            f"{len(both)} rows stand on both sides of the split, by text, vector, or title and year, such as the ids "
            f"{', '.join(shared[:4])}.",
            hint="hold out all rows of one thing, or give a share and let Frostline split",
        )


def _examples(
    records: Records, own: VectorTable, parts: Parts, name: str, alone: bool, seed: int, teacher: Teacher | None
) -> tuple[Examples, Examples]:
    tasks = [task for task in records.pack.tasks if task.space == name or (not task.space and alone)]
    if not tasks:
        raise UserError(
            f"No task of {records.pack.name!r} is about the space {name!r}.", hint="write space: in the tasks' YAML"
        )
    mine = Records(records.rows, records.columns, replace(records.pack, tasks=tasks))
    built = [build_examples(mine, part, own.of(part), seed=seed, teacher=teacher) for part in parts]
    asked = {example.task.name for example in built[0].items}
    untaught = [task.name for task in tasks if task.name not in asked]
    homeless = [] if alone else [task.name for task in records.pack.tasks if not task.space]
    built[0].skipped = {
        **dict.fromkeys(untaught, "no training row gave it a target"),
        **dict.fromkeys(homeless, "it names no space, and there are several"),
        **built[0].skipped,
    }
    if not built[0].items or not built[1].items:
        raise UserError(
            f"The tasks of {records.pack.name!r} yield {len(built[0].items)} training and {len(built[1].items)} held-out "
            "examples; both need some.",
            hint="name the text column with --text",
        )
    return built[0], built[1]
