"""Answers of an endpoint on disk, by what was asked: a killed job that runs again pays for nothing twice."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from frostline.contracts import canonical_json
from frostline.errors import StoreError

__all__ = ["AnswerCache"]


class AnswerCache:
    """One SQLite file of answers.

    Unlike the feature store it holds text: the answers as they came. Requests stand in it as digests only.

    Parameters
    ----------
    path : path
        Made with the first answer.

    Raises
    ------
    StoreError
        The file cannot be used, or none can be made there.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        if self.path.exists():
            self.get({})
            return
        ground = next(place for place in self.path.absolute().parents if place.exists())
        if not ground.is_dir() or not os.access(ground, os.W_OK | os.X_OK):
            raise self._unusable(f"no file can be made in {ground}")

    def get(self, request: Mapping[str, Any]) -> Any:
        """The parsed answer to a request, or None."""
        if not self.path.exists():
            return None
        with self._opened() as connection:
            row = connection.execute("SELECT answer FROM answers WHERE key = ?", (_key(request),)).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, request: Mapping[str, Any], answer: Any) -> None:
        """Keep an answer; it is on disk when this returns."""
        with self._opened() as connection:
            connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (_key(request), canonical_json(answer)))

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=60)) as connection, connection:
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, answer TEXT) WITHOUT ROWID"
                )
                yield connection
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error

    def _unusable(self, why: object) -> StoreError:
        return StoreError(
            f"The answers in {self.path} cannot be used: {why}.", hint="choose another file, or delete this one"
        )


def _key(request: Mapping[str, Any]) -> bytes:
    return hashlib.blake2b(canonical_json(dict(request)).encode(), digest_size=16).digest()
