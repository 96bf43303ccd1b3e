"""ELM: stage 1 beside the language model's bare pass, and batched generation beside one by one; one JSON line at the end.

Both on a language model of random weights, in turns; medians of processor time, which other work disturbs less than the
clock. The bare pass is forward and backward with frozen weights over the same batches (32 to 128 tokens, length-bucketed) and
computes logits of every position, as a plain training step does. Random weights never end an answer, so that all have the same
length; greedy answers of random weights are full of near-ties, which is harder than a trained model's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np
import torch
import transformers

from frostline.elm.adapter import Adapter, AdapterConfig, moments
from frostline.elm.decoding import Decoding
from frostline.elm.llm import Llm, compose
from frostline.elm.model import ElmModel, Placed, collate
from frostline.elm.prompts import EncodedPrompt
from frostline.elm.stages import AdaptOptions
from frostline.elm.training import train
from frostline.numerics.batches import batches_of_epoch


class NoTokenizer:
    """Stands for a tokenizer: only its special tokens are asked for."""

    pad_token_id, eos_token_id, chat_template = 0, 1, None


def language_model(width: int, layers: int, vocabulary: int) -> Llm:
    config = transformers.LlamaConfig(
        vocab_size=vocabulary, hidden_size=width, num_hidden_layers=layers, num_attention_heads=width // 64,
        intermediate_size=int(width * 2.75), max_position_embeddings=512, tie_word_embeddings=True,
    )  # fmt: skip
    return compose("random", transformers.LlamaForCausalLM(config), NoTokenizer(), {}, "cpu")


def examples(n: int, dim: int, vocabulary: int) -> list[Placed]:
    rng = np.random.default_rng(0)
    prompt = EncodedPrompt((2, 3, 4, 0, 0, 0, 0, 5), (3,), ("v",))
    return [
        Placed(prompt, (rng.normal(size=dim),), tuple(rng.integers(6, vocabulary, size=rng.integers(24, 120)).tolist()))
        for _ in range(n)
    ]


def bare(model: ElmModel, items: list[Placed], batches: list) -> float:
    began = time.process_time()
    for rows in batches:
        batch = collate([items[i] for i in rows], left=False, pad=0)
        embedded = model.lm.get_input_embeddings()(batch.ids).requires_grad_()
        logits = model.lm(inputs_embeds=embedded, use_cache=False).logits
        torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch.labels[:, 1:].flatten()).backward()
    return time.process_time() - began


def stage_one(model: ElmModel, items: list[Placed], n_batches: int, options: AdaptOptions, seed: int) -> float:
    began = time.process_time()
    log = train(model, items, items[:1], options, seed=seed, progress=False)
    assert log.n_steps == n_batches
    return time.process_time() - began


class Numbers(NoTokenizer):
    """A tokenizer whose text is the token ids."""

    def decode(self, ids: list[int], **_: object) -> str:
        return " ".join(map(str, ids))


def generation(model: ElmModel, n: int, n_new: int) -> tuple[float, float]:
    """Share of identical answers, and how much faster batches are."""
    rng = np.random.default_rng(0)
    items = []
    for _ in range(n):
        words = tuple(rng.integers(6, 900, size=rng.integers(3, 24)).tolist())
        prompt = EncodedPrompt((*words, 0, 0, 0, 0, 5), (len(words),), ("v",))
        items.append(Placed(prompt, (rng.normal(size=384),)))
    decoding = Decoding(max_new_tokens=n_new)
    began = time.process_time()
    together = model.generate(items, decoding)
    middle = time.process_time()
    alone = [model.generate([item], decoding)[0] for item in items]
    ended = time.process_time()
    same = sum(a == b for a, b in zip(together, alone, strict=True)) / n
    return same, (ended - middle) / (middle - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small model, few batches")
    quick = parser.parse_args().quick
    width, layers, vocabulary, n, rounds = (128, 2, 1024, 128, 2) if quick else (256, 6, 4096, 512, 5)
    llm, items = language_model(width, layers, vocabulary), examples(n, 384, vocabulary)
    model = ElmModel(llm, {"v": Adapter(AdapterConfig(), *moments(np.random.default_rng(1).normal(size=(64, 384))),
                                        width=width, norm=llm.norm)})  # fmt: skip
    options = AdaptOptions(epochs=1, batch_tokens=4096)
    tokens = sum(item.length for item in items)
    ratios, speeds = [], []
    for seed in range(rounds):
        batches = batches_of_epoch([item.length for item in items], options.batch_tokens, seed, 0)
        plain, ours = bare(model, items, batches), stage_one(model, items, len(batches), options, seed)
        ratios.append(plain / ours)
        speeds.append(tokens / ours)
    print(
        f"stage 1: {statistics.median(speeds):,.0f} tokens per processor second, {statistics.median(ratios):.2f} of the bare pass"
    )
    llm.tokenizer = Numbers()
    same, faster = generation(model, 32 if quick else 256, 24 if quick else 48)
    print(f"generation: {same:.1%} of batched answers as one by one, {faster:.1f} times less processor time")
    print(
        json.dumps(
            {
                "identical": same,
                "faster": faster,
                "tokens_per_second": statistics.median(speeds),
                "share_of_bare_pass": statistics.median(ratios),
            }
        )
    )


if __name__ == "__main__":
    main()
