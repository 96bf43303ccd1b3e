"""Tables to the columns a job reads: input, target, groups, ids."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from frostline._names import split_names
from frostline.contracts import Task
from frostline.embedder import TextEmbedder
from frostline.engines.options import EmbedOptions, InputOptions
from frostline.engines.sets import refuse_new, split_labels
from frostline.errors import UserError, nearest
from frostline.estimators.labeled import missing_rows
from frostline.labelsets import are_sets, as_objects
from frostline.tables import has_json_cells, pick_columns, read_table

__all__ = [
    "Labeled",
    "build_embedder",
    "column_values",
    "infer_task",
    "input_columns",
    "known_labels",
    "missing_targets",
    "read_labeled",
    "target_names",
    "target_values",
    "unlabeled_note",
]

MAX_CLASSES = 20
"""Whole numbers with at most this many distinct values are labels under ``task="auto"``."""


def input_columns(
    table: pa.Table, options: InputOptions, without: Sequence[str | None], targets: Sequence[str] = ()
) -> list[str]:
    """Choose the columns that the backbone reads.

    Parameters
    ----------
    table : pa.Table
    options : InputOptions
    without : sequence of str or None
        Id, group and time: left out where no columns are named.
    targets : sequence of str
        Left out as well, and refused where they are named.

    Raises
    ------
    UserError
        More than one of text, template and columns; unknown columns; no column left; the target among them.
    """
    named = [name for name in ("text", "template", "columns") if getattr(options, name)]
    if len(named) > 1:
        raise UserError(f"Both {' and '.join('--' + name for name in named)} are given; allowed is one of them.")
    if options.text:
        chosen = [options.text]
    elif options.columns:
        chosen = list(options.columns)
    elif options.template and options.template != "json":
        chosen = template_fields(options.template)
    else:
        chosen = [name for name in table.column_names if name not in (*without, *targets)]
    pick_columns(table, list(dict.fromkeys(name for name in (*chosen, *targets, *without) if name is not None)))
    if not chosen:
        raise UserError(
            f"No input column is left beside the target: the table has {', '.join(table.column_names)}.",
            hint="add columns, or name the input with --text or --columns",
        )
    if leak := [name for name in chosen if name in targets]:
        raise UserError(f"The target {leak[0]!r} is among the input columns.", hint="leave it out of the input")
    return chosen


def template_fields(template: str) -> list[str]:
    """Columns that a template names, each once, in order; malformed templates are left to the renderer."""
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(template) if field]
    except ValueError as error:
        raise UserError(f"The template {template!r} is malformed: {error}.", hint="write columns as {name}") from error
    return list(dict.fromkeys(fields))


def build_embedder(options: EmbedOptions, inputs: InputOptions, *, chooses: bool = False) -> TextEmbedder:
    """Make the embedder of a job; ``--columns`` means JSON with names even for a single column.

    Parameters
    ----------
    options : EmbedOptions
    inputs : InputOptions
    chooses : bool
        Whether layers, pooling and fusion that are not given are left to an estimator.
    """
    given = {"layers": options.layers, "pooling": options.pooling, "fusion": options.fusion}
    default = dict.fromkeys(given, "auto") if chooses else {}
    return TextEmbedder(
        options.backbone,
        **{**default, **{name: value for name, value in given.items() if value is not None}},
        template=inputs.template or ("json" if inputs.columns else None),
        max_length=options.max_length,
        overflow=options.overflow,
        precision=options.precision,
        device=options.device,
        store=options.store,
        progress=options.progress,
        number_format=inputs.number_format,
        trust_remote_code=options.trust_remote_code,
    )


def column_values(table: pa.Table, name: str) -> list[Any]:
    """Values of a column as Python objects."""
    values: list[Any] = pick_columns(table, [name]).column(0).to_pylist()
    return values


@dataclass(frozen=True)
class Labeled:
    """The rows of a file that have a target.

    Attributes
    ----------
    name : str
        The file.
    whole, table : pa.Table
        All rows of the file, and those that have a target.
    y : array of shape (n,), or (n, n_targets)
    targets : list of str
        Their columns.
    rows : int array of shape (n,)
        Where they stand in the file, from 0.
    n_unlabeled : int
        Rows without a target.
    """

    name: str
    whole: pa.Table
    table: pa.Table
    y: NDArray[Any]
    targets: list[str]
    rows: NDArray[np.intp]
    n_unlabeled: int


def target_names(target: str | Sequence[str], known: Sequence[str]) -> list[str]:
    """The columns of the targets, each once: given as a name or several, where no column has that name with commas between."""
    given = [target] if isinstance(target, str) else list(target)
    names = [part for name in given for part in ([name] if name in known else split_names([name]) or [name])]
    return list(dict.fromkeys(names))


def read_labeled(
    path: str | Path, target: str | Sequence[str], unlabeled: str = "skip", label_separator: str | None = None
) -> Labeled:
    """Read a file's rows that have a target: an empty cell, a missing value and NaN are none.

    Parameters
    ----------
    path : path
    target : str or sequence of str
        Its column; of several targets, which must be numbers, a row needs all.
    unlabeled : {"skip", "error"}
        Whether rows without a target are left out and counted, or refused.
    label_separator : str, optional
        What parts several labels in a text; an empty text is then a row without labels, which is a target.

    Raises
    ------
    UserError
        No row has a target, or one has none and that is an error; targets that :func:`target_values` refuses.
    """
    if unlabeled not in (allowed := ("skip", "error")):
        raise UserError(
            f"Unknown unlabeled {unlabeled!r}. Allowed: {', '.join(allowed)}.", hint=nearest(unlabeled, allowed) or None
        )
    whole = read_table(path)
    names = target_names(target, whole.column_names)
    columns = [column_values(whole, name) for name in names]
    missing = np.any([missing_targets(values, empty=label_separator is None) for values in columns], axis=0)
    named = " and ".join(map(repr, names))
    if len(missing) and missing.all():
        raise UserError(f"None of the {len(missing)} rows of {path} has a target in {named}.", hint="label some rows")
    if missing.any() and unlabeled == "error":
        raise UserError(
            f"{missing.sum()} of {len(missing)} rows of {path} have no target in {named}; the first is row "
            f"{int(missing.argmax()) + 1}.",
            hint="drop those rows or fill their targets, or leave them out with --unlabeled skip",
        )
    rows = np.flatnonzero(~missing)
    table = whole.take(rows) if missing.any() else whole
    if len(names) > 1:
        y = number_columns(table, names, str(path))
    elif label_separator is not None:
        y = as_objects(split_labels(column_values(table, names[0]), label_separator, str(path)))
    else:
        y = target_values(table, names[0], str(path), gaps=bool(missing.any()))
    return Labeled(str(path), whole, table, y, names, rows, int(missing.sum()))


def number_columns(table: pa.Table, names: Sequence[str], where: str) -> NDArray[np.float64]:
    """Several targets side by side, shape (n, n_targets).

    Raises
    ------
    UserError
        One of them is not a number.
    """
    columns = [target_values(table, name, where) for name in names]
    for name, values in zip(names, columns, strict=True):
        if values.dtype.kind not in "iuf":
            raise UserError(
                f"Several targets must all be numbers; {name!r} of {where} is not (its first value is {values[0]!r}).",
                hint="fit a model of its own for that column",
            )
    return np.column_stack([values.astype(np.float64) for values in columns])


def missing_targets(values: Sequence[Any], *, empty: bool = True) -> NDArray[np.bool_]:
    """Which targets are none: missing, NaN, and as a rule empty text."""
    found = np.array([empty and value == "" for value in values], dtype=bool)
    found[missing_rows(as_objects(values))] = True
    return found


def unlabeled_note(n: int) -> list[str]:
    """What a report says of `n` rows without a target: a sentence, or nothing."""
    return [f"{n} rows without a target were left out: they are neither learnt from nor scored."] if n else []


def target_values(table: pa.Table, name: str, where: str, *, gaps: bool = False) -> NDArray[Any]:
    """Values of the target column, none of them missing.

    Parameters
    ----------
    table : pa.Table
    name, where : str
    gaps : bool
        Whether there were rows without a target. Many programs write whole numbers with gaps as 1.0 and 0.0: such a
        column is taken as the whole numbers that it was.

    Raises
    ------
    UserError
        Unknown column, or values that are neither text, numbers nor booleans.
    """
    values = column_values(table, name)
    if gaps and all(isinstance(v, float) and v.is_integer() and abs(v) < 2**53 for v in values):
        values = [int(v) for v in values]
    if has_json_cells(table.schema.field(name)):
        raise UserError(
            f"The target column {name!r} of {where} mixes types or holds nested values.",
            hint="write all targets as text, or all as numbers",
        )
    if any(isinstance(v, list) for v in values):
        return as_objects([tuple(v) for v in values])
    kinds = {type(v) for v in values}
    if odd := [kind.__name__ for kind in kinds if kind not in (str, int, float, bool, date, datetime)]:
        raise UserError(
            f"The target column {name!r} holds {', '.join(odd)} values; allowed are text, numbers, booleans, dates and times."
        )
    found = np.array(values, dtype=None if kinds <= {int, float, bool} else object)
    # Whole numbers beyond 64 bits would become floats, and then others than they were.
    return found if kinds != {int} or found.dtype.kind in "iu" else np.array(values, dtype=object)


def known_labels(y: NDArray[Any], classes: NDArray[Any], where: str) -> NDArray[Any]:
    """Labels as the predictor knows them: one that a file writes in another type, such as 1 for the text "1", is found by its text.

    Raises
    ------
    UserError
        Labels that the predictor never saw.
    """
    known = classes.tolist() if classes.dtype.kind != "M" else list(classes)
    by_text = {str(label): i for i, label in enumerate(known)} | {label: i for i, label in enumerate(known)}
    numbers = [by_text.get(value, by_text.get(str(value))) for value in y.tolist()]
    refuse_new({str(value) for value, number in zip(y.tolist(), numbers, strict=True) if number is None}, known, where)
    return np.asarray(classes[np.array(numbers, dtype=np.intp)])


def infer_task(y: NDArray[Any], asked: str) -> Task:
    """Decide between classification and regression.

    Lists are sets of labels, text and booleans are labels. Numbers are labels where they are at most 20 distinct whole
    numbers, each in two rows on average, else targets.

    Raises
    ------
    UserError
        An unknown task, or regression on text.
    """
    allowed = ("auto", "classification", "multilabel", "regression")
    if asked not in allowed:
        raise UserError(f"Unknown task {asked!r}. Allowed: {', '.join(allowed)}.", hint=nearest(asked, allowed) or None)
    if y.ndim == 2:
        if asked not in ("auto", "regression"):
            raise UserError(f"Several targets are predicted as numbers; the task is {asked}.", hint="leave --task out")
        return "regression"
    if are_sets(y) and asked != "regression":
        return "multilabel"
    if asked == "multilabel":
        raise UserError(
            f"The target has one label a row (the first is {y[0]!r}).",
            hint="write lists (JSON Lines, Parquet), or say what parts labels in a text: --label-separator '|'",
        )
    numbers = y.dtype.kind in "iuf"
    if asked == "regression" and not numbers:
        raise UserError(f"The target is not a number (its first value is {y[0]!r}), so it cannot be regressed.")
    if asked != "auto":
        return "regression" if asked == "regression" else "classification"
    distinct = np.unique(y)
    whole = numbers and bool(np.all(distinct == np.floor(distinct.astype(np.float64))))
    few = len(distinct) <= MAX_CLASSES and 2 * len(distinct) <= len(y)
    return "regression" if numbers and not (whole and few and y.dtype.kind != "f") else "classification"
