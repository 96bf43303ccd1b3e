"""Folders that sentence-transformers wrote give its own vectors: pooling, normalization, prompts, window, case."""

from __future__ import annotations

import contextlib
import json
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
import torch
import transformers as tf
from tokenizers import processors

from fakes import byte_tokenizer, tiny_bert
from frostline import TextEmbedder, UserError
from frostline.backbones import resolve
from frostline.contracts import BackboneSpec

TEXTS = ["a frozen film", "x", "  Spaces and CAPITALS \n", "a longer sentence, with commas, that is certainly cut " * 3]
SMALL = {
    "vocab_size": 128, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
    "max_position_embeddings": 64,
}  # fmt: skip


def eos_tokenizer(window):
    """Appends an end-of-text token and pads on the left, as Qwen3-Embedding does."""
    tokenizer = byte_tokenizer(window=window, padding_side="left")
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A [SEP]", special_tokens=[("[SEP]", tokenizer.sep_token_id)]
    )
    return tokenizer


@dataclass(frozen=True)
class Kind:
    """A model in the manner of one that is known under its name."""

    build: object
    pooling: str
    normalize: bool
    prompts: dict
    default: str | None = None
    tokenizer: object = byte_tokenizer
    window: int = 40
    module_args: dict | None = None


E5 = {"query": "query: ", "passage": "passage: "}
QWEN = {"query": "Instruct: find it\nQuery:", "document": ""}
KINDS = {
    "bge": Kind(lambda: tf.BertModel(tf.BertConfig(**SMALL)), "cls", True, {"query": "Find: "}),
    "e5": Kind(lambda: tf.XLMRobertaModel(tf.XLMRobertaConfig(**SMALL, pad_token_id=0)), "mean", True, E5, "query"),
    "e5-bert": Kind(lambda: tf.BertModel(tf.BertConfig(**SMALL)), "mean", True, E5, "passage"),
    "gte": Kind(lambda: tf.ModernBertModel(tf.ModernBertConfig(**SMALL, pad_token_id=0, local_attention=8)), "cls", False, {}),
    "gte-bert": Kind(lambda: tf.BertModel(tf.BertConfig(**SMALL)), "mean", True, {}, window=10**30),
    "qwen3-embedding": Kind(
        lambda: tf.Qwen3Model(tf.Qwen3Config(**SMALL, num_key_value_heads=1, head_dim=8)), "lasttoken", True, QWEN, None, eos_tokenizer,
    ),
    "max": Kind(lambda: tf.MPNetModel(tf.MPNetConfig(**SMALL, pad_token_id=0)), "max", False, {}),
    "sgpt": Kind(lambda: tf.GPT2Model(tf.GPT2Config(vocab_size=128, n_embd=16, n_layer=2, n_head=2, n_positions=64)), "weightedmean", False, {}),
}  # fmt: skip


@contextlib.contextmanager
def its_own_warnings():
    """sentence-transformers and what it imports may warn; none of it is ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def st():
    with its_own_warnings():
        return pytest.importorskip("sentence_transformers", exc_type=ImportError)


def modules_of(st):
    from sentence_transformers import models

    return models


def write(st, kind, folder):
    """A seeded model of the real class, saved by sentence-transformers itself."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        kind.build().eval().save_pretrained(folder / "raw")
    kind.tokenizer(window=kind.window).save_pretrained(folder / "raw")
    with its_own_warnings():
        models = modules_of(st)
        modules = [models.Transformer(str(folder / "raw")), models.Pooling(16, pooling_mode=kind.pooling)]
        modules += [models.Normalize()] if kind.normalize else []
        model = st.SentenceTransformer(
            modules=modules, prompts=kind.prompts, default_prompt_name=kind.default, device="cpu"
        )
        model.save(str(folder / "saved"))
    return folder / "saved"


def encode(st, folder, texts, **how):
    with its_own_warnings():
        return st.SentenceTransformer(str(folder), device="cpu").encode(texts, show_progress_bar=False, **how)


@pytest.fixture(scope="module", params=KINDS)
def saved(request, st, tmp_path_factory):
    kind = KINDS[request.param]
    return kind, write(st, kind, tmp_path_factory.mktemp(request.param))


def test_vectors_are_its_own(st, saved):
    _, folder = saved
    found = TextEmbedder(str(folder), store=None, progress=False).transform(TEXTS)
    np.testing.assert_allclose(found, encode(st, folder, TEXTS), atol=1e-5)


def test_every_prompt_by_name(st, saved):
    kind, folder = saved
    for name in kind.prompts:
        found = TextEmbedder(str(folder), pooling=f"recipe:{name}", store=None, progress=False).transform(TEXTS)
        np.testing.assert_allclose(found, encode(st, folder, TEXTS, prompt_name=name), atol=1e-5)


def test_window_is_its_own(st, saved):
    _, folder = saved
    with its_own_warnings():
        expected = st.SentenceTransformer(str(folder), device="cpu").max_seq_length
    assert resolve(BackboneSpec(str(folder))).max_length == expected


def test_older_folders(st, tmp_path):
    """Until version 5: flags for poolings, max_seq_length and do_lower_case in sentence_bert_config.json."""
    folder = write(st, KINDS["bge"], tmp_path)
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 20, "do_lower_case": True}))
    flags = {"word_embedding_dimension": 16, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(flags))
    found = TextEmbedder(str(folder), store=None, progress=False).transform(TEXTS)
    np.testing.assert_allclose(found, encode(st, folder, TEXTS), atol=1e-5)
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 20, "do_lower_case": False}))
    assert np.abs(TextEmbedder(str(folder), store=None).transform(TEXTS[2:3]) - found[2:3]).max() > 1e-3


def test_plain_folders_are_averaged_by_both(st, tmp_path):
    folder = tiny_bert(tmp_path / "m")
    found = TextEmbedder(str(folder), store=None, progress=False).transform(TEXTS)
    np.testing.assert_allclose(found, encode(st, folder, TEXTS), atol=1e-5)


def test_a_dense_layer_is_refused_by_name(st, tmp_path):
    folder = write(st, KINDS["gte-bert"], tmp_path)
    with its_own_warnings():
        model = st.SentenceTransformer(str(folder), device="cpu")
        model.append(modules_of(st).Dense(16, 8))
        model.save(str(tmp_path / "dense"))
    with pytest.raises(UserError, match="Dense.*Transformer, Pooling"):
        TextEmbedder(str(tmp_path / "dense"), store=None).fit(TEXTS)
    assert TextEmbedder(str(tmp_path / "dense"), pooling="mean", store=None).fit_transform(TEXTS).shape == (4, 16)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pooling_mode": ["cls", "mean"]}, "cls and mean"),
        ({"pooling_mode": "mean_sqrt_len_tokens"}, "mean_sqrt_len_tokens"),
        ({"pooling_mode": "mean", "include_prompt": False}, "leaves the prompt out"),
    ],
)
def test_poolings_that_are_not_reproduced_are_named(st, tmp_path, change, message):
    folder = write(st, KINDS["e5-bert"], tmp_path)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"embedding_dimension": 16, **change}))
    with pytest.raises(UserError, match=message):
        TextEmbedder(str(folder), store=None).fit(TEXTS)


def test_unknown_prompt(st, tmp_path):
    folder = write(st, KINDS["e5-bert"], tmp_path)
    with pytest.raises(UserError, match="'query'.*\nhint: Did you mean 'passage'"):
        TextEmbedder(str(folder), pooling="recipe:pasage", store=None).fit(TEXTS)
