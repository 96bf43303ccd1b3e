"""The adapter: one vector of a space to a few soft tokens of a language model."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from frostline.errors import UserError, nearest

__all__ = ["ACTIVATIONS", "KINDS", "MAX_SOFT_TOKENS", "Adapter", "AdapterConfig", "moments"]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh}

KINDS = {"linear": 0, "mlp": 1, "deep": 3, "residual": 3}
"""Kinds of adapter and their number of hidden layers; ``"residual"`` adds each layer to what it read."""

MAX_SOFT_TOKENS = 16

_SMALLEST = 1e-6


@dataclass(frozen=True)
class AdapterConfig:
    """The shape of an adapter.

    Parameters
    ----------
    kind : {"mlp", "linear", "deep", "residual"}, default="mlp"
        The paper's is a two-layer MLP: one hidden layer.
    n_soft_tokens : int, default=4
        1 to 16; the paper has 1 and leaves more to future work.
    hidden : int, default=512
        Width of hidden layers.
    activation : {"gelu", "relu", "silu", "tanh"}, default="gelu"

    References
    ----------
    Tennenholtz et al., 2023, arXiv 2310.04475, section 3 (the adapter E_A).
    """

    kind: str = "mlp"
    n_soft_tokens: int = 4
    hidden: int = 512
    activation: str = "gelu"

    @classmethod
    def of(cls, adapter: str | AdapterConfig, n_soft_tokens: int) -> AdapterConfig:
        """A configuration as it is given, or a kind with so many soft tokens; checked."""
        found = adapter if isinstance(adapter, AdapterConfig) else cls(kind=adapter, n_soft_tokens=n_soft_tokens)
        return found.checked()

    def checked(self) -> AdapterConfig:
        """Return this configuration where it can be built.

        Raises
        ------
        UserError
        """
        for value, allowed, what in (
            (self.kind, KINDS, "adapter"),
            (self.activation, ACTIVATIONS, "activation"),
        ):
            if value not in allowed:
                raise UserError(
                    f"Unknown {what} {value!r}. Allowed: {', '.join(allowed)}.",
                    hint=nearest(str(value), allowed) or None,
                )
        if not isinstance(self.n_soft_tokens, int) or not 1 <= self.n_soft_tokens <= MAX_SOFT_TOKENS:
            raise UserError(
                f"n_soft_tokens must be a whole number from 1 to {MAX_SOFT_TOKENS}, got {self.n_soft_tokens}."
            )
        if not isinstance(self.hidden, int) or self.hidden < 1:
            raise UserError(f"hidden must be a whole number of 1 or more, got {self.hidden}.")
        return self


def moments(vectors: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and scale of each column, by which an adapter standardizes; constant columns get the scale 1.

    Parameters
    ----------
    vectors : float array of shape (n, D)

    Returns
    -------
    mean, scale : float32 arrays of shape (D,)
    """
    values = np.asarray(vectors, dtype=np.float64)
    scale = values.std(axis=0)
    scale[scale <= _SMALLEST * np.abs(values).max(axis=0, initial=0.0)] = 1.0
    return values.mean(axis=0).astype(np.float32), scale.astype(np.float32)


class Adapter(nn.Module):
    """Map vectors (B, D) to soft tokens (B, S, W) that are as long as the language model's own embedded tokens.

    Parameters
    ----------
    config : AdapterConfig
    mean, scale : float32 arrays of shape (D,)
        Of the training vectors.
    width : int
        W of the language model.
    norm : float
        Length of every soft token.
    seed : int
        Of the starting weights.
    """

    mean: Tensor
    scale: Tensor
    norm: Tensor

    def __init__(
        self,
        config: AdapterConfig,
        mean: NDArray[np.float32],
        scale: NDArray[np.float32],
        *,
        width: int,
        norm: float,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.config, self.width = config.checked(), width
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("scale", torch.tensor(scale))
        self.register_buffer("norm", torch.tensor([float(norm)]))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._build(len(mean))

    def _build(self, dim: int) -> None:
        sizes = [dim, *[self.config.hidden] * KINDS[self.config.kind]]
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.out = nn.Linear(sizes[-1], self.config.n_soft_tokens * self.width)
        self.act = ACTIVATIONS[self.config.activation]()

    @property
    def dim(self) -> int:
        """Width D of the vectors."""
        return len(self.mean)

    def forward(self, vectors: Tensor) -> Tensor:
        """Soft tokens (B, S, W) of vectors (B, D)."""
        state = (vectors.float() - self.mean) / self.scale
        for layer in self.hidden:
            update = self.act(layer(state))
            skip = self.config.kind == "residual" and update.shape == state.shape
            state = state + update if skip else update
        soft = self.out(state).unflatten(-1, (self.config.n_soft_tokens, self.width))
        return nn.functional.normalize(soft, dim=-1) * self.norm
