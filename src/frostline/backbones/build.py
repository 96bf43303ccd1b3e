"""Build a located model through transformers: real or random weights, in the asked precision, where they were asked for."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from transformers.utils import logging as _transformers_logging

from frostline._optional import require
from frostline.backbones.memory import check_memory, weight_bytes
from frostline.errors import UserError, nearest

transformers_logging: Any = _transformers_logging  # carries no types

__all__ = [
    "BALANCED",
    "ENCODER_HALVES",
    "PRECISIONS",
    "Blueprint",
    "auto_class",
    "build_model",
    "explained",
    "usable_device",
]

PRECISIONS = {
    "exact": torch.float32,
    "fast": torch.bfloat16,
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "int8": torch.bfloat16,
}
"""What weights are held in off the CPU; with ``int8`` everything but the linear maps."""

BALANCED = "balanced"
"""The device that means: spread over all GPUs, and the main memory where they do not suffice."""

ENCODER_HALVES = ("t5", "mt5", "umt5", "t5gemma")


@dataclass(frozen=True)
class Blueprint:
    """All that decides how a model is built.

    Attributes
    ----------
    name : str
        For messages.
    folder : Path
    config
        As transformers reads it.
    precision : str
        One of :data:`PRECISIONS`.
    device : str
        Of torch, or :data:`BALANCED`.
    seed : int or None
        Of random weights; None = those of the folder.
    code : bool
        Whether code from the folder runs.
    writes : bool
        Whether the head that writes is built on top of the base model.
    """

    name: str
    folder: Path
    config: Any
    precision: str
    device: str
    seed: int | None = None
    code: bool = False
    writes: bool = False

    @classmethod
    def checked(cls, precision: str, device: str, **parts: Any) -> Blueprint:
        """Check precision and device, then make a blueprint.

        Raises
        ------
        UserError
            Unknown precision, or a device that cannot be used here.
        MissingExtraError
            A package that they need is not installed.
        """
        if precision not in PRECISIONS:
            raise UserError(
                f"Unknown precision {precision!r}. Allowed: {', '.join(map(repr, PRECISIONS))}.",
                hint=nearest(precision, PRECISIONS) or None,
            )
        if precision == "int8":
            require("bitsandbytes", extra="int8", needed_for="precision 'int8'")
            require("accelerate", extra="int8", needed_for="precision 'int8'")
        if precision == "int8" and parts.get("seed") is not None:
            raise UserError("Random weights are not quantized, so precision 'int8' does not go with 'random:'.")
        return cls(precision=precision, device=usable_device(device), **parts)

    @property
    def auto_class(self) -> Any:
        """The class of transformers that builds the model."""
        return transformers.AutoModelForCausalLM if self.writes else auto_class(self.config)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights when they are loaded."""
        main = self.device == "cpu" or (self.device == BALANCED and not torch.cuda.is_available())
        # On a CPU "fast" is decided by trying: half precision without instructions for it is slower than single.
        return torch.float32 if main and self.precision in ("fast", "int8") else PRECISIONS[self.precision]


def usable_device(name: str) -> str:
    """The device that a name stands for here.

    Raises
    ------
    UserError
        It cannot be used.
    MissingExtraError
        ``"balanced"`` needs accelerate.
    """
    if name == BALANCED:
        require("accelerate", extra="large", needed_for="device 'balanced'")
        return name
    if name == "auto":
        cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
        return "cuda" if cuda else "mps" if mps else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise UserError(
            f"Device {name!r} cannot be used here: {str(error).splitlines()[0]}",
            hint="allowed: 'auto', 'cpu', 'cuda', 'cuda:N', 'mps', as the machine has them, and 'balanced'",
        ) from error
    return name


def auto_class(config: Any) -> Any:
    """The class of transformers that builds the base model of `config`: of a T5 the encoder only."""
    return transformers.AutoModelForTextEncoding if config.model_type in ENCODER_HALVES else transformers.AutoModel


def build_model(plan: Blueprint, *, empty: bool = False) -> torch.nn.Module:
    """Build the model: frozen, in evaluation mode, on its device.

    Parameters
    ----------
    plan : Blueprint
    empty : bool
        Without weights, on no device: what it is made of, at the price of nothing.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    UserError
        Files that transformers cannot load or that lack weights, or weights that do not fit into the memory.
    """
    with explained(plan.name, plan.folder):
        model = _empty(plan) if empty else _real(plan) if plan.seed is None else _random(plan, plan.seed)
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # works on the last state only; a sentence vector of ours never passes it
    frozen: torch.nn.Module = model.eval().requires_grad_(False)
    return frozen


def _real(plan: Blueprint) -> Any:
    int8, quantization = plan.precision == "int8", cast(Any, transformers.BitsAndBytesConfig)
    half = plan.config.model_type in ENCODER_HALVES
    needed = weight_bytes(plan.folder, plan.dtype, encoder_half=half, int8=int8, heads=plan.writes)
    direct = int8 or plan.device in (BALANCED, "cpu")  # else through the main memory to the device
    for place in [plan.device] if direct else [plan.device, "cpu"]:
        check_memory(plan.name, needed, place, "int8" if int8 else str(plan.dtype).removeprefix("torch."))
    options: dict[str, Any] = {}
    if int8:
        options["quantization_config"] = quantization(load_in_8bit=True)
    if int8 or plan.device == BALANCED:
        options["device_map"] = plan.device if plan.device == BALANCED else {"": plan.device}
    model, info = plan.auto_class.from_pretrained(
        str(plan.folder),
        config=plan.config,
        dtype=plan.dtype,
        local_files_only=True,
        use_safetensors=True,
        output_loading_info=True,
        trust_remote_code=plan.code,
        **options,
    )
    _refuse_missing(plan, info["missing_keys"])
    return model if options else model.to(plan.device)


def _empty(plan: Blueprint) -> Any:
    with torch.device("meta"):
        return plan.auto_class.from_config(plan.config, trust_remote_code=plan.code)


def _refuse_missing(plan: Blueprint, keys: set[str]) -> None:
    # transformers fills what a checkpoint lacks with random numbers and only warns. The pooler alone is never used.
    missing = sorted(key for key in keys if not key.startswith("pooler."))
    if missing:
        raise UserError(
            f"Backbone {plan.name!r}: the weights in {plan.folder} lack {len(missing)} tensors that a "
            f"{plan.config.model_type} of this configuration has, such as {', '.join(missing[:3])}.",
            hint="fetch all files of the model again; random:NAME asks for random weights by name",
        )


def _random(plan: Blueprint, seed: int) -> Any:
    # The generator of the CPU alone is seeded and put back: torch.manual_seed would touch those of other devices.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = plan.auto_class.from_config(plan.config, dtype=torch.float32, trust_remote_code=plan.code)
    if plan.device == BALANCED:
        raise UserError("Random weights are built on one device.", hint="name it: device='cpu' or 'cuda'")
    return model.to(device=plan.device, dtype=plan.dtype)


@contextlib.contextmanager
def explained(name: str, folder: Path) -> Iterator[None]:
    """Run transformers' loading quietly and turn its failures into advice.

    Parameters
    ----------
    name : str
        The backbone, for the message.
    folder : Path

    Raises
    ------
    UserError
    """
    try:
        with _quiet():
            yield
    except UserError:
        raise
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise UserError(
            f"Backbone {name!r}: transformers cannot load {folder}: {str(error).strip().splitlines()[0]}",
            hint="the folder needs config.json, *.safetensors and the tokenizer of a type that transformers knows",
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
