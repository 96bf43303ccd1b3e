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
from frostline.engines.inputs import Labeled, column_values, infer_task, input_columns, read_labeled
from frostline.engines.options import FitOptions, InputOptions
from frostline.errors import UserError, nearest
from frostline.labelsets import are_sets
from frostline.tables import has_json_cells, pick_columns
from frostline.times import Times, latest_rows, windows

__all__ = ["FitRows", "group_rows", "make_split", "read_rows"]

Split = tuple[NDArray[np.intp], NDArray[np.intp]]


FEWEST_ROWS = 5
"""Rows with which a regression is tried."""

TEST_SIZE = 0.2
"""Share of rows held out where nothing is said of it."""


@dataclass(frozen=True)
class FitRows:
    """Training rows, followed by those of the test file where there is one.

    Attributes
    ----------
    table : pa.Table
        Input columns only.
    y : array of shape (n,), or (n, n_targets)
    targets : list of str
        Their columns.
    n_given : int
        Rows of the training file.
    keys : list of columns
        Ids and groups whose equal values must not be split.
    names : list of n
        Ids, or numbers of rows from 1; with a test file ``"train.csv:1"``.
    n_unlabeled : int
        Rows without a target, which are not among these.
    times : Times or None
    task : str
    title : str
    """

    table: pa.Table
    y: NDArray[Any]
    targets: list[str]
    n_given: int
    keys: list[list[Any]]
    names: list[Any]
    n_unlabeled: int
    times: Times | None
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
    files = [
        read_labeled(path, options.target, options.unlabeled, options.label_separator)
        for path in (train, options.test)
        if path is not None
    ]
    targets = files[0].targets
    columns = input_columns(files[0].table, inputs, (inputs.id, options.group, options.time), targets)
    y = [file.y for file in files]
    task = infer_task(y[0], options.task)
    _check_targets(files, targets[0], task)

    def joined(name: str) -> list[Any]:
        return [value for file in files for value in column_values(file.table, name)]

    names = joined(inputs.id) if inputs.id else _numbers(files)
    return FitRows(
        table=_stack([pick_columns(file.table, columns) for file in files], [file.name for file in files]),
        y=np.concatenate(y),
        targets=targets,
        n_given=len(y[0]),
        keys=[joined(name) for name in (inputs.id, options.group) if name],
        names=names,
        n_unlabeled=sum(file.n_unlabeled for file in files),
        times=None if options.time is None else Times.read(joined(options.time), options.time, names),
        task=task,
        title=Path(train).name,
    )


def _check_targets(files: list[Labeled], target: str, task: str) -> None:
    """Refuse a handful of numbers, and files whose targets are of two kinds."""
    y = [file.y for file in files]
    if task == "regression" and len(y[0]) < FEWEST_ROWS:
        raise UserError(
            f"{files[0].name} has {len(y[0])} rows with a target, too few to learn from and to judge: at least "
            f"{FEWEST_ROWS} are needed.",
            hint="label more rows",
        )
    if (
        len(y) == 2
        and y[0].ndim == 1
        and _kind(y[0]) != _kind(y[1])
        and {y[0].dtype.kind, y[1].dtype.kind} != {"i", "f"}
    ):
        raise UserError(
            f"The target {target!r} is {_kind(y[0])} in {files[0].name} and {_kind(y[1])} in {files[1].name}.",
            hint="write the labels the same way in both files",
        )


def _numbers(files: list[Labeled]) -> list[Any]:
    """Rows counted from 1 as they stand in their file; of two files with the file's name before it."""
    if len(files) == 1:
        return [int(row) + 1 for row in files[0].rows]
    return [f"{Path(file.name).name}:{row + 1}" for file in files for row in file.rows]


def _kind(y: NDArray[Any]) -> str:
    return {"i": "a whole number", "f": "a number", "b": "a boolean"}.get(
        y.dtype.kind, "lists" if are_sets(y) else "text"
    )


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
    size = TEST_SIZE if options.test_size is None else options.test_size
    stratify = rows.task == "classification"
    how = "by distinct text" + (", id or group" if rows.keys else "") + (", stratified by class" if stratify else "")
    if rows.has_test_file:
        if options.cv or rows.times:
            what = "--cv" if options.cv else "--time"
            raise UserError(f"Both a test file and {what} are given; allowed is one of them.")
        parts = np.arange(rows.n_given), np.arange(rows.n_given, len(rows.y))
        return [parts], f"Test rows are those of {Path(str(options.test)).name}, used as given."
    if rows.times:
        if options.cv:
            folds, sentence = windows(rows.times, groups, options.cv)
            return folds, f"{sentence} The saved model saw all rows."
        part, sentence = latest_rows(rows.times, groups, size)
        return [part], sentence
    if options.cv:
        folds = splits.group_folds(rows.y, groups, options.cv, options.seed, stratify)
        return (
            folds,
            f"{options.cv}-fold cross-validation, split {how}, seed {options.seed}; the saved model saw all rows.",
        )
    parts = splits.holdout(rows.y, groups, size, options.seed, stratify)
    return [parts], f"{size:.0%} of the rows held out, split {how}, seed {options.seed}."


def _check_options(options: FitOptions) -> None:
    if options.test_size is not None and (options.cv or options.test):
        other = "--cv" if options.cv else "a test file"
        raise UserError(f"--test-size and {other} both say which rows are held out; allowed is one of them.")
    if options.on_overlap not in (allowed := ("report", "error")):
        raise UserError(
            f"Unknown on_overlap {options.on_overlap!r}. Allowed: {', '.join(allowed)}.",
            hint=nearest(options.on_overlap, allowed) or None,
        )
    if options.cv is not None and options.cv < 2:
        raise UserError(f"cv must be a number of folds, 2 or more, got {options.cv}.")
    if options.cv is not None and options.refit:
        raise UserError("Both --cv and --refit are given: with --cv the saved model is fitted on all rows already.")
