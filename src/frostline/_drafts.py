"""What is written under another name first, and takes its place whole; drafts of writers that died are found and removed.

A writer holds a lock (``flock``) on its draft, which the kernel drops when the process dies, however it dies. So whoever can
lock a draft knows that nobody writes it. Where locks are not to be had, drafts of others are left alone.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl

__all__ = ["drafting", "put_folder", "remove_dead_drafts"]


@contextmanager
def drafting(path: Path, *, folder: bool = False) -> Iterator[Path]:
    """Yield an empty file or folder beside `path`; what is left of it when the block ends is removed.

    Parameters
    ----------
    path : Path
        What the block is to replace by the draft.
    folder : bool, default=False
        Whether the draft is a folder.

    Raises
    ------
    OSError
        It cannot be made.
    """
    # Of a folder that is missing, a draft may be all that there is until it is written anew.
    if path.exists() or not folder:
        remove_dead_drafts(path)
    place, handle = _made(path, folder)
    try:
        yield place
    finally:
        if handle is not None:
            os.close(handle)
        _remove(place)
    remove_dead_drafts(path)


def put_folder(fresh: Path, folder: Path) -> None:
    """Move a folder to its place, where there may be one already.

    Raises
    ------
    OSError
        It cannot be moved; what stood there stands there still.
    """
    if not folder.exists():
        fresh.rename(folder)
        return
    old = _name(folder)
    folder.rename(old)
    try:
        fresh.rename(folder)
    except BaseException:
        old.rename(folder)
        raise
    shutil.rmtree(old)


def remove_dead_drafts(path: Path) -> None:
    """Remove drafts of `path` whose writers died."""
    if sys.platform == "win32" or not path.parent.is_dir():
        return
    for draft in [own for own in path.parent.iterdir() if own.name.startswith(_prefix(path))]:
        with suppress(OSError):
            handle = os.open(draft, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(draft)
            finally:
                os.close(handle)


def _made(path: Path, folder: bool) -> tuple[Path, int | None]:
    """A draft and the lock on it; again where somebody took it for dead in the moment before the lock."""
    while True:
        place = _name(path)
        if folder:
            place.mkdir(parents=True)
        else:
            place.touch(exist_ok=False)
        if sys.platform == "win32":
            return place, None
        try:
            handle = os.open(place, os.O_RDONLY)
        except FileNotFoundError:
            continue
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if place.exists():
            return place, handle
        os.close(handle)


def _prefix(path: Path) -> str:
    """The first part of the name keeps it readable, the digest tells long names apart that begin alike."""
    digest = hashlib.blake2b(os.fsencode(path.name), digest_size=4).hexdigest()
    return f".{path.name[:32]}-{digest}."


def _name(path: Path) -> Path:
    return path.with_name(f"{_prefix(path)}{secrets.token_hex(4)}.tmp")


def _remove(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)
