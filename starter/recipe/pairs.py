"""Pair texts of the corpus with their vectors, for the adapter that ships with the starter.

    python -m recipe.pairs --run ../runs/starter --films ../examples/data/films/films.csv

Any text and its vector is a pair to learn an explainer from. Leads are taken whole; of books and reviews passages of whole
sentences. The tasks of the pack `films` that need no teacher are asked of the training films of a table that
`recipe.films` wrote, so that the language model knows their forms of answer, those about two vectors too. Vectors are those of
`frostline.TextEmbedder()` (MiniLM, final layer). Targets have no names in them, since no vector can hold those; prompts are
those that the packs of Frostline ask with. Only texts of the corpus are read, so that no held-out text is among them. Out comes
`pairs.npz`: vectors (m, 384), prompts (the wordings), and of each of the n pairs its prompt (n,), its vectors (n, 2), -1 where it
has one, and its target: targets one after the other and where each begins.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
from transformers import AutoTokenizer

import frostline
from frostline.elm.adapter import Adapter, AdapterConfig, moments
from frostline.elm.facts import Names, first_sentence, sentences
from frostline.elm.llm import STARTER, Llm, load_llm
from frostline.elm.model import Batch, ElmModel, Placed, collate
from frostline.elm.prompts import Prompt, PromptEncoder
from frostline.elm.records import generalized, read_records
from frostline.elm.targets import build_examples
from frostline.elm.tasks import load_pack
from frostline.elm.warm import warm_adapter
from frostline.numerics.batches import batches_of_epoch
from frostline.tables import read_table

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
N_PAIRS = {"leads": 30_000, "books": 12_000, "reviews": 4_000}
"""At most; the corpus has 28,223 leads."""
N_LONG = {"books": 6_000, "reviews": 3_000}
"""Longer passages, since blurbs and synopses of tables are longer than most leads."""
LONGEST, LONGER = 280, (200, 900)
"""Characters of a passage at most; of a longer one the most is drawn between two bounds."""
FEWEST_WORDS, FEWEST_TO_DESCRIBE = 6, 20
"""Words of a target, and of one that a description is asked for: else the likeliest description is a short one that says little."""
TARGET_TOKENS = 96
N_SOFT_TOKENS = 4
SPACE = "vectors"
N_PIECES = 2
"""Batches of a step: one for each of two workers."""


class Drawn(NamedTuple):
    """One pair before it is encoded: what is asked, of which texts, and the answer."""

    prompt: str
    texts: tuple[str, ...]
    target: str


def passages(text: str, longest: Callable[[], int]) -> list[str]:
    """Cut a text into runs of whole sentences, each of at most the characters that it is told when it begins."""
    found: list[str] = []
    limit = longest()
    for sentence in sentences(" ".join(text.split())):
        if found and len(found[-1]) + len(sentence) < limit:
            found[-1] += " " + sentence
        elif len(sentence) <= (limit := longest()):
            found.append(sentence)
    return [passage for passage in found if len(passage.split()) >= FEWEST_WORDS]


def draw(run: Path, rng: np.random.Generator) -> list[tuple[str, str, str]]:
    """Draw (source, text, title or nothing) from the corpus."""
    films = pq.read_table(run / "films.parquet", columns=["text", "title"]).to_pylist()
    titles = {film["text"]: film["title"] for film in films}
    rows = pq.read_table(run / "corpus.parquet", columns=["source", "text"]).to_pylist()
    found = []
    short, long = (lambda: LONGEST), (lambda: int(rng.integers(*LONGER)))
    wanted = [
        *((source, n, short) for source, n in N_PAIRS.items()),
        *((source, n, long) for source, n in N_LONG.items()),
    ]
    for source, n, longest in wanted:
        own = [row["text"] for row in rows if row["source"] == source]
        if source != "leads":
            # A few documents give thousands of passages: as many are cut as are needed, each giving a few.
            few = max(1, -(-n // len(own)))
            cut = (passages(own[i], longest) for i in rng.permutation(len(own)))
            own = [p[i] for p in cut for i in rng.permutation(len(p))[:few]]
        texts = [own[i] for i in rng.permutation(len(own))[:n]]
        found += [(source, " ".join(text.split()), titles.get(text, "")) for text in texts]
    return found


def described(run: Path, rng: np.random.Generator) -> tuple[list[Drawn], Names]:
    """Pairs of the corpus' own texts, and the names that were taken out of them."""
    drawn = draw(run, rng)
    names = Names.learn([text for _, text, _ in drawn], "film")
    found = []
    for source, text, title in drawn:
        target = names.generalize(text, title)
        short = rng.random() < SHARE_OF_SENTENCES or len(target.split()) < FEWEST_TO_DESCRIBE
        target = first_sentence(target) if short else target
        if len(target.split()) >= FEWEST_WORDS:
            prompt = PROMPTS[rng.choice((SENTENCE if short else WHOLE)[source])]
            found.append(Drawn(prompt, (text,), target))
    return found, names


def asked(films: Path, names: Names, vectors_of: Callable[[list[str]], np.ndarray], seed: int) -> list[Drawn]:
    """Pairs of the tasks of the pack `films` on the training films of a table."""
    table = read_table(films)
    table = table.filter(pa.compute.equal(table["split"], "train"))
    raw = read_records(table, "movieId", load_pack("films"), "lead")
    texts = {id: " ".join(row.text["text"].split()) for id, row in raw.rows.items()}
    examples = build_examples(generalized(raw, names), list(texts), vectors_of(list(texts.values())), seed=seed)
    return [Drawn(one.task.prompt, tuple(texts[id] for id in one.ids), one.text) for one in examples.items]


def build(run: Path, films: Path | None = None, seed: int = 0) -> int:
    """Write the pairs; return how many there are."""
    rng = np.random.default_rng([seed, 7])
    encoder = PromptEncoder(AutoTokenizer.from_pretrained(run / "tokenizer"), N_SOFT_TOKENS, chat=False)
    embedder = frostline.TextEmbedder(progress=True)
    drawn, names = described(run, rng)
    if films is not None:
        drawn += asked(films, names, embedder.fit_transform, seed)
    drawn = [drawn[i] for i in rng.permutation(len(drawn))]
    texts = {text: i for i, text in enumerate(dict.fromkeys(text for one in drawn for text in one.texts))}
    wordings = sorted({one.prompt for one in drawn})
    targets = [encoder.target(one.target, TARGET_TOKENS)[0] for one in drawn]
    np.savez(
        run / "pairs.npz",
        vectors=np.asarray(embedder.fit_transform(list(texts))).astype(np.float16),
        prompts=np.array(wordings),
        kinds=np.array([wordings.index(one.prompt) for one in drawn], np.int16),
        of=np.array([[*(texts[text] for text in one.texts), -1][:2] for one in drawn], np.int32),
        starts=np.cumsum([0, *map(len, targets)]),
        targets=np.concatenate(targets).astype(np.uint16),
    )
    return len(drawn)


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
        prompts = [encoder.prompt(Prompt.parse(str(prompt), [SPACE])) for prompt in found["prompts"]]
        targets = np.split(found["targets"], found["starts"][1:-1])
        vectors = found["vectors"].astype(np.float32)
        items = [
            Placed(prompts[kind], tuple(vectors[row] for row in of if row >= 0), tuple(target.tolist()))
            for kind, of, target in zip(found["kinds"], found["of"], targets, strict=True)
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


def packaged(model: Path, adapter: Path) -> tuple[Llm, Adapter]:
    """Read the model and the adapter that `recipe.export` wrote."""
    llm = load_llm(str(model), device="cpu")
    llm.name = STARTER
    start = warm_adapter(llm, AdapterConfig(n_soft_tokens=N_SOFT_TOKENS), adapter)
    if start.adapter is None:
        raise SystemExit(start.said)
    return llm, start.adapter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument(
        "--films", type=Path, help="a table of recipe.films: its training films are asked the pack's tasks"
    )
    args = parser.parse_args()
    print(f"{build(args.run, args.films):,} pairs in {args.run / 'pairs.npz'}")


if __name__ == "__main__":
    main()
