"""Read how a model's own folder says its text vectors are made: pooling, normalization, prompt, window."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from frostline.contracts import Recipe
from frostline.errors import UserError

_Kind = TypeVar("_Kind", dict[str, Any], list[dict[str, Any]])

__all__ = ["read_max_seq_length", "read_recipe"]

# sentence-transformers wrote one flag per mode until version 5 and one name since; both stand in the wild.
_FLAGS = {
    "pooling_mode_cls_token": "first_token",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_weightedmean_tokens": "weighted_mean",
    "pooling_mode_lasttoken": "last_token",
}
_NAMES = {
    "cls": "first_token",
    "mean": "mean",
    "max": "max",
    "weightedmean": "weighted_mean",
    "lasttoken": "last_token",
}
_KNOWN = ("Transformer", "Pooling", "Normalize")


def _load(path: Path, kind: type[_Kind]) -> _Kind:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not readable JSON: {error}.", hint="fetch the model folder again") from error
    if not isinstance(loaded, kind):
        raise UserError(f"{path} should hold a JSON {kind.__name__}, got {type(loaded).__name__}.")
    return loaded


def _pooling_of(config: dict[str, Any], path: Path) -> str:
    named = config.get("pooling_mode", [k for k, on in config.items() if k.startswith("pooling_mode_") and on])
    modes = [named] if isinstance(named, str) else list(named)
    known = [_FLAGS.get(mode) or _NAMES.get(mode) for mode in modes]
    if len(known) != 1 or known[0] is None:
        raise UserError(
            f"{path} asks for the pooling {modes or 'nothing'}, which Frostline does not reproduce.",
            hint="name one explicitly, such as pooling='mean'",
        )
    return known[0]


def read_recipe(folder: Path) -> Recipe:
    """Read the pooling recipe of a model folder.

    Parameters
    ----------
    folder : Path
        A Hugging Face or sentence-transformers model folder.

    Returns
    -------
    Recipe
        From `modules.json` where there is one, else the mean without normalization.

    Raises
    ------
    UserError
        The configuration asks for something that cannot be reproduced, such as a dense layer after pooling.
    """
    modules_file = folder / "modules.json"
    if not modules_file.is_file():
        return Recipe()
    pooling, normalize = "mean", False
    for module in _load(modules_file, list):
        kind = str(module["type"]).rsplit(".", 1)[-1]
        if kind not in _KNOWN:
            raise UserError(
                f"{modules_file} puts a {kind!r} module after the backbone; known are {', '.join(_KNOWN)}.",
                hint="name a pooling explicitly, such as pooling='mean', to read the backbone below it",
            )
        if kind == "Pooling":
            path = folder / module["path"] / "config.json"
            pooling = _pooling_of(_load(path, dict), path)
        normalize = normalize or kind == "Normalize"
    return Recipe(pooling=pooling, normalize=normalize, prompt=_default_prompt(folder), source="modules.json")


def _default_prompt(folder: Path) -> str:
    path = folder / "config_sentence_transformers.json"
    config = _load(path, dict) if path.is_file() else {}
    name = config.get("default_prompt_name")
    return "" if name is None else str(config.get("prompts", {}).get(name, ""))


def read_max_seq_length(folder: Path) -> int | None:
    """Read sentence-transformers' `max_seq_length`, or None where the folder does not say."""
    path = folder / "sentence_bert_config.json"
    limit = _load(path, dict).get("max_seq_length") if path.is_file() else None
    return None if limit is None else int(limit)
