"""Show that no held-out text is in the corpus; exit 1 where one is.

    python -m recipe.prove --run ../runs/starter

Compared are texts as they are, texts without case, accents, punctuation and spaces, and films by title and year. Also
counted are held-out leads that share a run of 13 words with any training text: sentences that articles have in common
("was selected for preservation in the United States National Film Registry"), quotations and the like.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from frostline.keys import plain_text, title_key

RUN_OF_WORDS = 13


def word_runs(plain: str) -> Iterator[int]:
    """Hash every run of 13 words."""
    words = plain.split()
    yield from (hash(tuple(words[i : i + RUN_OF_WORDS])) for i in range(len(words) - RUN_OF_WORDS + 1))


def overlaps(run: Path) -> dict[str, int]:
    """Count the held-out texts that are in the corpus, by each way of comparing."""
    train = pq.read_table(run / "corpus.parquet").to_pylist()
    held = pq.read_table(run / "held_out.parquet").to_pylist()
    films = pq.read_table(run / "films.parquet").to_pylist()
    exact, plain = {row["text"] for row in train}, {plain_text(row["text"]) for row in train}
    names: dict[bool, set[str]] = {True: set(), False: set()}
    for film in films:
        names[film["part"] == "train"] |= {film["key"], title_key(film["title"], film["year"])}
    leads = {plain_text(row["text"]) for row in held if row["source"] == "leads"}
    wanted = {word_run for lead in leads for word_run in word_runs(lead)}
    found = {word_run for text in plain for word_run in word_runs(text) if word_run in wanted}
    return {
        "held_out_texts": len(held),
        "training_texts": len(train),
        "same_text": sum(row["text"] in exact for row in held),
        "same_plain_text": sum(plain_text(row["text"]) in plain for row in held),
        "same_title_and_year": len(names[True] & names[False]),
        "leads_sharing_13_words": sum(any(word_run in found for word_run in word_runs(lead)) for lead in leads),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    args = parser.parse_args()
    counts = overlaps(args.run)
    print(json.dumps(counts, indent=1))
    (args.run / "proof.json").write_text(json.dumps(counts, indent=1) + "\n")
    sys.exit(any(count for name, count in counts.items() if name.startswith("same_")))


if __name__ == "__main__":
    main()
