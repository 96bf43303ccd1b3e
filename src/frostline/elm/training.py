"""The loop: stages, batches, one optimizer a stage, early stopping on held-out ids; seeded, and resumed to the same bytes.

References
----------
Tennenholtz et al., 2023, arXiv 2310.04475, section 4: next-token cross-entropy, the adapter first, then everything. We differ by
low-rank matrices for the language model unless asked for all of it, by early stopping, and by token budgets instead of 32 rows.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from frostline._progress import progress_bar
from frostline.elm.checkpoint import Checkpoint
from frostline.elm.model import Batch, ElmModel, Placed, collate
from frostline.elm.stages import AdaptOptions, Stage
from frostline.elm.tuning import load_parameters, parameters_of, prepare, recompute
from frostline.errors import UserError
from frostline.numerics.batches import batches_of_epoch, cut_batches

__all__ = ["Evaluation", "TrainingLog", "train"]

Judge = Callable[[ElmModel], float]

FEWEST_LOOKS = 4
"""At held-out ids after a warm start, however few the steps are: it may be a few of them that help."""


@dataclass(frozen=True)
class Evaluation:
    """One look at the held-out ids.

    Attributes
    ----------
    stage : str
    step : int
        Within the stage; 0 = before the first step.
    train_loss : float or None
        Nats a target token, mean since the last look; None where no step was taken since.
    loss : float
        The same on held-out ids.
    score : float
        What the state is chosen by; higher is better.
    """

    stage: str
    step: int
    train_loss: float | None
    loss: float
    score: float


@dataclass
class TrainingLog:
    """What a training did.

    Attributes
    ----------
    evaluations : list of Evaluation
    n_steps, n_tokens : int
        Steps, and tokens that passed the language model, padding not counted.
    seconds : float
        Over all attempts.
    """

    evaluations: list[Evaluation] = field(default_factory=list)
    n_steps: int = 0
    n_tokens: int = 0
    seconds: float = 0.0

    @property
    def kept_start(self) -> bool:
        """Whether no step was better than the state from which the training began."""
        return self.best.step == 0

    @property
    def best(self) -> Evaluation:
        """The state that was kept: the best of the last stage."""
        last = self.evaluations[-1].stage
        return max((e for e in self.evaluations if e.stage == last), key=lambda e: e.score)


def train(
    model: ElmModel,
    train_items: Sequence[Placed],
    held_out: Sequence[Placed],
    options: AdaptOptions,
    *,
    seed: int,
    judge: Judge | None = None,
    warm: bool = False,
    checkpoint: Checkpoint | None = None,
    progress: Any = "auto",
) -> TrainingLog:
    """Train a model in place; it is left in the best state of its last stage.

    Parameters
    ----------
    model : ElmModel
    train_items, held_out : sequences of Placed
        With targets.
    options : AdaptOptions
    seed : int
    judge : callable, optional
        Gives the score to choose by; None = the loss on `held_out`.
    warm : bool, default=False
        Whether the adapters are trained already: then the state before the first step is one to choose as well.
    checkpoint : Checkpoint, optional
        Stays where it is: it may go once what was learnt is safe elsewhere.
    progress : "auto" or bool

    Raises
    ------
    UserError
        No examples.
    """
    if not train_items or not held_out:
        raise UserError(
            f"There are {len(train_items)} examples to train on and {len(held_out)} held out; both need at least one."
        )
    prepare(model, options.checked(), seed)
    run = _Run(model, train_items, held_out, options, seed, judge, warm, checkpoint)
    run.resume()
    with progress_bar(progress, run.total_tokens(), "Adapting", "tokens") as advance:
        run.advance = advance
        advance(run.log.n_tokens)
        while run.stage < len(options.plan):
            run.one_stage()
    run.log.seconds = run.seconds
    return run.log


class _Run:
    """The state of one training: what a checkpoint holds, and no more, decides how it goes on."""

    def __init__(
        self,
        model: ElmModel,
        items: Sequence[Placed],
        held_out: Sequence[Placed],
        options: AdaptOptions,
        seed: int,
        judge: Judge | None,
        warm: bool,
        checkpoint: Checkpoint | None,
    ) -> None:
        self.model, self.items, self.held_out = model, items, held_out
        self.options, self.seed, self.judge, self.warm, self.checkpoint = options, seed, judge, warm, checkpoint
        self.lengths = [item.length for item in items]
        self.log = TrainingLog()
        self.stage = self.step = self.bad = 0
        self.sums = [0.0, 0.0]
        self.best: dict[str, Tensor] = {}
        self.optimizer: torch.optim.AdamW | None = None
        self.names: list[str] = []
        self.advance: Callable[..., Any] = lambda *_: None
        self.saved = self.began = time.monotonic()
        self.before = 0.0

    @property
    def seconds(self) -> float:
        """Over all attempts."""
        return self.before + time.monotonic() - self.began

    @property
    def everything(self) -> dict[str, nn.Parameter]:
        """All that this training may change in any stage."""
        parts = ("adapter", "llm") if self.options.trains_llm else ("adapter",)
        return {n: p for part in parts for n, p in parameters_of(self.model, part, self.options.tune).items()}

    def steps_of_epoch(self) -> int:
        """Steps that one pass takes, about."""
        batches = batches_of_epoch(self.lengths, self.options.batch_tokens, self.seed, 0)
        return max(1, math.ceil(len(batches) / self.options.accumulate))

    def n_steps(self) -> int:
        """Steps of a stage, at most."""
        steps = self.options.epochs * self.steps_of_epoch()
        return steps if self.options.max_steps is None else min(steps, self.options.max_steps)

    def total_tokens(self) -> int:
        share = self.n_steps() / self.steps_of_epoch()
        return int(share * sum(self.lengths)) * len(self.options.plan)

    def one_stage(self) -> None:
        """Train until the steps are done or nothing improves, then go back to the best state."""
        stage = self.options.plan[self.stage]
        if self.optimizer is None:
            self._start(stage)
        total = self.n_steps()
        every = self.steps_of_epoch() // self.options.evaluations
        every = max(1, min(every, total // FEWEST_LOOKS) if self.warm else every)
        if self.warm and self.stage == self.step == 0:
            self._evaluate(stage)
        batches = self._batches(self.step * self.options.accumulate)
        while self.step < total and self.bad < self.options.patience:
            self._step(batches, total)
            if self.step % every == 0 or self.step == total:
                self._evaluate(stage)
            if self.checkpoint is not None and time.monotonic() - self.saved >= self.options.save_seconds:
                self.save()
        load_parameters(self.everything, self.best, "the best state")
        self.model.lm.requires_grad_(False).eval()
        self.stage, self.step, self.bad, self.best, self.optimizer = self.stage + 1, 0, 0, {}, None

    def _start(self, stage: Stage) -> None:
        """Make the optimizer of a stage."""
        rates = self.options.rates(stage)
        self.model.requires_grad_(False)
        groups, self.names = [], []
        for part, rate in rates.items():
            found = parameters_of(self.model, part, self.options.tune)
            for parameter in found.values():
                parameter.requires_grad_(True)
            groups.append({"params": list(found.values()), "lr": rate, "peak": rate})
            self.names += found
        decay = self.options.weight_decay
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=decay, fused=True)
        recompute(self.model.lm, self.options.gradient_checkpointing)

    def _batches(self, done: int) -> Any:
        """Batches from the `done`-th on, epoch after epoch."""
        epoch = 0
        while True:
            found = batches_of_epoch(self.lengths, self.options.batch_tokens, self.seed, epoch)
            for rows in found[done:]:
                yield [self.items[row] for row in rows]
            done = max(0, done - len(found))
            epoch += 1

    def _collate(self, items: Sequence[Placed]) -> Batch:
        return collate(items, left=False, pad=self.model.pad, device=self.model.lm.device)

    def _precision(self) -> Any:
        if self.options.precision == "bfloat16":
            return torch.autocast(self.model.lm.device.type, torch.bfloat16)
        return contextlib.nullcontext()

    def _step(self, batches: Any, total: int) -> None:
        """One optimizer step over one or several batches; its chance is a function of its number."""
        optimizer = self.optimizer
        if optimizer is None:
            return
        chosen = [next(batches) for _ in range(self.options.accumulate)]
        n_targets = sum(len(item.target) for items in chosen for item in items)
        summed = 0.0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1_000_003 * self.seed + 10_007 * self.stage + self.step)
            for items in chosen:
                with self._precision():
                    loss = self.model.loss(self._collate(items))
                torch.autograd.backward(loss / n_targets)
                summed += float(loss.detach())
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(parameters, self.options.clip)
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * _schedule(self.step, self.options.warmup, total)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        tokens = sum(item.length for items in chosen for item in items)
        self.step += 1
        self.log.n_steps += 1
        self.log.n_tokens += tokens
        self.sums = [self.sums[0] + summed, self.sums[1] + n_targets]
        self.advance(tokens, f"{self.options.plan[self.stage].name}, loss {summed / n_targets:.3f}")

    def _evaluate(self, stage: Stage) -> None:
        """Look at the held-out ids and keep the state where it is the best so far."""
        recompute(self.model.lm, False)
        loss = self._held_out_loss()
        score = -loss if self.judge is None else self.judge(self.model)
        recompute(self.model.lm, self.options.gradient_checkpointing)
        before = [e.score for e in self.log.evaluations if e.stage == stage.name]
        self.log.evaluations.append(
            Evaluation(stage.name, self.step, self.sums[0] / self.sums[1] if self.sums[1] else None, loss, score)
        )
        self.sums = [0.0, 0.0]
        if not self.best or score > max(before, default=-math.inf):
            self.best = {name: p.detach().clone() for name, p in self.everything.items()}
            self.bad = 0
        else:
            self.bad += 1

    @torch.inference_mode()
    def _held_out_loss(self) -> float:
        lengths = torch.tensor([item.length for item in self.held_out]).numpy()
        total, n = 0.0, 0
        for rows in cut_batches(lengths, lengths.argsort(kind="stable"), self.options.batch_tokens):
            items = [self.held_out[row] for row in rows]
            with self._precision():
                total += float(self.model.loss(self._collate(items)))
            n += sum(len(item.target) for item in items)
        return total / n

    def save(self) -> None:
        """Write a checkpoint."""
        if self.checkpoint is None or self.optimizer is None:
            return
        self.saved = time.monotonic()
        state = {
            "stage": self.stage, "step": self.step, "bad": self.bad, "sums": self.sums, "has_best": bool(self.best),
            "evaluations": [asdict(e) for e in self.log.evaluations], "n_steps": self.log.n_steps,
            "n_tokens": self.log.n_tokens, "seconds": self.seconds,
        }  # fmt: skip
        tensors: dict[str, Tensor] = {f"now/{name}": p for name, p in self.everything.items()}
        tensors |= {f"best/{name}": value for name, value in self.best.items()}
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        for name, parameter in zip(self.names, parameters, strict=True):
            tensors |= {f"optimizer/{name}/{key}": value for key, value in self.optimizer.state[parameter].items()}
        self.checkpoint.write(state, tensors)

    def resume(self) -> None:
        """Go on from a checkpoint where there is one."""
        found = None if self.checkpoint is None else self.checkpoint.read()
        if found is None:
            return
        state, tensors = found
        where = f"the checkpoint {self.checkpoint.folder if self.checkpoint else ''}"
        load_parameters(self.everything, _under(tensors, "now/"), where)
        self.best = _under(tensors, "best/")
        self.stage, self.step, self.bad, self.sums = (state[key] for key in ("stage", "step", "bad", "sums"))
        self.log = TrainingLog([Evaluation(**e) for e in state["evaluations"]], state["n_steps"], state["n_tokens"])
        self.before = state["seconds"]
        self._start(self.options.plan[self.stage])
        if self.optimizer is None:
            return
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        for name, parameter in zip(self.names, parameters, strict=True):
            own = _under(tensors, f"optimizer/{name}/")  # on the CPU, as files are read
            self.optimizer.state[parameter] = {key: value.to(parameter.device) for key, value in own.items()}


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _schedule(step: int, warmup: int, total: int) -> float:
    """Share of the peak rate: up along a line, down to a tenth along half a cosine."""
    rise = min(1.0, (step + 1) / max(1, warmup))
    return rise * (0.55 + 0.45 * math.cos(math.pi * min(1.0, step / max(1, total))))
