"""Train the starter on its encoded corpus.

    python -m recipe.train --run ../runs/starter --minutes 90      # warm up, then a constant rate; run again to go on
    python -m recipe.train --run ../runs/starter --decay 600       # from the last checkpoint: 600 steps down to zero
    python -m recipe.train --run ../runs/more --from src/frostline_starter --decay 2000   # on with the weights of a package

The batch of a step, and so the whole run, is a function of the seed and the step number alone: a run that was killed
and resumed ends with the weights of one that was not. Workers are threads that each take pieces of the batch on one core
and whose gradients are summed in the order of the pieces, so their number changes the speed, never the weights. The
rate stays constant until a decay is asked for, so that training ends well whenever there is no more time
(warmup-stable-decay). Matrices of the blocks train with Muon, embeddings, norms and the adapter with AdamW.

From a stated step on a part of every batch are pairs of a vector and a text (`recipe.pairs`): an adapter makes soft tokens of
the vector, and the model writes the text behind them. So the adapter that ships with the starter and the model that it speaks
to grow together, as in the second stage of an ELM, and plain text goes on beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from frostline.elm.adapter import Adapter, AdapterConfig
from frostline.elm.model import Batch as Paired
from recipe.muon import Muon
from recipe.pairs import N_SOFT_TOKENS, Pairs, composed, packaged

PIECE_TOKENS = 1536
"""What one worker takes at a time."""


@dataclass(frozen=True)
class Phase:
    """What a batch holds from a step on.

    Attributes
    ----------
    first : int
        The step.
    windows : tuple of (source, n)
        Windows of plain text.
    pairs : int
        Tokens of pairs at most, padding included.
    """

    first: int
    windows: tuple[tuple[str, int], ...]
    pairs: int = 0

    @property
    def n_windows(self) -> int:
        """Windows of all sources."""
        return sum(n for _, n in self.windows)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights beside the corpus."""

    width: int = 256
    layers: int = 6
    heads: int = 4
    inner: int = 688
    vocab: int = 8192
    context: int = 512
    muon_rate: float = 0.02
    adam_rate: float = 0.003
    weight_decay: float = 0.05
    warmup: int = 50
    window: int = 256
    decay_window: int = 512  # texts beyond the first window's positions come last, when they cost least
    clip: float = 1.0
    seed: int = 0
    adapter_rate: float = 0.001
    phases: tuple[Phase, ...] = (
        Phase(0, (("leads", 9), ("books", 2), ("reviews", 1))),
        Phase(775, (("leads", 6), ("books", 1), ("reviews", 1)), 2048),
        Phase(1450, (("leads", 3), ("books", 1)), 3072),
        Phase(1975, (("leads", 3), ("books", 1)), 4096),
        Phase(2635, (("leads", 1), ("books", 1)), 4096),
    )

    @property
    def pairs_from(self) -> int | None:
        """The first step with pairs."""
        return next((phase.first for phase in self.phases if phase.pairs), None)

    def past(self, step: int) -> list[tuple[Phase, int]]:
        """The phases that have begun by a step, each with its steps before that one; the last is the one it is in."""
        ends = [*(phase.first for phase in self.phases[1:]), step]
        return [(p, min(end, step) - p.first) for p, end in zip(self.phases, ends, strict=True) if p.first <= step]


def model_of(recipe: Recipe) -> LlamaForCausalLM:
    """Build the model with random weights from the recipe's seed."""
    config = LlamaConfig(
        vocab_size=recipe.vocab, hidden_size=recipe.width, intermediate_size=recipe.inner, num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads, num_key_value_heads=recipe.heads, max_position_embeddings=recipe.context,
        rms_norm_eps=1e-5, tie_word_embeddings=True, bos_token_id=0, eos_token_id=1, pad_token_id=2, use_cache=False,
        initializer_range=0.02,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        return LlamaForCausalLM(config)


class Windows:
    """The windows of one source, each epoch in another order and from another offset."""

    def __init__(self, tokens: np.ndarray, length: int, seed: tuple[int, int]) -> None:
        self.tokens, self.length, self.seed = tokens, length, seed
        self.per_epoch = len(tokens) // length - 1
        self._epoch, self._offset, self._order = -1, 0, np.zeros(0, dtype=np.intp)

    def __getitem__(self, draw: int) -> np.ndarray:
        """Return the window of a draw, numbered from the start of training."""
        epoch, place = divmod(draw, self.per_epoch)
        if epoch != self._epoch:
            rng = np.random.default_rng((*self.seed, epoch))
            self._epoch, self._offset, self._order = (
                epoch,
                int(rng.integers(self.length)),
                rng.permutation(self.per_epoch),
            )
        start = self._offset + self.length * int(self._order[place])
        return self.tokens[start : start + self.length].astype(np.int64)


@dataclass(frozen=True)
class Batch:
    """What a step learns from: windows of plain text, and pairs where there are some."""

    windows: Tensor
    pairs: Sequence[Paired] = ()

    @property
    def n_tokens(self) -> int:
        """Tokens that pass the model, padding of pairs included."""
        return self.windows.numel() + sum(batch.ids.numel() for batch in self.pairs)


class Batches:
    """The batch of each step; a source's windows follow one another through all phases."""

    def __init__(self, folder: Path, recipe: Recipe, length: int, pairs: Pairs | None = None) -> None:
        self.recipe, self.pairs = recipe, pairs
        sources = sorted({source for phase in recipe.phases for source, _ in phase.windows})
        self.windows = {
            source: Windows(np.load(folder / f"{source}.npy", mmap_mode="r"), length, (recipe.seed, i))
            for i, source in enumerate(sources)
        }

    def __getitem__(self, step: int) -> Batch:
        past = self.recipe.past(step)
        drawn: Counter[str] = Counter()
        for phase, n_steps in past:
            drawn.update({source: n * n_steps for source, n in phase.windows})
        phase, beside = past[-1]
        rows = [self.windows[source][drawn[source] + i] for source, n in phase.windows for i in range(n)]
        if phase.pairs and self.pairs is None:
            raise SystemExit("pairs.npz is not there: run python -m recipe.pairs first")
        pairs = self.pairs.at(beside, phase.pairs, len(past) - 1) if phase.pairs and self.pairs is not None else ()
        return Batch(torch.from_numpy(np.stack(rows)), pairs)


def optimizers_of(model: LlamaForCausalLM, adapter: Adapter | None, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks, AdamW for the rest, each with its full rate as `peak`."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    rest = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    groups = [{"params": rest, "lr": recipe.adam_rate}]
    if adapter is not None:
        groups.append({"params": list(adapter.parameters()), "lr": recipe.adapter_rate})
    found = [
        Muon(matrices, lr=recipe.muon_rate, weight_decay=recipe.weight_decay),
        torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    ]
    for optimizer in found:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return found


def rate_at(step: int, recipe: Recipe, decay: tuple[int, int] | None, began: int = 0) -> float:
    """Factor of the learning rates: up in a line from where optimizers are new, constant, and in a decay (first step, steps) down in a line."""
    up = min(1.0, (step - began + 1) / recipe.warmup)
    return up if decay is None else up * max(0.0, 1 - (step - decay[0] + 1) / decay[1])


@dataclass
class Run:
    """A model in training, its adapter once there is one, its optimizers and how far it is."""

    recipe: Recipe
    model: LlamaForCausalLM
    optimizers: list[torch.optim.Optimizer]
    adapter: Adapter | None = None
    step: int = 0
    seconds: float = 0.0
    decay: tuple[int, int] | None = None
    began: int = 0
    """The step at which the optimizers were new."""

    @classmethod
    def start(cls, recipe: Recipe) -> Run:
        """Begin with random weights."""
        model = model_of(recipe)
        return cls(recipe, model, optimizers_of(model, None, recipe))

    @classmethod
    def go_on(cls, recipe: Recipe, folder: Path) -> Run:
        """Begin the recipe's last phase with the weights of a package; its optimizers are new."""
        run = cls.start(recipe)
        llm, run.adapter = packaged(folder / "model", folder / "adapter")
        run.model.load_state_dict(llm.model.state_dict())
        run.optimizers = optimizers_of(run.model, run.adapter, recipe)
        run.step = run.began = recipe.phases[-1].first
        return run

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        state = {
            "recipe": asdict(self.recipe), "model": self.model.state_dict(),
            "adapter": None if self.adapter is None else self.adapter.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step, "seconds": self.seconds, "decay": self.decay, "began": self.began,
        }  # fmt: skip
        torch.save(state, path.with_suffix(".tmp"))
        os.replace(path.with_suffix(".tmp"), path)

    @classmethod
    def load(cls, path: Path) -> Run:
        """Go on from a checkpoint."""
        state = torch.load(path, weights_only=True)
        phases = tuple(
            Phase(own["first"], tuple(map(tuple, own["windows"])), own["pairs"]) for own in state["recipe"]["phases"]
        )
        run = cls.start(Recipe(**{**state["recipe"], "phases": phases}))
        run.model.load_state_dict(state["model"])
        if state["adapter"] is not None:
            run.adapter = adapter_of(run.recipe, *(state["adapter"][name] for name in ("mean", "scale", "norm")))
            run.adapter.load_state_dict(state["adapter"])
            run.optimizers = optimizers_of(run.model, run.adapter, run.recipe)
        for optimizer, saved in zip(run.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        run.step, run.seconds, run.decay = state["step"], state["seconds"], state["decay"]
        run.began = state.get("began", 0)
        return run

    def add_adapter(self, pairs: Pairs) -> None:
        """Begin an adapter; the model's own optimizers go on as they are."""
        norm = self.model.get_input_embeddings().weight.detach().norm(dim=1).median()
        self.adapter = adapter_of(self.recipe, *map(torch.from_numpy, pairs.moments), norm)
        states = [optimizer.state for optimizer in self.optimizers]
        self.optimizers = optimizers_of(self.model, self.adapter, self.recipe)
        for optimizer, state in zip(self.optimizers, states, strict=True):
            optimizer.state.update(state)

    def advance(self, batch: Batch, workers: ThreadPoolExecutor) -> tuple[float, float | None]:
        """Take one step; return the loss in nats a token of plain text, and of the pairs' texts where there are any."""
        pieces = batch.windows.split(max(1, PIECE_TOKENS // batch.windows.shape[1]))
        work: list[Callable[[], Tensor]] = [partial(nats_of, self.model, piece) for piece in pieces]
        if batch.pairs and self.adapter is not None:
            elm = composed(self.model, self.adapter)
            work += [partial(elm.loss, pairs) for pairs in batch.pairs]
        n_plain, n_paired = batch.windows[:, 1:].numel(), sum(int((p.labels >= 0).sum()) for p in batch.pairs)
        parameters = [p for optimizer in self.optimizers for group in optimizer.param_groups for p in group["params"]]

        def of_piece(nats: Callable[[], Tensor]) -> tuple[float, tuple[Tensor | None, ...]]:
            loss = nats()
            return float(loss.detach()), torch.autograd.grad(loss / (n_plain + n_paired), parameters, allow_unused=True)

        results = list(workers.map(of_piece, work))
        for parameter, *gradients in zip(parameters, *(gradients for _, gradients in results), strict=True):
            found = [gradient for gradient in gradients if gradient is not None]
            parameter.grad = torch.stack(found).sum(0) if found else None
        torch.nn.utils.clip_grad_norm_(parameters, self.recipe.clip)
        factor = rate_at(self.step, self.recipe, self.decay, self.began)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor
            optimizer.step()
        self.step += 1
        losses = [loss for loss, _ in results]
        paired = sum(losses[len(pieces) :]) / n_paired if n_paired else None
        return sum(losses[: len(pieces)]) / n_plain, paired


def nats_of(model: LlamaForCausalLM, tokens: Tensor) -> Tensor:
    """Sum of the cross-entropies of each token after the first."""
    logits = model(tokens, use_cache=False).logits[:, :-1]
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="sum")


def adapter_of(recipe: Recipe, mean: Tensor, scale: Tensor, norm: Tensor) -> Adapter:
    """Build the adapter in the shape that `frostline adapt` takes by default."""
    config = AdapterConfig(n_soft_tokens=N_SOFT_TOKENS)
    return Adapter(config, mean.numpy(), scale.numpy(), width=recipe.width, norm=float(norm), seed=recipe.seed)


def train(run: Run, batches: Batches, folder: Path, minutes: float, every: int, workers: ThreadPoolExecutor) -> None:
    """Step until the decay or the time is over; a line of log and a checkpoint every so many steps."""
    name = "final.pt" if run.decay else "stable.pt"
    last = None if run.decay is None else run.decay[0] + run.decay[1]
    began = since = time.monotonic()
    losses: list[tuple[float, float | None]] = []
    before, n_tokens = run.seconds, 0
    while run.step != last:
        batch = batches[run.step]
        if batch.pairs and run.adapter is None and batches.pairs is not None:
            run.add_adapter(batches.pairs)
        losses.append(run.advance(batch, workers))
        n_tokens += batch.n_tokens
        run.seconds = before + time.monotonic() - began
        over = time.monotonic() - began > 60 * minutes
        if run.step % every == 0 or over or run.step == last:
            plain = sum(loss for loss, _ in losses) / len(losses)
            paired = [loss for _, loss in losses if loss is not None]
            line = {
                "step": run.step,
                "loss": round(plain, 4),
                "pairs": round(sum(paired) / len(paired), 4) if paired else None,
                "seconds": round(run.seconds),
                "decay": run.decay,
            }
            with (folder / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
            print(line, f"{n_tokens / (time.monotonic() - since):.0f} tokens/s", flush=True)
            losses, since, n_tokens = [], time.monotonic(), 0
            run.save(folder / name)
        if over:
            break


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--decay", type=int, help="steps of the decay, from the last checkpoint")
    parser.add_argument(
        "--from",
        type=Path,
        dest="package",
        help="a folder that recipe.export wrote, to go on from where the run has no checkpoint",
    )
    parser.add_argument("--every", type=int, default=50, help="steps between checkpoints")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(1)
    stable, final = args.run / "stable.pt", args.run / "final.pt"
    if args.decay and final.exists():
        run = Run.load(final)
    elif stable.exists():
        run = Run.load(stable)
    else:
        run = Run.start(Recipe()) if args.package is None else Run.go_on(Recipe(), args.package)
    if args.decay and run.decay is None:
        run.decay = (run.step, args.decay)
    with ThreadPoolExecutor(args.workers, initializer=lambda: torch.set_num_threads(1)) as workers:
        length = run.recipe.decay_window if run.decay else run.recipe.window
        pairs = Pairs.read(args.run, run.recipe.seed)
        batches = Batches(args.run / "tokens", run.recipe, length, pairs)
        train(run, batches, args.run, args.minutes, args.every, workers)


if __name__ == "__main__":
    main()
