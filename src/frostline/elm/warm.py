"""The warm start: an adapter for the space of MiniLM's text vectors that ships with the starter language model."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch

from frostline.artifacts import check_keys, read_folder, write_folder
from frostline.elm.adapter import Adapter, AdapterConfig
from frostline.elm.llm import STARTER, Llm
from frostline.elm.scores import Reader
from frostline.errors import ArtifactError

__all__ = ["MINILM", "space_name", "warm_adapter", "warm_folder", "write_warm"]

_KEYS = {"format", "files", "kind", "space", "llm", "adapter", "card"}

MINILM = "minilm final recipe"


def space_name(reader: Reader | None) -> str:
    """What a space is called whose texts are read by this encoder; empty where it has none."""
    embedder = getattr(reader, "embedder", None)
    if embedder is None or getattr(reader, "kind", "") != "encoder":
        return ""
    plain = embedder.max_length is None and embedder.fusion in ("concat", "mean")
    return f"{embedder.backbone} {embedder.layers} {embedder.pooling}" if plain else ""


def warm_folder() -> Path | None:
    """Where the installed starter keeps its adapter; None where it has none."""
    found = importlib.util.find_spec("frostline_starter")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "adapter"
    return folder if folder.is_dir() else None


def warm_adapter(llm: Llm, config: AdapterConfig, space: str, folder: Path | None) -> tuple[Adapter | None, str]:
    """The adapter to go on from, and a sentence that says from where training begins.

    Parameters
    ----------
    llm : Llm
    config : AdapterConfig
        As asked for; only an adapter of this shape is taken.
    space : str
        As :func:`space_name` has it.
    folder : Path or None
        As :func:`warm_folder` has it.
    """
    if llm.name != STARTER or space != MINILM:
        return None, "cold: only MiniLM's text vectors and the starter language model have a warm start"
    if folder is None:
        return None, "cold: the installed starter brings no adapter"
    manifest, tensors = read_folder(folder)
    check_keys(manifest, _KEYS, str(folder))
    if manifest["llm"] != llm.identity:
        raise ArtifactError(f"{folder} was trained for another starter language model.", hint="install it again")
    if manifest["adapter"] != vars(config) or manifest["space"] != space:
        return None, f"cold: the warm adapter has another shape ({manifest['adapter']})"
    return read_adapter(config, tensors["adapter.safetensors"], llm), "warm: from the starter's own adapter"


def read_adapter(config: AdapterConfig, arrays: Any, llm: Llm) -> Adapter:
    """Make an adapter of its arrays.

    Raises
    ------
    ArtifactError
        It was made for a language model of another width.
    """
    adapter = Adapter(config, arrays["mean"], arrays["scale"], width=llm.width, norm=float(arrays["norm"][0]))
    own = adapter.state_dict()
    if set(own) != set(arrays) or any(own[name].shape != arrays[name].shape for name in own):
        raise ArtifactError(
            f"The adapter was made for another language model: it yields {arrays['out.bias'].shape[0]} numbers, "
            f"{llm.name!r} takes {own['out.bias'].shape[0]}."
        )
    adapter.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
    return adapter


def write_warm(folder: Path, adapter: Adapter, llm: Llm, space: str, card: dict[str, Any]) -> Path:
    """Write an adapter for the starter's package.

    Parameters
    ----------
    folder : Path
    adapter : Adapter
    llm : Llm
    space : str
    card : dict
        How it was trained, as plain values.
    """
    manifest = {
        "kind": "elm-adapter", "space": space, "llm": llm.identity, "adapter": vars(adapter.config), "card": card,
    }  # fmt: skip
    arrays = {name: value.detach().cpu().numpy() for name, value in adapter.state_dict().items()}
    return write_folder(folder, manifest, {"adapter.safetensors": arrays}, {})
