"""Models that bring Python code of their own: refused, unless the user names exactly that backbone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from frostline.errors import UserError

__all__ = ["needs_code"]


def _auto_map(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # absent, or broken: transformers names what it cannot read
    return (found.get("auto_map") or {}) if isinstance(found, dict) else {}


def needs_code(name: str, folder: Path, trusted: Any) -> bool:
    """Say whether a model runs code from its folder, after checking that the user allowed it by name.

    A model of a known type may bring code all the same, and that code may compute something else than transformers does
    (attention in both directions, other positions). So it is never passed over silently.

    Parameters
    ----------
    name : str
        The backbone, without a prefix.
    folder : Path
        Its files.
    trusted : str or None
        The backbone whose code may run; anything else than `name` allows nothing.

    Returns
    -------
    bool

    Raises
    ------
    UserError
        The model needs code that is not allowed, or code of another repository; or `trusted` is not a name.
    """
    if trusted is not None and not isinstance(trusted, str):
        raise UserError(
            f"trust_remote_code takes the name of the one backbone whose code may run, got {trusted!r}.",
            hint=f"read the *.py files of the model, then pass trust_remote_code={name!r}",
        )
    maps = _auto_map(folder / "config.json") | _auto_map(folder / "tokenizer_config.json")
    classes = [one for value in maps.values() for one in (value if isinstance(value, list) else [value]) if one]
    if not classes:
        return False
    if foreign := [one for one in classes if "--" in one]:
        raise UserError(
            f"Backbone {name!r} runs code of another repository ({foreign[0]}), which has not been named.",
            hint="copy that code into a local model folder, read it, and use that folder",
        )
    if trusted != name:
        raise UserError(
            f"Backbone {name!r} brings code of its own ({', '.join(sorted({one.partition('.')[0] for one in classes}))}.py), "
            f"which does not run unless you name the backbone{'' if trusted is None else f'; allowed is {trusted!r}'}.",
            hint=f"read {folder}/*.py first, then pass --trust-remote-code {name} (Python: trust_remote_code={name!r}); "
            "or use a copy of the folder without auto_map in its JSON files, to run transformers' own class of this type",
        )
    return True
