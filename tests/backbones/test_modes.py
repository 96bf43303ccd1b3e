"""Names with a prefix: random weights and the vocabulary alone, the controls of what a trained model gives."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
import transformers as tf
from safetensors.torch import load_file

from fakes import byte_tokenizer, tiny_bert, tiny_llama
from frostline import TextClassifier, TextEmbedder, UserError, load
from frostline.backbones import resolve
from frostline.backbones.modes import Mode, parse_mode
from frostline.contracts import BackboneSpec, Tap
from frostline.store import Store

TEXTS = ["a frozen film", "x", "a rather longer sentence, with commas"]
MAKE = {"bert": tiny_bert, "llama": tiny_llama}


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("minilm", Mode("minilm")),
        ("org/random:x", Mode("org/random:x")),
        ("random:minilm", Mode("minilm", seed=0)),
        ("random:org/name#17", Mode("org/name", seed=17)),
        ("vocabulary:/a/path#3", Mode("/a/path#3", vocabulary=True)),
    ],
)
def test_prefixes(name, mode):
    assert parse_mode(name) == mode


@pytest.mark.parametrize("name", ["random:", "vocabulary:", "random:minilm#", "random:minilm#-1", "random:minilm#x", 7])
def test_refused(name):
    with pytest.raises(UserError, match="names no model|whole number|must be a name"):
        parse_mode(name)


@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
def test_random_is_the_class_under_its_seed(tmp_path, make):
    folder = make(tmp_path / "m", seed=5)
    (folder / "model.safetensors").unlink()
    before = torch.random.get_rng_state()
    found = resolve(BackboneSpec(f"random:{folder}#3"))
    ids = found.tokenize(TEXTS, 64).ids
    taps = [Tap(layer) for layer in (0, 1, "final")]
    vectors = found.reference.forward(ids, taps)
    assert torch.equal(before, torch.random.get_rng_state())
    config = tf.AutoConfig.from_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = tf.AutoModel.from_config(config).eval()
    model.save_pretrained(folder)
    by_hand = resolve(BackboneSpec(str(folder))).reference.forward(ids, taps)
    np.testing.assert_array_equal(vectors, by_hand)


def test_seeds_are_other_models_with_other_addresses(tmp_path):
    folder = tiny_bert(tmp_path / "m", seed=7)
    spaces = [resolve(BackboneSpec(name)) for name in (str(folder), f"random:{folder}", f"random:{folder}#1")]
    ids = spaces[0].tokenize(TEXTS, 64).ids
    vectors = [space.forward(ids, [Tap("final")]) for space in spaces]
    assert min(np.abs(a - b).max() for i, a in enumerate(vectors) for b in vectors[:i]) > 0.1
    assert len({tuple(space.identity.items()) for space in spaces}) == 3
    assert spaces[1].identity["weights"] == "random-0"
    assert torch.__version__.partition("+")[0] in spaces[1].identity["drawn_by"]
    assert resolve(BackboneSpec(f"random:{folder}#0")).identity == spaces[1].identity


TABLES = {
    "bert": (tiny_bert, "embeddings.word_embeddings.weight"),
    "llama": (tiny_llama, "embed_tokens.weight"),
}


@pytest.mark.parametrize(("make", "key"), TABLES.values(), ids=TABLES)
def test_vocabulary_is_the_mean_of_the_rows(tmp_path, make, key):
    folder = make(tmp_path / "m")
    table = load_file(folder / "model.safetensors")[key].numpy()
    found = resolve(BackboneSpec(f"vocabulary:{folder}"))
    ids = found.tokenize(TEXTS, 64).ids
    vectors = found.forward(ids, [Tap(0), Tap("final"), Tap(0, "last_token")])
    expected = np.stack([table[i].mean(0) for i in ids])
    np.testing.assert_allclose(vectors[:, 0], expected, atol=1e-6)
    np.testing.assert_array_equal(vectors[:, 1], vectors[:, 0])
    np.testing.assert_array_equal(vectors[:, 2], np.stack([table[i[-1]] for i in ids]))
    assert found.n_layers == 0
    assert found.runner_report.path == "vocabulary"


T5 = {"vocab_size": 128, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
OTHERS = {
    "t5": (lambda: tf.T5ForConditionalGeneration(tf.T5Config(**T5)), 16),
    "gpt2-head": (lambda: tf.GPT2LMHeadModel(tf.GPT2Config(vocab_size=128, n_embd=16, n_layer=2, n_head=2)), 16),
    "opt-narrow": (
        lambda: tf.OPTForCausalLM(
            tf.OPTConfig(vocab_size=128, hidden_size=16, ffn_dim=32, num_hidden_layers=2, num_attention_heads=2, word_embed_proj_dim=8)
        ), 8,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("build", "dim"), OTHERS.values(), ids=OTHERS)
def test_the_table_is_found_below_a_head(tmp_path, build, dim):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build().eval()
    model.save_pretrained(tmp_path)
    byte_tokenizer().save_pretrained(tmp_path)
    found = resolve(BackboneSpec(f"vocabulary:{tmp_path}"))
    ids = found.tokenize(TEXTS, 64).ids
    table = model.get_input_embeddings().weight.detach().numpy()
    assert found.dim == dim
    expected = np.stack([table[i].mean(0) for i in ids])
    np.testing.assert_allclose(found.forward(ids, [Tap("final")])[:, 0], expected, atol=1e-6)


def test_only_the_table_is_read(tmp_path, monkeypatch):
    folder = tiny_bert(tmp_path / "m")
    found = resolve(BackboneSpec(f"vocabulary:{folder}"))
    monkeypatch.setattr(tf.BertModel, "forward", None)
    monkeypatch.setattr("transformers.modeling_utils.PreTrainedModel.from_pretrained", None)
    assert found.forward(found.tokenize(TEXTS, 64).ids, [Tap("final")]).shape == (3, 1, 16)
    with pytest.raises(UserError, match="runs no model"):
        _ = found.reference


def test_a_table_that_cannot_be_told_is_refused(tmp_path):
    folder = tiny_bert(tmp_path / "m")
    from safetensors.torch import save_file

    weights = load_file(folder / "model.safetensors")
    weights["other.embeddings.word_embeddings.weight"] = torch.zeros(128, 16)
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(UserError, match="hold 2 tensors"):
        resolve(BackboneSpec(f"vocabulary:{folder}"))


def test_each_mode_has_its_own_place_in_the_store(tmp_path, store_path):
    folder = tiny_bert(tmp_path / "m")
    names = [str(folder), f"random:{folder}", f"random:{folder}#1", f"vocabulary:{folder}"]
    for name in names:
        TextEmbedder(name, layers=0, store=store_path, progress=False).transform(TEXTS)
    with Store(store_path, read_only=True) as store:
        assert len(store.info()["specs"]) == 4


@pytest.mark.parametrize("prefix", ["random:{}#2", "vocabulary:{}"])
def test_estimators_train_save_and_load(tmp_path, store_path, prefix):
    folder = tiny_bert(tmp_path / "m")
    texts = [f"{word} {i}" for i in range(10) for word in ("fine", "dull")]
    classifier = TextClassifier(embedder=TextEmbedder(prefix.format(folder), store=store_path, progress=False))
    classifier.fit(texts, ["a", "b"] * 10).save(tmp_path / "artifact")
    loaded = load(tmp_path / "artifact", store=None, progress=False)
    assert list(loaded.predict(texts)) == list(classifier.predict(texts))
    shutil.rmtree(folder)
    tiny_bert(folder, seed=9, width=32)
    with pytest.raises(UserError, match="drifted"):
        loaded.predict(texts)


def test_int8_and_random_do_not_go_together(tmp_path, monkeypatch):
    monkeypatch.setattr("frostline.backbones.build.require", lambda *_, **__: None)
    with pytest.raises(UserError, match="not quantized"):
        resolve(BackboneSpec(f"random:{tiny_bert(tmp_path / 'm')}", precision="int8"))
