"""The feature store on disk."""

from __future__ import annotations

import contextlib
import os
import sys
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.contracts import FeatureSpec, KeyArray
from frostline.errors import StoreError, UserError
from frostline.store import place, upkeep
from frostline.store.keys import check_append, check_keys, check_out, missing_keys
from frostline.store.session import Session, read_places
from frostline.store.shard import ShardGoneError

__all__ = ["Store"]

_SHARD_BYTES = 64 << 20


class Store:
    """A durable feature store: vectors by content address; see :class:`frostline.contracts.VectorStore`.

    A folder with ``format.json``, the SQLite index ``index.sqlite`` and fp32 ``shards/*.safetensors``. Several processes
    may read and write it at once; within a process it is safe to use from several threads, and a forked child opens its
    own connection and shards. A batch is committed whole or not at all, and survives the death of the process and loss
    of power. Of equal keys the first one committed is returned. No text is kept, only digests of token ids.

    Every row is checked when it is read, so a shard that was cut or damaged raises and never yields wrong numbers;
    `verify` with ``repair=True`` then forgets the damaged batches, so that they are embedded again.

    Parameters
    ----------
    path : str or Path
        The folder; ``"default"`` is :func:`default_store_path`. Nothing is created before the first append.
    read_only : bool
        Never write anything, not even when a vector was last used; for read-only media and network file systems.
    max_bytes : int, optional
        By default what the environment variable ``FROSTLINE_STORE_MAX_BYTES`` says, else no limit. Before an append
        would exceed this, the least recently used shards are removed. What this process has read or
        written since it opened the store is never removed, so a job larger than the limit exceeds it (`check_space`
        says so beforehand).

    Raises
    ------
    StoreError
        The path is a file, a folder with other content, a store of another format version, or on a network file system;
        or there is no store to open as read-only.
    """

    def __init__(self, path: str | Path = "default", *, read_only: bool = False, max_bytes: int | None = None) -> None:
        if sys.platform == "win32":
            raise StoreError(
                "The feature store needs POSIX file locks, which Windows lacks.",
                hint="work without a store (--no-store)",
            )
        if max_bytes is not None and max_bytes <= 0:
            raise UserError(f"max_bytes must be a positive number of bytes or None, got {max_bytes!r}.")
        self._path = place.default_store_path() if path == "default" else Path(path).expanduser()
        self._read_only = read_only
        self._max_bytes = place.default_limit() if max_bytes is None else max_bytes
        with place.explained(self._path):
            place.check_folder(self._path, read_only=read_only)
        self._closed = False
        # Keyed by process id: a forked child finds no session of its own and opens one; the parent's is left alone,
        # since neither SQLite's connections nor another process's open shards may be used or closed there.
        self._sessions: dict[int, Session] = {}
        self._finalizer = weakref.finalize(self, _close_own, self._sessions)

    @property
    def path(self) -> Path:
        """The folder."""
        return self._path

    @property
    def read_only(self) -> bool:
        """Whether the store refuses to write."""
        return self._read_only

    def contains(self, spec: FeatureSpec, keys: KeyArray) -> NDArray[np.bool_]:
        """Which keys are stored under `spec`, by this or any other process.

        Parameters
        ----------
        spec : FeatureSpec
        keys : uint64 array of shape (n, 2)
            From :func:`frostline.store.keys_of`.

        Returns
        -------
        bool array of shape (n,)
        """
        check_keys(keys)
        with self._session() as session:
            return session.find(spec, keys)[1] >= 0

    def gather(self, spec: FeatureSpec, keys: KeyArray, out: NDArray[np.float32]) -> None:
        """Write the vectors of `keys` into `out`.

        Parameters
        ----------
        spec : FeatureSpec
        keys : uint64 array of shape (n, 2)
        out : float32 array of shape (n, D)
            Need not be contiguous. After an error its content is undefined.

        Raises
        ------
        StoreError
            A key is not stored, or its shard is missing, cut or damaged.
        """
        check_out(spec, keys, out)
        try:
            self._read(spec, keys, out)
        except ShardGoneError:
            # Another process may have evicted a shard since we looked it up: then the second look finds keys missing.
            self._read(spec, keys, out)

    def append(self, specs: Sequence[FeatureSpec], keys: KeyArray, vectors: NDArray[np.float32]) -> None:
        """Commit one batch whole, or not at all.

        Parameters
        ----------
        specs : sequence of FeatureSpec
            Distinct, of one width.
        keys : uint64 array of shape (n, 2)
        vectors : float32 array of shape (n, len(specs), D)

        Raises
        ------
        StoreError
            The store is read-only, the disk is full, or the folder is not writable; nothing is then committed.
        """
        check_append(specs, keys, vectors)
        with self._writing() as session:
            if vectors.size:
                session.append(specs, keys, vectors)

    def check_space(self, n_bytes: int) -> None:
        """Make sure before a job that its vectors will fit.

        Parameters
        ----------
        n_bytes : int
            What is to be stored: texts times taps times (width times 4 and 16 for the key).

        Raises
        ------
        StoreError
            The disk has less free, or the store's limit is smaller.
        """
        with place.explained(self._path):
            place.check_space(self._path, n_bytes, self._max_bytes)

    def info(self) -> dict[str, Any]:
        """Describe what is stored.

        Returns
        -------
        dict
            ``path``; ``bytes`` of shards and index; ``n_vectors``; and ``specs``, a list of dicts with ``address``,
            ``dim``, ``n_vectors``, ``bytes``, ``last_used`` (ISO 8601, UTC), ``backbone`` and ``tap`` (from the
            description, or None).
        """
        with self._session() as session:
            return upkeep.info(session.index)

    def verify(self, *, repair: bool = False) -> dict[str, Any]:
        """Read every committed vector again and compare checksums.

        Parameters
        ----------
        repair : bool
            Forget the bad batches, so that their texts count as not embedded.

        Returns
        -------
        dict
            ``n_vectors`` read, ``n_bad`` of them, ``repaired``, and ``bad``: for each bad batch ``file``, ``address``,
            ``first_row``, ``n_rows`` and ``reason``.
        """
        with self._writing() if repair else self._session() as session:
            return upkeep.verify(session.index, repair=repair)

    def prune(
        self, older_than_days: float | None = None, max_bytes: int | None = None, address: str | None = None
    ) -> dict[str, Any]:
        """Remove vectors by age, address and size, and always what is of no use.

        Of no use are batches whose shard is missing or cut, shards that no batch names, and the spare room of shards
        whose writer died. Safe while others read and write: a shard that a process is writing is left alone.

        Parameters
        ----------
        older_than_days : float, optional
            Remove shards last used longer ago than this.
        max_bytes : int, optional
            Then remove the least recently used shards until the store takes no more than this.
        address : str, optional
            Remove shards of this specification only; with `older_than_days`, those that meet both.

        Returns
        -------
        dict
            ``bytes_freed``, ``n_vectors_removed``, ``n_garbage_files`` and ``n_shards_in_use``, which were to go but are
            being written.

        Raises
        ------
        StoreError
            The store is read-only, or has no such address.
        """
        for name, value in (("older_than_days", older_than_days), ("max_bytes", max_bytes)):
            if value is not None and not value >= 0:
                raise UserError(f"{name} must be at least 0, got {value!r}.")
        with self._writing() as session:
            known = [spec["address"] for spec in upkeep.info(session.index)["specs"]]
            if address is not None and address not in known:
                raise StoreError(f"The store has no address {address!r}; it has {known}.", hint="frostline store info")
            if not session.index.inode():
                return {"bytes_freed": 0, "n_vectors_removed": 0, "n_garbage_files": 0, "n_shards_in_use": 0}
            session.seal()
            return upkeep.prune(session.index, older_than_days=older_than_days, max_bytes=max_bytes, address=address)

    def close(self) -> None:
        """Seal the shards that this process writes and close the index; the store cannot be used afterwards."""
        self._closed = True
        with place.explained(self._path):
            _close_own(self._sessions)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({str(self._path)!r}, read_only={self._read_only}, max_bytes={self._max_bytes})"

    def __reduce__(self) -> Any:
        raise TypeError("A Store holds locks and open files and cannot be pickled; pass its path.")

    def _read(self, spec: FeatureSpec, keys: KeyArray, out: NDArray[np.float32]) -> None:
        with self._session() as session:
            rows, positions = session.find(spec, keys)
            if n_missing := int(np.count_nonzero(positions < 0)):
                raise missing_keys(n_missing, len(keys), spec)
            places, files = rows.places(positions), rows.files
        # Without the lock: other threads go on while this one reads.
        with place.explained(self._path):
            read_places(self._path, files, spec.dim, places, out)

    @contextlib.contextmanager
    def _session(self) -> Iterator[Session]:
        session = self._sessions.get(os.getpid())
        if session is None:
            shard_bytes = min(_SHARD_BYTES, (self._max_bytes or 8 * _SHARD_BYTES) // 8)
            new = Session(self._path, read_only=self._read_only, max_bytes=self._max_bytes, shard_bytes=shard_bytes)
            session = self._sessions.setdefault(os.getpid(), new)
        with session.lock, place.explained(self._path):
            if self._closed:
                raise StoreError(f"The store at {self._path} is closed.", hint="open a new Store")
            yield session

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Session]:
        if self._read_only:
            raise StoreError(f"The store at {self._path} is open read-only.", hint="open it without read_only=True")
        with self._session() as session:
            yield session


def _close_own(sessions: dict[int, Session]) -> None:
    session = sessions.pop(os.getpid(), None)
    if session is not None:
        with session.lock:
            session.close()
