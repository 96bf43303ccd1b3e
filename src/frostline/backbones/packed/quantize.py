"""Weights in 8 bits, rounded so that the map's output changes least on what the model really feeds it.

The rounding is that of GPTQ (Frantar et al. 2023, arXiv 2210.17323, section 3): weights are rounded input by input, and
the error of each is made good by those that follow, under the inputs' second moments. Unlike there inputs go in the order
of their energy, and a few with the largest entries are not rounded at all. Inputs are those of the float32 model.
"""

from __future__ import annotations

import torch
from torch import Tensor

from frostline.backbones.packed.int8 import Int8Dense
from frostline.backbones.packed.kernels import Kernel
from frostline.backbones.packed.weights import Dense

__all__ = ["Recorder", "round_weights", "to_int8"]

_EXACT_SHARE = {"qkv": 1 / 48, "out": 0.0, "up": 1 / 48, "down": 1 / 24}
"""Of the input columns, those that stay in float32: behind a norm or an activation a few are ten times the others."""

_DAMPING = 0.01

_BLOCK = 64


class Recorder:
    """A kernel that keeps the sums over what passes.

    Parameters
    ----------
    kernel : Kernel
    n_real : int
        Rows that count; behind them stands what fills the matrix up.

    Attributes
    ----------
    moments : tensor of shape (K, K)
        Sum of the products of two columns.
    largest : tensor of shape (K,)
        Largest size of an entry.
    """

    name = "recorder"

    def __init__(self, kernel: Kernel, n_real: int) -> None:
        self._kernel, self._n_real = kernel, n_real
        self.moments = torch.zeros(0)
        self.largest = torch.zeros(0)

    def __call__(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """Map x of shape (M, K) to (M, N) as the kernel does."""
        real = x[: self._n_real]
        self.moments, self.largest = real.T @ real, real.abs().amax(0)
        return self._kernel(x, residual)


def to_int8(dense: Dense, seen: Recorder, role: str) -> Int8Dense:
    """Quantize one linear map.

    Parameters
    ----------
    dense : Dense
        In float32.
    seen : Recorder
        What went into it.
    role : str
        One of :data:`frostline.backbones.packed.weights.ROLES`.
    """
    n_in = dense.weight.shape[1]
    columns = seen.largest.topk(round(n_in * _EXACT_SHARE[role])).indices.sort().values
    rest = torch.ones(n_in, dtype=torch.bool).index_fill_(0, columns, False).nonzero()[:, 0]
    values = torch.zeros(dense.weight.shape, dtype=torch.int8)
    rounded, scales = round_weights(dense.weight[:, rest], seen.moments[rest][:, rest])
    values[:, rest] = rounded
    return Int8Dense(values, scales, columns, dense.weight[:, columns].T.contiguous(), dense.bias, role == "down")


def round_weights(weight: Tensor, moments: Tensor) -> tuple[Tensor, Tensor]:
    """Round a weight to whole multiples of one scale for each output.

    Parameters
    ----------
    weight : tensor of shape (N, K)
    moments : tensor of shape (K, K)
        Second moments of the input.

    Returns
    -------
    values : int8 tensor of shape (N, K)
    scales : tensor of shape (N,)
    """
    order = moments.diagonal().argsort(descending=True, stable=True)
    left = weight.T[order]  # a row for each input, since rows are what the loop walks over
    scales = left.abs().amax(0).clamp_(min=1e-20).div_(127)
    spread = _spread(moments[order][:, order])
    steps = torch.empty_like(left)
    for start in range(0, len(left), _BLOCK):
        inside, after = slice(start, start + _BLOCK), slice(start + _BLOCK, None)
        error = _round_block(left[inside], spread[inside, inside], scales, steps[inside])
        left[after].addmm_(spread[inside, after].T, error, alpha=-1.0)
    values = torch.empty(weight.shape, dtype=torch.int8)
    values[:, order] = steps.T.to(torch.int8)
    return values, scales


def _spread(moments: Tensor) -> Tensor:
    """How the error of an input is spread over those behind it: the inverse moments' upper Cholesky factor."""
    damped = moments.double()
    damped.diagonal().add_(_DAMPING * damped.diagonal().mean().clamp(min=1e-20))
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    factor: Tensor = torch.linalg.cholesky(inverse, upper=True)
    return factor.float()


def _round_block(left: Tensor, spread: Tensor, scales: Tensor, steps: Tensor) -> Tensor:
    """Round the rows of `left` in turn into `steps`; the errors, in units of the factor's diagonal."""
    error = torch.empty_like(left)
    for j, (row, step) in enumerate(zip(left, steps, strict=True)):
        torch.div(row, scales, out=step).round_().clamp_(-127, 127)
        torch.addcmul(row, step, scales, value=-1.0, out=error[j]).div_(spread[j, j])
        left[j + 1 :].addr_(spread[j, j + 1 :], error[j], alpha=-1.0)
    return error
