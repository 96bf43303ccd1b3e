"""Will it fit? The size of a model's weights, read off the headers of its files before any of them is loaded."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from frostline.errors import UserError

__all__ = ["available_bytes", "check_memory", "read_headers", "weight_bytes"]

_MOST = 0.95
"""Share of the free memory that weights may take: above it not even one small batch fits beside them."""

_HEADS = re.compile(r"(lm_head|cls|classifier|score|qa_outputs)\.")
_DECODER = re.compile(r"(model\.)?decoder\.|lm_head\.")
_NOTHING = re.compile(r"(?!)")


def read_headers(folder: Path) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Read what a model's weight files hold, without the weights.

    Parameters
    ----------
    folder : Path
        A model folder with safetensors weights.

    Returns
    -------
    dict of str to (Path, dict)
        For each tensor its file and its entry there: ``dtype`` and ``shape``.

    Raises
    ------
    UserError
        A file is cut off or no safetensors file at all.
    """
    found: dict[str, tuple[Path, dict[str, Any]]] = {}
    for path in _weight_files(folder):
        try:
            with path.open("rb") as file:
                header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        except (OSError, ValueError, OverflowError, MemoryError) as error:
            raise UserError(f"{path} is not a readable safetensors file: {error}.", hint="fetch it again") from error
        found |= {name: (path, entry) for name, entry in header.items() if name != "__metadata__"}
    return found


def _weight_files(folder: Path) -> list[Path]:
    """The files that transformers reads: those of the index, else the only one, else all."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        return [folder / name for name in sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))]
    single = folder / "model.safetensors"
    return [single] if single.is_file() else sorted(folder.glob("*.safetensors"))


def weight_bytes(
    folder: Path, dtype: torch.dtype, *, encoder_half: bool = False, int8: bool = False, heads: bool = False
) -> int:
    """Estimate the memory of a model's weights.

    Parameters
    ----------
    folder : Path
        A model folder with safetensors weights.
    dtype : torch.dtype
        What they are converted to.
    encoder_half : bool
        Leave out a decoder that is not loaded.
    int8 : bool
        Matrices take one byte an element; the embedding table, which stays as it is, is not told apart.
    heads : bool
        Whether heads on top of the base model are loaded.

    Returns
    -------
    int
        Bytes.
    """
    skipped = _NOTHING if heads else _DECODER if encoder_half else _HEADS
    total = 0
    for name, (_, entry) in read_headers(folder).items():
        if not skipped.match(name):
            size = 1 if int8 and len(entry["shape"]) > 1 else dtype.itemsize
            total += math.prod(entry["shape"]) * size
    return total


def available_bytes(device: str) -> int | None:
    """Memory that is free for weights, or None where this machine does not say.

    Parameters
    ----------
    device : str
        Type of a torch device with or without an index, or ``"balanced"`` for all GPUs and the main memory together.
    """
    if device == "balanced":
        gpus = [available_bytes(f"cuda:{i}") or 0 for i in range(torch.cuda.device_count())]
        main = available_bytes("cpu")
        return None if main is None else main + sum(gpus)
    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    if device.startswith("mps"):
        return int(torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory())
    limits = [_meminfo(Path("/proc/meminfo")), _limit(Path("/sys/fs/cgroup/memory.max"))]
    return min((limit for limit in limits if limit is not None), default=None)


def _meminfo(path: Path) -> int | None:
    try:
        entries = dict(line.split(":", 1) for line in path.read_text("ascii").splitlines())
        return int(entries["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None


def _limit(path: Path) -> int | None:
    """The memory limit of a container; what it uses already is mostly cache of files and not counted."""
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):
        return None


def check_memory(name: str, needed: int, device: str, dtype: str) -> None:
    """Refuse weights that clearly do not fit, before reading them.

    Parameters
    ----------
    name : str
        The backbone, for the message.
    needed : int
        Bytes of its weights.
    device : str
        As for :func:`available_bytes`.
    dtype : str
        What the weights would be held in, for the message.

    Raises
    ------
    UserError
        They take more than 95 % of the memory that is free.
    """
    free = available_bytes(device)
    if free is None or needed <= _MOST * free:
        return
    ways: Mapping[str, bool] = {
        "precision='bfloat16'": dtype == "float32",
        "precision='int8'": dtype != "int8",
        "device='balanced' (several GPUs and main memory)": device != "balanced",
        "a smaller backbone": True,
    }
    raise UserError(
        f"Backbone {name!r} needs {needed / 1e9:.2f} GB for its weights in {dtype}; {free / 1e9:.2f} GB are free on {device}.",
        hint=f"use {', '.join(way for way, helps in ways.items() if helps)}",
    )
