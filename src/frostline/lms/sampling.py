"""What settings of writing are allowed, and where a completion ends."""

from __future__ import annotations

import math
from collections.abc import Sequence

from frostline.errors import UserError
from frostline.lms.contracts import Sampling

__all__ = ["check_sampling", "cut_at"]


def check_sampling(sampling: Sampling | None) -> Sampling:
    """Refuse settings that cannot be used; None = the defaults.

    Raises
    ------
    UserError
    """
    given = sampling or Sampling()
    rules = {
        "max_tokens": (given.max_tokens >= 1, "1 or more"),
        "temperature": (0 <= given.temperature < math.inf, "0 or more"),
        "top_p": (0 < given.top_p <= 1, "above 0, at most 1"),
        "stop": (isinstance(given.stop, tuple) and all(given.stop), "a tuple of strings, none empty"),
        "seed": (given.seed >= 0, "0 or more"),
    }
    for name, (holds, allowed) in rules.items():
        if not holds:
            raise UserError(f"{name}={getattr(given, name)!r} cannot be used; allowed: {allowed}.")
    return given


def cut_at(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """The text before the first of the stops, and whether there was one."""
    places = [place for one in stop if (place := text.find(one)) >= 0]
    return (text[: min(places)], True) if places else (text, False)
