"""The index of a store: one SQLite file that says which batches are committed and where their rows lie.

A batch is committed exactly when its rows stand in the table ``batches``; one row holds a whole batch of one
specification, so a commit costs a handful of inserts and a specification is read back as one concatenation of blobs.
Ids only grow (AUTOINCREMENT, one writer at a time), so whoever has seen batch N has seen all before it, and the lowest
id is the first writer. ``PRAGMA user_version`` counts deletions and ``application_id`` is drawn when an index is made:
when either moves, what was read before is void.
"""

from __future__ import annotations

import secrets
import sqlite3
import tempfile
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from frostline.contracts import FeatureSpec
from frostline.errors import StoreError
from frostline.store.keys import check_dim
from frostline.store.lookup import BatchRow
from frostline.store.place import exclusive, network_filesystem
from frostline.store.shard import HEADER_BYTES, shard_bytes

__all__ = ["Fetched", "Index", "Part", "delete_batches", "fetch", "insert", "used_bytes"]

T = TypeVar("T")

_TIMEOUT_S = 60.0
_SCHEMA = """
CREATE TABLE specs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, address TEXT NOT NULL UNIQUE, description TEXT NOT NULL, dim INTEGER NOT NULL
);
CREATE TABLE shards (
    id INTEGER PRIMARY KEY AUTOINCREMENT, file TEXT NOT NULL UNIQUE, spec INTEGER NOT NULL,
    rows INTEGER NOT NULL, bytes INTEGER NOT NULL, last_used REAL NOT NULL
);
CREATE TABLE batches (
    id INTEGER PRIMARY KEY AUTOINCREMENT, spec INTEGER NOT NULL, shard INTEGER NOT NULL, first_row INTEGER NOT NULL,
    n_rows INTEGER NOT NULL, checksum INTEGER NOT NULL, keys BLOB NOT NULL, sums BLOB NOT NULL
);
CREATE INDEX batches_of_spec ON batches (spec, id);
CREATE INDEX batches_of_shard ON batches (shard, first_row);
"""


@dataclass(frozen=True)
class Part:
    """One specification's part of a batch: what an insert writes."""

    spec: FeatureSpec
    file: str
    first_row: int
    n_rows: int
    checksum: int
    keys: bytes
    sums: bytes


@dataclass(frozen=True)
class Fetched:
    """What the index holds about one specification beyond what was known."""

    epoch: tuple[int, int]
    dim: int | None
    batches: list[BatchRow]
    files: dict[int, str]


class Index:
    """The SQLite file of a store; not safe for use by two threads at once, and not across a fork.

    A writable index keeps one connection and touches nothing before :meth:`create`. A read-only one opens the file for
    each read, and writes nothing: without a write-ahead log it is opened as immutable.
    """

    def __init__(self, folder: Path, *, read_only: bool) -> None:
        self.folder, self.read_only = folder, read_only
        self.path = folder / "index.sqlite"
        self._log = folder / "index.sqlite-wal"
        self._connection: sqlite3.Connection | None = None
        self._inode = 0

    def inode(self) -> int:
        """Number of the file, 0 where there is none: another number means another store at the same path."""
        return _stat(self.path)[0]

    def create(self) -> None:
        """Make the folder and the index where they do not exist."""
        if self.inode():
            return
        with exclusive(self.folder):
            if self.inode():
                return
            draft = self.folder / "index.sqlite.draft"
            # A log that outlived its file, here or in a killed attempt, would be replayed into the new one.
            for stale in (*self.folder.glob("index.sqlite-*"), *self.folder.glob(f"{draft.name}*")):
                stale.unlink()
            with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
                connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute(f"PRAGMA application_id={secrets.randbits(31)}")
                connection.executescript(_SCHEMA)
            # Complete or absent: a process killed here leaves no index without tables.
            draft.replace(self.path)

    def version(self) -> Hashable:
        """A value that changes whenever anyone commits."""
        if self.read_only and self._has_log():
            return object()  # two commits within one tick of the file system's clock look the same from outside
        if self.read_only or not self.inode():
            return self._signature()
        connection = self._writable()
        return (self._inode, connection.execute("PRAGMA data_version").fetchone()[0], connection.total_changes)

    def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run a query that may be run again on one consistent state of the index."""
        if not self.inode():
            with closing(sqlite3.connect(":memory:")) as connection:
                connection.executescript(_SCHEMA)
                return query(connection)
        if self.read_only:
            return self._read_only(query)
        with _transaction(self._writable(), "BEGIN") as connection:
            return query(connection)

    def select(self, statement: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[tuple[Any, ...]]:
        """The rows that one SELECT yields."""
        return self.read(lambda connection: connection.execute(statement, values).fetchall())

    def committed_rows(self, file: str) -> tuple[int, int, str] | None:
        """Rows, width and address of a shard as far as it is committed; None where no batch names it."""
        found = self.select(
            "SELECT rows, dim, address FROM shards JOIN specs ON specs.id = spec WHERE file = ?", (file,)
        )
        return (found[0][0], found[0][1], found[0][2]) if found else None

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Run the body in one transaction: committed whole when it ends, rolled back when it raises."""
        with _transaction(self._writable(), "BEGIN IMMEDIATE") as connection:
            yield connection

    def compact(self) -> None:
        """Give free pages and the write-ahead log back to the file system."""
        connection = self._writable()
        connection.executescript("PRAGMA incremental_vacuum")  # `execute` would stop after one page
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the connection; the last one of all processes folds the write-ahead log into the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _writable(self) -> sqlite3.Connection:
        inode = self.inode()
        if self._connection is None or inode != self._inode:
            self.close()
            self._connection = _connect(self.path, "mode=rw")
            # FULL: a batch reported as committed survives a loss of power, not only the death of the process.
            self._connection.execute("PRAGMA synchronous=FULL")
            self._inode = inode
        return self._connection

    def _has_log(self) -> bool:
        return _stat(self._log)[1] > 0

    def _signature(self) -> tuple[int, ...]:
        return _stat(self.path) + _stat(self._log)

    def _read_only(self, query: Callable[[sqlite3.Connection], T]) -> T:
        for _ in range(20):
            before = self._signature()
            if self._has_log():
                return self._read_with_log(query)
            try:
                with closing(_connect(self.path, "mode=ro&immutable=1")) as connection:
                    result = query(connection)
            except sqlite3.DatabaseError:
                if self._signature() == before:
                    raise
            else:
                # Immutable means that SQLite takes no locks; a writer that came meanwhile shows in the signature.
                if self._signature() == before:
                    return result
        raise StoreError(f"The index {self.path} changes faster than it can be read.", hint="try again")

    def _read_with_log(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Read where a write-ahead log exists: a writer is at work, or the last one was killed."""
        if not network_filesystem(self.folder):
            try:
                with closing(_connect(self.path, "mode=ro")) as connection:
                    return query(connection)
            except sqlite3.OperationalError:
                # SQLite needs its shared-memory file, which it can neither find nor make on read-only media.
                pass
        with tempfile.TemporaryDirectory(prefix="frostline-index-") as copy:
            for source in (self.path, self._log):
                (Path(copy) / source.name).write_bytes(source.read_bytes())
            with closing(_connect(Path(copy) / self.path.name, "mode=rw")) as connection:
                return query(connection)


def _connect(path: Path, options: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?{options}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_TIMEOUT_S, check_same_thread=False)


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[sqlite3.Connection]:
    connection.execute(begin)
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _stat(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def fetch(connection: sqlite3.Connection, address: str, after: int, epoch: tuple[int, int]) -> Fetched:
    """Read the batches of a specification that are newer than `after`; all of them if `epoch` has passed."""
    marks = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
    current = (int(marks[0]), int(marks[1]))
    found = connection.execute("SELECT id, dim FROM specs WHERE address = ?", (address,)).fetchone()
    if found is None:
        return Fetched(current, None, [], {})
    batches = connection.execute(
        "SELECT id, shard, first_row, n_rows, keys, sums FROM batches WHERE spec = ? AND id > ? ORDER BY id",
        (found[0], after if current == epoch else 0),
    ).fetchall()
    files = dict(connection.execute("SELECT id, file FROM shards WHERE spec = ?", (found[0],)).fetchall())
    return Fetched(current, found[1], batches, files)


def insert(connection: sqlite3.Connection, part: Part, now: float) -> int:
    """Write one part of a batch, and its specification and shard where they are new; returns the shard's id."""
    spec, end = part.spec, part.first_row + part.n_rows
    connection.execute(
        "INSERT INTO specs (address, description, dim) VALUES (?, ?, ?) ON CONFLICT (address) DO NOTHING",
        (spec.address, spec.description, spec.dim),
    )
    spec_id, dim = connection.execute("SELECT id, dim FROM specs WHERE address = ?", (spec.address,)).fetchone()
    check_dim(spec, dim)
    connection.execute(
        "INSERT INTO shards (file, spec, rows, bytes, last_used) VALUES (?, ?, ?, ?, ?) ON CONFLICT (file) "
        "DO UPDATE SET rows = excluded.rows, bytes = excluded.bytes, last_used = excluded.last_used",
        (part.file, spec_id, end, shard_bytes(end, spec.dim), now),
    )
    shard_id: int = connection.execute("SELECT id FROM shards WHERE file = ?", (part.file,)).fetchone()[0]
    connection.execute(
        "INSERT INTO batches (spec, shard, first_row, n_rows, checksum, keys, sums) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (spec_id, shard_id, part.first_row, part.n_rows, part.checksum, part.keys, part.sums),
    )
    return shard_id


def delete_batches(connection: sqlite3.Connection, where: str, values: Sequence[tuple[int, ...]]) -> None:
    """Delete the batches that meet a condition, once for each tuple of values, and tell readers to start over.

    Shards and specifications that have no batch left go too.
    """
    connection.executemany(f"DELETE FROM batches WHERE {where}", values)
    connection.execute("DELETE FROM shards WHERE NOT EXISTS (SELECT 1 FROM batches WHERE shard = shards.id)")
    connection.execute("DELETE FROM specs WHERE NOT EXISTS (SELECT 1 FROM batches WHERE spec = specs.id)")
    connection.execute(
        "UPDATE shards SET rows = "
        "(SELECT first_row + n_rows FROM batches WHERE shard = shards.id ORDER BY first_row DESC LIMIT 1)"
    )
    connection.execute(
        "UPDATE shards SET bytes = ? + 4 * rows * (SELECT dim FROM specs WHERE specs.id = spec)", (HEADER_BYTES,)
    )
    (generation,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA user_version = {generation + 1}")


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes that shards and index take."""
    pages = [
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    ]
    (shards,) = connection.execute("SELECT COALESCE(SUM(bytes), 0) FROM shards").fetchone()
    return int(shards + (pages[0] - pages[1]) * pages[2])
