"""Answers of an endpoint on disk, by what was asked: a killed job that runs again pays for nothing twice."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
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
        Made where it is absent.

    Raises
    ------
    StoreError
        The file cannot be used.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as connection, connection:
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, answer TEXT) WITHOUT ROWID"
                )
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error

    def get(self, request: Mapping[str, Any]) -> Any:
        """The parsed answer to a request, or None."""
        try:
            with closing(self._connect()) as connection:
                row = connection.execute("SELECT answer FROM answers WHERE key = ?", (_key(request),)).fetchone()
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return None if row is None else json.loads(row[0])

    def put(self, request: Mapping[str, Any], answer: Any) -> None:
        """Keep an answer; it is on disk when this returns."""
        try:
            with closing(self._connect()) as connection, connection:
                connection.execute(
                    "INSERT OR REPLACE INTO answers VALUES (?, ?)", (_key(request), canonical_json(answer))
                )
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=60)

    def _unusable(self, error: Exception) -> StoreError:
        return StoreError(
            f"The answers in {self.path} cannot be used: {error}.", hint="choose another file, or delete this one"
        )


def _key(request: Mapping[str, Any]) -> bytes:
    return hashlib.blake2b(canonical_json(dict(request)).encode(), digest_size=16).digest()
