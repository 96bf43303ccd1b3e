"""Splits by time: dates, times or numbers read strictly; the latest rows tested; a text never on both sides."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np

from frostline.errors import UserError
from frostline.splits import Indices, Split, time_holdout

__all__ = ["Times", "latest_rows", "purged", "windows"]


@dataclass(frozen=True, eq=False)
class Times:
    """When each row was, as its place among the distinct times.

    Attributes
    ----------
    order : int array of shape (n,)
        0 for the earliest time.
    shown : list of str
        Each distinct time as it was written, the earliest first.
    column : str
    """

    order: Indices
    shown: list[str]
    column: str

    @classmethod
    def read(cls, values: Sequence[Any], column: str, rows: Sequence[Any]) -> Times:
        """Read a column of times, all of one kind.

        Parameters
        ----------
        values : sequence of length n
            Numbers; dates; or text in ISO 8601: ``2024-01-31``, ``2024-01-31T12:00`` (with or without a zone, but all
            alike), ``2024-01``.
        column : str
            For messages.
        rows : sequence of length n
            What the rows are called.

        Raises
        ------
        UserError
            A missing or unreadable time, or times of several kinds.
        """
        kinds: dict[str, Any] = {}
        read = []
        for value, row in zip(values, rows, strict=True):
            kind, when = _read(value)
            if not kind:
                what = "has no time" if when is None else f"has {value!r}, which is no time,"
                raise UserError(
                    f"Row {row} {what} in {column!r}.",
                    hint="write dates as 2024-01-31, times as 2024-01-31T12:00, or numbers; leave out rows without one",
                )
            kinds.setdefault(kind, row)
            read.append(when)
        if len(kinds) > 1:
            found = ", ".join(f"{kind} (row {row})" for kind, row in kinds.items())
            raise UserError(f"The times in {column!r} are of several kinds: {found}.", hint="write all of them alike")
        shown: dict[Any, str] = {}
        for when, value in zip(read, values, strict=True):
            shown.setdefault(when, str(value))
        place = {when: i for i, when in enumerate(sorted(shown))}
        order = np.fromiter((place[when] for when in read), dtype=np.intp, count=len(read))
        return cls(order, [shown[when] for when in place], column)

    def take(self, rows: Indices) -> Times:
        """The times of some rows."""
        kept, order = np.unique(self.order[rows], return_inverse=True)
        return Times(order, [self.shown[place] for place in kept], self.column)

    def span(self, rows: Indices) -> str:
        """From when to when some rows are."""
        first, last = self.shown[self.order[rows].min()], self.shown[self.order[rows].max()]
        return first if first == last else f"{first} to {last}"


def _read(value: Any) -> tuple[str, Any]:
    """The kind of a time and the time itself; no kind where it is none."""
    if isinstance(value, bool) or value is None:
        return "", value
    if isinstance(value, int | float):
        return ("numbers", value) if math.isfinite(value) else ("", None if math.isnan(value) else value)
    if isinstance(value, str):
        return _parse(value.strip()) if value.strip() else ("", None)
    if isinstance(value, datetime):
        return ("times with a zone" if value.tzinfo else "times", value)
    return ("dates", value) if isinstance(value, date) else ("", value)


_FORMS: tuple[tuple[str, str, Callable[[str], Any]], ...] = (
    (r"\d{4}-\d\d", "months", lambda text: date.fromisoformat(f"{text}-01")),
    (r"\d{4}-\d\d-\d\d", "dates", date.fromisoformat),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*", "times", datetime.fromisoformat),
)


def _parse(text: str) -> tuple[str, Any]:
    for pattern, kind, parse in _FORMS:
        if re.fullmatch(pattern, text):
            try:
                when = parse(text)
            except ValueError:
                return "", text
            return _read(when) if kind == "times" else (kind, when)
    return "", text


def latest_rows(times: Times, groups: Indices, test_size: float) -> tuple[Split, str]:
    """Hold out the latest rows, those of one time together.

    Parameters
    ----------
    times : Times
    groups : int array of shape (n,)
        Rows that must not stand on both sides: earlier ones of a tested group are left out of training.
    test_size : float or int
        See :func:`frostline.splits.time_holdout`.

    Returns
    -------
    (train, test)
    str
        A sentence that says how, and when the cut is.

    Raises
    ------
    UserError
        The times cannot be split, or no training row is left.
    """
    train, test = time_holdout(times.order, test_size)
    kept, n_purged = purged(train, test, groups)
    how = (
        f"The latest {len(test) / len(groups):.0%} of the rows by {times.column!r} held out, rows of one time together: "
        f"trained on {times.span(kept)}, tested on {times.span(test)}."
    )
    return (kept, test), how + _purge_sentence(n_purged)


def windows(times: Times, groups: Indices, n_folds: int) -> tuple[list[Split], str]:
    """Cut the rows into expanding windows: each fold trains on all that is earlier than what it tests.

    Parameters
    ----------
    times, groups
        As for :func:`latest_rows`.
    n_folds : int
        The rows are cut into one part more than this, of about equal size; each but the first is tested once.

    Returns
    -------
    list of (train, test)
    str

    Raises
    ------
    UserError
        Fewer distinct times than parts, or a fold without training rows.
    """
    n_times = len(times.shown)
    if n_times <= n_folds:
        raise UserError(
            f"{n_folds} expanding windows need more than {n_folds} distinct times in {times.column!r}; got {n_times}.",
            hint="ask for fewer folds, or split by another column",
        )
    starts = _cuts(np.bincount(times.order), n_folds)
    found, n_purged = [], 0
    for start, end in itertools.pairwise([*starts, n_times]):
        train, test = np.flatnonzero(times.order < start), np.flatnonzero((times.order >= start) & (times.order < end))
        kept, n = purged(train, test, groups)
        found.append((kept, test))
        n_purged += n
    (first_train, first_test), (last_train, last_test) = found[0], found[-1]
    how = (
        f"{n_folds} expanding windows by {times.column!r}, rows of one time together: the first trained on "
        f"{times.span(first_train)} and tested on {times.span(first_test)}, the last trained on {times.span(last_train)} and "
        f"tested on {times.span(last_test)}."
    )
    return found, how + _purge_sentence(n_purged)


def _cuts(counts: Indices, n_cuts: int) -> list[int]:
    """Cut the times where the rows before come nearest to equal parts; at least one time between two cuts."""
    before = np.concatenate([[0], np.cumsum(counts)])
    cuts = [0]
    for i in range(1, n_cuts + 1):
        allowed = np.arange(cuts[-1] + 1, len(counts) - (n_cuts - i))
        distance = np.abs(before[allowed] - before[-1] * i / (n_cuts + 1))
        cuts.append(int(allowed[distance.argmin()]))
    return cuts[1:]


def _purge_sentence(n: int) -> str:
    if not n:
        return ""
    return f" {n} earlier rows whose text, id or group is also tested were left out of training."


def purged(train: Indices, test: Indices, groups: Indices) -> tuple[Indices, int]:
    """Training rows without those whose group is tested, and how many those were.

    Raises
    ------
    UserError
        None is left.
    """
    kept = train[~np.isin(groups[train], groups[test])]
    if not len(kept):
        raise UserError(
            "No training row is left: the text, id or group of each one is also tested.",
            hint="test fewer rows, or group the rows more finely",
        )
    return kept, len(train) - len(kept)
