"""What a user writes for ``backbone=``: one backbone, or several with settings of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from frostline.backbones.remote import PREFIX
from frostline.errors import UserError, nearest

__all__ = ["Written", "is_service", "is_several", "is_untrained", "read_backbones"]

_SETTING = re.compile(r"::(?=[A-Za-z_-]+=)")
_SETTINGS = ("layers", "pooling", "max_length")
_KEYS = ("backbone", *_SETTINGS)


@dataclass(frozen=True)
class Written:
    """One backbone as it was asked for.

    Attributes
    ----------
    name : str
    layers, pooling, max_length
        None where nothing of its own is said: then what holds for all counts.
    """

    name: str
    layers: Any = None
    pooling: str | None = None
    max_length: int | None = None

    def plain(self) -> dict[str, Any]:
        """As a mapping of plain values, without what is not said."""
        values = {"backbone": self.name, "layers": self.layers, "pooling": self.pooling, "max_length": self.max_length}
        return {name: value for name, value in values.items() if value is not None}

    def __str__(self) -> str:
        layers = self.layers if isinstance(self.layers, str | int | None) else ",".join(map(str, self.layers))
        said = {"layers": layers, "pooling": self.pooling, "max_length": self.max_length}
        return self.name + "".join(f"::{name}={value}" for name, value in said.items() if value is not None)


def is_service(backbone: Any) -> bool:
    """Whether a name is that of a model behind an endpoint; nothing is asked there."""
    return isinstance(backbone, str) and backbone.startswith(PREFIX)


def is_untrained(backbone: str) -> bool:
    """Whether a name asks for random weights or for token embeddings alone: a control beside a model as it was trained."""
    return backbone.startswith(("random:", "vocabulary:"))


def is_several(backbone: Any) -> bool:
    """Whether a list is written, or one backbone with settings of its own: then taps name their backbone."""
    return not isinstance(backbone, str) or _SETTING.search(backbone) is not None


def read_backbones(backbone: Any) -> list[Written]:
    """Read ``backbone=``.

    Parameters
    ----------
    backbone : str, mapping, or sequence of these
        A name; a name with settings, ``"minilm::layers=4,5,final::pooling=mean"``; or a mapping with `backbone` and any
        of `layers`, `pooling` and `max_length`. Two colons before a word and an equals sign stand in no path and in no
        name of a service; a mapping takes any name as it is.

    Returns
    -------
    list of Written

    Raises
    ------
    UserError
        None at all, a setting that does not exist, or a backbone that is named twice.
    """
    several = isinstance(backbone, Sequence) and not isinstance(backbone, str)
    found = [_read(one) for one in (backbone if several else [backbone])]
    if not found:
        raise UserError("backbone is an empty list.", hint='name at least one, for example backbone=["minilm"]')
    names = [one.name for one in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(
            f"Backbone {twice[0]!r} is named twice.",
            hint=f"name all its layers at once: {twice[0]}::layers=4,5,final",
        )
    return found


def _read(one: Any) -> Written:
    given: dict[str, Any]
    if isinstance(one, str):
        name, *settings = _SETTING.split(one)
        pairs = [setting.partition("=") for setting in settings]
        given = {"backbone": name, **{key.replace("-", "_"): value for key, _, value in pairs}}
        if len(given) <= len(pairs):
            raise UserError(f"Backbone {one!r} says something twice.", hint="name each setting once")
    elif isinstance(one, Mapping):
        given = dict(one)
    else:
        raise UserError(
            f"backbone must be a name, a mapping, or a list of these, got {one!r}.",
            hint='for example backbone="minilm"',
        )
    if unknown := [key for key in given if key not in _KEYS]:
        allowed = ", ".join(_SETTINGS)
        raise UserError(
            f"Backbone {one!r} has an unknown setting {unknown[0]!r}. Allowed: {allowed}.",
            hint=nearest(str(unknown[0]), _KEYS) or "write minilm::layers=4,5,final::pooling=mean",
        )
    if not isinstance(given.get("backbone"), str) or not given["backbone"]:
        raise UserError(f"{one!r} names no backbone.", hint='for example {"backbone": "minilm", "layers": [4, 5]}')
    length = given.get("max_length")
    if isinstance(length, str):
        if not length.isdecimal():
            raise UserError(f"max_length of backbone {one!r} must be a whole number of tokens, got {length!r}.")
        given["max_length"] = int(length)
    return Written(given["backbone"], given.get("layers"), given.get("pooling"), given.get("max_length"))
