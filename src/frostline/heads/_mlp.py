"""Many small networks trained at once: each configuration is a slice of one batched matrix product.

Letters: M models, B rows of a mini-batch, H hidden units, F features, O outputs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.adamw import adamw

__all__ = ["Config", "Network", "train"]

Loss = Callable[[Tensor, Tensor], Tensor]
"""From outputs (M, B, O) and targets (B, ...) to losses (M,)."""

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

    Gradients are written by hand into arrays that stay: allocating them anew would cost as much as a step's products.

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
            self.weights.append(stacked[:, :-1].contiguous())
            self.biases.append(stacked[:, -1:].contiguous())
        self.gradients = [torch.zeros_like(p) for p in self.parameters]

    @property
    def parameters(self) -> list[Tensor]:
        """Weights (M, fan_in, fan_out) and biases (M, 1, fan_out) of every layer."""
        return [*self.weights, *self.biases]

    def __call__(self, X: Tensor) -> Tensor:
        """Outputs (M, B, O) of rows (B, F)."""
        return self._forward(X, None)[-1]

    def backward(self, X: Tensor, y: Tensor, loss: Loss, generator: torch.Generator) -> None:
        """Set `gradients` to those of the summed losses of rows (B, F) with targets (B, ...), dropout being on."""
        states = self._forward(X, generator)
        outputs = states[-1].requires_grad_()
        (flow,) = torch.autograd.grad(loss(outputs, y).sum(), outputs)
        depth = len(self.weights)
        for i in reversed(range(depth)):
            torch.bmm(states[i].transpose(1, 2), flow, out=self.gradients[i])
            torch.sum(flow, dim=1, keepdim=True, out=self.gradients[depth + i])
            if i:
                flow = torch.bmm(flow, self.weights[i].transpose(1, 2))
                flow.mul_(states[i].sign_())  # 0 where the unit was off or dropped
                if self.dropout:
                    flow.div_(1 - self.dropout)

    def _forward(self, X: Tensor, generator: torch.Generator | None) -> list[Tensor]:
        """What each layer reads, and the outputs; with a generator, dropout is on."""
        states = [X.expand(len(self.weights[0]), -1, -1)]
        for i, (W, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = torch.baddbmm(b, states[-1], W)
            if i < len(self.weights) - 1:
                hidden.relu_()
                if generator is not None and self.dropout:
                    kept = torch.rand(hidden.shape[1:], generator=generator) >= self.dropout
                    hidden.mul_(kept / (1 - self.dropout))
            states.append(hidden)
        return states


class _AdamW:
    """AdamW with a learning rate and a weight decay of its own for each of the M models.

    Slices of the stacked parameters are updated in place, in one pass over memory; models that share rate and decay go
    together. The function of torch.optim is called and not its class, whose first step imports a compiler for seconds.
    """

    def __init__(self, network: Network, configs: Sequence[Config]) -> None:
        slices: dict[tuple[float, float], list[tuple[Tensor, Tensor]]] = {}
        for i, (parameter, gradient) in enumerate(zip(network.parameters, network.gradients, strict=True)):
            for m, config in enumerate(configs):
                decay = config.weight_decay if i < len(network.weights) else 0.0
                slices.setdefault((config.lr, decay), []).append((parameter[m], gradient[m]))
        self._groups = [
            (
                lr,
                decay,
                [p for p, _ in own],
                [g for _, g in own],
                [[torch.zeros_like(p) for p, _ in own] for _ in _BETAS],
            )
            for (lr, decay), own in slices.items()
        ]
        self._steps = torch.zeros(())

    def step(self) -> None:
        """Update every parameter in place by the network's gradients."""
        for lr, decay, parameters, gradients, (first, second) in self._groups:
            steps = [self._steps.clone() for _ in parameters]
            adamw(
                parameters, gradients, first, second, [], steps, fused=True, amsgrad=False, maximize=False,
                beta1=_BETAS[0], beta2=_BETAS[1], eps=_EPSILON, lr=lr, weight_decay=decay,
            )  # fmt: skip
        self._steps += 1


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
    loss: Loss,
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
    kept = [p.clone() for p in network.parameters]
    for epoch in range(1, epochs + 1):
        order = torch.randperm(len(X), generator=generator)
        for rows in torch.split(order, batch_size):
            network.backward(X[rows], y[rows], loss, generator)
            optimizer.step()
        # A model whose loss is no longer a number never counts as better.
        current = loss(network(validation[0]), validation[1])
        better = current < best
        best, when = torch.where(better, current, best), torch.where(better, epoch, when)
        for m in better.nonzero()[:, 0].tolist():
            for old, new in zip(kept, network.parameters, strict=True):
                old[m].copy_(new[m])
        if patience is not None and epoch - int(when.max()) >= patience:
            break
    return Trained(best, when, kept)
