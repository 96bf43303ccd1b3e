"""Weighted pairs of ids: who did what, or what links to what."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from frostline.errors import UserError
from frostline.keys import key_split

__all__ = ["Pairs", "id_type"]


@dataclass(frozen=True)
class Pairs:
    """Distinct pairs, each with a weight.

    Attributes
    ----------
    ids : two arrays
        The ids of each side, ascending.
    ends : two int arrays of shape (n,)
        Numbers into `ids`.
    weights : float array of shape (n,)
    """

    ids: tuple[NDArray[Any], NDArray[Any]]
    ends: tuple[NDArray[np.intp], NDArray[np.intp]]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, left: ArrayLike, right: ArrayLike, weights: ArrayLike | None, names: tuple[str, str]) -> Pairs:
        """Number the ids and add up the weights of equal pairs; without weights every row weighs 1.

        Raises
        ------
        UserError
            Columns of different lengths or empty, missing ids, or weights that are not finite, negative or all 0.
        """
        columns = [np.asarray(left), np.asarray(right)]
        given = np.ones(len(columns[0])) if weights is None else _checked(weights)
        if not len(given) or any(column.shape != given.shape for column in columns):
            raise UserError(
                f"Pairs need columns of one length, not empty; got {[c.shape for c in columns]} and {given.shape}."
            )
        (left_ids, a), (right_ids, b) = (_numbered(column, name) for column, name in zip(columns, names, strict=True))
        pair, inverse = np.unique(a * len(right_ids) + b, return_inverse=True)
        ends = (pair // len(right_ids), pair % len(right_ids))
        return cls((left_ids, right_ids), ends, np.bincount(inverse, given).astype(np.float64))

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of ids on each side."""
        return len(self.ids[0]), len(self.ids[1])

    def where(self, chosen: NDArray[np.bool_]) -> Pairs:
        """Keep some pairs, and all ids."""
        return replace(self, ends=(self.ends[0][chosen], self.ends[1][chosen]), weights=self.weights[chosen])

    def split(self, test_size: float) -> tuple[Pairs, Pairs]:
        """Hold out about a share of the pairs, by a hash of both ids.

        Raises
        ------
        UserError
            The share is not at least 0 and below 1.
        """
        if not 0 <= test_size < 1:
            raise UserError(f"test_size must be a share of at least 0 and below 1, got {test_size}.")
        left, right = (ids[ends].tolist() for ids, ends in zip(self.ids, self.ends, strict=True))
        keys = [f"{a}\0{b}" for a, b in zip(left, right, strict=True)]
        is_test = key_split(keys, {"train": 1 - test_size, "test": test_size}, "frostline-pairs") == "test"
        return self.where(~is_test), self.where(is_test)

    def row_means(self) -> NDArray[np.float64]:
        """Mean weight of the pairs of each left id; 0 where it has none."""
        n = np.bincount(self.ends[0], minlength=self.shape[0])
        return np.bincount(self.ends[0], self.weights, minlength=self.shape[0]) / np.maximum(n, 1)

    def by_row(self) -> dict[int, set[int]]:
        """Give the right numbers of each left number that has pairs, ascending."""
        rows: dict[int, set[int]] = {}
        for a, b in sorted(zip(self.ends[0].tolist(), self.ends[1].tolist(), strict=True)):
            rows.setdefault(a, set()).add(b)
        return rows


def _checked(weights: ArrayLike) -> NDArray[np.float64]:
    try:
        values = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"Ratings and weights are numbers; got others: {error}.") from error
    bad = np.flatnonzero(~(values >= 0) | np.isinf(values))
    if bad.size or not values.sum():
        what = f"row {bad[0]} has {values[bad[0]]}" if bad.size else "all are 0"
        raise UserError(
            f"Ratings and weights are finite numbers of at least 0, not all 0; {what}.",
            hint="leave out rows without a rating, and shift a scale that goes below 0",
        )
    return values


def _numbered(column: NDArray[Any], name: str) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the distinct ids, ascending, and the number of each row's id."""
    typed: NDArray[Any] = column.astype(id_type(column.tolist(), name))
    ids, numbers = np.unique(typed, return_inverse=True)
    return ids, numbers


def id_type(ids: list[Any], name: str) -> type:
    """Return the type that all ids have.

    Raises
    ------
    UserError
        They are not all text, nor all whole numbers.
    """
    kinds = {type(value) for value in ids}
    if kinds not in ({str}, {int}):
        found = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise UserError(f"The {name} ids must be all text or all whole numbers, none missing; got {found}.")
    return str if kinds == {str} else np.int64
