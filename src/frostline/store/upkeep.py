"""Looking after a store: what is in it, whether it is sound, and what may go."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from frostline.errors import StoreError
from frostline.store.index import Index, delete_batches, used_bytes
from frostline.store.shard import HEADER_BYTES, checksum, lock_file, read_block, row_sums, shard_bytes, trim

__all__ = ["info", "prune", "shrink", "verify"]


@dataclass
class _Freed:
    """What a removal did: bytes and vectors gone, shards left alone because a process writes them."""

    bytes_freed: int = 0
    n_vectors: int = 0
    n_in_use: int = 0


def info(index: Index) -> dict[str, Any]:
    """Describe the store; see :meth:`frostline.store.Store.info`."""

    def query(connection: sqlite3.Connection) -> tuple[list[tuple[Any, ...]], int]:
        specs = connection.execute(
            "SELECT address, dim, description, (SELECT SUM(n_rows) FROM batches WHERE spec = specs.id), "
            "SUM(bytes), MAX(last_used) FROM specs JOIN shards ON spec = specs.id GROUP BY specs.id ORDER BY specs.id"
        )
        return specs.fetchall(), used_bytes(connection)

    rows, n_bytes = index.read(query)
    specs = [
        {
            "address": address,
            "dim": dim,
            "n_vectors": n_vectors,
            "bytes": size,
            "last_used": datetime.fromtimestamp(used, UTC).isoformat(timespec="seconds"),
            **_described(description),
        }
        for address, dim, description, n_vectors, size, used in rows
    ]
    return {
        "path": str(index.folder),
        "bytes": n_bytes if index.inode() else 0,
        "n_vectors": sum(spec["n_vectors"] for spec in specs),
        "specs": specs,
    }


def _described(description: str) -> dict[str, Any]:
    try:
        found = json.loads(description)
    except ValueError:
        found = None
    found = found if isinstance(found, dict) else {}
    return {"backbone": found.get("backbone"), "tap": found.get("tap")}


def verify(index: Index, *, repair: bool) -> dict[str, Any]:
    """Read every committed batch again; see :meth:`frostline.store.Store.verify`."""
    listing = "SELECT shards.id, file, address, dim FROM shards JOIN specs ON specs.id = spec ORDER BY shards.id"
    shards = index.select(listing)
    n_vectors, bad = 0, []
    for shard_id, file, address, dim in shards:
        batches = index.select(
            "SELECT id, first_row, n_rows, checksum, keys, sums FROM batches WHERE shard = ? ORDER BY first_row",
            (shard_id,),
        )
        n_vectors += sum(batch[2] for batch in batches)
        for batch, reason in _bad_batches(index.folder / "shards" / file, dim, batches):
            found = {"file": file, "address": address, "first_row": batch[1], "n_rows": batch[2], "reason": reason}
            bad.append((batch[0], found))
    # Another process may have pruned a shard while we read it; what is no longer committed is not bad.
    alive = {i for (i,) in index.select("SELECT id FROM batches")}
    bad = [(i, found) for i, found in bad if i in alive]
    if repair and bad:
        with index.writing() as connection:
            delete_batches(connection, "id = ?", [(i,) for i, _ in bad])
    n_bad = sum(found["n_rows"] for _, found in bad)
    return {"n_vectors": n_vectors, "n_bad": n_bad, "bad": [found for _, found in bad], "repaired": repair}


def _bad_batches(path: Path, dim: int, batches: list[tuple[Any, ...]]) -> list[tuple[tuple[Any, ...], str]]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return [(batch, "the file is missing") for batch in batches]
    try:
        return [(batch, reason) for batch in batches if (reason := _fault(fd, path, dim, batch))]
    finally:
        os.close(fd)


def _fault(fd: int, path: Path, dim: int, batch: tuple[Any, ...]) -> str:
    _, first_row, n_rows, crc, keys, sums = batch
    rows = np.empty((n_rows, dim), dtype="<f4")
    try:
        read_block(fd, rows, shard_bytes(first_row, dim), path)
    except StoreError:
        return "the file is cut"
    except OSError as error:
        return f"the file cannot be read: {error.strerror}"
    if checksum(keys, rows) != crc or row_sums(rows).astype("<u4").tobytes() != sums:
        return "the checksum differs"
    return ""


def prune(index: Index, *, older_than_days: float | None, max_bytes: int | None, address: str | None) -> dict[str, Any]:
    """Remove what was asked for and all garbage; see :meth:`frostline.store.Store.prune`."""
    freed = _Freed()
    if address is not None or older_than_days is not None:
        oldest = time.time() - 86400 * older_than_days if older_than_days is not None else None
        for shard_id, file in _shards(index, address=address, unused_since=oldest):
            _drop_shard(index, shard_id, file, freed)
    freed.n_vectors += _drop_unreadable(index)
    if max_bytes is not None:
        shrink(index, max_bytes, freed=freed)
    n_garbage = _sweep(index, freed)
    index.compact()
    return {
        "bytes_freed": freed.bytes_freed,
        "n_vectors_removed": freed.n_vectors,
        "n_garbage_files": n_garbage,
        "n_shards_in_use": freed.n_in_use,
    }


def shrink(index: Index, limit: int, *, keep: Container[int] = (), freed: _Freed | None = None) -> None:
    """Remove the least recently used shards until index and shards take at most `limit` bytes.

    Shards in `keep` and shards that a process is writing stay, so the limit may remain exceeded.
    """
    if index.read(used_bytes) <= limit:
        return
    for shard_id, file in _shards(index):
        if shard_id in keep:
            continue
        _drop_shard(index, shard_id, file, freed or _Freed())
        if index.read(used_bytes) <= limit:
            return


def _shards(index: Index, *, address: str | None = None, unused_since: float | None = None) -> list[tuple[int, str]]:
    """Ids and files of the shards, the least recently used first."""
    query = (
        "SELECT shards.id, file FROM shards JOIN specs ON specs.id = spec "
        "WHERE (:address IS NULL OR address = :address) AND (:since IS NULL OR last_used < :since) "
        "ORDER BY last_used, shards.id"
    )
    values = {"address": address, "since": unused_since}
    return [(shard_id, file) for shard_id, file in index.select(query, values)]


def _drop_shard(index: Index, shard_id: int, file: str, freed: _Freed) -> None:
    path = index.folder / "shards" / file
    fd = lock_file(path)
    if fd is None and path.exists():
        freed.n_in_use += 1
        return
    try:
        with index.writing() as connection:
            n_bytes, n_vectors = connection.execute(
                "SELECT COALESCE(SUM(bytes), 0), (SELECT COALESCE(SUM(n_rows), 0) FROM batches WHERE shard = :id) "
                "FROM shards WHERE id = :id",
                {"id": shard_id},
            ).fetchone()
            delete_batches(connection, "shard = ?", [(shard_id,)])
        # The file goes last: a file without an entry is garbage for the next sweep, the reverse would be a hole.
        path.unlink(missing_ok=True)
        freed.bytes_freed += n_bytes
        freed.n_vectors += n_vectors
    finally:
        if fd is not None:
            os.close(fd)


def _drop_unreadable(index: Index) -> int:
    """Forget batches that lie beyond the end of their file, or whose file is missing; returns their rows."""
    query = "SELECT shards.id, file, dim FROM shards JOIN specs ON specs.id = spec"
    cut = []
    for shard_id, file, dim in index.select(query):
        path = index.folder / "shards" / file
        size = path.stat().st_size if path.exists() else 0
        cut.append((shard_id, 4 * dim, size - HEADER_BYTES))
    beyond = "shard = ? AND (first_row + n_rows) * ? > ?"
    with index.writing() as connection:
        count = f"SELECT COALESCE(SUM(n_rows), 0) FROM batches WHERE {beyond}"
        n_rows = sum(connection.execute(count, values).fetchone()[0] for values in cut)
        if n_rows:
            delete_batches(connection, beyond, cut)
    return int(n_rows)


def _sweep(index: Index, freed: _Freed) -> int:
    """Delete files that no batch names, and trim those whose writer died; returns how many were deleted."""
    n_deleted = 0
    for path in (index.folder / "shards").glob("*.safetensors"):
        if (fd := lock_file(path)) is None:
            continue
        try:
            # Asked under the lock: nobody can commit rows to this file now.
            found = index.committed_rows(path.name)
            stat = os.fstat(fd)
            if found is None:
                path.unlink()
                freed.bytes_freed += 512 * stat.st_blocks
                n_deleted += 1
            elif stat.st_size > shard_bytes(found[0], found[1]):
                trim(fd, *found)
        finally:
            os.close(fd)
    return n_deleted
