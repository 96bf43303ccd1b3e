"""Which rows train and which test: by group, by time and by distinct text, never a group on both sides.

A *key column* is any sequence with one hashable value per row (list, NumPy array, Arrow or pandas column), or an array
of shape (n, k) whose rows are the values, such as the digests of token sequences. None, NaN and NaT are no value: they
equal nothing, themselves included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from frostline._columns import Indices, KeyColumn, is_missing, key_codes, key_values
from frostline.errors import UserError

__all__ = [
    "Indices",
    "KeyColumn",
    "Split",
    "check_seed",
    "group_folds",
    "group_ids",
    "holdout",
    "overlap",
    "time_holdout",
]

Split: TypeAlias = tuple[Indices, Indices]
"""Row numbers of the training part and of the test part, each ascending."""


def check_seed(seed: Any) -> None:
    """Refuse what not every generator of random numbers takes: scikit-learn's want 32 bits.

    Raises
    ------
    UserError
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise UserError(f"seed must be a whole number from 0 to 4294967295, got {seed!r}.")


def group_ids(*keys: KeyColumn) -> Indices:
    """Give two rows the same id when they are equal in any key column, directly or over other rows.

    Parameters
    ----------
    *keys : key columns, each of length n
        Such as the text, the group and the id of each row.

    Returns
    -------
    int array of shape (n,)
        Connected components, numbered 0, 1, ... in order of their first row.

    Raises
    ------
    UserError
        No key column, or columns of different lengths.
    """
    if not keys:
        raise UserError("Rows are grouped by at least one key column; got none.")
    columns = [key_codes(column) for column in keys]
    n = len(columns[0])
    if any(len(codes) != n for codes in columns):
        raise UserError(f"Key columns must have one length; got {[len(codes) for codes in columns]}.")
    links = [_links_to_first(codes) for codes in columns]
    a = np.concatenate([first for first, _ in links])
    b = np.concatenate([row for _, row in links])
    parent = np.arange(n)
    while a.size:
        # Each root joins its smallest neighbor; flattening the trees leaves only the links between unlike roots.
        np.minimum.at(parent, np.maximum(a, b), np.minimum(a, b))
        while not np.array_equal(parent, flatter := parent[parent]):
            parent = flatter
        a, b = parent[a], parent[b]
        unlike = a != b
        a, b = a[unlike], b[unlike]
    number = np.cumsum(parent == np.arange(n)) - 1  # of the components, whose roots are their first rows
    found: Indices = number[parent]
    return found


def group_folds(y: KeyColumn, groups: KeyColumn | None, n_folds: int, seed: int, stratify: bool) -> list[Split]:
    """Deal the rows into folds for cross-validation, whole groups at a time.

    The largest groups are dealt first, each to the fold that has the fewest rows of its classes, and among equals to
    the fold with the fewest rows. Every fold tests some row; a class with fewer rows than folds is missing in some.

    Parameters
    ----------
    y : array of shape (n,), or (n, n_targets) when not stratified
        Labels or numbers; only their equality is used.
    groups : key column of length n, or None
        Rows that stay together; None: every row is its own group.
    n_folds : int
        At least 2.
    seed : int
        Decides the order among groups of one size.
    stratify : bool
        Whether each class is spread over the folds as evenly as the groups allow.

    Returns
    -------
    list of (train, test)
        Ascending row numbers, one pair for each fold.

    Raises
    ------
    UserError
        Fewer than two folds, or fewer groups than folds.
    """
    if n_folds < 2:
        raise UserError(f"Cross-validation needs at least 2 folds; got {n_folds}.")
    census = _census(y, groups, stratify)
    n_groups = census.n_groups
    if n_groups < n_folds:
        raise UserError(
            f"{n_folds} folds need at least {n_folds} groups of rows; got {n_groups}.",
            hint="Ask for fewer folds, or group the rows more finely.",
        )
    order = np.random.default_rng(seed).permutation(n_groups)
    order = order[np.argsort(-census.group_sizes[order], kind="stable")]
    fold_of = _deal(order.tolist(), census, n_folds)[census.groups]
    return [(np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)) for fold in range(n_folds)]


def holdout(y: KeyColumn, groups: KeyColumn | None, test_size: float, seed: int, stratify: bool) -> Split:
    """Hold out a random test part, whole groups at a time.

    Without groups the test part has exactly the asked size and, when stratified, the share of every class to within a
    row; with groups it comes as near as their sizes allow. Every class keeps at least one training row.

    Parameters
    ----------
    y : array of shape (n,), or (n, n_targets) when not stratified
        Labels or numbers; only their equality is used.
    groups : key column of length n, or None
        Rows that stay together; None: every row is its own group.
    test_size : float or int
        A share between 0 and 1, or a number of rows.
    seed : int
        Decides which rows.
    stratify : bool
        Whether the classes keep their shares.

    Returns
    -------
    train, test
        Ascending row numbers.

    Raises
    ------
    UserError
        The size cannot be had, or (stratified) a part would hold one class only.
    """
    census = _census(y, groups, stratify)
    n_test = _n_test(test_size, len(y))
    rng = np.random.default_rng(seed)
    wanted = _apportion(census.class_sizes, n_test, rng)
    order = rng.permutation(census.n_groups).tolist()
    is_test = np.isin(census.groups, _choose(order, census, wanted))
    if stratify:
        for part, rows in (("training", ~is_test), ("test", is_test)):
            _require_two_classes(part, census.classes[rows])
    return np.flatnonzero(~is_test), np.flatnonzero(is_test)


def time_holdout(order_values: KeyColumn, test_size: float) -> Split:
    """Hold out the latest rows; rows of one time stay on one side.

    Parameters
    ----------
    order_values : key column of length n
        Times, or anything that can be sorted.
    test_size : float or int
        A share between 0 and 1, or a number of rows; the nearest size that splits no ties is taken.

    Returns
    -------
    train, test
        Ascending row numbers.

    Raises
    ------
    UserError
        A value is missing or cannot be sorted, all values are equal, or the size cannot be had.
    """
    values = key_values(order_values)
    n_test = _n_test(test_size, len(values))
    if missing := [row for row, value in enumerate(values) if is_missing(value)]:
        raise UserError(f"{len(missing)} rows have no time to split by; the first is row {missing[0]}.")
    try:
        rank = {value: i for i, value in enumerate(sorted(set(values)))}
    except TypeError as error:
        raise UserError(f"The times to split by cannot be sorted: {error}.") from error
    ranks = np.fromiter((rank[value] for value in values), dtype=np.intp, count=len(values))
    if len(rank) < 2:
        raise UserError("All rows have the same time, so none is later.", hint="Split by another column.")
    n_before = np.cumsum(np.bincount(ranks))[:-1]
    last_training_rank = np.argmin(np.abs(n_before - (len(values) - n_test)))
    return np.flatnonzero(ranks <= last_training_rank), np.flatnonzero(ranks > last_training_rank)


def overlap(train_keys: KeyColumn, test_keys: KeyColumn) -> NDArray[np.bool_]:
    """Find the test rows whose key also stands among the training rows.

    Parameters
    ----------
    train_keys, test_keys : key columns of lengths n_train and n_test

    Returns
    -------
    bool array of shape (n_test,)
    """
    known = {key for key in key_values(train_keys) if not is_missing(key)}
    test = key_values(test_keys)
    return np.fromiter((key in known for key in test), dtype=np.bool_, count=len(test))


def _links_to_first(codes: Indices) -> Split:
    """Pair each row with the first row of the same code, where that is another one."""
    rows = np.flatnonzero(codes >= 0)
    first = np.zeros(int(codes.max(initial=-1)) + 1, dtype=np.intp)
    first[codes[rows[::-1]]] = rows[::-1]  # the last to write is the first row
    firsts = first[codes[rows]]
    later = firsts != rows
    return firsts[later], rows[later]


@dataclass(frozen=True)
class _Census:
    """Who lives where: the group and the class of each row, and the (class, rows) of each group behind one another."""

    groups: Indices
    classes: Indices
    labels: list[int]
    rows: list[int]
    starts: list[int]

    @property
    def n_groups(self) -> int:
        return len(self.starts) - 1

    @property
    def group_sizes(self) -> Indices:
        return np.bincount(self.groups)

    @property
    def class_sizes(self) -> Indices:
        return np.bincount(self.classes)

    def of(self, group: int) -> list[tuple[int, int]]:
        """The (class, rows) of one group."""
        cells = slice(self.starts[group], self.starts[group + 1])
        return list(zip(self.labels[cells], self.rows[cells], strict=True))


def _census(y: KeyColumn, groups: KeyColumn | None, stratify: bool) -> _Census:
    """Count the rows of each class in each group; without strata all rows are of one class."""
    n = len(y)
    ids = np.arange(n) if groups is None else group_ids(groups)
    if len(ids) != n:
        raise UserError(f"Groups and targets must have one length; got {len(ids)} and {n}.")
    codes = key_codes(y) if stratify else np.zeros(n, dtype=np.intp)
    classes = codes - codes.min(initial=0)  # no value is a class of its own
    n_classes = int(classes.max(initial=0)) + 1
    cells, rows = np.unique(ids * n_classes + classes, return_counts=True)
    starts = np.searchsorted(cells, np.arange(int(ids.max(initial=-1)) + 2) * n_classes)
    return _Census(ids, classes, (cells % n_classes).tolist(), rows.tolist(), starts.tolist())


def _deal(order: list[int], census: _Census, n_folds: int) -> Indices:
    """Give each group a fold, greedily the one that keeps the rows of every class most even over the folds."""
    totals = census.class_sizes.tolist()
    filled = [[0] * n_folds for _ in totals]
    size = [0] * n_folds
    folds = range(n_folds)
    fold_of = [0] * len(order)
    starts, labels, sizes = census.starts, census.labels, census.rows
    for group in order:
        at = starts[group]
        if starts[group + 1] - at == 1:  # one class: weighing its rows would not change which fold has fewest
            label, rows = labels[at], sizes[at]
            have = filled[label]
            fold = min(zip(have, size, folds, strict=True))[2]
            have[fold] += rows
            size[fold] += rows
        else:
            fold = _evenest(census.of(group), totals, filled, size)
        fold_of[group] = fold
    return np.array(fold_of, dtype=np.intp)


def _evenest(counts: list[tuple[int, int]], totals: list[int], filled: list[list[int]], size: list[int]) -> int:
    """Put a group of several classes into a fold, and say into which."""
    cost = [0.0] * len(size)
    for label, rows in counts:
        weight = rows / totals[label]
        cost = [c + weight * have for c, have in zip(cost, filled[label], strict=True)]
    fold = min(zip(cost, size, range(len(size)), strict=True))[2]
    for label, rows in counts:
        filled[label][fold] += rows
        size[fold] += rows
    return fold


def _n_test(test_size: float, n: int) -> int:
    """Turn the asked share or number into a number of test rows."""
    is_share = isinstance(test_size, float | np.floating)
    n_test = round(test_size * n) if is_share and 0 < test_size < 1 else test_size
    if isinstance(n_test, bool) or not isinstance(n_test, int | np.integer) or not 0 < n_test < n:
        raise UserError(
            f"test_size={test_size!r} of {n} rows leaves no training or no test rows.",
            hint=f"Give a share between 0 and 1, or a number of rows from 1 to {n - 1}.",
        )
    return int(n_test)


def _apportion(totals: Indices, n_test: int, rng: np.random.Generator) -> list[int]:
    """Share out the test rows by largest remainder; every class keeps a training row, and two classes are tested."""
    exact = totals * (n_test / totals.sum())
    wanted = np.minimum(exact.astype(np.intp), totals - 1)
    order = rng.permutation(len(totals))
    order = order[np.argsort((wanted - exact)[order], kind="stable")]
    while (short := n_test - int(wanted.sum())) > 0:
        open_classes = order[wanted[order] < totals[order] - 1][:short]
        if not open_classes.size:
            raise UserError(
                f"{n_test} test rows leave fewer training rows than there are classes ({len(totals)}).",
                hint="Hold out fewer rows.",
            )
        wanted[open_classes] += 1
    if n_test > 1 and np.count_nonzero(wanted) == 1:
        others = np.where(wanted > 0, 0, totals)
        if others.max() > 1:
            wanted[np.argmax(wanted)] -= 1
            wanted[np.argmax(others)] += 1
    return [int(rows) for rows in wanted]


def _choose(order: list[int], census: _Census, wanted: list[int]) -> list[int]:
    """Pick test groups: in random order all that fit, then, small ones first, those that bring the sizes nearer."""
    totals: list[int] = census.class_sizes.tolist()
    left = list(wanted)
    chosen = _choose_fitting(order, census, left)

    def leaves_training_rows(group: int) -> bool:
        return all(wanted[label] - left[label] + rows < totals[label] for label, rows in census.of(group))

    def change_of_error(group: int) -> float:
        return sum(rows * (rows - 2 * left[label]) / totals[label] for label, rows in census.of(group))

    if chosen and not any(left):
        return chosen  # as asked, to the row
    taken = set(chosen)
    rest = sorted((group for group in order if group not in taken), key=census.group_sizes.tolist().__getitem__)
    for group in rest:
        if leaves_training_rows(group) and change_of_error(group) < 0:
            chosen.append(group)
            for label, rows in census.of(group):
                left[label] -= rows
    if not chosen:
        chosen = list(filter(leaves_training_rows, rest))[:1]
    if not chosen:
        raise UserError(
            "No group of rows can be held out: each holds all rows of some class.",
            hint="Group the rows more finely, or give a test set.",
        )
    return chosen


def _choose_fitting(order: list[int], census: _Census, left: list[int]) -> list[int]:
    """Take every group that still fits into what is `left` of each class, which is lowered."""
    starts, labels, sizes = census.starts, census.labels, census.rows
    chosen = []
    for group in order:
        cells = range(starts[group], starts[group + 1])
        if (
            all(sizes[i] <= left[labels[i]] for i in cells)
            if len(cells) > 1
            else sizes[cells[0]] <= left[labels[cells[0]]]
        ):
            chosen.append(group)
            for i in cells:
                left[labels[i]] -= sizes[i]
    return chosen


def _require_two_classes(part: str, classes: Indices) -> None:
    """Refuse a part of the rows that holds one class only."""
    if np.unique(classes).size < 2:
        raise UserError(
            f"The {part} part would hold rows of one class only.",
            hint="Use a larger part, another seed, finer groups, or data with at least two classes.",
        )
