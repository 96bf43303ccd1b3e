"""Fine-tune a backbone: rate and number of epochs by a held-out part of the training rows, then once more on all of them.

References
----------
Mosbach, Andriushchenko and Klakow, 2021, arXiv 2006.04884: small sets need many epochs, a warm-up and a small rate. We
differ in that rate and epochs are chosen by held-out training rows instead of fixed.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from frostline._progress import progress_bar
from frostline.backbones.transformer import TransformerBackbone
from frostline.contracts import FloatArray, IntArray, Tap
from frostline.errors import UserError
from frostline.heads.finetune.model import How, Trained
from frostline.numerics.batches import batches_of_epoch, cut_batches
from frostline.splits import Split, holdout

__all__ = ["RATES", "Estimate", "FineTuned", "TuningRows", "estimate", "finetune"]

RATES: dict[How, tuple[float, ...]] = {"full": (2e-5, 5e-5, 1e-4), "lora": (2e-4, 5e-4, 1e-3)}
"""Learning rates that are tried; low-rank matrices want about ten times more."""

BATCH_ROWS = 16
"""Rows of average length in a batch."""

MOST_EPOCHS, FEWEST_EPOCHS, ROWS_SEEN = 20, 4, 32_000
"""Few rows are read often, many at least four times; in between so often that about so many are read."""

PATIENCE = 3
"""Epochs without a better held-out loss, after which a rate is given up."""

HELD_OUT = 0.2
"""Share of the training rows that rate and epochs are chosen on."""

_TIMED = 3


@dataclass(frozen=True)
class TuningRows:
    """Rows to train on.

    Attributes
    ----------
    ids : sequence of n int arrays
        Token sequences.
    y : array of shape (n,)
        Class numbers 0..n_classes-1 (integers), or numbers (floats).
    groups : int array of shape (n,)
        Rows that are never parted.
    """

    ids: Sequence[IntArray]
    y: NDArray[Any]
    groups: NDArray[np.intp]

    @property
    def are_classes(self) -> bool:
        """Whether the targets are class numbers."""
        return self.y.dtype.kind in "iu"

    @property
    def n_outputs(self) -> int:
        """Classes, or 1."""
        return int(self.y.max()) + 1 if self.are_classes else 1

    @property
    def epochs(self) -> int:
        """Most passes over the rows."""
        return min(MOST_EPOCHS, max(FEWEST_EPOCHS, ROWS_SEEN // len(self.y)))

    @property
    def batch_tokens(self) -> int:
        """Largest padded size of a batch."""
        lengths = [len(ids) for ids in self.ids]
        return max(max(lengths), math.ceil(BATCH_ROWS * float(np.mean(lengths))))

    def parts(self, seed: int) -> Split:
        """Rows that are trained on and rows that rate and epochs are chosen on.

        Raises
        ------
        UserError
            There are too few.
        """
        try:
            return holdout(self.y, self.groups, HELD_OUT, seed, self.are_classes)
        except UserError as error:
            raise UserError(
                f"Of the {len(self.y)} training rows none can be held out to choose a rate and a number of epochs: {error.message}",
                hint="leave out --compare, or give more rows",
            ) from error


@dataclass(frozen=True)
class Estimate:
    """What fine-tuning takes at most.

    Attributes
    ----------
    seconds : float
        Of all rates and epochs, scaled up from a few steps: without early stopping.
    n_trained, n_total : int
        Numbers that training moves, and all of them.
    """

    seconds: float
    n_trained: int
    n_total: int


@dataclass(frozen=True)
class FineTuned:
    """A fine-tuned backbone.

    Attributes
    ----------
    model : Trained
        Frozen again.
    rate : float
    epochs : int
    losses : dict of float to list of float
        For each rate the loss on held-out rows after each epoch: log loss in nats, or squared error over the variance of y.
    center, scale : float
        Of the targets, where these are numbers.
    """

    model: Trained
    rate: float
    epochs: int
    losses: dict[float, list[float]]
    center: float = 0.0
    scale: float = 1.0

    def predict_proba(self, ids: Sequence[IntArray]) -> FloatArray:
        """Class probabilities of token sequences, shape (n, n_classes)."""
        return np.asarray(torch.softmax(_outputs(self.model, ids).double(), 1).numpy())

    def predict(self, ids: Sequence[IntArray]) -> FloatArray:
        """Numbers, shape (n,)."""
        return np.asarray(_outputs(self.model, ids)[:, 0].double().numpy()) * self.scale + self.center


def finetune(
    backbone: TransformerBackbone, rows: TuningRows, *, how: How, tap: Tap, seed: int, progress: Any = "auto"
) -> FineTuned:
    """Train a copy of a backbone, with a linear map on its pooled final layer.

    Each rate is tried on four fifths of the rows, until the loss on the others has not fallen for three epochs. With the best rate
    and its best number of epochs, all rows are trained on.

    Parameters
    ----------
    backbone : TransformerBackbone
        Stays as it is.
    rows : TuningRows
    how : {"full", "lora"}
    tap : Tap
        How the final layer is pooled.
    seed : int
        Of the held-out rows, the head, the order of batches and dropout.
    progress : "auto" or bool

    Returns
    -------
    FineTuned

    Raises
    ------
    UserError
        Too few rows, no rate that converges, or too little memory.
    """
    center, scale = (0.0, 1.0) if rows.are_classes else (float(np.mean(rows.y)), float(np.std(rows.y)) or 1.0)
    targets = torch.from_numpy(rows.y if rows.are_classes else ((rows.y - center) / scale).astype(np.float32))
    train, held = rows.parts(seed)
    total = rows.epochs * (len(RATES[how]) * len(train) + len(rows.y))
    with progress_bar(progress, total, f"fine-tuning {backbone.name} ({how})", "rows") as advance, _explained(how):
        run = _Run(backbone, rows, targets, how, tap, seed, advance)
        losses = {rate: run.train(rate, train, held, rows.epochs)[1] for rate in RATES[how]}
        rate = min(losses, key=lambda r: min(losses[r]))
        if not math.isfinite(min(losses[rate])):
            raise UserError(f"Fine-tuning ({how}) diverged at every rate that was tried.", hint="leave out --compare")
        epochs = int(np.argmin(losses[rate])) + 1
        model, _ = run.train(rate, np.arange(len(rows.y)), None, epochs)
    return FineTuned(model.eval().requires_grad_(False), rate, epochs, losses, center, scale)


def estimate(backbone: TransformerBackbone, rows: TuningRows, *, how: How, tap: Tap, seed: int) -> Estimate:
    """Time a few steps and scale them up to all rates and epochs.

    Parameters
    ----------
    backbone, rows, how, tap, seed
        As for :func:`finetune`.

    Returns
    -------
    Estimate

    Raises
    ------
    UserError
        Too few rows, or too little memory.
    """
    train, _ = rows.parts(seed)
    lengths = [len(ids) for ids in rows.ids]
    seconds, n_timed = 0.0, 0
    with _seeded(seed), _explained(how):
        model = Trained(backbone, tap, rows.n_outputs, how, seed).train()
        optimizer = torch.optim.AdamW(model.groups(RATES[how][0]))
        for i, batch in enumerate(batches_of_epoch(lengths, rows.batch_tokens, seed, 0)[:_TIMED]):
            began = time.perf_counter()
            optimizer.zero_grad()
            torch.autograd.backward(model([rows.ids[row] for row in batch]).square().mean())
            optimizer.step()
            if model.device.type == "cuda":
                torch.cuda.synchronize(model.device)
            if i or len(rows.y) <= BATCH_ROWS:  # the first one pays for warming up
                seconds += time.perf_counter() - began
                n_timed += sum(lengths[row] for row in batch)
    n_tokens = float(np.mean(lengths)) * (len(RATES[how]) * len(train) + len(rows.y))
    return Estimate(seconds / n_timed * n_tokens * rows.epochs, model.n_trained, model.n_total)


@dataclass(frozen=True)
class _Run:
    """What all trainings of one backbone share."""

    backbone: TransformerBackbone
    rows: TuningRows
    targets: Tensor
    how: How
    tap: Tap
    seed: int
    advance: Callable[..., Any]

    def train(
        self, rate: float, own: NDArray[np.intp], held: NDArray[np.intp] | None, epochs: int
    ) -> tuple[Trained, list[float]]:
        """Train a new copy on some of the rows; with the loss on those `held` out after each epoch, if any.

        The rate falls to nothing at the most epochs that there may be, whether or not they are all run: after equally many
        epochs, a training without held-out rows is where the one with them was.
        """
        ids = [self.rows.ids[row] for row in own]
        lengths, budget = [len(one) for one in ids], self.rows.batch_tokens
        with _seeded(self.seed):
            model = Trained(self.backbone, self.tap, self.rows.n_outputs, self.how, self.seed)
            optimizer = torch.optim.AdamW(model.groups(rate))
            n_steps = self.rows.epochs * len(batches_of_epoch(lengths, budget, self.seed, 0))
            schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _share(step, n_steps))
            losses: list[float] = []
            for epoch in range(epochs):
                model.train()
                for batch in batches_of_epoch(lengths, budget, self.seed, epoch):
                    outputs = model([ids[i] for i in batch])
                    optimizer.zero_grad()
                    torch.autograd.backward(_loss(outputs, self.targets[own[batch]].to(model.device)))
                    torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
                    optimizer.step()
                    schedule.step()
                    self.advance(len(batch), f"rate {rate:g}, epoch {epoch + 1}")
                if held is None:
                    continue
                losses.append(_loss(_outputs(model, [self.rows.ids[row] for row in held]), self.targets[held]).item())
                if not math.isfinite(losses[-1]):
                    return model, [math.inf]
                if epoch - int(np.argmin(losses)) >= PATIENCE:
                    break
        return model, losses


def _share(step: int, n_steps: int) -> float:
    """Share of the full rate: up over the first tenth of the steps, then down to nothing, both along a line."""
    warm = max(1, n_steps // 10)
    return min((step + 1) / warm, max(0.0, (n_steps - step) / max(1, n_steps - warm)))


def _loss(outputs: Tensor, targets: Tensor) -> Tensor:
    if targets.is_floating_point():
        return functional.mse_loss(outputs[:, 0], targets)
    return functional.cross_entropy(outputs, targets)


@torch.inference_mode()
def _outputs(model: Trained, ids: Sequence[IntArray]) -> Tensor:
    """Outputs of any number of rows, in their order, on the CPU."""
    model.eval()
    lengths = np.array([len(own) for own in ids])
    found = torch.empty(len(ids), model.head.out_features)
    for batch in cut_batches(lengths, lengths.argsort(kind="stable"), max(2048, int(lengths.max()))):
        found[torch.from_numpy(batch)] = model([ids[i] for i in batch]).float().cpu()
    return found


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Draw dropout from a seed, and leave the generators of torch as they were."""
    with torch.random.fork_rng(devices=list(range(torch.cuda.device_count()))):
        torch.manual_seed(seed)
        yield


@contextlib.contextmanager
def _explained(how: How) -> Iterator[None]:
    """Say what helps where the device's memory does not suffice, and what an interruption costs."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"Fine-tuning ({how}) does not fit into the device's memory: {str(error).splitlines()[0]}",
            hint="use a shorter --max-length or --device cpu; --compare finetune-lora needs less than full fine-tuning",
        ) from error
    except KeyboardInterrupt as error:
        raise type(error)(f"while fine-tuning ({how}), of which nothing is kept") from error
