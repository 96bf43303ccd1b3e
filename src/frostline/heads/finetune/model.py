"""A backbone that can be trained, with a linear map on its pooled final layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from frostline.backbones.lowrank import add_low_rank
from frostline.backbones.memory import available_bytes
from frostline.backbones.pooling import pool
from frostline.backbones.transformer import TransformerBackbone, pad
from frostline.backbones.vocabulary import VocabularyBackbone
from frostline.contracts import PADDED_MEAN, Backbone, IntArray, Tap
from frostline.errors import UserError

__all__ = ["How", "Trained", "check_trainable"]

How = Literal["full", "lora"]

RANK, DROPOUT = 16, 0.05
HEAD_RATE, DECAY = 1e-3, 0.01


class Trained(nn.Module):
    """A backbone's model anew, with a linear head.

    Parameters
    ----------
    backbone : TransformerBackbone
        Its weights are read again; the loaded ones stay as they are.
    tap : Tap
        How the final layer is pooled.
    n_outputs : int
        Classes, or 1 for a number.
    how : {"full", "lora"}
        All weights can be trained, or low-rank matrices beside the linear maps.
    seed : int
        Of what is new: the head and the low-rank matrices.

    Raises
    ------
    UserError
        Weights, gradients and the optimizer's state do not fit into the memory.
    """

    def __init__(self, backbone: TransformerBackbone, tap: Tap, n_outputs: int, how: How, seed: int) -> None:
        super().__init__()
        self.model = backbone.new_model().float()
        self.device = next(self.model.parameters()).device
        if how == "lora":
            add_low_rank(self.model, RANK, seed, needed_for="fine-tuning by LoRA", dropout=DROPOUT)
        else:
            self.model.requires_grad_(True)
        self.padding_id = backbone.tokenizer.pad_token_id or 0
        self.tap = tap
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.head = nn.Linear(backbone.dim, n_outputs).to(self.device)
        self.n_trained = sum(p.numel() for p in self.parameters() if p.requires_grad)
        self.n_total = sum(p.numel() for p in self.parameters())
        self._check_memory(backbone.name)

    def _check_memory(self, name: str) -> None:
        """Refuse what clearly does not fit beside the weights, which are here already: a gradient and two moments a number."""
        needed, free = 12 * self.n_trained, available_bytes(str(self.device))
        if free is not None and needed > free:
            raise UserError(
                f"Fine-tuning {name!r} needs {needed / 1e9:.2f} GB for gradients and the optimizer's state of {self.n_trained:,} "
                f"numbers; {free / 1e9:.2f} GB are free on {self.device}.",
                hint="--compare finetune-lora trains far fewer numbers; or leave out --compare",
            )

    def forward(self, ids: Sequence[IntArray]) -> Tensor:
        """Outputs of shape (B, n_outputs) for B token sequences."""
        padded, mask = (torch.from_numpy(array).to(self.device) for array in pad(ids, self.padding_id))
        hidden = self.model(input_ids=padded, attention_mask=mask).last_hidden_state
        outputs: Tensor = self.head(pool(hidden, mask.bool(), self.tap.pooling, normalize=self.tap.normalize))
        return outputs

    def groups(self, rate: float) -> list[dict[str, object]]:
        """Parameters for an optimizer: the head, which starts from nothing, learns faster; biases and norms do not decay."""
        own = [p for p in self.model.parameters() if p.requires_grad]
        return [
            {"params": [p for p in own if p.ndim > 1], "lr": rate, "weight_decay": DECAY},
            {"params": [p for p in own if p.ndim <= 1], "lr": rate, "weight_decay": 0.0},
            {"params": list(self.head.parameters()), "lr": max(rate, HEAD_RATE), "weight_decay": DECAY},
        ]


def check_trainable(backbone: Backbone, tap: Tap) -> TransformerBackbone:
    """Refuse what cannot be fine-tuned here.

    Raises
    ------
    UserError
        A service, token embeddings alone, weights in eight bits, or a mean over padding.
    """
    if backbone.service is not None:
        what = "runs elsewhere"
    elif not isinstance(backbone, TransformerBackbone) or isinstance(backbone, VocabularyBackbone):
        what = "is a table of token embeddings without blocks"
    elif "quantized_by" in backbone.identity:
        what = "has weights in eight bits"
    elif tap.pooling.startswith(PADDED_MEAN):
        what = "is read with padding in the mean, so texts of one length cannot be batched by themselves"
    else:
        return backbone
    raise UserError(
        f"Backbone {backbone.name!r} {what}: it cannot be fine-tuned for a comparison.",
        hint="leave out --compare, or take a backbone that runs here as a whole, in exact or half precision",
    )
