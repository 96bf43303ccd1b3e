"""Random causal language models of real classes, with a tokenizer of characters, in milliseconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import transformers

from fakes import byte_tokenizer
from frostline.elm.adapter import Adapter, AdapterConfig, moments
from frostline.elm.llm import Llm, compose
from frostline.elm.model import ElmModel, Placed
from frostline.elm.prompts import Prompt, PromptEncoder

_COMMON = {"vocab_size": 128, "bos_token_id": None, "eos_token_id": 98, "pad_token_id": 0}
_SHAPE = _COMMON | {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
    "max_position_embeddings": 160,
}  # fmt: skip
_GROUPED = _SHAPE | {"num_key_value_heads": 2, "head_dim": 8}

CONFIGS = {
    "llama": lambda: transformers.LlamaConfig(**_GROUPED),
    "qwen3": lambda: transformers.Qwen3Config(**_GROUPED),
    "gemma3": lambda: transformers.Gemma3TextConfig(**_GROUPED, sliding_window=16),
    "gpt2": lambda: transformers.GPT2Config(**_COMMON, n_embd=32, n_layer=2, n_head=4, n_positions=160),
    "neox": lambda: transformers.GPTNeoXConfig(**_SHAPE),
}


def tokenizer(**settings: str) -> transformers.PreTrainedTokenizerFast:
    return byte_tokenizer(specials=False, window=160, eos_token="~", pad_token="[PAD]", **settings)


def causal(kind: str = "llama", seed: int = 0) -> transformers.PreTrainedModel:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = transformers.AutoModelForCausalLM.from_config(CONFIGS[kind]())
    return model.float().eval()


def tiny_llm(kind: str = "llama", seed: int = 0) -> Llm:
    return compose(kind, causal(kind, seed), tokenizer(), {"weights": f"{kind}-{seed}"}, "cpu")


def save_llm(folder: Path, kind: str = "llama", seed: int = 0) -> Path:
    causal(kind, seed).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def tiny_elm(kind: str = "llama", *, dim: int = 8, n_soft_tokens: int = 2, seed: int = 0, **shape) -> ElmModel:
    llm = tiny_llm(kind)
    vectors = np.random.default_rng(seed).normal(3, 2, size=(40, dim))
    config = AdapterConfig(n_soft_tokens=n_soft_tokens, **{"hidden": 16, **shape})
    return ElmModel(llm, {"v": Adapter(config, *moments(vectors), width=llm.width, norm=llm.norm, seed=seed)})


def placed(model: ElmModel, prompts: list[str], vectors: np.ndarray, targets: list[str] | None = None) -> list[Placed]:
    encoder = PromptEncoder(model.llm.tokenizer, model.adapter("v").config.n_soft_tokens, chat=False)
    ends = [encoder.target(text, 40)[0] for text in targets or [""] * len(prompts)]
    return [
        Placed(encoder.prompt(Prompt.parse(text, ["v"])), (vector,), tuple(end) if targets else ())
        for text, vector, end in zip(prompts, vectors, ends, strict=True)
    ]
