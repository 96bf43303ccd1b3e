"""The paper's toy: points of the plane to the words "one" and "two", in two stages and in one; one JSON line at the end.

A small Llama first learns to answer "one" or "two", whichever, as a pretrained model can; then each order of training has the
same number of steps in all. Points are named by the sign of x times y, which no linear map can tell.

References
----------
Tennenholtz et al., 2023, arXiv 2310.04475: two stages converged in under 1,000 iterations, one stage failed.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence

import numpy as np
import torch
import transformers

from frostline.elm.adapter import Adapter, AdapterConfig, moments
from frostline.elm.decoding import Decoding
from frostline.elm.llm import compose
from frostline.elm.model import ElmModel, Placed
from frostline.elm.prompts import Prompt, PromptEncoder
from frostline.elm.stages import AdaptOptions
from frostline.elm.training import train

WORDS = ["<pad>", "<end>", "\n", "point", "is", "one", "two", "three", "four", "five"]


class Words:
    """A tokenizer of ten words."""

    pad_token_id, eos_token_id, bos_token_id, chat_template = 0, 1, None, None

    def __call__(self, text: str, **_: object) -> dict[str, list[int]]:
        return {"input_ids": [WORDS.index(word) for word in text.replace("\n", " \n ").split(" ") if word]}

    def decode(self, ids: Sequence[int], **_: object) -> str:
        return " ".join(WORDS[i] for i in ids if i > 1)


def speaking_model(seed: int) -> transformers.LlamaForCausalLM:
    config = transformers.LlamaConfig(
        vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=32, eos_token_id=1, bos_token_id=None,
    )  # fmt: skip
    torch.manual_seed(seed)
    model, rng = transformers.LlamaForCausalLM(config), np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(100):
        ids = torch.tensor([[rng.integers(3, 10), 4, 2, rng.choice([5, 6]), 1] for _ in range(32)])
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model


def accuracy(stages: str, seed: int, steps: int) -> tuple[float, int]:
    """Accuracy on 200 further points, and the step of the last stage at which the held-out loss was least."""
    llm = compose("toy", speaking_model(seed), Words(), {}, "cpu")
    rng = np.random.default_rng(seed)
    points = rng.uniform(-1, 1, size=(1000, 2))
    names = np.where(points[:, 0] * points[:, 1] > 0, "one", "two")
    config = AdapterConfig(n_soft_tokens=1, hidden=64)
    model = ElmModel(llm, {"p": Adapter(config, *moments(points), width=llm.width, norm=llm.norm, seed=seed)})
    encoder = PromptEncoder(llm.tokenizer, 1, chat=False)
    prompt = encoder.prompt(Prompt.parse("{vector} is", ["p"]))
    items = [Placed(prompt, (p,), tuple(encoder.target(n, 4)[0])) for p, n in zip(points, names, strict=True)]
    n_stages = 2 if stages in ("1+2", "reversed") else 1
    options = AdaptOptions(
        stages=stages, tune="full", epochs=10_000, max_steps=steps // n_stages, batch_tokens=32 * 6, warmup=20, patience=1000,
        lr=3e-3, lr_llm=4e-3,
    )  # fmt: skip
    log = train(model, items[:700], items[700:800], options, seed=seed, progress=False)
    written = model.generate(items[800:], Decoding(max_new_tokens=3))
    return float(np.mean(np.array(written) == names[800:])), log.best.step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed")
    seeds = range(1 if parser.parse_args().quick else 3)
    found = {}
    for stages, words in (
        ("1+2", "two stages"),
        ("joint", "one stage"),
        ("1", "adapter alone"),
        ("reversed", "reversed"),
    ):
        scores = [accuracy(stages, seed, 800)[0] for seed in seeds]
        found[stages] = statistics.mean(scores)
        print(
            f"{words:14s} 800 steps   accuracy {found[stages]:.3f}   ({', '.join(f'{s:.2f}' for s in scores)})",
            flush=True,
        )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
