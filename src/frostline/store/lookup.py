"""Where a key's vector lies: sorted runs of 128-bit keys, and the batches of one specification."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.contracts import KeyArray

__all__ = ["BatchRow", "KeyLookup", "Places", "SpecRows"]

BatchRow = tuple[int, int, int, int, bytes, bytes]
"""One committed batch as the index holds it: id, shard, first row, number of rows, keys, row sums."""


@dataclass(frozen=True)
class _Run:
    """Keys sorted by their first half; equal ones in the order in which they came.

    Attributes
    ----------
    high, low : uint64 arrays of shape (m,)
        The two halves of each key.
    position : uint32 array of shape (m,)
        When the key came: 0 is the first key ever added.
    """

    high: NDArray[np.uint64]
    low: NDArray[np.uint64]
    position: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.high)

    @classmethod
    def sorted(cls, high: NDArray[np.uint64], low: NDArray[np.uint64], position: NDArray[np.uint32]) -> _Run:
        """Sort; of neighbors with equal keys only the first is kept."""
        order = np.argsort(high, kind="stable")
        high, low, position = high[order], low[order], position[order]
        keep = np.ones(len(high), dtype=np.bool_)
        keep[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
        return cls(high, low, position) if keep.all() else cls(high[keep], low[keep], position[keep])

    def merged(self, newer: _Run) -> _Run:
        """Both runs as one; `self` wins on equal keys because the sort is stable."""
        return _Run.sorted(
            np.concatenate([self.high, newer.high]),
            np.concatenate([self.low, newer.low]),
            np.concatenate([self.position, newer.position]),
        )

    def find(self, high: NDArray[np.uint64], low: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Positions of the keys, -1 where a key is absent."""
        found = np.full(len(high), -1, dtype=np.int64)
        at = np.searchsorted(self.high, high)
        candidates = np.flatnonzero(at < len(self.high))
        while candidates.size:
            slot = at[candidates]
            same_high = self.high[slot] == high[candidates]
            hit = same_high & (self.low[slot] == low[candidates])
            found[candidates[hit]] = self.position[slot[hit]]
            # Two keys that share a first half stand side by side: look at the next slot for the other half.
            candidates = candidates[same_high & ~hit]
            at[candidates] += 1
            candidates = candidates[at[candidates] < len(self.high)]
        return found


class KeyLookup:
    """Positions of keys in the order in which they were added; the first of equal keys wins.

    The keys are held in sorted runs, each at least twice as long as the next (O'Neil et al., 1996, the log-structured
    merge-tree), so that adding a small batch to a million keys is cheap and finding is a few binary searches.
    """

    def __init__(self) -> None:
        self._runs: list[_Run] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, keys: KeyArray) -> None:
        """Add keys of shape (n, 2); they take the positions ``len(self)`` and up."""
        if not len(keys):
            return
        position = np.arange(self._size, self._size + len(keys), dtype=np.uint32)
        run = _Run.sorted(keys[:, 0], keys[:, 1], position)
        self._size += len(keys)
        while self._runs and len(self._runs[-1]) < 2 * len(run):
            run = self._runs.pop().merged(run)
        self._runs.append(run)

    def find(self, keys: KeyArray) -> NDArray[np.int64]:
        """Look keys of shape (n, 2) up: their positions of shape (n,), -1 where a key is absent."""
        found = np.full(len(keys), -1, dtype=np.int64)
        # Searching in ascending order walks memory forwards: five times faster for a million keys.
        left = np.argsort(keys[:, 0])
        for run in self._runs:
            hits = run.find(keys[left, 0], keys[left, 1])
            found[left] = hits
            left = left[hits < 0]
            if not left.size:
                break
        return found


class _Column:
    """An integer array that grows in chunks and is joined only when it is read."""

    def __init__(self, dtype: type[np.integer[Any]]) -> None:
        self._chunks: list[NDArray[Any]] = [np.empty(0, dtype=dtype)]

    def extend(self, values: NDArray[Any]) -> None:
        self._chunks.append(values)

    def array(self) -> NDArray[Any]:
        if len(self._chunks) > 1:
            self._chunks = [np.concatenate(self._chunks)]
        return self._chunks[0]


@dataclass(frozen=True)
class Places:
    """Where rows lie on disk; arrays of shape (n,).

    Attributes
    ----------
    shard : int64 array
        Id of the shard.
    row : int64 array
        Row within the shard.
    sums : uint32 array
        What :func:`frostline.store.shard.row_sums` must give for the row.
    """

    shard: NDArray[np.int64]
    row: NDArray[np.int64]
    sums: NDArray[np.uint32]


class SpecRows:
    """Everything that one specification has stored: its keys, and where the row of each lies.

    Memory: 24 bytes for each key.

    Attributes
    ----------
    dim : int or None
        Width of the stored vectors; None while nothing is stored.
    last_batch : int
        The newest batch id seen.
    files : dict of int to str
        File names of the shards by id.
    """

    def __init__(self) -> None:
        self.dim: int | None = None
        self.last_batch = 0
        self.files: dict[int, str] = {}
        self._lookup = KeyLookup()
        self._start, self._shard, self._first_row = _Column(np.int64), _Column(np.int64), _Column(np.int64)
        self._sums = _Column(np.uint32)

    def extend(self, batches: Iterable[BatchRow]) -> None:
        """Take in batches that are newer than all seen, in ascending order of id."""
        columns = list(zip(*batches, strict=True))
        if not columns:
            return
        ids, shards, first_rows, n_rows, keys, sums = columns
        ends = len(self._lookup) + np.cumsum(np.array(n_rows, dtype=np.int64))
        self._start.extend(ends - np.array(n_rows, dtype=np.int64))
        self._shard.extend(np.array(shards, dtype=np.int64))
        self._first_row.extend(np.array(first_rows, dtype=np.int64))
        self._sums.extend(np.frombuffer(b"".join(sums), "<u4").astype(np.uint32, copy=False))
        self._lookup.add(np.frombuffer(b"".join(keys), "<u8").astype(np.uint64, copy=False).reshape(-1, 2))
        self.last_batch = ids[-1]

    def find(self, keys: KeyArray) -> NDArray[np.int64]:
        """Positions of `keys`, shape (n,), -1 where a key is not stored."""
        return self._lookup.find(keys)

    def places(self, positions: NDArray[np.int64]) -> Places:
        """Where the rows at `positions` lie."""
        batch, start = self._batch_of(positions)
        row = self._first_row.array()[batch] + positions - start[batch]
        return Places(self._shard.array()[batch], row, self._sums.array()[positions])

    def shards(self, positions: NDArray[np.int64]) -> set[int]:
        """Ids of the shards that hold the rows at `positions`."""
        batch, start = self._batch_of(positions)
        touched = np.zeros(len(start), dtype=np.bool_)
        touched[batch] = True
        return set(np.unique(self._shard.array()[touched]).tolist())

    def _batch_of(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        start = self._start.array()
        return np.searchsorted(start, positions, side="right") - 1, start
