"""Muon for many small matrices: those of one shape are orthogonalized together, in single precision.

The method is Jordan et al. (2024), https://kellerjordan.github.io/posts/muon/; `torch.optim.Muon` takes the matrices one
by one in bfloat16, which processors without it only emulate.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

__all__ = ["Muon", "orthogonalized"]

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalized(matrices: Tensor, steps: int) -> Tensor:
    """Move the singular values of each matrix of (n, rows, columns), rows <= columns, towards 1 (Newton-Schulz)."""
    a, b, c = COEFFICIENTS
    x = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


class Muon(torch.optim.Optimizer):
    """Momentum whose step is orthogonalized; weight decay is decoupled."""

    def __init__(
        self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0, steps: int = 4
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "steps": steps})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            shapes: dict[tuple[int, int], list[Tensor]] = {}
            for p in group["params"]:
                shapes.setdefault((min(p.shape), max(p.shape)), []).append(p)
            for alike in shapes.values():
                self._step_alike(alike, group)

    def _step_alike(self, params: list[Tensor], group: dict[str, float]) -> None:
        directions = []
        for p in params:
            state = self.state[p]
            mean = state.setdefault("momentum", torch.zeros_like(p))
            mean.lerp_(p.grad, 1 - group["momentum"])
            nesterov = p.grad.lerp(mean, group["momentum"])
            directions.append(nesterov if p.shape[0] <= p.shape[1] else nesterov.mT)
        for p, step in zip(params, orthogonalized(torch.stack(directions), int(group["steps"])), strict=True):
            step = step if p.shape[0] <= p.shape[1] else step.mT
            p.mul_(1 - group["lr"] * group["weight_decay"])
            p.add_(step, alpha=-group["lr"] * max(1.0, p.shape[0] / p.shape[1]) ** 0.5)
