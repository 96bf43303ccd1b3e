"""Score the starter on held-out leads, beside gzip and other small models, and look at its samples.

    P=src/frostline_starter
    python -m recipe.evaluate --run ../runs/starter --model $P/model --adapter $P/adapter [--peers DIR ...]

Bits per byte are those of all held-out leads (parts valid and test), each read alone from its begin mark to its end
mark, over the bytes of the file that holds them one a line. gzip -9 gets that whole file. Samples are drawn from the
begin mark alone with temperature 0.8 from the most probable 95 %, with the seeds 0, 1, 2, ...; none is picked. The adapter describes held-out leads (part valid) that it knows by their vectors alone; the text,
embedded, is to find its own vector among 100.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

import frostline
from frostline.elm.decoding import Decoding
from frostline.elm.model import ElmModel, Placed
from frostline.elm.prompts import Prompt, PromptEncoder
from frostline.elm.scores import EncoderReader, cosines, identification
from recipe.pairs import N_SOFT_TOKENS, PROMPTS, SPACE, TARGET_TOKENS, packaged
from recipe.peers import Peer, load_peer

N_SAMPLES, N_SHOWN, SAMPLE_TOKENS = 200, 20, 160
N_EXPLAINED = 300
BATCH_TOKENS = 8192


@torch.inference_mode()
def nats(model: PreTrainedModel, sequences: Sequence[list[int]]) -> list[float]:
    """Sum the cross-entropy of each sequence after its first token; beyond the context in windows that start anew."""
    context = model.config.max_position_embeddings
    pieces = [
        (i, ids[start : start + context])
        for i, ids in enumerate(sequences)
        for start in range(0, len(ids) - 1, context - 1)
    ]
    totals = [0.0] * len(sequences)
    for batch in _batches(pieces):
        length = max(len(ids) for _, ids in batch)
        tokens = torch.zeros(len(batch), length, dtype=torch.long)
        wanted = torch.full_like(tokens, -100)
        for row, (_, ids) in enumerate(batch):
            tokens[row, : len(ids)] = torch.tensor(ids)
            wanted[row, : len(ids)] = tokens[row, : len(ids)]
        logits = model(tokens, use_cache=False).logits[:, :-1].float()
        losses = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), wanted[:, 1:].flatten(), ignore_index=-100, reduction="none"
        )
        for (i, _), loss in zip(batch, losses.view(len(batch), -1).sum(dim=1).tolist(), strict=True):
            totals[i] += loss
    return totals


def _batches(pieces: list[tuple[int, list[int]]]) -> Iterator[list[tuple[int, list[int]]]]:
    """Group pieces of like length, a bounded number of tokens a batch."""
    ordered = sorted(pieces, key=lambda piece: len(piece[1]))
    while ordered:
        longest, n = len(ordered[-1][1]), 0
        n = max(1, BATCH_TOKENS // longest)
        yield ordered[-n:]
        del ordered[-n:]


def bits_per_byte(model: PreTrainedModel, sequences: Sequence[list[int]], n_bytes: int, lost: int = 0) -> float:
    """Code length of the sequences a byte; characters that the vocabulary lacks cost eight bits a byte more."""
    return (sum(nats(model, sequences)) / 0.6931471805599453 + 8 * lost) / n_bytes


def of_peer(peer: Peer, texts: Sequence[str], n_bytes: int) -> float:
    """Bits per byte of another model; its texts have no end mark, which is in its favor."""
    encoded = [peer.encode(text) for text in texts]
    return bits_per_byte(
        peer.model, [[peer.begin, *ids] for ids, _ in encoded], n_bytes, sum(lost for _, lost in encoded)
    )


@torch.inference_mode()
def sample(model: PreTrainedModel, tokenizer, seed: int) -> str:  # type: ignore[no-untyped-def]
    """Draw one text from the begin mark."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        begin = torch.tensor([[tokenizer.bos_token_id]])
        ids = model.generate(begin, do_sample=True, temperature=0.8, top_p=0.95, top_k=0, max_new_tokens=SAMPLE_TOKENS)
    return str(tokenizer.decode(ids[0], skip_special_tokens=True)).strip()


def repeated_share(texts: Sequence[str]) -> float:
    """Share of the sentences in which a run of four words stands that the same text already had."""
    repeated = total = 0
    for text in texts:
        seen: set[tuple[str, ...]] = set()
        for sentence in re.split(r"(?<=[.!?])\s+", text):
            words = re.findall(r"[\w']+", sentence.lower())
            runs = list(zip(words, words[1:], words[2:], words[3:], strict=False))
            repeated += any(run in seen for run in runs) or len(set(runs)) < len(runs)
            seen.update(runs)
            total += bool(words)
    return repeated / total


def known_share(texts: Sequence[str], corpus: set[str]) -> float:
    """Share of the lower-case words of some texts that the corpus holds."""
    words = [word for text in texts for word in re.findall(r"(?<![\w'])[a-z]+(?![\w'])", text)]
    return sum(word in corpus for word in words) / len(words)


def explained(run: Path, folder: Path, adapter: Path) -> dict[str, object]:
    """Describe held-out leads from their vectors by the shipped adapter, with no training on any table."""
    llm, trained = packaged(folder, adapter)
    films = pq.read_table(run / "films.parquet").to_pylist()
    held = [film["text"] for film in films if film["part"] == "valid"]
    held = held[:: max(1, len(held) // N_EXPLAINED)][:N_EXPLAINED]  # they stand in the order of years
    near = {film["text"] for film in films if film["part"] == "train"}
    embedder = frostline.TextEmbedder(progress=False)
    vectors = embedder.fit_transform(held)
    prompt = PromptEncoder(llm.tokenizer, N_SOFT_TOKENS, chat=False).prompt(Prompt.parse(PROMPTS[1], [SPACE]))
    written = ElmModel(llm, {SPACE: trained}).generate(
        [Placed(prompt, (vector,)) for vector in vectors], Decoding(max_new_tokens=TARGET_TOKENS)
    )
    read = EncoderReader(embedder).read(written)
    return {
        "n": len(held),
        "top1": identification(read, vectors),
        "top1_shuffled": identification(np.roll(read, 1, axis=0), vectors),
        "consistency": float(cosines(read, vectors).mean()),
        "copied": float(np.mean([text in near for text in written])),
        "texts": list(zip(held[:N_SHOWN], written[:N_SHOWN], strict=True)),
    }


def evaluate(run: Path, folder: Path, adapter: Path, peers: Sequence[Path]) -> dict[str, object]:
    """Collect every score of the card."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    held = pq.read_table(run / "held_out.parquet").to_pylist()
    leads = [row["text"] for row in held if row["source"] == "leads"]
    joined = "".join(f"{lead}\n" for lead in leads).encode()
    encoded = tokenizer(leads)["input_ids"]
    train = pq.read_table(run / "corpus.parquet").to_pylist()
    known = {word for row in train for word in re.findall(r"[a-z]+", row["text"])}
    copies = {row["text"] for row in train if row["source"] == "leads"}
    samples = [sample(model, tokenizer, seed) for seed in range(N_SAMPLES)]
    gzip_bits = 8 * len(gzip.compress(joined, 9)) / len(joined)
    own = bits_per_byte(model, [[*ids, tokenizer.eos_token_id] for ids in encoded], len(joined))
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "held_out": {"leads": len(leads), "bytes": len(joined), "tokens": sum(map(len, encoded))},
        "bits_per_byte": {
            "starter": own,
            "gzip -9": gzip_bits,
            **{path.name: of_peer(load_peer(path), leads, len(joined)) for path in peers},
        },
        "share_of_gzip": own / gzip_bits,
        "books": other(model, tokenizer, held, "books"),
        "reviews": other(model, tokenizer, held, "reviews"),
        "repeated_4_grams": repeated_share(samples),
        "known_words": known_share(samples, known),
        "copies_of_training_leads": sum(text in copies for text in samples),
        "n_samples": len(samples),
        "samples": samples[:N_SHOWN],
        "explained": explained(run, folder, adapter),
    }


def other(model: PreTrainedModel, tokenizer, held: Sequence[dict[str, str]], source: str) -> float:  # type: ignore[no-untyped-def]
    """Bits per byte of the first 20,000 characters of each held-out text of another source."""
    texts = [row["text"][:20_000] for row in held if row["source"] == source]
    return bits_per_byte(model, tokenizer(texts, verbose=False)["input_ids"], sum(len(text.encode()) for text in texts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, required=True)
    parser.add_argument("--peers", type=Path, nargs="*", default=[])
    args = parser.parse_args()
    scores = evaluate(args.run, args.model, args.adapter, args.peers)
    (args.run / "scores.json").write_text(json.dumps(scores, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps(scores, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
