"""One process's work on a store: its connection, what it has read of the index, and the shards that it writes."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Hashable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frostline.contracts import FeatureSpec, KeyArray
from frostline.errors import StoreError
from frostline.store.index import Index, Part, fetch, insert
from frostline.store.keys import check_dim
from frostline.store.lookup import Places, SpecRows
from frostline.store.place import check_folder
from frostline.store.shard import (
    HEADER_BYTES,
    VERIFY_HINT,
    OpenShard,
    checksum,
    lock_file,
    read_rows,
    row_sums,
    shard_bytes,
    sync,
)
from frostline.store.upkeep import shrink

__all__ = ["Session"]


class Session:
    """What a :class:`frostline.store.Store` holds open in one process.

    Parameters
    ----------
    folder : Path
    read_only : bool
    max_bytes : int or None
        Least recently used shards are evicted beyond this.
    shard_bytes : int
        Length at which a shard counts as full.

    Attributes
    ----------
    lock : RLock
        Callers hold it around every method but :func:`read_places`.
    index : Index
    """

    def __init__(self, folder: Path, *, read_only: bool, max_bytes: int | None, shard_bytes: int) -> None:
        self.lock = threading.RLock()
        self.index = Index(folder, read_only=read_only)
        self._shards = folder / "shards"
        self._max_bytes, self._shard_bytes = max_bytes, shard_bytes
        self._tables: dict[str, SpecRows] = {}
        self._versions: dict[str, Hashable] = {}
        self._epoch = (0, 0)
        self._inode = 0
        self._used: set[int] = set()
        self._writers: dict[str, OpenShard] = {}

    def find(self, spec: FeatureSpec, keys: KeyArray) -> tuple[SpecRows, NDArray[np.int64]]:
        """Look keys up in all that is committed by now; their shards count as used."""
        rows = self._refresh(spec)
        positions = rows.find(keys)
        self._touch(rows.shards(positions[positions >= 0]))
        return rows, positions

    def append(self, specs: Sequence[FeatureSpec], keys: KeyArray, vectors: NDArray[np.float32]) -> None:
        """Write the rows, wait until they are on the device, then commit all specifications in one transaction."""
        self.index.create()
        self._follow()
        if self._max_bytes is not None:
            index_bytes = len(specs) * (HEADER_BYTES + 2 * 4096 + 24 * len(keys))  # generous, so that the limit holds
            shrink(self.index, self._max_bytes - vectors.nbytes - index_bytes, keep=self._used)
        digests = keys.astype("<u8").tobytes()
        parts, shards = [], []
        for i, spec in enumerate(specs):
            rows = np.ascontiguousarray(vectors[:, i], dtype="<f4")
            shard = self._writer(spec, len(rows))
            crc, sums = checksum(digests, rows), row_sums(rows).astype("<u4").tobytes()
            parts.append(Part(spec, shard.path.name, shard.write(rows), len(rows), crc, digests, sums))
            shards.append(shard)
        sync(shards)
        now = time.time()
        with self.index.writing() as connection:
            self._used.update([insert(connection, part, now) for part in parts])

    def seal(self) -> None:
        """Trim and release the shards that this process writes."""
        with contextlib.ExitStack() as stack:
            while self._writers:
                stack.callback(self._writers.popitem()[1].seal)

    def close(self) -> None:
        """Seal, and close the index."""
        try:
            self.seal()
        finally:
            self.index.close()

    def _refresh(self, spec: FeatureSpec) -> SpecRows:
        self._follow()
        version = self.index.version()
        rows = self._tables.get(spec.address)
        if rows is None or self._versions[spec.address] != version:
            after, epoch = rows.last_batch if rows else 0, self._epoch
            fetched = self.index.read(lambda connection: fetch(connection, spec.address, after, epoch))
            if fetched.epoch != epoch:
                self._tables.clear()
                self._epoch = fetched.epoch
            rows = self._tables.setdefault(spec.address, SpecRows())
            rows.extend(fetched.batches)
            rows.dim, rows.files = fetched.dim, fetched.files
            self._versions[spec.address] = version
        if rows.dim is not None:
            check_dim(spec, rows.dim)
        return rows

    def _follow(self) -> None:
        """Let go of our shards if the index is not the file it was: someone deleted or replaced the folder."""
        inode = self.index.inode()
        if inode == self._inode:
            return
        check_folder(self.index.folder, read_only=self.index.read_only)
        self._inode = inode
        self._used.clear()
        while self._writers:
            self._writers.popitem()[1].release()

    def _touch(self, shards: set[int]) -> None:
        new = shards - self._used
        self._used |= new
        if new and not self.index.read_only:
            # The stamp only orders evictions: a full disk must not keep anyone from reading.
            with contextlib.suppress(sqlite3.OperationalError), self.index.writing() as connection:
                now = time.time()
                connection.executemany("UPDATE shards SET last_used = ? WHERE id = ?", [(now, i) for i in new])

    def _writer(self, spec: FeatureSpec, n_rows: int) -> OpenShard:
        shard = self._writers.get(spec.address)
        if shard is not None and shard.fits(n_rows) and shard.alive:
            return shard
        if shard is not None:
            self._writers.pop(spec.address).seal()
        capacity = max(n_rows, self._shard_bytes // (4 * spec.dim))
        shard = self._adopted(spec, n_rows, capacity)
        shard = shard or OpenShard.create(self._shards, spec.address, spec.dim, capacity)
        self._writers[spec.address] = shard
        return shard

    def _adopted(self, spec: FeatureSpec, n_rows: int, capacity: int) -> OpenShard | None:
        """Go on with a shard that has room and no living writer, so that many short runs do not make many files."""
        query = (
            "SELECT file FROM shards JOIN specs ON specs.id = spec WHERE address = ? AND rows <= ? ORDER BY shards.id"
        )
        values = (spec.address, capacity - n_rows)
        for (file,) in self.index.select(query, values):
            path = self._shards / file
            if (fd := lock_file(path)) is None:
                continue
            # Asked once more, since another writer may have come and gone before we held the lock.
            found = self.index.committed_rows(file)
            rows, dim, _ = found or (capacity, spec.dim, "")
            if rows + n_rows <= capacity and dim == spec.dim and os.fstat(fd).st_size >= shard_bytes(rows, dim):
                return OpenShard(fd, path, spec.address, dim, rows, capacity)
            os.close(fd)
        return None


def read_places(folder: Path, files: dict[int, str], dim: int, places: Places, out: NDArray[np.float32]) -> None:
    """Read the rows at `places` into `out`, shard by shard in file order.

    Raises
    ------
    StoreError
        A shard is cut, damaged, or not listed in `files`.
    ShardGoneError
        A shard is missing.
    """
    order = np.argsort((places.shard << 40) | places.row)
    shards = places.shard[order]
    for shard in np.unique(shards).tolist():
        first, last = np.searchsorted(shards, [shard, shard + 1])
        if shard not in files:
            raise StoreError(f"The index names a shard {shard} that it does not list.", hint=VERIFY_HINT)
        read_rows(folder / "shards" / files[shard], dim, places, order[first:last], out)
