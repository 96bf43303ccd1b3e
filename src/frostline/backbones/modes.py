"""What a prefix of the backbone's name asks for: the real weights, random ones, or the vocabulary alone."""

from __future__ import annotations

import re
from dataclasses import dataclass

from frostline.errors import UserError

__all__ = ["Mode", "parse_mode"]

_RANDOM = re.compile(r"random:(?P<name>[^#]*)(?:#(?P<seed>.*))?")


@dataclass(frozen=True)
class Mode:
    """How much of a model is used.

    Attributes
    ----------
    name : str
        The backbone without its prefix.
    seed : int or None
        Of the weights, where they are random.
    vocabulary : bool
        Whether the input embedding table is all that is read.
    """

    name: str
    seed: int | None = None
    vocabulary: bool = False

    @property
    def needs_weights(self) -> bool:
        """Whether weight files are read."""
        return self.seed is None


def parse_mode(name: str) -> Mode:
    """Split a backbone's name into prefix and name.

    ``"random:NAME"`` is NAME's architecture with the random weights of its own initialization under seed 0,
    ``"random:NAME#3"`` under seed 3; ``"vocabulary:NAME"`` is NAME's input embedding table without any forward pass. Both
    are the controls of arXiv 2411.14708, section 4: what do structure and tokens alone give?

    Parameters
    ----------
    name : str
        As the user wrote it.

    Returns
    -------
    Mode

    Raises
    ------
    UserError
        No name behind the prefix, or a seed that is not a whole number.
    """
    if not isinstance(name, str):
        raise UserError(f"backbone must be a name or a folder, got {name!r}.", hint='for example backbone="minilm"')
    if name.startswith("vocabulary:"):
        return Mode(_some(name.removeprefix("vocabulary:"), name), vocabulary=True)
    if (match := _RANDOM.fullmatch(name)) is None:
        return Mode(name)
    seed = match["seed"] or ("0" if match["seed"] is None else "")
    if not (seed.isascii() and seed.isdigit()):
        raise UserError(
            f"The seed in backbone {name!r} must be a whole number, 0 or larger, got {seed!r}.",
            hint="write random:NAME or random:NAME#3",
        )
    return Mode(_some(match["name"], name), seed=int(seed))


def _some(name: str, given: str) -> str:
    if not name:
        raise UserError(
            f"Backbone {given!r} names no model.", hint="for example 'random:minilm' or 'vocabulary:minilm'"
        )
    return name
