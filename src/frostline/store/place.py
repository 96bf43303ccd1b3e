"""The folder of a store: where it is by default, whether it can be used, how it is made, and what its errors mean."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from frostline.errors import StoreError, UserError

if sys.platform != "win32":
    import fcntl

__all__ = [
    "FORMAT",
    "check_folder",
    "check_space",
    "default_limit",
    "default_store_path",
    "exclusive",
    "explained",
    "network_filesystem",
    "sync_folder",
]

FORMAT = 1
_FORMAT_FILE = "format.json"
_FORMAT_DRAFT = ".format.json.draft"
_NETWORK = re.compile(
    r"9p|afs|beegfs|ceph|cifs|glusterfs|gpfs|lustre|ncpfs|nfs4?|orangefs|smb3|smbfs"
    r"|fuse\.(ceph|gcsfuse|glusterfs|rclone|s3fs|sshfs)"
)
_ELSEWHERE = "free space on the disk, prune the store (frostline store prune), or choose another folder (--store DIR)"
_NOT_WRITABLE = "choose a folder that you may write (--store DIR), or open the store with read_only=True"
_DAMAGED_INDEX = "delete the folder: every vector in it can be embedded again"


def default_store_path() -> Path:
    """Where the store lives unless another folder is named.

    Returns
    -------
    Path
        ``$FROSTLINE_STORE``, else ``$XDG_CACHE_HOME/frostline/store``, else ``~/.cache/frostline/store``.
    """
    if chosen := os.environ.get("FROSTLINE_STORE"):
        return Path(chosen).expanduser()
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG Base Directory specification says that a relative path is to be ignored.
    return (cache if cache.is_absolute() else Path("~/.cache").expanduser()) / "frostline" / "store"


def default_limit() -> int | None:
    """How large a store may grow unless another limit is named.

    Returns
    -------
    int or None
        Bytes in ``$FROSTLINE_STORE_MAX_BYTES``; None where it is not set or empty.

    Raises
    ------
    UserError
        It is no positive whole number.
    """
    written = os.environ.get("FROSTLINE_STORE_MAX_BYTES", "").strip()
    if not written:
        return None
    if not (written.isascii() and written.isdigit()) or int(written) == 0:
        raise UserError(
            f"FROSTLINE_STORE_MAX_BYTES must be a positive whole number of bytes, got {written!r}.",
            hint="for 10 GB: export FROSTLINE_STORE_MAX_BYTES=10000000000",
        )
    return int(written)


def check_folder(folder: Path, *, read_only: bool) -> None:
    """Raise a StoreError unless `folder` is a store that can be used, or could become one."""
    if folder.is_dir():
        if (folder / _FORMAT_FILE).is_file():
            _check_format(folder)
        elif other := sorted(p.name for p in folder.iterdir() if p.name != _FORMAT_DRAFT):
            raise StoreError(
                f"{folder} is no feature store: it has no {_FORMAT_FILE} but other content, such as {other[0]!r}.",
                hint="choose a new or an empty folder",
            )
    elif folder.exists():
        raise StoreError(f"{folder} is a file; a feature store is a folder.", hint="choose a new or an empty folder")
    elif read_only:
        raise StoreError(f"There is no feature store at {folder}.", hint="check the path, or open it for writing")
    if not read_only and (kind := network_filesystem(folder)):
        raise StoreError(
            f"{folder} lies on a network file system ({kind}), where SQLite cannot lock reliably.",
            hint="choose a local folder ($FROSTLINE_STORE or --store DIR), or open the store with read_only=True",
        )


def _check_format(folder: Path) -> None:
    try:
        found = json.loads((folder / _FORMAT_FILE).read_text(encoding="utf-8"))["format"]
    except (ValueError, TypeError, KeyError) as error:
        raise StoreError(f"{folder / _FORMAT_FILE} cannot be read as a store's format.", hint=_DAMAGED_INDEX) from error
    if found != FORMAT:
        raise StoreError(
            f"The feature store at {folder} has format {found!r}; this version of Frostline reads format {FORMAT}.",
            hint="choose another folder (--store DIR), or use the version of Frostline that wrote this one",
        )


def network_filesystem(folder: Path, mountinfo: str | None = None) -> str | None:
    """Which network file system `folder` lies on.

    Parameters
    ----------
    folder : Path
        Need not exist.
    mountinfo : str, optional
        Text in the format of ``/proc/self/mountinfo`` (proc(5)), read from there by default; where a system has no such
        file, no network file system is recognized.

    Returns
    -------
    str or None
        Its type, such as ``"nfs4"``; None for a local one. Lustre counts as local where it is mounted with ``flock``.
    """
    if mountinfo is None:
        source = Path("/proc/self/mountinfo")
        mountinfo = source.read_text(encoding="utf-8", errors="replace") if source.is_file() else ""
    target = os.path.realpath(folder)
    best, found, options = -1, "", ""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), before.split(" ")[4])
        # Later lines cover earlier ones at the same point, hence >=.
        if len(point) >= best and os.path.commonpath([target, point]) == point:
            best, found, options = len(point), after.split(" ")[0], after.split(" ")[-1]
    if found == "lustre" and {"flock", "localflock"} & set(options.split(",")):
        return None
    return found if _NETWORK.fullmatch(found) else None


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Create the folder with its format file, and hold its lock while the body adds to it."""
    folder.mkdir(parents=True, exist_ok=True)
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        if not (folder / _FORMAT_FILE).exists():
            # Under another name first: a process killed here must not leave half a format file.
            with (folder / _FORMAT_DRAFT).open("w", encoding="utf-8") as draft:
                draft.write(json.dumps({"format": FORMAT}) + "\n")
                os.fsync(draft.fileno())
            (folder / _FORMAT_DRAFT).replace(folder / _FORMAT_FILE)
        (folder / "shards").mkdir(exist_ok=True)
        yield
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_folder(folder: Path) -> None:
    """Wait until the names of the files in `folder` are on the device."""
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def check_space(folder: Path, n_bytes: int, max_bytes: int | None) -> None:
    """Raise a StoreError unless `n_bytes` more fit the disk and the store's limit."""
    if max_bytes is not None and n_bytes > max_bytes:
        raise StoreError(
            f"This job would store {_size(n_bytes)}, more than the limit of {_size(max_bytes)}.",
            hint="raise the limit, or work without a store (--no-store)",
        )
    existing = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    free = shutil.disk_usage(existing).free
    if n_bytes > free:
        raise StoreError(f"This job needs {_size(n_bytes)} at {folder}, but {_size(free)} are free.", hint=_ELSEWHERE)


def _size(n_bytes: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.4g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.4g} TB"


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn errors of the system and of SQLite in the body into StoreErrors that say what to do."""
    try:
        yield
    except OSError as error:
        hint = {
            errno.ENOSPC: _ELSEWHERE,
            errno.EDQUOT: _ELSEWHERE,
            errno.EACCES: _NOT_WRITABLE,
            errno.EPERM: _NOT_WRITABLE,
            errno.EROFS: _NOT_WRITABLE,
        }.get(error.errno or 0)
        raise StoreError(f"The feature store at {folder} cannot be used: {error}.", hint=hint) from error
    except sqlite3.Error as error:
        hint = {
            sqlite3.SQLITE_FULL: _ELSEWHERE,
            sqlite3.SQLITE_READONLY: _NOT_WRITABLE,
            sqlite3.SQLITE_CANTOPEN: _NOT_WRITABLE,
            sqlite3.SQLITE_BUSY: "another process has kept the index locked for a minute; end it, or try again",
            sqlite3.SQLITE_CORRUPT: _DAMAGED_INDEX,
            sqlite3.SQLITE_NOTADB: _DAMAGED_INDEX,
        }.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        raise StoreError(f"The index of the feature store at {folder} cannot be used: {error}.", hint=hint) from error
