"""Progress of long work on stderr, only where somebody watches."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

from frostline.errors import UserError

__all__ = ["check_progress", "progress_bar", "say"]


def check_progress(progress: Any) -> None:
    """Refuse anything but ``"auto"``, True or False."""
    if progress not in ("auto", True, False):
        raise UserError(f"progress must be 'auto', True or False, got {progress!r}.")


def _is_shown(progress: Any) -> bool:
    """Whether anything is shown: ``"auto"`` means where stderr is a terminal."""
    check_progress(progress)
    return sys.stderr.isatty() if progress == "auto" else bool(progress)


def say(progress: Any, line: str) -> None:
    """Write a line to stderr where progress is shown."""
    if _is_shown(progress):
        sys.stderr.write(f"{line}\n")


@contextlib.contextmanager
def progress_bar(progress: Any, total: int | None, what: str, unit: str) -> Iterator[Callable[..., Any]]:
    """Show a bar while the body runs.

    Parameters
    ----------
    progress : "auto" or bool
        ``"auto"`` shows it when stderr is a terminal.
    total : int or None
        Number of units, where it is known.
    what, unit : str
        Label, and what is counted.

    Yields
    ------
    callable
        Call it with the number of further units that are done, and where there is one a note to show beside the bar.
    """
    if not _is_shown(progress):
        yield lambda done, note="": None
        return
    from tqdm import tqdm

    # A log file gets a line every ten seconds, a terminal a smooth bar.
    interval = 0.2 if sys.stderr.isatty() else 10.0
    with tqdm(total=total, desc=what, unit=f" {unit}", file=sys.stderr, mininterval=interval, leave=False) as bar:

        def advance(done: int, note: str = "") -> None:
            if note:
                bar.set_postfix_str(note, refresh=False)
            bar.update(done)

        yield advance
