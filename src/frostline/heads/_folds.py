"""Inner folds of a head: stratified for classes, never splitting a group, as many as the rows allow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.errors import UserError
from frostline.splits import Split, group_folds, group_ids

__all__ = ["folds_or_none", "inner_folds", "tuning_folds"]

_MANY_CLASSES = 10


def inner_folds(y: NDArray[Any], groups: Sequence[Any] | None, cv: int, seed: int, stratify: bool) -> list[Split]:
    """Deal rows into at most `cv` folds.

    Numbers get at most as many folds as there are groups; classes as many as the most widespread class has groups,
    since beyond that every fold would test rows of a class that it never trained on.

    Parameters
    ----------
    y : array of shape (n,), or (n, n_targets) when not stratified
    groups : sequence of length n, or None
    cv, seed : int
    stratify : bool

    Returns
    -------
    list of (train, test)

    Raises
    ------
    UserError
        Fewer than two folds are possible.
    """
    ids = np.arange(len(y)) if groups is None else group_ids(groups)
    if len(ids) != len(y):
        raise UserError(f"Groups and targets must have one length; got {len(ids)} and {len(y)}.")
    classes = np.unique(y, return_inverse=True)[1] if stratify else np.zeros(len(y), dtype=np.intp)
    n_groups_of_class = np.bincount(np.unique(np.stack([classes, ids]), axis=1)[0])
    n_folds = min(cv, int(n_groups_of_class.max()))
    if n_folds < 2:
        raise UserError(
            f"The {len(y)} training rows cannot be cross-validated: "
            + ("no class has rows of two groups." if stratify else "they are one group."),
            hint="Give more rows, or finer groups.",
        )
    return group_folds(y, groups, n_folds, seed, stratify)


def tuning_folds(folds: list[Split], n_classes: int) -> list[Split]:
    """Those of `folds` that a strength is chosen on: with many classes the first one.

    The curve of so many regressions is smooth, and each strength costs as many columns as there are classes in all folds;
    the other folds are fitted at the chosen strength only.
    """
    return folds if n_classes <= _MANY_CLASSES else folds[:1]


def folds_or_none(
    y: NDArray[Any], groups: Sequence[Any] | None, cv: int, seed: int, *, stratify: bool
) -> list[Split] | None:
    """Inner folds; None where the rows are too few to hold any out, so that a tiny table can still be fitted."""
    n_groups = len(y) if groups is None else len(np.unique(np.asarray(groups)))
    smallest = n_groups
    if stratify:
        of_class = [
            np.unique(np.asarray(groups)[y == c]) if groups is not None else np.flatnonzero(y == c)
            for c in np.unique(y)
        ]
        smallest = max(len(members) for members in of_class)
    return None if min(n_groups, smallest) < 2 else inner_folds(y, groups, cv, seed, stratify)
