"""A study is a list of cells; each is computed once, written when it is done, and never again.

What decides a cell's result is its key: plain JSON values, among them digests of the data and of the backbone. The key's
digest names the cell's file, so a study that was killed, or is run again with more seeds or sets, computes what is new.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from frostline._progress import progress_bar
from frostline.contracts import canonical_json
from frostline.errors import UserError
from frostline.reports.study import StudyReport, StudySection
from frostline.tables import replacing

__all__ = ["Cell", "Outcome", "failures", "run_cells", "write_report"]


@dataclass(frozen=True)
class Cell:
    """One measurement.

    Parameters
    ----------
    key : mapping
        JSON-able; all that decides the result.
    run : callable
        Makes the result, a JSON-able mapping; called at most once.
    cost : int, default=1
        How long it takes beside others, for the time left.
    """

    key: Mapping[str, Any]
    run: Callable[[], Mapping[str, Any]]
    cost: int = 1

    @property
    def address(self) -> str:
        """32 hexadecimal digits: the digest of the key."""
        return hashlib.blake2b(canonical_json(dict(self.key)).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """What became of a cell.

    Attributes
    ----------
    key : mapping
    result : mapping
        Empty where it failed.
    error : str
        The user's mistake, or what these data cannot give; such a cell is tried again next time.
    fresh : bool
        Whether it was run now.
    """

    key: Mapping[str, Any]
    result: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    fresh: bool = False


def run_cells(cells: Sequence[Cell], folder: str | Path, *, progress: Any = "auto") -> list[Outcome]:
    """Run the cells that have no result yet, in their order.

    Parameters
    ----------
    cells : sequence of n Cell
    folder : path
        Where results lie, a file each; made where it is absent.
    progress : "auto" or bool, default="auto"
        A bar with the time left, by the costs of the cells.

    Returns
    -------
    list of n Outcome

    Raises
    ------
    UserError
        A result that cannot be read, or a folder that cannot be written.
    """
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"Results cannot be written to {place}: {error.strerror}.", hint="name another --out"
        ) from error
    found = [_kept(cell, place) for cell in cells]
    left = sum(cell.cost for cell, done in zip(cells, found, strict=True) if done is None)
    with progress_bar(progress, left, f"{len(cells)} cells", "cost") as advance:
        outcomes = []
        for cell, done in zip(cells, found, strict=True):
            outcomes.append(_run(cell, place) if done is None else done)
            advance(cell.cost if done is None else 0)
    return outcomes


def _kept(cell: Cell, folder: Path) -> Outcome | None:
    path = folder / f"{cell.address}.json"
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return Outcome(cell.key, kept["result"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} holds no result: {error}.", hint="delete the file: the cell is run again") from error


def _run(cell: Cell, folder: Path) -> Outcome:
    began = time.perf_counter()
    try:
        result = {**cell.run(), "seconds": round(time.perf_counter() - began, 3)}
    except UserError as error:
        return Outcome(cell.key, error=error.message, fresh=True)
    with replacing(folder / f"{cell.address}.json") as file:  # whole or not at all
        file.write(canonical_json({"key": dict(cell.key), "result": result}).encode())
    return Outcome(cell.key, result, fresh=True)


def failures(outcomes: Sequence[Outcome], name: Callable[[Outcome], str]) -> StudySection | None:
    """A section of the cells without a result, each with its cause; None where all have one."""
    lines = dict.fromkeys(f"{name(outcome)}: {outcome.error}" for outcome in outcomes if outcome.error)
    return StudySection("Without a result", "\n".join(lines)) if lines else None


def write_report(report: StudyReport, folder: Path, began: float) -> StudyReport:
    """Write ``study.html`` and ``study.json`` beside the cells, each whole or not at all.

    Parameters
    ----------
    report : StudyReport
    folder : path
    began : float
        When the study did, by ``time.perf_counter``.

    Returns
    -------
    StudyReport
        With its seconds, as it was written.
    """
    report = replace(report, seconds=time.perf_counter() - began)
    texts = {"study.html": report.to_html(), "study.json": json.dumps(report.to_json(), ensure_ascii=False)}
    for name, text in texts.items():
        with replacing(folder / name) as file:
            file.write(text.encode())
    return report
