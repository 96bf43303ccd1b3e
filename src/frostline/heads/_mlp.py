"""Many small networks trained at once: each configuration is a slice of one batched matrix product.

Letters: M models, B rows of a mini-batch, H hidden units, F features, O outputs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Config", "Network", "train"]

_BETAS, _EPSILON = (0.9, 0.999), 1e-8


@dataclass(frozen=True)
class Config:
    """One model of the batch.

    Parameters
    ----------
    lr : float
        AdamW's learning rate.
    weight_decay : float
        Decoupled (Loshchilov and Hutter, 2019), on weights, not on biases.
    seed : int
        Of the starting weights.
    """

    lr: float
    weight_decay: float
    seed: int = 0


class Network:
    """M networks of equal shape: linear layers with ReLU and dropout between them.

    Parameters
    ----------
    sizes : sequence of int
        F, hidden sizes, O.
    configs : sequence of Config
    dropout : float
        Share of hidden units dropped in training.
    """

    def __init__(self, sizes: Sequence[int], configs: Sequence[Config], dropout: float) -> None:
        self.sizes, self.dropout = list(sizes), dropout
        self.weights: list[Tensor] = []
        self.biases: list[Tensor] = []
        for fan_in, fan_out in itertools.pairwise(sizes):
            bound = fan_in**-0.5  # torch.nn.Linear's own range
            layers = []
            for config in configs:
                generator = torch.Generator().manual_seed(1_000_003 * config.seed + len(self.weights))
                layers.append((torch.rand(fan_in + 1, fan_out, generator=generator) * 2 - 1) * bound)
            stacked = torch.stack(layers)
            self.weights.append(stacked[:, :-1].contiguous().requires_grad_())
            self.biases.append(stacked[:, -1:].contiguous().requires_grad_())

    @property
    def parameters(self) -> list[Tensor]:
        """Weights (M, fan_in, fan_out) and biases (M, 1, fan_out) of every layer."""
        return [*self.weights, *self.biases]

    def __call__(self, X: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Outputs (M, B, O) of rows (M or 1, B, F); with a generator, dropout is on."""
        hidden = X.expand(len(self.weights[0]), -1, -1)
        for i, (W, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = torch.baddbmm(b, hidden, W)
            if i < len(self.weights) - 1:
                hidden = torch.relu(hidden)
                if generator is not None and self.dropout:
                    kept = torch.rand(hidden.shape[1:], generator=generator) >= self.dropout
                    hidden = hidden * (kept / (1 - self.dropout))
        return hidden


class _AdamW:
    """AdamW with a learning rate and a weight decay of its own for each of the M models."""

    def __init__(self, network: Network, configs: Sequence[Config]) -> None:
        self.parameters = network.parameters
        self.decayed = len(network.weights)
        self.lr = torch.tensor([config.lr for config in configs])[:, None, None]
        self.decay = torch.tensor([config.lr * config.weight_decay for config in configs])[:, None, None]
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.second = [torch.zeros_like(p) for p in self.parameters]
        self.steps = 0

    def step(self, gradients: Sequence[Tensor]) -> None:
        """Update every parameter in place."""
        self.steps += 1
        one, two = (1 - beta**self.steps for beta in _BETAS)
        with torch.no_grad():
            for i, (p, g) in enumerate(zip(self.parameters, gradients, strict=True)):
                if i < self.decayed:
                    p.mul_(1 - self.decay)
                self.first[i].lerp_(g, 1 - _BETAS[0])
                self.second[i].mul_(_BETAS[1]).addcmul_(g, g, value=1 - _BETAS[1])
                p.sub_(self.lr / one * self.first[i] / ((self.second[i] / two).sqrt_().add_(_EPSILON)))


@dataclass(frozen=True)
class Trained:
    """The best state of each model.

    Attributes
    ----------
    losses : tensor of shape (M,)
        Lowest validation loss.
    epochs : tensor of shape (M,)
        When it was reached.
    parameters : list of tensors
        As in :attr:`Network.parameters`, each model at its own best epoch.
    """

    losses: Tensor
    epochs: Tensor
    parameters: list[Tensor]


def train(
    network: Network,
    configs: Sequence[Config],
    data: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    loss: Callable[[Tensor, Tensor], Tensor],
    *,
    epochs: int,
    patience: int | None,
    batch_size: int,
    seed: int,
) -> Trained:
    """Train every model on the same mini-batches and keep each at its best epoch.

    Parameters
    ----------
    network, configs
        The models and how each is trained.
    data, validation : (X, y)
        Rows (n, F) and targets.
    loss : callable
        From outputs (M, B, O) and targets (B, ...) to losses (M,).
    epochs : int
        At most.
    patience : int or None
        Stop when no model has improved for so many epochs; None = run all epochs.
    batch_size, seed : int

    Returns
    -------
    Trained
    """
    X, y = data
    generator = torch.Generator().manual_seed(seed)
    optimizer = _AdamW(network, configs)
    best = torch.full((len(configs),), torch.inf)
    when = torch.zeros(len(configs), dtype=torch.long)
    kept = [p.detach().clone() for p in network.parameters]
    for epoch in range(1, epochs + 1):
        order = torch.randperm(len(X), generator=generator)
        for rows in torch.split(order, batch_size):
            total = loss(network(X[rows][None], generator), y[rows]).sum()
            optimizer.step(torch.autograd.grad(total, network.parameters))
        with torch.no_grad():
            # A model whose loss is no longer a number never counts as better.
            current = loss(network(validation[0][None]), validation[1])
            better = current < best
            best, when = torch.where(better, current, best), torch.where(better, epoch, when)
            for old, new in zip(kept, network.parameters, strict=True):
                old[better] = new.detach()[better]
        if patience is not None and epoch - int(when.max()) >= patience:
            break
    return Trained(best, when, kept)
