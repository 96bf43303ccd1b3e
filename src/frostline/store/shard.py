"""Shard files: append-only, and a valid safetensors file while they are written.

A shard is a header of fixed length, padded with the spaces that the safetensors format permits, and one fp32 tensor
``vectors``. While it is open for writing, the file is sparse at its full capacity and the header says so: appending
changes neither the header nor the length, so the file is valid at every instant, which a growing file with a header
rewritten now and then is not. Sealing trims file and header to the rows written; a copy of a sparse file could be large.

What marks a row as written is the index, never the file: a row that no committed batch names is garbage. The process
that writes a shard holds an exclusive lock on it (``flock``), which the kernel drops when the process dies; whoever
trims, adopts or deletes a shard takes the same lock first.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from frostline.errors import StoreError
from frostline.store.lookup import Places
from frostline.store.place import sync_folder

if sys.platform != "win32":
    import fcntl

__all__ = [
    "HEADER_BYTES",
    "OpenShard",
    "ShardGoneError",
    "checksum",
    "lock_file",
    "read_block",
    "read_rows",
    "row_sums",
    "shard_bytes",
    "sync",
    "trim",
]

HEADER_BYTES = 4096
"""A page, so that rewriting the header never touches a page that holds rows."""

_READ_BYTES = 1 << 20
_GAP_BYTES = 64 << 10
"""Reading over a gap of this size is cheaper than another system call."""

VERIFY_HINT = "frostline store verify --repair drops damaged vectors, so that they are embedded again"


class ShardGoneError(StoreError):
    """The file of a shard is missing: evicted since it was looked up, or lost."""


def shard_bytes(rows: int, dim: int) -> int:
    """Length in bytes of a shard of `rows` vectors of width `dim`."""
    return HEADER_BYTES + 4 * rows * dim


def row_sums(vectors: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Checksum of each row: its 32-bit words added modulo 2**32; shape (n, D) to (n,)."""
    words = np.ascontiguousarray(vectors, dtype="<f4").view("<u4")
    sums: NDArray[np.uint32] = words.sum(axis=1, dtype=np.uint32)
    return sums


def checksum(keys: bytes, vectors: NDArray[np.float32]) -> int:
    """CRC-32 of a batch: the bytes of its keys, then those of its vectors (C order, little-endian)."""
    return crc32(vectors.data, crc32(keys))


def lock_file(path: Path, *, create: bool = False) -> int | None:
    """Open a file for writing under its exclusive lock.

    Returns
    -------
    int or None
        The file descriptor, which holds the lock until it is closed; None where another process holds it, or where the
        file is gone or went while we opened it.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT | os.O_EXCL if create else 0), 0o666)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    if os.fstat(fd).st_nlink == 0:
        os.close(fd)
        return None
    return fd


def trim(fd: int, rows: int, dim: int, address: str) -> None:
    """Make header and length say `rows`, whether that grows or shrinks the file; the lock must be held."""
    table = {
        "__metadata__": {"address": address},
        "vectors": {"dtype": "F32", "shape": [rows, dim], "data_offsets": [0, 4 * rows * dim]},
    }
    text = json.dumps(table, separators=(",", ":")).encode().ljust(HEADER_BYTES - 8)
    # Between these two calls the file is no valid safetensors file. A writer killed just there leaves it so until the
    # next `prune` or adoption; this store reads it all the same, since it goes by the index and a fixed offset.
    os.ftruncate(fd, shard_bytes(rows, dim))
    _write(fd, (HEADER_BYTES - 8).to_bytes(8, "little") + text, 0)


def _write(fd: int, data: bytes | memoryview, offset: int) -> None:
    left = memoryview(data)
    while left:
        n = os.pwrite(fd, left, offset)
        left, offset = left[n:], offset + n


class OpenShard:
    """A shard that this process writes: a new one (:meth:`create`), or one with room left that nobody else writes.

    Parameters
    ----------
    fd : int
        From :func:`lock_file`; the shard closes it.
    path : Path
    address : str
    dim : int
    rows : int
        Rows that stand in the file. As an attribute: rows written or begun, which never goes back, so that no failure
        can make two batches share a row.
    capacity : int
        Rows that the file is to have room for.
    """

    def __init__(self, fd: int, path: Path, address: str, dim: int, rows: int, capacity: int) -> None:
        self.path, self.rows = path, rows
        self._fd, self._address, self._dim, self._capacity = fd, address, dim, capacity
        try:
            trim(fd, capacity, dim, address)
        except BaseException:
            os.close(fd)
            raise

    @classmethod
    def create(cls, folder: Path, address: str, dim: int, capacity: int) -> OpenShard:
        """Start a new file with room for `capacity` rows."""
        while True:
            path = folder / f"{address[:8]}-{secrets.token_hex(12)}.safetensors"
            # A `prune` elsewhere may have taken the new file for garbage before we held its lock: then try again.
            if (fd := lock_file(path, create=True)) is not None:
                break
        shard = cls(fd, path, address, dim, 0, capacity)
        sync_folder(folder)
        return shard

    @property
    def alive(self) -> bool:
        """Whether the file still has a name; not so after someone deleted the folder."""
        return os.fstat(self._fd).st_nlink > 0

    def fits(self, n_rows: int) -> bool:
        """Whether `n_rows` more rows fit."""
        return self.rows + n_rows <= self._capacity

    def write(self, vectors: NDArray[np.float32]) -> int:
        """Write rows of shape (n, D), little-endian and contiguous; returns the first row's number."""
        first = self.rows
        self.rows += len(vectors)
        _write(self._fd, _bytes_of(vectors), shard_bytes(first, self._dim))
        return first

    def sync(self) -> None:
        """Wait until the rows are on the device."""
        getattr(os, "fdatasync", os.fsync)(self._fd)

    def seal(self) -> None:
        """Trim the file to its rows, or delete it where it has none, and release it."""
        if self.rows:
            trim(self._fd, self.rows, self._dim, self._address)
            self.sync()
        else:
            self.path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Give up the lock and leave the file as it is."""
        os.close(self._fd)


def _bytes_of(rows: NDArray[np.float32]) -> memoryview:
    return rows.reshape(-1).view(np.uint8).data


def sync(shards: list[OpenShard]) -> None:
    """Wait until the rows of all shards are on the device, at once: the file system then commits once for all."""
    with ThreadPoolExecutor(len(shards)) as pool:
        list(pool.map(OpenShard.sync, shards))


def read_rows(path: Path, dim: int, places: Places, order: NDArray[np.int64], out: NDArray[np.float32]) -> None:
    """Read rows of one shard into ``out[order]``.

    Parameters
    ----------
    path : Path
    dim : int
    places : Places
        Where the rows of `out` lie.
    order : int64 array of shape (m,)
        Which rows of `out` to fill; ``places.row[order]`` ascends.
    out : float32 array of shape (n, D)

    Raises
    ------
    StoreError
        The file is too short, or a row is not what was written: nothing wrong is ever returned.
    ShardGoneError
        There is no such file.
    """
    if not len(order):
        return
    rows, sums, size = places.row[order], places.sums[order], 4 * dim
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise ShardGoneError(f"The shard {path} is missing.", hint=VERIFY_HINT) from error
    try:
        if os.fstat(fd).st_size < shard_bytes(int(rows[-1]) + 1, dim):
            raise _damaged(path, f"ends before row {int(rows[-1])}")
        span = max(1, _READ_BYTES // size)
        buffer = np.empty((span, dim), dtype="<f4")
        breaks = (np.diff(rows) > max(1, _GAP_BYTES // size)) | (np.diff(rows // span) != 0)
        edges = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(rows)]
        for a, b in itertools.pairwise(edges):
            first = int(rows[a])
            block = buffer[: int(rows[b - 1]) - first + 1]
            read_block(fd, block, shard_bytes(first, dim), path)
            picked = block[rows[a:b] - first]
            if not np.array_equal(row_sums(picked), sums[a:b]):
                raise _damaged(path, f"has damaged vectors between rows {first} and {int(rows[b - 1])}")
            out[order[a:b]] = picked
    finally:
        os.close(fd)


def read_block(fd: int, block: NDArray[np.float32], offset: int, path: Path) -> None:
    """Fill a contiguous `block` from byte `offset` on; raises a StoreError where the file ends before."""
    left = _bytes_of(block)
    while left:
        n = os.preadv(fd, [left], offset)
        if n == 0:
            raise _damaged(path, f"ends at byte {offset}")
        left, offset = left[n:], offset + n


def _damaged(path: Path, what: str) -> StoreError:
    return StoreError(f"The shard {path} {what}.", hint=VERIFY_HINT)
