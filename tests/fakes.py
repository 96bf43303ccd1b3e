"""A two-layer random backbone of a real class with a real tokenizer, written to a folder in milliseconds, offline."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

_CHARACTERS = [chr(c) for c in range(32, 127)]


def byte_tokenizer(*, specials: bool = True, window: int = 64, **settings: str) -> transformers.PreTrainedTokenizerFast:
    """A tokenizer whose tokens are printable ASCII characters; anything else is [UNK]."""
    vocab = {token: i for i, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *_CHARACTERS])}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Split(pattern="", behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    names = {"unk_token": "[UNK]"}
    if specials:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])]
        )
        names |= {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=window, **names, **settings
    )


def _seeded(build: type, config: object, seed: int) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build(config).eval()


def tiny_bert(folder: Path, *, seed: int = 0, window: int = 64, layers: int = 2, width: int = 16) -> Path:
    """Write a random two-layer BERT and its tokenizer to `folder`."""
    config = transformers.BertConfig(
        vocab_size=128,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * width,
        max_position_embeddings=window,
    )
    return _write(folder, _seeded(transformers.BertModel, config, seed), byte_tokenizer(window=window))


def tiny_llama(folder: Path, *, seed: int = 0, window: int = 64) -> Path:
    """Write a random two-layer Llama whose tokenizer has neither special tokens nor a padding token."""
    config = transformers.LlamaConfig(
        vocab_size=128,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=32,
        max_position_embeddings=window,
    )
    tokenizer = byte_tokenizer(specials=False, window=window)
    return _write(folder, _seeded(transformers.LlamaModel, config, seed), tokenizer)


def tiny_writer(
    folder: Path, family: str = "llama", *, seed: int = 0, window: int = 64, chat: str | None = None, **names: str
) -> Path:
    """Write a random two-layer causal language model, its head not tied; "~" ends a completion."""
    shared = {"vocab_size": 128, "eos_token_id": 4 + _CHARACTERS.index("~"), "tie_word_embeddings": False}
    if family == "llama":
        config: transformers.PreTrainedConfig = transformers.LlamaConfig(
            hidden_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, intermediate_size=32,
            max_position_embeddings=window, **shared,
        )  # fmt: skip
        model = _seeded(transformers.LlamaForCausalLM, config, seed)
    else:
        config = transformers.GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=window, **shared)
        model = _seeded(transformers.GPT2LMHeadModel, config, seed)
    for parameter in model.parameters():  # as they are drawn, every token is about as likely as any other
        parameter.data.mul_(4)
    tokenizer = byte_tokenizer(specials=False, window=window, eos_token="~", **names)
    tokenizer.chat_template = chat
    return _write(folder, model, tokenizer)


def add_recipe(folder: Path, *, pooling: str = "lasttoken", normalize: bool = True, prompt: str = "") -> Path:
    """Give a model folder the files by which sentence-transformers describes a text vector."""
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), *([("2_Normalize", "Normalize")] if normalize else [])]
    entries = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(entries))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": pooling, "embedding_dimension": 16}))
    if prompt:
        config = {"prompts": {"query": prompt}, "default_prompt_name": "query"}
        (folder / "config_sentence_transformers.json").write_text(json.dumps(config))
    return folder


def _write(folder: Path, model: torch.nn.Module, tokenizer: transformers.PreTrainedTokenizerFast) -> Path:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
