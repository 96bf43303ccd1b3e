"""What a check is, and what it says: an issue, a tip, passed, or not applicable, which is never called passed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from frostline.errors import UserError

if TYPE_CHECKING:
    from frostline.diagnostics.evidence import Evidence

__all__ = ["OUTCOMES", "Check", "Finding", "NotApplicable", "Outcome", "Verdict", "issue", "passed", "tip"]

Outcome = Literal["issue", "tip", "passed", "not applicable"]

OUTCOMES: tuple[Outcome, ...] = ("issue", "tip", "passed", "not applicable")
"""From the one that asks for most to the one that says least."""


class NotApplicable(UserError):  # noqa: N818  an outcome, no mistake
    """The rows, vectors or predictions that a check looks at are not there."""


@dataclass(frozen=True)
class Verdict:
    """What the function of a check returns."""

    outcome: Outcome
    message: str
    value: Any = None


def issue(message: str, value: Any = None) -> Verdict:
    """Something is wrong and costs accuracy or trust."""
    return Verdict("issue", message, value)


def tip(message: str, value: Any = None) -> Verdict:
    """Nothing is wrong, but it can be done better, or should be looked at."""
    return Verdict("tip", message, value)


def passed(message: str, value: Any = None) -> Verdict:
    """Looked at, and nothing found."""
    return Verdict("passed", message, value)


@dataclass(frozen=True)
class Finding:
    """What one check found on one run.

    Attributes
    ----------
    code : str
        Such as ``"FRL101"``; docs/checks.md says how it is detected, why it matters and what to do.
    title : str
        What was looked for.
    outcome : {"issue", "tip", "passed", "not applicable"}
    message : str
    value
        What was measured, JSON-able; None where nothing was.
    """

    code: str
    title: str
    outcome: Outcome
    message: str
    value: Any = None


@dataclass(frozen=True)
class Check:
    """A numbered check: its function looks at the evidence and returns a verdict."""

    code: str
    title: str
    look: Callable[[Evidence], Verdict]

    def __call__(self, evidence: Evidence) -> Finding:
        """Look; what the data do not allow is not applicable, with the reason."""
        try:
            verdict = self.look(evidence)
        except UserError as error:
            verdict = Verdict("not applicable", error.message)
        return Finding(self.code, self.title, verdict.outcome, verdict.message, verdict.value)
