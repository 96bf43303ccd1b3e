"""Errors that know what to do next: an exit code for the shell, a status for HTTP, a hint for the reader.

    FrostlineError               our fault                 exit 1, HTTP 500
    ├── UserError(ValueError)    the caller's mistake      exit 2, HTTP 400
    ├── ArtifactError(UserError) a folder that cannot be trusted or read
    ├── StoreError(UserError)    a feature store that cannot be used
    └── MissingExtraError        an optional package is absent (also an ImportError)

A message says what was wrong, what was got and what is allowed; ``hint`` says what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["ArtifactError", "FrostlineError", "MissingExtraError", "StoreError", "UserError", "nearest"]


class FrostlineError(Exception):
    """Base of every error that Frostline raises on purpose.

    Parameters
    ----------
    message : str
        What was wrong, what was got, what is allowed.
    hint : str, optional
        What to do next; shown on a line of its own.
    """

    exit_code: int = 1
    http_status: int = 500

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\nhint: {self.hint}"


class UserError(FrostlineError, ValueError):
    """A mistake in what the caller passed: safe to show, never a traceback on the command line."""

    exit_code = 2
    http_status = 400


class ArtifactError(UserError):
    """A saved folder is missing, cut off, edited, too new, or belongs to another backbone."""


class StoreError(UserError):
    """A feature store cannot be opened, read, locked or written."""


class MissingExtraError(FrostlineError, ImportError):
    """A feature needs a package that is not installed; the hint is the command that installs it."""

    exit_code = 2
    http_status = 501


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Word a suggestion for a misspelt name.

    Parameters
    ----------
    name : str
        What the caller wrote.
    allowed : iterable of str
        The names that exist.

    Returns
    -------
    str
        ``"Did you mean 'x'?"``, or an empty string where nothing is near.
    """
    by_lower = {a.lower(): a for a in allowed}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f"Did you mean {by_lower[found[0]]!r}?" if found else ""
