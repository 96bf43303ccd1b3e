"""Train the starter's tokenizer on its corpus and encode the corpus.

    python -m recipe.tokenizer --run ../runs/starter [--vocab 8192]

A byte-level BPE: any text is encoded without an unknown token and decoded to itself. Out come `tokenizer/` and
`tokens/SOURCE.npy`, each text between its begin and end marks.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

BEGIN, END, PAD = "<s>", "</s>", "<pad>"
CONTEXT = 512
# Words with the space before them; a year is one piece, so that frequent years become one token.
PIECES = r"'(?:s|t|re|ve|m|ll|d)\b| ?\p{L}+| ?\p{N}{1,4}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
BOOK_CHARACTERS = 12_000


def sample(texts: dict[str, list[str]]) -> Iterator[str]:
    """Choose what the tokenizer learns from: all leads and reviews, and a stretch of every book."""
    rng = random.Random(0)
    yield from texts["leads"]
    yield from texts["reviews"][::3]
    for book in texts["books"]:
        start = rng.randrange(max(1, len(book) - BOOK_CHARACTERS))
        yield book[start : start + BOOK_CHARACTERS]


def train(texts: dict[str, list[str]], vocab: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE of `vocab` tokens, marks and bytes among them."""
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(PIECES), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab, special_tokens=[BEGIN, END, PAD], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(sample(texts), trainer)
    begin = tokenizer.token_to_id(BEGIN)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", pair=f"{BEGIN} $A $B:1", special_tokens=[(BEGIN, begin)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        padding_side="left",
        model_max_length=CONTEXT,
    )


def encode(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> np.ndarray:
    """Encode texts one after the other, each between its marks."""
    end = tokenizer.eos_token_id
    parts = [
        np.array([*ids, end], dtype=np.uint16)
        for i in range(0, len(texts), 500)
        for ids in tokenizer(texts[i : i + 500])["input_ids"]
    ]
    return np.concatenate(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--vocab", type=int, default=8192)
    args = parser.parse_args()
    texts: dict[str, list[str]] = {}
    for row in pq.read_table(args.run / "corpus.parquet", columns=["source", "text"]).to_pylist():
        texts.setdefault(row["source"], []).append(row["text"])
    tokenizer = train(texts, args.vocab)
    tokenizer.save_pretrained(args.run / "tokenizer")
    (args.run / "tokens").mkdir(exist_ok=True)
    for source, documents in texts.items():
        tokens = encode(tokenizer, documents)
        np.save(args.run / "tokens" / f"{source}.npy", tokens)
        print(
            source,
            len(documents),
            "texts",
            tokens.size,
            "tokens",
            sum(map(len, documents)) / tokens.size,
            "characters a token",
            flush=True,
        )


if __name__ == "__main__":
    main()
