"""The same store in memory, for when nothing is to be kept on disk."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from frostline.contracts import FeatureSpec, KeyArray
from frostline.store.keys import check_append, check_dim, check_keys, check_out, missing_keys
from frostline.store.lookup import KeyLookup

__all__ = ["MemoryStore"]

_BLOCK_BYTES = 8 << 20


class _Table:
    """The vectors of one specification, in blocks of equal size that are never moved."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self.lookup = KeyLookup()
        self._block_rows = max(1, _BLOCK_BYTES // (4 * max(dim, 1)))
        self._blocks: list[NDArray[np.float32]] = []

    def put(self, vectors: NDArray[np.float32]) -> None:
        """Write rows behind the last key; they count once their keys are added to `lookup`."""
        done = 0
        while done < len(vectors):
            block, row = divmod(len(self.lookup) + done, self._block_rows)
            if block == len(self._blocks):
                self._blocks.append(np.empty((self._block_rows, self.dim), dtype=np.float32))
            part = vectors[done : done + self._block_rows - row]
            self._blocks[block][row : row + len(part)] = part
            done += len(part)

    def take(self, positions: NDArray[np.int64], out: NDArray[np.float32]) -> None:
        order = np.argsort(positions)
        blocks, rows = np.divmod(positions[order], self._block_rows)
        for block in np.unique(blocks).tolist():
            first, last = np.searchsorted(blocks, [block, block + 1])
            out[order[first:last]] = self._blocks[block][rows[first:last]]


class MemoryStore:
    """Vectors by content address in memory; see :class:`frostline.contracts.VectorStore`.

    Safe to use from several threads. Of equal keys the first one appended is kept.
    """

    def __init__(self) -> None:
        self._tables: dict[str, _Table] = {}
        self._lock = threading.Lock()

    @property
    def n_bytes(self) -> int:
        """Of all vectors."""
        with self._lock:
            return sum(4 * table.dim * len(table.lookup) for table in self._tables.values())

    def contains(self, spec: FeatureSpec, keys: KeyArray) -> NDArray[np.bool_]:
        """Which keys are stored under `spec`.

        Parameters
        ----------
        spec : FeatureSpec
        keys : uint64 array of shape (n, 2)

        Returns
        -------
        bool array of shape (n,)
        """
        check_keys(keys)
        with self._lock:
            return self._find(spec, keys) >= 0

    def gather(self, spec: FeatureSpec, keys: KeyArray, out: NDArray[np.float32]) -> None:
        """Write the vectors of `keys` into `out`.

        Parameters
        ----------
        spec : FeatureSpec
        keys : uint64 array of shape (n, 2)
        out : float32 array of shape (n, D)

        Raises
        ------
        StoreError
            A key is not stored; `out` is left as it was.
        """
        check_out(spec, keys, out)
        with self._lock:
            positions = self._find(spec, keys)
            if n_missing := int(np.count_nonzero(positions < 0)):
                raise missing_keys(n_missing, len(keys), spec)
            if len(keys):
                self._tables[spec.address].take(positions, out)

    def check_space(self, n_bytes: int) -> None:
        """Do nothing: how much memory is free cannot be known beforehand."""

    def append(self, specs: Sequence[FeatureSpec], keys: KeyArray, vectors: NDArray[np.float32]) -> None:
        """Keep one batch whole, or not at all.

        Parameters
        ----------
        specs : sequence of FeatureSpec
        keys : uint64 array of shape (n, 2)
        vectors : float32 array of shape (n, len(specs), D)
        """
        check_append(specs, keys, vectors)
        with self._lock:
            tables = [self._table(spec) for spec in specs]
            for i, table in enumerate(tables):
                table.put(vectors[:, i])
            # Only now that nothing can run out of memory do the rows of all specifications begin to count.
            for spec, table in zip(specs, tables, strict=True):
                table.lookup.add(keys)
                self._tables[spec.address] = table

    def _table(self, spec: FeatureSpec) -> _Table:
        table = self._tables.get(spec.address) or _Table(spec.dim)
        check_dim(spec, table.dim)
        return table

    def _find(self, spec: FeatureSpec, keys: KeyArray) -> NDArray[np.int64]:
        return self._table(spec).lookup.find(keys)
