"""Train the adapter that ships with the starter: MiniLM's vectors of short passages to the passages themselves.

Any text and its vector is a training pair, so the adapter begins where a user's own table would take it slowly. Texts that the
starter language model may not have read (``valid`` and ``test`` rows) may not be read here either: files with a column ``split``
give their ``train`` rows only. Usage, from the repository's root::

    python starter/recipe/warm.py texts.parquet more.csv --out starter/src/frostline_starter/adapter
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa

import frostline
from frostline.elm.facts import sentences
from frostline.elm.warm import MINILM, write_warm
from frostline.tables import read_table

LONGEST = 280
"""Characters of a passage: what MiniLM's vector can still tell, and the starter can say in 96 tokens."""

FEWEST_WORDS = 6


def passages(text: str) -> list[str]:
    """Cut a text into runs of whole sentences of at most LONGEST characters."""
    found: list[str] = []
    for sentence in sentences(" ".join(text.split())):
        if found and len(found[-1]) + len(sentence) < LONGEST:
            found[-1] += " " + sentence
        elif len(sentence) <= LONGEST:
            found.append(sentence)
    return [passage for passage in found if len(passage.split()) >= FEWEST_WORDS]


def read_texts(paths: list[str], column: str) -> list[str]:
    """Texts of all files, training rows only."""
    texts: list[str] = []
    for path in paths:
        table = read_table(path)
        said = table.column("split").to_pylist() if "split" in table.column_names else ["train"] * table.num_rows
        name = next(c for c in (column, "text", "lead", "description") if c in table.column_names)
        texts += [t for t, part in zip(table.column(name).to_pylist(), said, strict=True) if t and part == "train"]
    return texts


def main() -> None:
    """Embed, train, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="+")
    parser.add_argument("--column", default="text")
    parser.add_argument("--out", required=True)
    parser.add_argument("--n-passages", type=int, default=60_000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--stages", default="1")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    found = list(dict.fromkeys(p for text in read_texts(args.texts, args.column) for p in passages(text)))
    found = [found[i] for i in rng.permutation(len(found))[: args.n_passages]]
    embedder = frostline.TextEmbedder()
    ids = [str(i) for i in range(len(found))]
    options = frostline.AdaptOptions(stages=args.stages, epochs=args.epochs, max_target_tokens=96, patience=2)
    elm = frostline.ELM(seed=args.seed).fit(
        (ids, embedder.fit_transform(found)), pa.table({"id": ids, "text": found}), encoder=embedder, cold=True,
        held_out=0.02, options=options, checkpoint=f"{args.out}.training",
    )  # fmt: skip
    report = elm.report_
    card = {key: report[key] for key in ("n_train", "n_val", "seconds", "loss", "scores")}
    model = elm.explainer_.model
    write_warm(Path(args.out), model.adapter("vectors"), model.llm, MINILM, {**card, "seed": args.seed})
    print(elm.card())


if __name__ == "__main__":
    main()
