"""Many small networks trained at once: each configuration is a slice of one batched matrix product.

Letters: M models, B rows of a mini-batch, H hidden units, F features, O outputs.
"""

from __future__ import annotations

import copy
import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import Tensor
from torch.nn import functional

__all__ = ["Config", "CrossEntropy", "Loss", "Network", "SquaredError", "train", "with_one"]

_BETAS, _EPSILON = (0.9, 0.999), 1e-8


class Loss(Protocol):
    """What is minimized."""

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Losses (M,) of outputs (M, B, O) and targets (B, ...)."""

    def gradient(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Of each model's loss by its outputs, shape (M, B, O)."""


class SquaredError:
    """Mean squared error of one output."""

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Losses (M,) of outputs (M, B, 1) and numbers (B,)."""
        return (outputs[:, :, 0] - targets).square().mean(1)

    def gradient(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Of the losses by the outputs, shape (M, B, 1)."""
        return torch.sub(outputs, targets[:, None]).mul_(2 / len(targets))


@dataclass(frozen=True, eq=False)
class CrossEntropy:
    """Mean log loss in nats, rows counting by the weights (O,) of their classes."""

    weights: Tensor

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Losses (M,) of logits (M, B, O) and classes (B,)."""
        labels = targets.expand(len(outputs), -1)
        flat = functional.cross_entropy(outputs.flatten(0, 1), labels.flatten(), self.weights, reduction="none")
        return flat.reshape(len(outputs), -1).mean(1)

    def gradient(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Of the losses by the logits, shape (M, B, O)."""
        excess = torch.softmax(outputs, -1) - functional.one_hot(targets, outputs.shape[-1])
        return excess.mul_(self.weights[targets][:, None] / len(targets))


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


def with_one(X: Tensor) -> Tensor:
    """Rows (n, F) with a last column of ones, which biases are the weights of."""
    return torch.cat([X, X.new_ones(len(X), 1)], dim=1)


class Network:
    """M networks of equal shape: linear layers with ReLU and dropout between them.

    Everything is written by hand into arrays that stay: allocating them anew, a pass for every bias and a tape of the
    gradients would cost half as much as a step's matrix products. So each layer's bias is the last row of its weights.

    Parameters
    ----------
    sizes : sequence of int
        F, hidden sizes, O.
    configs : sequence of Config
    dropout : float
        Share of hidden units dropped in training.

    Attributes
    ----------
    layers, gradients : lists of tensors
        Of each layer weights and, below them, biases (M, fan_in + 1, fan_out), and the gradients by these.
    """

    def __init__(self, sizes: Sequence[int], configs: Sequence[Config], dropout: float) -> None:
        self.dropout = dropout
        self.layers: list[Tensor] = []
        for fan_in, fan_out in itertools.pairwise(sizes):
            bound = fan_in**-0.5  # torch.nn.Linear's own range
            layers = []
            for config in configs:
                generator = torch.Generator().manual_seed(1_000_003 * config.seed + len(self.layers))
                layers.append((torch.rand(fan_in + 1, fan_out, generator=generator) * 2 - 1) * bound)
            self.layers.append(torch.stack(layers))
        self.gradients = [torch.zeros_like(layer) for layer in self.layers]
        self._places: dict[int, tuple[list[Tensor], list[Tensor]]] = {}

    def part(self, own: Tensor) -> Self:
        """A copy of some of the networks, by their numbers."""
        part = copy.copy(self)
        part.layers, part.gradients = ([array[own] for array in arrays] for arrays in (self.layers, self.gradients))
        part._places = {}
        return part

    def __call__(self, X: Tensor) -> Tensor:
        """Outputs (M, B, O) of rows (B, F + 1), see :func:`with_one`; they last until the next call."""
        return self._forward(X, None)[-1]

    def backward(self, X: Tensor, y: Tensor, loss: Loss, generator: torch.Generator) -> None:
        """Set `gradients` to those of the losses of rows (B, F + 1) with targets (B, ...), dropout being on."""
        states = self._forward(X, generator)
        _, flows = self._place(len(X))
        flow = loss.gradient(states[-1], y)
        for i in reversed(range(len(self.layers))):
            if self.layers[i].shape[2] == 1:  # the same product the other way round, at half the time
                turned = self.gradients[i].transpose(1, 2)
                torch.bmm(flow.transpose(1, 2), states[i], out=turned)
            else:
                torch.bmm(states[i].transpose(1, 2), flow, out=self.gradients[i])
            if i:
                flow = torch.bmm(flow, self.layers[i][:, :-1].transpose(1, 2), out=flows[i - 1])
                # Nothing flows back through a unit that was off or dropped.
                torch.ops.aten.threshold_backward.grad_input(flow, states[i][..., :-1], 0, grad_input=flow)
                if self.dropout:
                    flow.div_(1 - self.dropout)

    def _forward(self, X: Tensor, generator: torch.Generator | None) -> list[Tensor]:
        """What each layer reads, and the outputs; with a generator, dropout is on."""
        places, _ = self._place(len(X))
        states = [X.expand(len(self.layers[0]), -1, -1), *places]
        for i, layer in enumerate(self.layers):
            last = i == len(self.layers) - 1
            out = states[i + 1] if last else states[i + 1][..., :-1]
            torch.bmm(states[i], layer, out=out)
            if not last:
                out.relu_()
                if generator is not None and self.dropout:
                    kept = torch.rand(out.shape[1:], generator=generator) >= self.dropout
                    out.mul_(kept / (1 - self.dropout))
        return states

    def _place(self, n_rows: int) -> tuple[list[Tensor], list[Tensor]]:
        """Arrays for what layers give, the hidden ones with a column of ones, and for gradients by what they are given."""
        if n_rows not in self._places:
            shapes = [(len(layer), n_rows, layer.shape[2]) for layer in self.layers]
            given = [torch.ones(m, n, width + 1) for m, n, width in shapes[:-1]] + [torch.empty(shapes[-1])]
            self._places[n_rows] = given, [torch.empty(shape) for shape in shapes[:-1]]
        return self._places[n_rows]


class _AdamW:
    """AdamW with a learning rate and a weight decay of its own for each of the M models.

    Slices of the stacked parameters are updated in place, in one pass over memory; models that share rate and decay go
    together. The kernel of torch.optim is called and not its class, whose first step imports a compiler for seconds, and
    not its function, which counts the steps of every slice on its own.
    """

    def __init__(
        self,
        network: Network,
        configs: Sequence[Config],
        moments: Sequence[Sequence[Tensor]] | None = None,
        steps: int = 0,
    ) -> None:
        self._moments = moments or [[torch.zeros_like(layer) for layer in network.layers] for _ in _BETAS]
        self._steps = torch.tensor(float(steps))
        slices: dict[tuple[float, float], list[list[Tensor]]] = {}
        for arrays in zip(network.layers, network.gradients, *self._moments, strict=True):
            for m, config in enumerate(configs):
                for rows, decay in ((slice(-1), config.weight_decay), (slice(-1, None), 0.0)):
                    slices.setdefault((config.lr, decay), []).append([array[m][rows] for array in arrays])
        self._groups = [(config, [list(one) for one in zip(*own, strict=True)]) for config, own in slices.items()]

    def part(self, own: Tensor, network: Network, configs: Sequence[Config]) -> Self:
        """The same for some of the models, which `network` holds by now."""
        moments = [[array[own] for array in arrays] for arrays in self._moments]
        return type(self)(network, configs, moments, int(self._steps))

    def step(self) -> None:
        """Update every parameter in place by the network's gradients."""
        self._steps += 1
        for (lr, decay), (parameters, gradients, first, second) in self._groups:
            torch._fused_adamw_(
                parameters, gradients, first, second, [], [self._steps] * len(parameters), lr=lr, beta1=_BETAS[0],
                beta2=_BETAS[1], weight_decay=decay, eps=_EPSILON, amsgrad=False, maximize=False,
            )  # fmt: skip


@dataclass(frozen=True)
class Trained:
    """The best state of each model.

    Attributes
    ----------
    losses : tensor of shape (M,)
        Lowest validation loss.
    epochs : tensor of shape (M,)
        When it was reached.
    layers : list of tensors
        As in :attr:`Network.layers`, each model at its own best epoch.
    """

    losses: Tensor
    epochs: Tensor
    layers: list[Tensor]


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

    The models are dealt to as many threads as torch may use, each of which works alone: shared products would have to wait
    for the slowest thread several times a step. What is found does not depend on how they are dealt.

    Parameters
    ----------
    network, configs
        The models and how each is trained.
    data, validation : (X, y)
        Rows (n, F) and targets.
    loss : Loss
    epochs : int
        At most.
    patience : int or None
        A model is kept as it is once it has not improved for so many epochs; None = run all epochs.
    batch_size, seed : int

    Returns
    -------
    Trained
    """
    rows, held = ((with_one(X), y) for X, y in (data, validation))
    stop = threading.Event()

    def alone(own: Tensor) -> Trained:
        run = _Run(network.part(own), [configs[m] for m in own.tolist()], rows, held, loss, batch_size)
        return run.train(epochs, epochs if patience is None else patience, seed, stop)

    # Neighbors in a sweep stop at about the same time: dealt one by one, no thread gets all the slow ones.
    n_threads = max(1, min(torch.get_num_threads(), len(configs)))
    shares = [torch.arange(i, len(configs), n_threads) for i in range(n_threads)]
    parts = _in_threads(alone, shares, stop)
    back = torch.cat(shares).argsort()
    layers = [torch.cat(layer)[back] for layer in zip(*(part.layers for part in parts), strict=True)]
    losses, when = (torch.cat(own)[back] for own in zip(*((part.losses, part.epochs) for part in parts), strict=True))
    return Trained(losses, when, layers)


def _in_threads(work: Callable[[Tensor], Trained], shares: Sequence[Tensor], stop: threading.Event) -> list[Trained]:
    """Train each share of the models in a thread that computes by itself."""
    if len(shares) < 2:
        return [work(share) for share in shares]

    def by_itself(share: Tensor) -> Trained:
        torch.get_num_threads()  # a thread's first look at torch would otherwise lift the limit that is set next
        with threadpool_limits(1, user_api="openmp"):
            return work(share)

    with ThreadPoolExecutor(len(shares)) as pool:
        futures = [pool.submit(by_itself, share) for share in shares]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:  # after an error or an interrupt the other threads would go on to the last epoch
            stop.set()
        return [future.result() for future in futures]


@dataclass(frozen=True, eq=False)
class _Run:
    """Models that one thread trains; rows (n, F + 1) with their targets."""

    network: Network
    configs: Sequence[Config]
    data: tuple[Tensor, Tensor]
    held: tuple[Tensor, Tensor]
    loss: Loss
    batch_size: int

    def train(self, epochs: int, patience: int, seed: int, stop: threading.Event) -> Trained:
        """Run until no model may improve any more; one that may not is no longer computed."""
        generator = torch.Generator().manual_seed(seed)
        network, configs = self.network, self.configs
        optimizer = _AdamW(network, configs)
        best = torch.full((len(configs),), torch.inf)
        when = torch.zeros(len(configs), dtype=torch.long)
        kept = [layer.clone() for layer in network.layers]
        active = torch.arange(len(configs))
        for epoch in range(1, epochs + 1):
            self._epoch(network, optimizer, generator)
            # A model whose loss is no longer a number never counts as better.
            current = self.loss(network(self.held[0]), self.held[1])
            for m in (current < best[active]).nonzero()[:, 0].tolist():
                whole = active[m]
                best[whole], when[whole] = current[m], epoch
                for old, new in zip(kept, network.layers, strict=True):
                    old[whole].copy_(new[m])
            going = (epoch - when[active] < patience).nonzero()[:, 0]
            if stop.is_set() or not len(going):
                break
            if len(going) < len(active):
                active, configs = active[going], [configs[m] for m in going.tolist()]
                network = network.part(going)
                optimizer = optimizer.part(going, network, configs)
        return Trained(best, when, kept)

    def _epoch(self, network: Network, optimizer: _AdamW, generator: torch.Generator) -> None:
        """Every row once, in an order of chance."""
        X, y = self.data
        for rows in torch.split(torch.randperm(len(X), generator=generator), self.batch_size):
            network.backward(X[rows], y[rows], self.loss, generator)
            optimizer.step()
