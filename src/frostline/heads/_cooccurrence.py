"""The network of the co-occurrence head and how it is trained.

Letters: B rows, L layers of width D, H vectors a row (layers and further backbones), K their width once compressed,
C classes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["CooccurrenceNetwork", "Shape", "Training", "epochs_of"]

_BLOCK = 4096
"""Rows of a forward pass without gradients."""


@dataclass(frozen=True)
class Shape:
    """Sizes of the network.

    Parameters
    ----------
    n_layers, width : int
        L and D: the leading L * D columns of the input.
    extras : tuple of int
        Widths of the further blocks of columns.
    compressed : int
        K. A further block that is K wide already enters as it is.
    hidden : tuple of int
    n_classes : int
    """

    n_layers: int
    width: int
    extras: tuple[int, ...]
    compressed: int
    hidden: tuple[int, ...]
    n_classes: int

    @property
    def deep(self) -> int:
        """Columns of the layers: L * D."""
        return self.n_layers * self.width

    def tensors(self) -> dict[str, tuple[tuple[int, ...], int]]:
        """Shape and fan-in of every parameter; units come first, so that half of them are whole runs of memory."""
        L, D, K = self.n_layers, self.width, self.compressed
        n_pairs = (L + len(self.extras)) ** 2
        found: dict[str, tuple[tuple[int, ...], int]] = {
            "compress.weight": ((K, L, D), D),
            "compress.bias": ((K, L), D),
        }
        for i, extra in enumerate(self.extras):
            if extra != K:
                found |= {f"extra.{i}.weight": ((K, extra), extra), f"extra.{i}.bias": ((K,), extra)}
        first = self.hidden[0]
        found |= {"pairs": ((first, n_pairs), n_pairs + D), "mean": ((first, D), n_pairs + D)}
        found["bias.0"] = ((first,), n_pairs + D)
        for i, (fan_in, out) in enumerate(itertools.pairwise([*self.hidden, self.n_classes]), start=1):
            found |= {f"weight.{i}": ((out, fan_in), fan_in), f"bias.{i}": ((out,), fan_in)}
        return found


class _Gram(torch.autograd.Function):
    """Dot products (B, H, H) of the vectors (H, B, K) of each row; its gradient takes one product, not two."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor) -> Tensor:
        ctx.save_for_backward(vectors)
        rows = vectors.transpose(0, 1)
        return torch.bmm(rows, rows.mT)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (vectors,) = ctx.saved_tensors
        return torch.bmm(gradient + gradient.mT, vectors.transpose(0, 1)).transpose(0, 1)


@dataclass(frozen=True)
class Dropout:
    """Half of the units are dropped, in one of two ways.

    Parameters
    ----------
    generator : torch.Generator
    shared : bool
        True: the rows of a mini-batch drop the same units (Graham, Reizenstein and Robinson, 2015, arXiv 1502.02478),
        so that half of the columns need not be computed; the layers share theirs too, so that a Gram matrix is that
        of K / 2 coordinates and, doubled, right on average. False: every row and layer draws its own, as published;
        the diagonal of the Gram matrix is then twice as large in training.
    """

    generator: torch.Generator
    shared: bool

    def units(self, n: int) -> Tensor | None:
        """Which of n units are kept, where rows share them."""
        return torch.randperm(n, generator=self.generator)[: (n + 1) // 2].sort().values if self.shared else None

    def own(self, hidden: Tensor) -> Tensor:
        """Drop units of each row on its own."""
        if self.shared:
            return hidden
        # One random byte a unit; drawing 64 bits at a time costs a twentieth of torch's own dropout.
        words = torch.empty((hidden.numel() + 7) // 8, dtype=torch.int64).random_(
            -(2**63), None, generator=self.generator
        )
        kept = (words.view(torch.int8)[: hidden.numel()] >= 0).to(hidden.dtype)
        return hidden * kept.mul_(2).reshape(hidden.shape)


class CooccurrenceNetwork:
    """Compression of each layer, Gram matrix, power normalization, an MLP on it and the mean of the layers.

    Parameters
    ----------
    shape : Shape
    parameters : dict of tensors
        As in :meth:`Shape.tensors`.
    """

    def __init__(self, shape: Shape, parameters: dict[str, Tensor]) -> None:
        self.shape, self.parameters = shape, parameters

    @classmethod
    def initialized(cls, shape: Shape, seed: int) -> CooccurrenceNetwork:
        """Starting weights as those of ``torch.nn.Linear``: uniform within one over the root of the fan-in."""
        generator = torch.Generator().manual_seed(seed)
        return cls(
            shape,
            {
                name: ((torch.rand(size, generator=generator) * 2 - 1) * fan_in**-0.5).requires_grad_()
                for name, (size, fan_in) in shape.tensors().items()
            },
        )

    def pairs(self, X: Tensor, sigma: float, dropout: Dropout | None = None) -> Tensor:
        """Power-normalized dot products tanh(sigma c / 2) of rows (B, F), shape (B, H * H)."""
        shape, p = self.shape, self.parameters
        units = None if dropout is None else dropout.units(shape.compressed)
        layers = self._layers(X).transpose(0, 1)
        W, b = _keep(p["compress.weight"], 0, units), _keep(p["compress.bias"], 0, units)
        vectors = torch.relu(torch.baddbmm(b.T[:, None], layers, W.permute(1, 2, 0)))
        if dropout is not None:
            vectors = dropout.own(vectors)
        if shape.extras:
            blocks = torch.split(X[:, shape.deep :], list(shape.extras), dim=1)
            vectors = torch.cat([vectors, *(self._extra(i, x, units, dropout)[None] for i, x in enumerate(blocks))])
        scale = 1.0 if units is None else shape.compressed / len(units)
        gram: Tensor = _Gram.apply(vectors)  # type: ignore[no-untyped-call]
        return torch.tanh(gram.flatten(1) * (sigma * scale / 2))

    def __call__(self, X: Tensor, sigma: float, dropout: Dropout | None = None) -> Tensor:
        """Logits (B, C) of rows (B, F)."""
        shape, p = self.shape, self.parameters
        mean = self._layers(X).mean(1)
        units = None if dropout is None else dropout.units(shape.hidden[0])
        # Two products rather than one of joined inputs: no gradient is asked for the mean.
        hidden = torch.addmm(_keep(p["bias.0"], 0, units), mean, _keep(p["mean"], 0, units).mT)
        hidden = torch.addmm(hidden, self.pairs(X, sigma, dropout), _keep(p["pairs"], 0, units).mT)
        for i, size in enumerate(shape.hidden, start=1):
            hidden = torch.relu(hidden)
            if dropout is not None:
                hidden = dropout.own(hidden)
            W = _keep(p[f"weight.{i}"], 1, units)
            if units is not None:
                W = W * (size / len(units))
            units = None if dropout is None or i == len(shape.hidden) else dropout.units(shape.hidden[i])
            hidden = torch.addmm(_keep(p[f"bias.{i}"], 0, units), hidden, _keep(W, 0, units).mT)
        return hidden

    def logits(self, X: Tensor, sigma: float) -> Tensor:
        """Logits without gradients, by blocks of rows."""
        with torch.no_grad():
            return torch.cat([self(part, sigma) for part in torch.split(X, _BLOCK)])

    def _layers(self, X: Tensor) -> Tensor:
        return X[:, : self.shape.deep].reshape(len(X), self.shape.n_layers, self.shape.width)

    def _extra(self, i: int, X: Tensor, units: Tensor | None, dropout: Dropout | None) -> Tensor:
        if f"extra.{i}.weight" not in self.parameters:
            return _keep(X, 1, units)
        W, b = (_keep(self.parameters[f"extra.{i}.{name}"], 0, units) for name in ("weight", "bias"))
        vector = torch.relu(torch.addmm(b, X, W.mT))
        return vector if dropout is None else dropout.own(vector)


def _keep(tensor: Tensor, dim: int, units: Tensor | None) -> Tensor:
    return tensor if units is None else tensor.index_select(dim, units)


@dataclass(frozen=True)
class Training:
    """How a network is trained.

    Parameters
    ----------
    lr, weight_decay : float
        Of AdamW; biases do not decay. With no decay this is Adam.
    batch_size, epochs : int
    shared_dropout, double_softmax : bool
        Whether rows of a mini-batch drop the same units; whether the loss takes probabilities for logits.
    seed : int
    """

    lr: float
    weight_decay: float
    batch_size: int
    epochs: int
    shared_dropout: bool
    double_softmax: bool
    seed: int


def epochs_of(
    network: CooccurrenceNetwork, data: tuple[Tensor, Tensor], rows: Tensor, sigma: float, training: Training
) -> Iterator[int]:
    """Train in place on some rows of a table and come back after each epoch.

    Parameters
    ----------
    network : CooccurrenceNetwork
    data : (X, y)
        Shapes (n, F) and (n,), in memory.
    rows : int tensor
    sigma : float
    training : Training

    Yields
    ------
    int
        Epochs done.
    """
    X, y = data
    generator = torch.Generator().manual_seed(training.seed)
    dropout = Dropout(generator, training.shared_dropout)
    optimizer = _optimizer(network, training)
    for epoch in range(1, training.epochs + 1):
        order = rows[torch.randperm(len(rows), generator=generator)]
        for batch in torch.split(order, training.batch_size):
            outputs = network(X.index_select(0, batch), sigma, dropout)
            if training.double_softmax:
                outputs = torch.softmax(outputs, 1)
            optimizer.zero_grad()
            functional.cross_entropy(outputs, y[batch]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        yield epoch


def _optimizer(network: CooccurrenceNetwork, training: Training) -> torch.optim.Optimizer:
    def of(biases: bool) -> Sequence[Tensor]:
        return [p for name, p in network.parameters.items() if ("bias" in name) == biases]

    groups = [{"params": of(False), "weight_decay": training.weight_decay}, {"params": of(True), "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=training.lr, fused=True)
