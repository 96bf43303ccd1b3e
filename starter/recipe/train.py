"""Train the starter on its encoded corpus.

    python -m recipe.train --run ../runs/starter --minutes 90      # warm up, then a constant rate; run again to go on
    python -m recipe.train --run ../runs/starter --decay 600       # from the last checkpoint: 600 steps down to zero

The batch of a step, and so the whole run, is a function of the seed and the step number alone: a run that was killed
and resumed ends with the weights of one that was not. Workers are threads that each take pieces of the batch on one core
and whose gradients are summed in the order of the pieces, so their number changes the speed, never the weights. The
rate stays constant until a decay is asked for, so that training ends well whenever there is no more time
(warmup-stable-decay). Matrices of the blocks train with Muon, embeddings and norms with AdamW.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from recipe.muon import Muon

PIECE_TOKENS = 1536
"""What one worker takes at a time."""


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
    # Windows of each source in a batch; leads are what the first stage of an explainer writes.
    mix: tuple[tuple[str, int], ...] = (("leads", 9), ("books", 2), ("reviews", 1))


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


class Batches:
    """The batch of each step."""

    def __init__(self, folder: Path, recipe: Recipe, length: int) -> None:
        self.mix = recipe.mix
        self.windows = {
            source: Windows(np.load(folder / f"{source}.npy", mmap_mode="r"), length, (recipe.seed, i))
            for i, (source, _) in enumerate(recipe.mix)
        }

    def __getitem__(self, step: int) -> Tensor:
        rows = [self.windows[source][step * n + i] for source, n in self.mix for i in range(n)]
        return torch.from_numpy(np.stack(rows))


def optimizers_of(model: LlamaForCausalLM, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks, AdamW for the rest."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    rest = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    return [
        Muon(matrices, lr=recipe.muon_rate, weight_decay=recipe.weight_decay),
        torch.optim.AdamW(rest, lr=recipe.adam_rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    ]


def rate_at(step: int, recipe: Recipe, decay: tuple[int, int] | None) -> float:
    """Factor of the learning rates: up in a line, constant, and in a decay (first step, steps) down in a line."""
    if decay is not None:
        return max(0.0, 1 - (step - decay[0] + 1) / decay[1])
    return min(1.0, (step + 1) / recipe.warmup)


@dataclass
class Run:
    """A model in training, its optimizers and how far it is."""

    recipe: Recipe
    model: LlamaForCausalLM
    optimizers: list[torch.optim.Optimizer]
    step: int = 0
    seconds: float = 0.0
    decay: tuple[int, int] | None = None

    @classmethod
    def start(cls, recipe: Recipe) -> Run:
        """Begin with random weights."""
        model = model_of(recipe)
        return cls(recipe, model, optimizers_of(model, recipe))

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        state = {
            "recipe": asdict(self.recipe), "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step, "seconds": self.seconds, "decay": self.decay,
        }  # fmt: skip
        torch.save(state, path.with_suffix(".tmp"))
        os.replace(path.with_suffix(".tmp"), path)

    @classmethod
    def load(cls, path: Path) -> Run:
        """Go on from a checkpoint."""
        state = torch.load(path, weights_only=True)
        run = cls.start(Recipe(**{**state["recipe"], "mix": tuple(map(tuple, state["recipe"]["mix"]))}))
        run.model.load_state_dict(state["model"])
        for optimizer, saved in zip(run.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        run.step, run.seconds, run.decay = state["step"], state["seconds"], state["decay"]
        return run

    def advance(self, batch: Tensor, workers: ThreadPoolExecutor) -> float:
        """Take one step; return the loss in nats a token."""
        pieces = batch.split(max(1, PIECE_TOKENS // batch.shape[1]))
        parameters = list(self.model.parameters())

        def of_piece(piece: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
            loss = loss_of(self.model, piece) * (len(piece) / len(batch))
            return loss.detach(), torch.autograd.grad(loss, parameters)

        results = list(workers.map(of_piece, pieces))
        for parameter, *gradients in zip(parameters, *(gradients for _, gradients in results), strict=True):
            parameter.grad = torch.stack(gradients).sum(0)
        torch.nn.utils.clip_grad_norm_(parameters, self.recipe.clip)
        factor = rate_at(self.step, self.recipe, self.decay)
        for optimizer, rate in zip(self.optimizers, (self.recipe.muon_rate, self.recipe.adam_rate), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * factor
            optimizer.step()
        self.step += 1
        return float(sum(loss for loss, _ in results))


def loss_of(model: LlamaForCausalLM, tokens: Tensor) -> Tensor:
    """Mean cross-entropy of each token after the first."""
    logits = model(tokens, use_cache=False).logits[:, :-1]
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


def train(run: Run, batches: Batches, folder: Path, minutes: float, every: int, workers: ThreadPoolExecutor) -> None:
    """Step until the decay or the time is over; a line of log and a checkpoint every so many steps."""
    name = "final.pt" if run.decay else "stable.pt"
    last = None if run.decay is None else run.decay[0] + run.decay[1]
    began = since = time.monotonic()
    losses: list[float] = []
    before = run.seconds
    while run.step != last:
        losses.append(run.advance(batches[run.step], workers))
        run.seconds = before + time.monotonic() - began
        over = time.monotonic() - began > 60 * minutes
        if run.step % every == 0 or over or run.step == last:
            line = {
                "step": run.step,
                "loss": round(sum(losses) / len(losses), 4),
                "seconds": round(run.seconds),
                "decay": run.decay,
            }
            with (folder / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
            tokens = len(losses) * batches[0].numel()
            print(line, f"{tokens / (time.monotonic() - since):.0f} tokens/s", flush=True)
            losses, since = [], time.monotonic()
            run.save(folder / name)
        if over:
            break


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--decay", type=int, help="steps of the decay, from the last checkpoint")
    parser.add_argument("--every", type=int, default=50, help="steps between checkpoints")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(1)
    stable, final = args.run / "stable.pt", args.run / "final.pt"
    if args.decay and not final.exists():
        run = Run.load(stable)
        run.decay = (run.step, args.decay)
    elif args.decay:
        run = Run.load(final)
    else:
        run = Run.load(stable) if stable.exists() else Run.start(Recipe())
    with ThreadPoolExecutor(args.workers, initializer=lambda: torch.set_num_threads(1)) as workers:
        length = run.recipe.decay_window if run.decay else run.recipe.window
        train(run, Batches(args.run / "tokens", run.recipe, length), args.run, args.minutes, args.every, workers)


if __name__ == "__main__":
    main()
