"""Linear maps in 8 bits, for processors that multiply bytes fast and have no half precision.

Each row of activations has a scale of its own, so a text's vector does not depend on the texts beside it; each output has
one, as in LLM.int8 (Dettmers et al. 2022, arXiv 2208.07339), and as there the input columns that are far larger than the
rest stay in float32. oneDNN's operator is private to torch: where it is missing, nothing here is offered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from frostline.backbones.packed.kernels import IN_PLACE

__all__ = ["Int8Dense", "Int8Linear", "int8_here"]

_MAGIC = 1.5 * 2.0**23
"""Added to a small float it leaves the nearest whole number in the lowest bits: rounding and offset in one pass."""

_GELU_DEPTH = 0.17
"""GELU is nowhere below -0.17, so behind it few of the 256 steps need to lie below zero."""

_ZERO_BEHIND_ACTIVATION, _ZERO = 28, 128

_PLANNED_ROWS = 512


@dataclass(frozen=True)
class Int8Dense:
    """A linear map whose weights are bytes, but for a few input columns.

    Attributes
    ----------
    values : int8 tensor of shape (N, K)
        Weights in units of `scales`, 0 in `columns`.
    scales : tensor of shape (N,)
    columns : int tensor of shape (k,)
        Input columns that stay in float32.
    exact : tensor of shape (k, N)
        Their weights.
    bias : tensor of shape (N,)
    activated : bool
        Whether the input comes out of an activation, and so lies above -0.17.
    """

    values: Tensor
    scales: Tensor
    columns: Tensor
    exact: Tensor
    bias: Tensor
    activated: bool

    @property
    def dtype(self) -> torch.dtype:
        """Type of what goes in and comes out."""
        return self.bias.dtype


class Int8Linear:
    """A linear map over bytes, float32 in and out.

    Parameters
    ----------
    dense : Int8Dense
    activation : str or None
        As for :class:`frostline.backbones.packed.kernels.TorchLinear`.

    Raises
    ------
    AttributeError, RuntimeError
        This build of torch has no such operator, or not for this processor.
    """

    name = "int8"

    def __init__(self, dense: Int8Dense, activation: str | None = None) -> None:
        n_out, n_in = dense.values.shape
        self._dense = dense
        self._packed = torch.ops.onednn.qlinear_prepack(dense.values, [_PLANNED_ROWS, n_in])
        self._no_zeros = torch.zeros(n_out, dtype=torch.int32)
        self._keep = torch.ones(n_in).index_fill_(0, dense.columns, 0.0)
        self._zero = _ZERO_BEHIND_ACTIVATION if dense.activated else _ZERO
        self._offset = torch.full((n_in,), _MAGIC + self._zero)
        self._activate: Callable[[Tensor], Tensor] = IN_PLACE[activation]

    def __call__(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """Map x of shape (M, K) to (M, N)."""
        columns = self._dense.columns
        apart = x.index_select(1, columns) if len(columns) else None
        kept = self._without_columns(x)
        scale = self._row_scales(kept)
        # What came without a copy belongs to somebody else; the rest is written over, which spares memory.
        place = torch.empty_like(x) if apart is None else kept
        steps = torch.addcmul(self._offset, kept, scale.reciprocal(), out=place).view(torch.int32).to(torch.uint8)
        mapped = torch.ops.onednn.qlinear_pointwise(
            steps, 1.0, self._zero, self._packed, self._dense.scales, self._no_zeros, None, 1.0, 0, torch.float32, "none",
            [], "",
        )  # fmt: skip
        torch.addcmul(self._dense.bias, mapped, scale, out=mapped)
        if apart is not None:
            mapped.addmm_(apart, self._dense.exact)
        if residual is not None:
            mapped.add_(residual)
        return self._activate(mapped)

    def _without_columns(self, x: Tensor) -> Tensor:
        """The input with 0 where it stays in float32; nobody else reads what comes out of an activation."""
        if not len(self._dense.columns):
            return x
        return x.index_fill_(1, self._dense.columns, 0.0) if self._dense.activated else x * self._keep

    def _row_scales(self, kept: Tensor) -> Tensor:
        """The step of each row, (M, 1)."""
        top = kept.amax(1, keepdim=True)
        if self._dense.activated:
            steps_above = 255 - self._zero
            return top.clamp_(min=_GELU_DEPTH / self._zero * steps_above).div_(steps_above)
        return torch.maximum(top, kept.amin(1, keepdim=True).neg_()).clamp_(min=1e-20).div_(127)


def int8_here(flags: Mapping[str, bool] | None = None) -> bool:
    """Whether bytes are the fastest way here: instructions for them, none for half precision, and oneDNN's operator.

    Parameters
    ----------
    flags : mapping, optional
        What the processor can do, for tests; None = ask torch.
    """
    try:
        found = torch.cpu.get_capabilities() if flags is None else flags
        half = found["amx_bf16"] or found["avx512_bf16"]
        if half or not (found["avx512_vnni"] or found["avx_vnni"]):
            return False
        one = torch.ones(1, 8)
        dense = Int8Dense(torch.ones(8, 8, dtype=torch.int8), torch.ones(8), torch.arange(0), one[:0], one[0], False)
        return bool(torch.equal(Int8Linear(dense)(one), one * 9))
    except (AttributeError, KeyError, RuntimeError):
        return False
