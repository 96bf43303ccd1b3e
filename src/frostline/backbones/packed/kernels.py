"""Linear maps with their weights laid out for this CPU, and the clock that chooses among them.

Each kernel computes ``act(x @ weight.T + bias + residual)`` for x of shape (M, K). oneDNN's operators are private to
torch, so a kernel is offered only after it has run here; torch's own linear map is always offered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from frostline.backbones.packed.weights import Dense

__all__ = ["IN_PLACE", "KERNELS", "Kernel", "OneDnnLinear", "TorchLinear", "best_kernel"]


class Kernel(Protocol):
    """A linear map with its epilogue."""

    name: str

    def __call__(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """Map x of shape (M, K) to (M, N)."""
        ...


IN_PLACE: Mapping[str | None, Callable[[Tensor], Tensor]] = {
    None: lambda x: x,
    "relu": torch.relu_,
    "gelu": lambda x: torch.ops.aten.gelu_(x),
    "gelu_new": lambda x: torch.ops.aten.gelu_(x, approximate="tanh"),
}
"""Activations by their name in transformers, and no activation; each overwrites what it is given."""


class TorchLinear:
    """torch's linear map, which shares the model's weight.

    Parameters
    ----------
    dense : Dense
    activation : str or None
        One of :data:`frostline.backbones.packed.weights.ACTIVATIONS`.
    """

    name = "torch"

    def __init__(self, dense: Dense, activation: str | None = None) -> None:
        self._dense = dense
        self._activate = IN_PLACE[activation]

    def __call__(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """Map x of shape (M, K) to (M, N)."""
        mapped = torch.nn.functional.linear(x, self._dense.weight, self._dense.bias)
        return self._activate(mapped if residual is None else mapped.add_(residual))


_POST_OP = {None: ("none", ""), "relu": ("relu", ""), "gelu": ("gelu", "none"), "gelu_new": ("gelu", "tanh")}


class OneDnnLinear:
    """oneDNN's linear map over a weight in blocked layout, with activation or residual fused.

    Parameters
    ----------
    dense : Dense
    activation : str or None
        As for :class:`TorchLinear`; not together with a residual.

    Raises
    ------
    AttributeError, RuntimeError
        This build of torch has no such operator, or not for this type.
    """

    name = "onednn"

    def __init__(self, dense: Dense, activation: str | None = None) -> None:
        self._weight = torch.ops.mkldnn._reorder_linear_weight(dense.weight.contiguous(), _PLANNED_ROWS)
        self._bias = dense.bias
        self._attr, self._algorithm = _POST_OP[activation]

    def __call__(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """Map x of shape (M, K) to (M, N)."""
        linear = torch.ops.mkldnn._linear_pointwise
        mapped: Tensor = (
            linear(x, self._weight, self._bias, self._attr, [], self._algorithm)
            if residual is None
            else linear.binary(x, residual, self._weight, self._bias, "add")
        )
        return mapped


KERNELS: Mapping[str, type[TorchLinear] | type[OneDnnLinear]] = {k.name: k for k in (OneDnnLinear, TorchLinear)}

_PLANNED_ROWS = 512
"""Rows for which oneDNN lays the weight out; any number runs."""


def best_kernel(dense: Dense, activation: str | None = None, *, residual: bool = False) -> str:
    """Name the first kernel that does a linear map here.

    No clock decides: a busy moment would give two runs of one job other kernels, and so other last digits. Where
    oneDNN's kernels run but are slow, the packed path as a whole is found slow and not taken.

    Parameters
    ----------
    dense : Dense
    activation : str or None
    residual : bool
        Whether a residual is added.
    """
    n, k = dense.weight.shape
    x = torch.ones(1, k, dtype=dense.weight.dtype)
    other = torch.ones(1, n, dtype=dense.weight.dtype) if residual else None
    for name, build in KERNELS.items():
        try:
            build(dense, activation)(x, other)
        except (AttributeError, RuntimeError):
            continue  # a private operator that this build of torch lacks
        return name
    raise RuntimeError(f"no kernel maps {dense.weight.dtype} here")
