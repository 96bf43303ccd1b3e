"""Boosted trees on a table's columns, grown once for each fold and each scale of the targets.

Three questions are answered by the same trees: which scale suits the targets, how much the columns count beside the other
parts, and how wide intervals must be. Each asks what trees predict for rows that they were not grown on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.base import clone
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from frostline.baselines import SMALL_TABLE, RawColumns, boosting
from frostline.splits import group_folds

__all__ = ["ColumnTrees", "own_thread"]

Doubles = NDArray[np.float64]

N_FOLDS = 5


def own_thread(inputs: Any) -> Any:
    """Trees of a small table grow and answer on one thread, see :data:`frostline.baselines.SMALL_TABLE`."""
    small = isinstance(inputs, np.ndarray) and inputs.size < SMALL_TABLE
    return threadpool_limits(1 if small else None, user_api="openmp")


class ColumnTrees:
    """Trees for the numbers of one set of training rows.

    Parameters
    ----------
    table : pa.Table
        The n training rows.
    groups : int array of shape (n,)
        Rows that are never split.
    seed : int
        Of folds, trees and the encoding of strings.

    Attributes
    ----------
    encoder : RawColumns
    X : float64 array of shape (n, F)
    """

    def __init__(self, table: pa.Table, groups: NDArray[Any], seed: int) -> None:
        self.encoder = RawColumns(seed=seed).fit(table)
        self.X = self.encoder.transform(table)
        n_folds = min(N_FOLDS, len(np.unique(groups)))
        none = np.zeros(len(self.X))  # folds of numbers do not look at the numbers
        self._folds = group_folds(none, list(groups), n_folds, seed, False) if n_folds > 1 else []
        self._fresh = boosting("regression", none, self.encoder.categorical_, seed)
        self._grown: dict[bytes, list[Any]] = {}

    def fit(self, z: Doubles) -> Any:
        """Trees of all rows for targets (n,)."""
        with own_thread(self.X):
            return clone(self._fresh).fit(self.X, z)

    def of_folds(self, z: Doubles) -> list[Any]:
        """Trees of each fold's training part; none where the rows allow no folds."""
        key = z.tobytes()
        if key not in self._grown:
            with own_thread(self.X):
                self._grown[key] = [clone(self._fresh).fit(self.X[train], z[train]) for train, _ in self._folds]
        return self._grown[key]

    def held_out(self, z: Doubles) -> tuple[NDArray[np.intp], Doubles]:
        """Rows that were held out, all or none, and what is predicted for them."""
        if not self._folds:
            return np.empty(0, dtype=np.intp), np.empty(0)
        found = np.empty(len(self.X))
        with own_thread(self.X):
            for trees, (_, test) in zip(self.of_folds(z), self._folds, strict=True):
                found[test] = trees.predict(self.X[test])
        return np.arange(len(found)), found
