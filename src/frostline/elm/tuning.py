"""Which parameters a stage trains: the adapters', the language model's own, or low-rank ones beside them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from frostline.backbones.lowrank import add_low_rank
from frostline.elm.model import ElmModel
from frostline.elm.stages import LOW_RANK, AdaptOptions
from frostline.errors import ArtifactError

__all__ = ["add_lora", "load_parameters", "parameters_of", "prepare", "recompute"]


def prepare(model: ElmModel, options: AdaptOptions, seed: int) -> None:
    """Make the language model trainable where a stage will train it, and its layers ready to be recomputed where that is asked.

    Nothing changes in what it computes.

    Raises
    ------
    MissingExtraError
        Low-rank training needs peft.
    """
    if options.trains_llm and options.tune == "lora":
        add_lora(model, options.lora_rank, seed)
    if options.gradient_checkpointing:
        lm = model.lm  # transformers renamed this in 5.2x
        enable = getattr(lm, "activation_checkpointing_enable", None) or lm.gradient_checkpointing_enable
        enable({"use_reentrant": False})


def recompute(lm: nn.Module, on: bool) -> None:
    """Whether layers that can are computed again in the backward pass instead of being kept.

    transformers does so in training mode only, which would turn on dropout as well: the layers alone are told.
    """
    for module in lm.modules():
        if getattr(module, "gradient_checkpointing", False):
            module.training = on


def add_lora(model: ElmModel, rank: int, seed: int) -> None:
    """Put low-rank matrices beside every linear map but the last, see :func:`frostline.backbones.lowrank.add_low_rank`."""
    add_low_rank(
        model.lm,
        rank,
        seed,
        needed_for=LOW_RANK,
        task="CAUSAL_LM",
    )
    model.lm.requires_grad_(False)
    model.lm.eval()


def parameters_of(model: ElmModel, part: str, tune: str) -> dict[str, nn.Parameter]:
    """Parameters of ``"adapter"`` or ``"llm"`` that training may change, by name."""
    if part == "adapter":
        return {f"adapter.{name}": p for name, p in model.adapters.named_parameters()}
    low = tune == "lora"
    return {f"llm.{name}": p for name, p in model.lm.named_parameters() if not low or "lora_" in name}


@torch.no_grad()
def load_parameters(parameters: Mapping[str, nn.Parameter], values: Mapping[str, Tensor], where: str) -> None:
    """Set parameters by name.

    Raises
    ------
    ArtifactError
        Other names or shapes.
    """
    if set(parameters) != set(values):
        odd = sorted(set(parameters) ^ set(values))[:3]
        raise ArtifactError(
            f"{where} was made for another adapter or language model: {', '.join(odd)} is in one of the two only."
        )
    for name, parameter in parameters.items():
        if parameter.shape != values[name].shape:
            raise ArtifactError(
                f"{where} was made for another adapter or language model: {name} has shape {tuple(values[name].shape)}, "
                f"expected {tuple(parameter.shape)}."
            )
        parameter.copy_(values[name])
