"""Rows with any number of labels: sets to truth values and back, and when a label is given.

Each label is one question; its probability is calibrated, and it is given from a threshold on. Thresholds are chosen
where the out-of-fold F1 of the label is highest.

References
----------
Lipton, Elkan and Naryanaswamy, 2014, arXiv 1402.1892: thresholds that maximize F1, and why those of rare labels are lucky
ones; we share one threshold among labels of few rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.contracts import FloatArray
from frostline.decisions import Decision, best_f1, by_label
from frostline.errors import UserError

__all__ = [
    "LabelRule",
    "are_sets",
    "as_objects",
    "check_label_decision",
    "label_sets",
    "make_label_rule",
    "read_sets",
    "truth_table",
]

FEW_ROWS = 10
"""Labels with fewer rows than this share one threshold, that of highest F1 over all decisions."""


@dataclass(frozen=True, eq=False)
class LabelRule:
    """A threshold for each label.

    Parameters
    ----------
    thresholds : float array of shape (n_labels,)
    """

    thresholds: FloatArray

    @property
    def cutoff(self) -> None:
        """Sets are never abstained from: an empty one is an answer."""
        return None

    def __call__(self, proba: FloatArray) -> NDArray[np.bool_]:
        """Which labels are given, shape (n, n_labels)."""
        return np.asarray(proba >= self.thresholds)


def as_objects(values: Sequence[Any]) -> NDArray[Any]:
    """An object array of one dimension, whatever the values are."""
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def are_sets(y: Any) -> bool:
    """Whether targets are lists or sets of labels instead of single ones."""
    if isinstance(y, np.ndarray) and (y.dtype.kind != "O" or y.ndim != 1):
        return False
    return isinstance(y, Iterable) and not isinstance(y, str) and any(_is_set(value) for value in y)


def read_sets(y: Iterable[Any], n_rows: int) -> NDArray[Any]:
    """Check sets of labels and write each as a sorted tuple.

    Parameters
    ----------
    y : iterable of collections of labels
        Empty ones are allowed.
    n_rows : int

    Returns
    -------
    object array of shape (n,)

    Raises
    ------
    UserError
        Another length, a row that is no collection, labels of several types or missing ones, or nothing to learn.
    """
    rows = list(y)
    if len(rows) != n_rows:
        raise UserError(f"X has {n_rows} rows and y has {len(rows)}: inconsistent numbers of samples.")
    if odd := [i for i, row in enumerate(rows) if not _is_set(row)]:
        raise UserError(
            f"Targets are lists of labels in some rows, and not in {len(odd)}, the first of them row {odd[0]} "
            f"({rows[odd[0]]!r:.40}).",
            hint="write every target as a list; a row without labels has an empty one",
        )
    kinds = {type(label).__name__ for row in rows for label in row}
    if len(kinds) > 1 or kinds & {"NoneType", "list", "dict", "set", "tuple"}:
        raise UserError(
            f"Labels are of several types, or no labels: {', '.join(sorted(kinds))}.", hint="make them text"
        )
    found = as_objects([tuple(sorted({_plain(label) for label in row})) for row in rows])
    if len(set(found.tolist())) < 2:
        raise UserError(f"All {len(rows)} rows have the same labels ({found[0]!r}).", hint="check the target column")
    return found


def truth_table(sets: Sequence[Any] | NDArray[Any], classes: Sequence[Any]) -> NDArray[np.bool_]:
    """Which row has which label, shape (n, n_labels); labels that are not among the classes are left out."""
    number = {label: k for k, label in enumerate(classes)}
    table = np.zeros((len(sets), len(classes)), dtype=bool)
    pairs = [(i, number[label]) for i, row in enumerate(sets) for label in row if label in number]
    if pairs:
        rows, columns = zip(*pairs, strict=True)
        table[list(rows), list(columns)] = True
    return table


def label_sets(table: NDArray[np.bool_], classes: Sequence[Any]) -> NDArray[Any]:
    """The labels of each row as a tuple, in the order of the classes."""
    return as_objects([tuple(classes[k] for k in np.flatnonzero(row).tolist()) for row in table])


def make_label_rule(
    decision: Decision | None, classes: Sequence[Any], truths: NDArray[np.bool_], proba: FloatArray
) -> LabelRule:
    """Choose the thresholds on out-of-fold predictions.

    Parameters
    ----------
    decision : Decision or None
        Only a `threshold`: a number or "f1" for all labels, or a mapping; labels that it leaves out have "f1".
    classes : sequence of labels
    truths : bool array of shape (n, n_labels)
        Of rows that were held out.
    proba : array of shape (n, n_labels)

    Returns
    -------
    LabelRule
        With no rows held out, 0.5 for every label whose threshold is not given.
    """
    given = None if decision is None else decision.threshold
    asked: dict[int, Any] = {}
    if isinstance(given, Mapping):
        asked = by_label(given, classes, "threshold")
    elif given is not None:
        asked = dict.fromkeys(range(len(classes)), given)
    thresholds = np.full(len(classes), 0.5)
    if len(truths):
        thresholds[:] = best_f1(proba.ravel(), truths.ravel())
        for k in np.flatnonzero(truths.sum(axis=0) >= FEW_ROWS):
            thresholds[k] = best_f1(proba[:, k], truths[:, k])
    for label, value in asked.items():
        if value != "f1":
            thresholds[label] = float(value)
    return LabelRule(thresholds)


def check_label_decision(decision: Decision | None, classes: Sequence[Any] | None = None) -> None:
    """Refuse what has no meaning for sets of labels.

    Raises
    ------
    UserError
    """
    if decision is None:
        return
    if decision.cost is not None or decision.precision is not None:
        raise UserError(
            "Costs and a precision to reach are for rows of one label; these rows have sets of labels.",
            hint="give thresholds, such as Decision(threshold={'label': 0.7})",
        )
    given = decision.threshold
    values = list(given.values()) if isinstance(given, Mapping) else [] if given is None else [given]
    for value in values:
        if value != "f1" and (isinstance(value, bool | str) or not 0 <= float(value) <= 1):
            raise UserError(f"A threshold lies between 0 and 1, or is 'f1'; got {value!r}.")
    if classes is not None and isinstance(given, Mapping):
        by_label(given, classes, "threshold")


def _is_set(value: Any) -> bool:
    return isinstance(value, Collection) and not isinstance(value, str | bytes | Mapping)


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label
