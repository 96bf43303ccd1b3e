"""Read how a model's own folder says its text vectors are made: pooling, normalization, prompts, window."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from frostline.contracts import Recipe
from frostline.errors import UserError

_Kind = TypeVar("_Kind", dict[str, Any], list[dict[str, Any]])

__all__ = ["read_input_settings", "read_recipe"]

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
_KNOWN = (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
_INSTEAD = "name a pooling explicitly, such as pooling='mean', to read the backbone below it"


def _load(path: Path, kind: type[_Kind]) -> _Kind:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not readable JSON: {error}.", hint="fetch the model folder again") from error
    if not isinstance(loaded, kind):
        raise UserError(f"{path} should hold a JSON {kind.__name__}, got {type(loaded).__name__}.")
    return loaded


def _load_if_there(path: Path) -> dict[str, Any]:
    return _load(path, dict) if path.is_file() else {}


def _pooling_of(config: Mapping[str, Any], path: Path) -> str:
    flags = {key: on for key, on in config.items() if key.startswith("pooling_mode_")}
    # Flags that are all off mean the mean, to sentence-transformers.
    named = config.get("pooling_mode", [key for key, on in flags.items() if on] or "mean")
    modes = [named] if isinstance(named, str) else list(named)
    known = [_FLAGS.get(mode) or _NAMES.get(mode) for mode in modes]
    if len(known) != 1 or known[0] is None:
        raise UserError(
            f"{path} asks for the pooling {' and '.join(map(str, modes))}, which Frostline does not reproduce.",
            hint="name one explicitly, such as pooling='mean'",
        )
    return known[0]


def _settings_file(folder: Path, modules: list[dict[str, Any]], kind: str) -> Path:
    entry = next(module for module in modules if _kind(module) == kind)
    return folder / str(entry["path"]) / "config.json"


def _kind(module: Mapping[str, Any]) -> str:
    return str(module["type"]).rsplit(".", 1)[-1]


def _check_modules(folder: Path, modules: list[dict[str, Any]]) -> None:
    """Refuse a sequence of modules that is not backbone, pooling and perhaps normalization."""
    kinds = [_kind(module) for module in modules]
    if kinds not in _KNOWN:
        raise UserError(
            f"{folder / 'modules.json'} lists the modules {', '.join(kinds) or 'none'}; reproduced are "
            f"{' and '.join(', '.join(known) for known in _KNOWN)}.",
            hint=_INSTEAD,
        )
    if place := str(modules[0]["path"]):
        raise UserError(
            f"{folder / 'modules.json'} keeps the backbone in {place!r}, and this folder's own config.json is another.",
            hint=f"give {folder / place} and name its pooling explicitly",
        )
    settings = _load_if_there(folder / "sentence_bert_config.json")
    task = settings.get("transformer_task", "feature-extraction")
    modalities = settings.get("modality_config", {"text": {}})
    if task != "feature-extraction" or "text" not in modalities:
        raise UserError(
            f"{folder / 'sentence_bert_config.json'} describes the task {task!r} on {', '.join(modalities)}; reproduced is "
            "'feature-extraction' on text.",
            hint=_INSTEAD,
        )


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
        The configuration asks for something that cannot be reproduced: a dense layer after pooling, several poolings
        side by side, or a prompt that is read but not pooled.
    """
    modules_file = folder / "modules.json"
    if not modules_file.is_file():
        return Recipe()
    modules = _load(modules_file, list)
    _check_modules(folder, modules)
    path = _settings_file(folder, modules, "Pooling")
    pooling = _load(path, dict)
    normalize = _kind(modules[-1]) == "Normalize"
    if normalize:
        reads = _load_if_there(_settings_file(folder, modules, "Normalize")).get("module_input_name")
        if reads not in (None, "sentence_embedding"):
            raise UserError(f"{modules_file} normalizes {reads!r}, not the pooled vector.", hint=_INSTEAD)
    sentences = _load_if_there(folder / "config_sentence_transformers.json")
    prompts = {str(name): str(text or "") for name, text in sentences.get("prompts", {}).items()}
    if not pooling.get("include_prompt", True) and any(prompts.values()):
        raise UserError(
            f"{path} leaves the prompt out of the pooling (include_prompt), which Frostline does not reproduce.",
            hint=_INSTEAD,
        )
    return Recipe(
        pooling=_pooling_of(pooling, path),
        normalize=normalize,
        prompt=prompts.get(sentences.get("default_prompt_name") or "", ""),
        source="modules.json",
        prompts=prompts,
    )


def read_input_settings(folder: Path) -> tuple[int | None, bool]:
    """Read what sentence-transformers does to the input: its window, and whether it lowers the case.

    Parameters
    ----------
    folder : Path
        A model folder.

    Returns
    -------
    int or None
        `max_seq_length`; None where the folder does not say.
    bool
        `do_lower_case`.
    """
    settings = _load_if_there(folder / "sentence_bert_config.json")
    limit = settings.get("max_seq_length")
    return None if limit is None else int(limit), bool(settings.get("do_lower_case", False))
