"""The rows of a fit: read, rendered, checked, split. Nothing here runs the backbone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from frostline import splits
from frostline.contracts import Task
from frostline.engines.inputs import column_values, infer_task, input_columns, target_values
from frostline.engines.options import FitOptions, InputOptions
from frostline.errors import UserError, nearest
from frostline.tables import has_json_cells, pick_columns, read_table

__all__ = ["FitRows", "group_rows", "make_split", "read_rows"]

Split = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True)
class FitRows:
    """Training rows, followed by those of the test file where there is one.

    Attributes
    ----------
    table : pa.Table
        Input columns only.
    y : array of shape (n,)
    n_given : int
        Rows of the training file.
    keys : list of columns
        Ids and groups whose equal values must not be split.
    task : str
    title : str
    """

    table: pa.Table
    y: NDArray[Any]
    n_given: int
    keys: list[list[Any]]
    task: Task
    title: str

    @property
    def has_test_file(self) -> bool:
        """Whether the user gave test rows."""
        return self.n_given < len(self.y)


def read_rows(train: str | Path, options: FitOptions, inputs: InputOptions) -> FitRows:
    """Read the files of a fit and check what can be checked before anything runs.

    Raises
    ------
    UserError
        Files, columns or targets that cannot be used.
    """
    first = read_table(train)
    columns = input_columns(first, inputs, (options.target, inputs.id, options.group))
    tables = [first] if options.test is None else [first, read_table(options.test)]
    names = [str(train), str(options.test)]
    y = [target_values(table, options.target, name) for table, name in zip(tables, names, strict=False)]
    task = infer_task(y[0], options.task)
    if len(y) == 2 and y[0].dtype.kind != y[1].dtype.kind and {y[0].dtype.kind, y[1].dtype.kind} != {"i", "f"}:
        raise UserError(
            f"The target {options.target!r} is {_kind(y[0])} in {names[0]} and {_kind(y[1])} in {names[1]}.",
            hint="write the labels the same way in both files",
        )
    selected = [pick_columns(table, columns) for table in tables]
    keys = [
        [value for table in tables for value in column_values(table, name)]
        for name in (inputs.id, options.group)
        if name
    ]
    return FitRows(
        table=_stack(selected, names),
        y=np.concatenate(y) if y[0].dtype.kind != "O" else np.array([v for part in y for v in part], dtype=object),
        n_given=len(y[0]),
        keys=keys,
        task=task,
        title=Path(train).name,
    )


def _kind(y: NDArray[Any]) -> str:
    return {"i": "a whole number", "f": "a number", "b": "a boolean"}.get(y.dtype.kind, "text")


def _stack(tables: list[pa.Table], names: list[str]) -> pa.Table:
    """Join training and test rows; a column that is text in one file and a number in the other is an error, not a cast."""
    if len(tables) == 1:
        return tables[0]
    try:
        if any(len({has_json_cells(t.schema.field(n)) for t in tables}) > 1 for n in tables[0].column_names):
            raise pa.ArrowTypeError("cells of several types in one file only")
        return pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    except pa.ArrowException as error:
        differs = [
            n for n in tables[0].column_names if tables[0].schema.field(n).type != tables[1].schema.field(n).type
        ]
        raise UserError(
            f"Columns have other types in {names[0]} than in {names[1]}: "
            + ", ".join(f"{n} ({tables[0].schema.field(n).type} / {tables[1].schema.field(n).type})" for n in differs)
            + ".",
            hint="write these columns the same way in both files",
        ) from error


def group_rows(rows: FitRows, texts: list[str]) -> NDArray[np.intp]:
    """Group rows that must never be parted: the same text, the same id, the same group."""
    return splits.group_ids(texts, *rows.keys)


def make_split(rows: FitRows, groups: NDArray[np.intp], options: FitOptions) -> tuple[list[Split], str]:
    """Choose training and test rows.

    Returns
    -------
    list of (training rows, test rows)
        One, or one for each fold.
    str
        A sentence that says how.

    Raises
    ------
    UserError
        Too few groups, or options that exclude each other.
    """
    _check_options(options)
    stratify = rows.task == "classification"
    how = "by distinct text" + (", id or group" if rows.keys else "") + (", stratified by class" if stratify else "")
    if rows.has_test_file:
        if options.cv:
            raise UserError("Both a test file and --cv are given; allowed is one of them.")
        parts = np.arange(rows.n_given), np.arange(rows.n_given, len(rows.y))
        return [parts], f"Test rows are those of {Path(str(options.test)).name}, used as given."
    if options.cv:
        folds = splits.group_folds(rows.y, groups, options.cv, options.seed, stratify)
        return (
            folds,
            f"{options.cv}-fold cross-validation, split {how}, seed {options.seed}; the saved model saw all rows.",
        )
    parts = splits.holdout(rows.y, groups, options.test_size, options.seed, stratify)
    return [parts], f"{options.test_size:.0%} of the rows held out, split {how}, seed {options.seed}."


def _check_options(options: FitOptions) -> None:
    if options.on_overlap not in (allowed := ("report", "error")):
        raise UserError(
            f"Unknown on_overlap {options.on_overlap!r}. Allowed: {', '.join(allowed)}.",
            hint=nearest(options.on_overlap, allowed) or None,
        )
    if options.cv is not None and options.cv < 2:
        raise UserError(f"cv must be a number of folds, 2 or more, got {options.cv}.")
    if options.cv is not None and options.refit:
        raise UserError("Both --cv and --refit are given: with --cv the saved model is fitted on all rows already.")
