"""No forward pass: the rows of the input embedding table, pooled, which is what the tokens alone give.

One tensor is read from the weight files; which one is told by the model's class, built without memory.
The rows are the raw table, before any scale (Gemma), position or normalization (BERT) that the model adds on the way in.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor

from frostline.backbones.build import BALANCED, Blueprint, build_model
from frostline.backbones.memory import read_headers
from frostline.backbones.packed import RunnerReport
from frostline.backbones.pooling import pool
from frostline.backbones.transformer import TransformerBackbone, pad
from frostline.contracts import IntArray, Tap
from frostline.errors import UserError

__all__ = ["VocabularyBackbone", "VocabularyTable", "table_reader"]


class VocabularyTable:
    """Looks tokens up and pools their rows.

    Parameters
    ----------
    table : tensor of shape (V, D)
        The input embedding table.
    """

    def __init__(self, table: Tensor) -> None:
        self.table = table

    def forward(self, token_ids: Sequence[IntArray], taps: Sequence[Tap]) -> NDArray[np.float32]:
        """Pool the rows of one batch.

        Parameters
        ----------
        token_ids : sequence of int arrays
            B token sequences.
        taps : sequence of Tap
            On layer 0 or ``"final"``, which are the same here.

        Returns
        -------
        float32 array of shape (B, len(taps), D)
        """
        ids, mask = (torch.from_numpy(array).to(self.table.device) for array in pad(token_ids, 0))
        with torch.inference_mode():
            rows = torch.nn.functional.embedding(ids, self.table)
            pooled = [pool(rows, mask.bool(), tap.pooling, normalize=tap.normalize) for tap in taps]
            return torch.stack(pooled, 1).cpu().numpy()


class VocabularyBackbone(TransformerBackbone):
    """A tokenizer and the model's input embedding table: no blocks, one layer.

    Parameters
    ----------
    name, config, tokenizer
        As for :class:`TransformerBackbone`.
    table : callable
        Gives the table's shape (V, D), or with ``load=True`` the table itself.
    **shared
        `recipe`, `max_length` and `identity`, as there.
    """

    def __init__(self, name: str, config: Any, tokenizer: Any, *, table: Callable[..., Any], **shared: Any) -> None:
        super().__init__(name, config, tokenizer, build=self._no_model, **shared)
        self.n_layers = 0
        self.n_entries, self.dim = table()
        self.max_positions = None  # nothing here counts positions
        self._table = table

    def _no_model(self, *, empty: bool = False) -> torch.nn.Module:
        raise UserError(f"Backbone {self.name!r} runs no model.", hint=f"use {self.name.partition(':')[2]!r} for that")

    @functools.cached_property
    def _runner(self) -> tuple[VocabularyTable, RunnerReport]:
        table = self._table(load=True)
        dtype = str(table.dtype).removeprefix("torch.")
        return VocabularyTable(table), RunnerReport("vocabulary", dtype, "no block runs, rows of the table are pooled")


def table_reader(plan: Blueprint) -> Callable[..., Any]:
    """Find the input embedding table of a model among its weight files.

    Parameters
    ----------
    plan : Blueprint
        With real weights.

    Returns
    -------
    callable
        Gives the table's shape (V, D), or with ``load=True`` the table, on its device.

    Raises
    ------
    UserError
        No tensor of the weight files is the table, or several may be.
    """
    names = _table_names(plan)
    headers = read_headers(plan.folder)
    found = {key for key in headers for name in names if key == name or key.endswith("." + name)}
    if len(found) != 1:
        raise UserError(
            f"Backbone {plan.name!r}: the weight files hold {len(found)} tensors that may be the input embedding table "
            f"({', '.join(names)}), needed is one.",
            hint="vocabulary: works where the model's class names its table as its files do",
        )
    key = found.pop()
    path, entry = headers[key]

    def read(load: bool = False) -> Any:
        if not load:
            return tuple(entry["shape"])
        with safe_open(path, framework="pt") as file:
            return file.get_tensor(key).to(device="cpu" if plan.device == BALANCED else plan.device, dtype=plan.dtype)

    return read


def _table_names(plan: Blueprint) -> list[str]:
    """Every name that the table has inside the model; tied weights have several."""
    model: Any = build_model(plan, empty=True)
    table = model.get_input_embeddings().weight
    return [name for name, weight in model.named_parameters(remove_duplicate=False) if weight is table]
