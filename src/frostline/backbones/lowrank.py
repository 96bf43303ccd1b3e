"""Low-rank matrices beside a frozen model's linear maps, by peft; the second of each pair is zero, so nothing changes at first."""

from __future__ import annotations

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from frostline._optional import require

__all__ = ["add_low_rank"]


def add_low_rank(
    model: nn.Module, rank: int, seed: int, *, needed_for: str, task: str | None = None, dropout: float = 0.0
) -> None:
    """Put low-rank matrices beside every linear map of a model, in place.

    Parameters
    ----------
    model : torch.nn.Module
        Of transformers; its own parameters are frozen.
    rank : int
        The scale is twice as large.
    seed : int
        Of the first matrix of each pair.
    needed_for : str
        What the caller is about to do, as a noun phrase.
    task : str, optional
        What peft calls the task: ``"CAUSAL_LM"`` leaves the output map alone.
    dropout : float
        On what the matrices read.

    Raises
    ------
    MissingExtraError
        peft is not installed.

    References
    ----------
    Hu et al., 2021, arXiv 2106.09685. They adapt the attention alone; every linear map is the choice of Dettmers et al.,
    2023, arXiv 2305.14314, section 4, who needed it to reach full fine-tuning.
    """
    peft = require("peft", extra="lora", needed_for=needed_for)
    transposed = any(isinstance(module, Conv1D) for module in model.modules())
    config = peft.LoraConfig(
        r=rank, lora_alpha=2 * rank, lora_dropout=dropout, target_modules="all-linear", task_type=task,
        fan_in_fan_out=transposed,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        peft.inject_adapter_in_model(config, model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("lora_" in name)
