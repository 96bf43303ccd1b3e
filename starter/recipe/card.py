"""Write the model card from what the other steps left in the run's folder.

python -m recipe.card --run ../runs/starter --out src/frostline_starter/model/README.md [--note "..."]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from recipe.pairs import N_SOFT_TOKENS
from recipe.train import Run

SIGNS = "▁▂▃▄▅▆▇█"
HEAD = """---
language: en
license: cc-by-sa-4.0
library_name: transformers
pipeline_tag: text-generation
tags: [frostline]
---

# Frostline starter

A Llama-class causal language model that writes lead sections of articles on films, for training adapters on two cores. It knows how such texts go and few facts: names, dates and plots in what it
writes are invented. Not for questions, chat, or any language but English.
"""


def card(run: Path, note: str = "") -> str:
    """Compose the card; a note says what was otherwise than in the recipe."""
    scores, corpus, proof = (json.loads((run / f"{name}.json").read_text()) for name in ("scores", "corpus", "proof"))
    trained = Run.load(run / "final.pt")
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return "\n".join(
        [
            HEAD,
            _model(trained, scores),
            _data(corpus, proof),
            _training(trained, log, note),
            _scores(scores),
            _explained(scores["explained"]),
            _samples(scores),
        ]
    )


def _model(trained: Run, scores: dict[str, Any]) -> str:
    recipe = trained.recipe
    return f"""## Model

{scores["parameters"]:,} parameters (input and output embeddings tied), {recipe.layers} layers of width {recipe.width}, {recipe.heads} heads, feed-forward width {recipe.inner}, context {recipe.context}.
Byte-level BPE of {recipe.vocab:,} tokens: every text can be written. `<s>` begins a text, `</s>` ends it, `<pad>` fills on the left. Weights in bfloat16, trained in float32.
"""


def _data(corpus: dict[str, Any], proof: dict[str, int]) -> str:
    licenses = {
        "leads": "CC BY-SA 4.0, Wikipedia contributors",
        "books": "public domain",
        "reviews": "CC BY 4.0, Pang and Lee 2004",
    }
    rows = [
        f"| {source} | {license} | {corpus['documents'][source]['train']:,} | {corpus['characters'][source]['train'] / 1e6:.1f} | {corpus['documents'][source]['held_out']:,} |"
        for source, license in licenses.items()
    ]
    table = "\n".join(rows)
    return f"""## Data

| source | license | training texts | million characters | held-out texts |
|---|---|---|---|---|
{table}

Leads are held out by a hash of one key for each film ({", ".join(f"{part} {share:.0%}" for part, share in corpus["parts"].items())}; salt `{corpus["salt"]}`); films are matched across tables by text and by title and year.
Of {proof["held_out_texts"]:,} held-out texts, {proof["same_text"]} are in the corpus as they are, {proof["same_plain_text"]} but for case, accents, punctuation and spaces; {proof["same_title_and_year"]} films by title and year are on both
sides. {proof["leads_sharing_13_words"]} held-out leads share a run of 13 words with some training text.
"""


def _training(trained: Run, log: list[dict[str, Any]], note: str) -> str:
    recipe = trained.recipe
    first, steps = trained.decay or (trained.step, 0)
    last = recipe.phases[-1]
    plain = recipe.decay_window * steps * last.n_windows
    paired = steps * last.pairs
    for phase, n_steps in recipe.past(first):
        plain += recipe.window * n_steps * phase.n_windows
        paired += n_steps * phase.pairs
    said = "; ".join(
        f"from step {p.first:,} {', '.join(f'{n} {source}' for source, n in p.windows)}"
        + (f" and at most {p.pairs:,} tokens of pairs" if p.pairs else "")
        for p in recipe.phases
    )
    losses = [line["loss"] for line in log]
    low, high = min(losses), max(losses)
    curve = "".join(
        SIGNS[round((loss - low) / (high - low) * (len(SIGNS) - 1))] for loss in losses[:: max(1, len(losses) // 80)]
    )
    shown = [*log[: -1 : max(1, len(log) // 12)], log[-1]]
    rows = "\n".join(
        f"| {line['step']:,} | {line['loss']:.3f} | {_loss(line.get('pairs'))} | {'decay' if line['decay'] else 'constant'} |"
        for line in shown
    )
    return f"""## Training

{plain / 1e6:.1f} million tokens of plain text and {paired / 1e6:.1f} million of pairs in {trained.step:,} steps: {first:,} at a constant rate with windows of {recipe.window} tokens, then {steps:,} in which the rate falls to zero, with windows of {recipe.decay_window}.
Windows of a batch: {said}. A pair is a vector and the text behind it: an adapter makes {N_SOFT_TOKENS} soft tokens of the vector, the model
writes the text. Muon ({recipe.muon_rate}) for the matrices of the blocks, AdamW ({recipe.adam_rate}; {recipe.adapter_rate} for the adapter) for the rest, weight decay {recipe.weight_decay}, gradient norm at most {recipe.clip:g}, seed {recipe.seed} for weights and order. CPU only. {note}

Loss of plain text in nats a token over the mixed batches, `{curve}`, and of the pairs' texts:

| step | loss | pairs | rate |
|---|---|---|---|
{rows}
"""


def _loss(loss: float | None) -> str:
    return "" if loss is None else f"{loss:.3f}"


def _explained(scores: dict[str, Any]) -> str:
    listed = "\n".join(f"| {_cell(true)} | {_cell(text)} |" for true, text in scores["texts"][:10])
    return f"""## The adapter

`../adapter` makes soft tokens of the vectors of MiniLM (`frostline.TextEmbedder()`). From the vectors of {scores["n"]} held-out leads, and no table at all, the model wrote descriptions, greedily and guided. Embedded again, a
description finds its own vector among 100 in {scores["top1"]:.1%} of the cases (descriptions of other leads: {scores["top1_shuffled"]:.1%}), with a mean cosine of {scores["consistency"]:.2f}; {scores["copied"]:.1%} are training leads, word for word.

| held-out lead | written from its vector |
|---|---|
{listed}
"""


def _cell(text: str) -> str:
    shown = " ".join(text.split()).replace("|", "/")
    return shown if len(shown) <= 240 else shown[:239] + "…"


def _scores(scores: dict[str, Any]) -> str:
    held = scores["held_out"]
    rows = "\n".join(
        f"| {name} | {bits:.3f} |" for name, bits in sorted(scores["bits_per_byte"].items(), key=lambda item: item[1])
    )
    return f"""## Scores

Bits per byte of {held["leads"]:,} held-out leads ({held["bytes"]:,} bytes, one a line); gzip gets the whole file, models each lead alone:

| | bits per byte |
|---|---|
{rows}

That is {scores["share_of_gzip"]:.1%} of gzip's. The other models are far smaller and were trained on children's stories; characters that their vocabularies lack cost eight bits a byte. Held-out books {scores["books"]:.3f}, reviews {scores["reviews"]:.3f}.

Of {scores["n_samples"]} samples: {scores["repeated_4_grams"]:.1%} of the sentences repeat four words in a row that their text already had; {scores["known_words"]:.1%} of the lower-case words occur in the corpus;
{scores["copies_of_training_leads"]} samples are training leads, word for word.
"""


def _samples(scores: dict[str, Any]) -> str:
    listed = "\n".join(f"{i}. {' '.join(text.split())}" for i, text in enumerate(scores["samples"]))
    return f"""## Samples

The first {len(scores["samples"])}, none picked: from `<s>`, temperature 0.8, top-p 0.95, at most 160 tokens, seed as numbered.

{listed}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--note", default="", help="what was otherwise than in the recipe")
    args = parser.parse_args()
    args.out.write_text(card(args.run, args.note), encoding="utf-8")


if __name__ == "__main__":
    main()
