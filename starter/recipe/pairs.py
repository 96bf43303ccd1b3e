"""Pair texts of the corpus with their vectors, for the adapter that ships with the starter.

    python -m recipe.pairs --run ../runs/starter

Any text and its vector is a pair to learn an explainer from. Leads are taken whole; of books and reviews passages of whole
sentences. Vectors are those of `frostline.TextEmbedder()` (MiniLM, final layer). Targets have no names in them, since no
vector can hold those; prompts are those that the packs of Frostline ask with. Only texts of the corpus are read, so that no
held-out text is among them. Out comes `pairs.npz`: vectors (n, 384), prompts (n,), targets one after the other and where each
begins; the wording of the prompts stands in PROMPTS.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from transformers import AutoTokenizer

import frostline
from frostline.elm.adapter import Adapter, moments
from frostline.elm.facts import Names, first_sentence, sentences
from frostline.elm.llm import Llm
from frostline.elm.model import Batch, ElmModel, Placed, collate
from frostline.elm.prompts import Prompt, PromptEncoder
from frostline.numerics.batches import batches_of_epoch

PROMPTS = (
    "Describe {vector}.",
    "Describe the film {vector}.",
    "Describe the book {vector}.",
    "Describe {vector} in one sentence.",
    "Summarize the film {vector}.",
    "Summarize the book {vector}.",
)
WHOLE, SENTENCE = (
    {"leads": (0, 1), "books": (0, 2), "reviews": (0,)},
    {"leads": (3, 4), "books": (3, 5), "reviews": (3,)},
)
SHARE_OF_SENTENCES = 0.25
N_PAIRS = {"leads": 16_000, "books": 6_000, "reviews": 2_000}
LONGEST = 280
"""Characters of a passage."""
FEWEST_WORDS, FEWEST_TO_DESCRIBE = 6, 20
"""Words of a target, and of one that a description is asked for: else the likeliest description is a short one that says little."""
TARGET_TOKENS = 96
N_SOFT_TOKENS = 4
SPACE = "vectors"
N_PIECES = 2
"""Batches of a step: one for each of two workers."""


def passages(text: str) -> list[str]:
    """Cut a text into runs of whole sentences of at most LONGEST characters."""
    found: list[str] = []
    for sentence in sentences(" ".join(text.split())):
        if found and len(found[-1]) + len(sentence) < LONGEST:
            found[-1] += " " + sentence
        elif len(sentence) <= LONGEST:
            found.append(sentence)
    return [passage for passage in found if len(passage.split()) >= FEWEST_WORDS]


def draw(run: Path, rng: np.random.Generator) -> list[tuple[str, str, str]]:
    """Draw (source, text, title or nothing) from the corpus."""
    films = pq.read_table(run / "films.parquet", columns=["text", "title"]).to_pylist()
    titles = {film["text"]: film["title"] for film in films}
    rows = pq.read_table(run / "corpus.parquet", columns=["source", "text"]).to_pylist()
    found = []
    for source, n in N_PAIRS.items():
        own = [row["text"] for row in rows if row["source"] == source]
        if source != "leads":
            # A few documents give thousands of passages: as many are cut as are needed, each giving a few.
            few = max(1, -(-n // len(own)))
            cut = (passages(own[i]) for i in rng.permutation(len(own)))
            own = [p[i] for p in cut for i in rng.permutation(len(p))[:few]]
        texts = [own[i] for i in rng.permutation(len(own))[:n]]
        found += [(source, " ".join(text.split()), titles.get(text, "")) for text in texts]
    return found


def build(run: Path, seed: int = 0) -> int:
    """Write the pairs; return how many there are."""
    rng = np.random.default_rng([seed, 7])
    tokenizer = AutoTokenizer.from_pretrained(run / "tokenizer")
    encoder = PromptEncoder(tokenizer, N_SOFT_TOKENS, chat=False)
    drawn = draw(run, rng)
    names = Names.learn([text for _, text, _ in drawn], "film")
    kept, prompts, targets = [], [], []
    for source, text, title in drawn:
        target = names.generalize(text, title)
        short = rng.random() < SHARE_OF_SENTENCES or len(target.split()) < FEWEST_TO_DESCRIBE
        target = first_sentence(target) if short else target
        if len(target.split()) < FEWEST_WORDS:
            continue
        kept.append(text)
        prompts.append(rng.choice((SENTENCE if short else WHOLE)[source]))
        targets.append(encoder.target(target, TARGET_TOKENS)[0])
    vectors = frostline.TextEmbedder(progress=True).fit_transform(kept)
    order = rng.permutation(len(kept))
    np.savez(
        run / "pairs.npz", vectors=np.asarray(vectors)[order].astype(np.float16), prompts=np.array(prompts, np.int8)[order],
        starts=np.cumsum([0, *(len(targets[i]) for i in order)]), targets=np.concatenate([targets[i] for i in order]).astype(np.uint16),
    )  # fmt: skip
    return len(kept)


class Pairs:
    """Batches of pairs: those of a step are a function of its number and the seed alone."""

    def __init__(self, items: list[Placed], seed: int) -> None:
        self.items, self.seed = items, seed
        self.moments = moments(np.stack([item.vectors[0] for item in items]))
        self._lengths = [item.length for item in items]
        self._epochs: dict[tuple[int, int], list[np.ndarray]] = {}

    @classmethod
    def read(cls, run: Path, seed: int) -> Pairs | None:
        """Read what :func:`build` wrote; None where it wrote nothing yet."""
        if not (run / "pairs.npz").exists():
            return None
        found = np.load(run / "pairs.npz")
        encoder = PromptEncoder(AutoTokenizer.from_pretrained(run / "tokenizer"), N_SOFT_TOKENS, chat=False)
        prompts = [encoder.prompt(Prompt.parse(prompt, [SPACE])) for prompt in PROMPTS]
        targets = np.split(found["targets"], found["starts"][1:-1])
        vectors = found["vectors"].astype(np.float32)
        items = [
            Placed(prompts[kind], (vector,), tuple(target.tolist()))
            for kind, vector, target in zip(found["prompts"], vectors, targets, strict=True)
        ]
        return cls(items, seed)

    def at(self, step: int, max_tokens: int, phase: int = 0) -> list[Batch]:
        """The batches of a step of a phase, each of its share of the tokens at most."""
        return [self._batch(step * N_PIECES + i, max_tokens // N_PIECES, phase) for i in range(N_PIECES)]

    def _batch(self, number: int, max_tokens: int, phase: int) -> Batch:
        epoch = 0
        while number >= len(batches := self._epoch(epoch, max_tokens, phase)):
            number -= len(batches)
            epoch += 1
        return collate([self.items[row] for row in batches[number]], left=False, pad=0)

    def _epoch(self, epoch: int, max_tokens: int, phase: int) -> list[np.ndarray]:
        key = (phase, epoch)
        if key not in self._epochs:
            self._epochs[key] = batches_of_epoch(self._lengths, max_tokens, self.seed + 1000 * phase, epoch)
        return self._epochs[key]


def composed(model: Any, adapter: Adapter) -> ElmModel:
    """The language model and the adapter as one, to train both."""
    table = model.get_input_embeddings().weight
    tokenizer = SimpleNamespace(pad_token_id=0, eos_token_id=1, chat_template=None)
    return ElmModel(Llm("starter", model, tokenizer, {}, table.shape[1], None, 1.0), {SPACE: adapter})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    args = parser.parse_args()
    print(f"{build(args.run):,} pairs in {args.run / 'pairs.npz'}")


if __name__ == "__main__":
    main()
