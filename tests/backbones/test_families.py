"""Every family of backbones, as a tiny seeded random model of its real class: each layer bit-equal to the full model."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest
import torch
import transformers as tf
from safetensors.torch import load_file, save_file

from fakes import byte_tokenizer, tiny_bert
from frostline.backbones import resolve
from frostline.backbones.pooling import pool
from frostline.contracts import BackboneSpec, Tap
from frostline.errors import UserError

TEXTS = ["a frozen film", "xy", "a rather longer sentence, with commas"]
SMALL = {
    "vocab_size": 128,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
GROUPED = {**SMALL, "num_key_value_heads": 1, "max_position_embeddings": 64}
ENCODER = {**SMALL, "max_position_embeddings": 64}
T5 = {"vocab_size": 128, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 3, "num_heads": 2}

FAMILIES = {
    "bert": lambda: tf.BertModel(tf.BertConfig(**ENCODER)),
    "roberta": lambda: tf.RobertaModel(tf.RobertaConfig(**ENCODER, pad_token_id=1)),
    "xlm-roberta": lambda: tf.XLMRobertaModel(tf.XLMRobertaConfig(**ENCODER, pad_token_id=1)),
    "mpnet": lambda: tf.MPNetModel(tf.MPNetConfig(**ENCODER, pad_token_id=1)),
    "distilbert": lambda: tf.DistilBertModel(
        tf.DistilBertConfig(vocab_size=128, dim=16, n_layers=3, n_heads=2, hidden_dim=32, max_position_embeddings=64)
    ),
    "modernbert": lambda: tf.ModernBertModel(
        tf.ModernBertConfig(**ENCODER, pad_token_id=0, local_attention=8, attn_implementation="sdpa")
    ),
    "t5": lambda: tf.T5EncoderModel(tf.T5Config(**T5, feed_forward_proj="gated-gelu")),
    "t5gemma": lambda: tf.T5GemmaEncoderModel(
        tf.T5GemmaConfig(encoder={**GROUPED, "head_dim": 8}, decoder={**GROUPED, "head_dim": 8}, vocab_size=128, is_encoder_decoder=False)
    ),
    "gpt2": lambda: tf.GPT2Model(tf.GPT2Config(vocab_size=128, n_embd=16, n_layer=3, n_head=2, n_positions=64)),
    "gpt-neox": lambda: tf.GPTNeoXModel(tf.GPTNeoXConfig(**ENCODER)),
    "opt": lambda: tf.OPTModel(
        tf.OPTConfig(
            vocab_size=128, hidden_size=16, ffn_dim=32, num_hidden_layers=3, num_attention_heads=2, max_position_embeddings=64,
            word_embed_proj_dim=16,
        )
    ),
    "llama": lambda: tf.LlamaModel(tf.LlamaConfig(**GROUPED)),
    "mistral": lambda: tf.MistralModel(tf.MistralConfig(**GROUPED, sliding_window=8)),
    "qwen2": lambda: tf.Qwen2Model(tf.Qwen2Config(**GROUPED)),
    "qwen3": lambda: tf.Qwen3Model(tf.Qwen3Config(**GROUPED, head_dim=8)),
    "gemma2": lambda: tf.Gemma2Model(tf.Gemma2Config(**GROUPED, head_dim=8, sliding_window=8)),
    "gemma3": lambda: tf.Gemma3TextModel(tf.Gemma3TextConfig(**GROUPED, head_dim=8, sliding_window=8)),
    "phi3": lambda: tf.Phi3Model(tf.Phi3Config(**GROUPED, pad_token_id=0)),
}  # fmt: skip


@pytest.fixture(scope="module", params=FAMILIES)
def backbone(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param.replace("-", "_"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = FAMILIES[request.param]().eval()
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "norm" in name.lower():  # a norm of ones would hide the difference between raw and final states
                    weight.add_(torch.rand_like(weight))
        model.save_pretrained(folder)
    byte_tokenizer(specials=False).save_pretrained(folder)
    return resolve(BackboneSpec(str(folder)))


def test_every_layer_is_bit_equal_to_the_full_model(backbone):
    ids = backbone.tokenize(TEXTS, 64).ids
    longest = max(map(len, ids))
    rows = torch.tensor([[*map(int, i), *[0] * (longest - len(i))] for i in ids])
    mask = torch.tensor([[1] * len(i) + [0] * (longest - len(i)) for i in ids])
    raw = []
    handle = backbone.reference.blocks[-1].register_forward_hook(
        lambda *a: raw.append(a[2] if torch.is_tensor(a[2]) else a[2][0])
    )
    with torch.inference_mode():
        output = backbone.reference.model(input_ids=rows, attention_mask=mask, output_hidden_states=True)
    handle.remove()
    assert len(output.hidden_states) == 4
    expected = [*output.hidden_states[:3], raw[0], output.last_hidden_state]
    found = backbone.reference.forward(ids, [Tap(layer) for layer in (0, 1, 2, 3, "final")])
    for i, hidden in enumerate(expected):
        np.testing.assert_array_equal(found[:, i], pool(hidden, mask.bool(), "mean").numpy(), err_msg=f"layer {i}")


def test_padding_changes_rounding_only(backbone):
    ids = backbone.tokenize(TEXTS, 64).ids
    taps = [Tap(layer, how) for layer in (0, 2, 3, "final") for how in ("mean", "max", "first_token", "last_token")]
    together = backbone.reference.forward(ids, taps)
    alone = np.concatenate([backbone.reference.forward([one], taps) for one in ids])
    np.testing.assert_allclose(together, alone, atol=1e-5 * max(1, np.abs(alone).max()))


def test_bfloat16_runs(backbone):
    half = resolve(BackboneSpec(backbone.name, precision="bfloat16"))
    ids = backbone.tokenize(TEXTS, 64).ids
    a, b = (model.forward(ids, [Tap("final")])[:, 0].astype(np.float64) for model in (backbone, half))
    assert ((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min() > 0.99


def test_a_left_padded_run_of_the_full_model_ends_in_the_same_states(backbone):
    """Ours pads on the right whatever the tokenizer says; where a text stands changes rounding only."""
    model = backbone.reference.model
    ids = backbone.tokenize(TEXTS, 64).ids
    longest = max(map(len, ids))
    padding = model.config.pad_token_id or 0
    rows = torch.tensor([[*[padding] * (longest - len(i)), *map(int, i)] for i in ids])
    mask = torch.tensor([[0] * (longest - len(i)) + [1] * len(i) for i in ids])
    counted = {"position_ids": (mask.cumsum(1) - 1).clamp(min=0)}
    from_padding = model.config.model_type in ("roberta", "xlm-roberta", "mpnet")
    takes = not from_padding and "position_ids" in inspect.signature(model.forward).parameters
    with torch.inference_mode():
        hidden = model(input_ids=rows, attention_mask=mask, **(counted if takes else {})).last_hidden_state
    for how in ("last_token", "mean"):
        found = backbone.reference.forward(ids, [Tap("final", how)])[:, 0]
        expected = pool(hidden, mask.bool(), how).numpy()
        np.testing.assert_allclose(found, expected, atol=1e-5 * max(1, np.abs(expected).max()))


def test_the_tokenizers_own_side_changes_nothing(tmp_path):
    folder = tiny_bert(tmp_path / "m")
    vectors = []
    for side in ("right", "left"):
        byte_tokenizer(padding_side=side).save_pretrained(folder)
        found = resolve(BackboneSpec(str(folder)))
        assert found.tokenizer.padding_side == side
        vectors.append(found.forward(found.tokenize(TEXTS, 64).ids, [Tap("final", "last_token")]))
    np.testing.assert_array_equal(*vectors)


T5_SMALL = {**T5, "decoder_start_token_id": 0, "feed_forward_proj": "gated-gelu"}
VISION = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}
BOTH_HALVES = {"encoder": {**GROUPED, "head_dim": 8}, "decoder": {**GROUPED, "head_dim": 8}, "vocab_size": 128}
HEADS = {
    "bert-masked-lm": (lambda: tf.BertForMaskedLM(tf.BertConfig(**ENCODER)), lambda m: m.bert),
    "bert-classifier": (lambda: tf.BertForSequenceClassification(tf.BertConfig(**ENCODER)), lambda m: m.bert),
    "modernbert-masked-lm": (
        lambda: tf.ModernBertForMaskedLM(tf.ModernBertConfig(**ENCODER, pad_token_id=0)), lambda m: m.model,
    ),
    "llama-tied": (lambda: tf.LlamaForCausalLM(tf.LlamaConfig(**GROUPED, tie_word_embeddings=True)), lambda m: m.model),
    "qwen3-tied": (
        lambda: tf.Qwen3ForCausalLM(tf.Qwen3Config(**GROUPED, head_dim=8, tie_word_embeddings=True)), lambda m: m.model,
    ),
    "llama-classifier": (lambda: tf.LlamaForSequenceClassification(tf.LlamaConfig(**GROUPED)), lambda m: m.model),
    "gpt2-tied": (
        lambda: tf.GPT2LMHeadModel(tf.GPT2Config(vocab_size=128, n_embd=16, n_layer=3, n_head=2, n_positions=64)),
        lambda m: m.transformer,
    ),
    "t5-both-halves": (lambda: tf.T5ForConditionalGeneration(tf.T5Config(**T5_SMALL)), lambda m: m.encoder),
    "t5gemma-both-halves": (
        lambda: tf.T5GemmaForConditionalGeneration(tf.T5GemmaConfig(**BOTH_HALVES)), lambda m: m.model.encoder,
    ),
    "gemma3-with-images": (
        lambda: tf.Gemma3ForConditionalGeneration(
            tf.Gemma3Config(
                text_config={**GROUPED, "head_dim": 8, "sliding_window": 8}, vision_config=VISION, mm_tokens_per_image=4,
                image_token_index=120, boi_token_index=121, eoi_token_index=122,
            )
        ),
        lambda m: m.model.language_model,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("build", "base_of"), HEADS.values(), ids=HEADS)
def test_a_model_saved_with_its_head_is_its_base_model(tmp_path, build, base_of):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build().eval()
    model.save_pretrained(tmp_path)
    byte_tokenizer(specials=False).save_pretrained(tmp_path)
    backbone = resolve(BackboneSpec(str(tmp_path)))
    ids = backbone.tokenize(TEXTS, 64).ids
    found = backbone.reference.forward(ids, [Tap(0), Tap(2), Tap("final")])
    assert backbone.n_layers == 3
    for i, one in enumerate(ids):
        with torch.inference_mode():
            rows = torch.tensor(one[None].astype(np.int64))
            output = base_of(model)(input_ids=rows, attention_mask=torch.ones_like(rows), output_hidden_states=True)
        hidden = [output.hidden_states[0], output.hidden_states[2], output.last_hidden_state]
        expected = np.stack([h[0].mean(0).numpy() for h in hidden])
        np.testing.assert_allclose(found[i], expected, atol=1e-5 * max(1, np.abs(expected).max()))


def test_checkpoints_in_half_precision_and_in_shards(tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = FAMILIES["llama"]().eval().to(torch.bfloat16)
    model.save_pretrained(tmp_path / "one")
    model.save_pretrained(tmp_path / "many", max_shard_size="8KB")
    model.float().save_pretrained(tmp_path / "single")
    assert len(list((tmp_path / "many").glob("*.safetensors"))) > 2
    vectors = []
    for name in ("one", "many", "single"):
        byte_tokenizer().save_pretrained(tmp_path / name)
        backbone = resolve(BackboneSpec(str(tmp_path / name)))
        assert next(backbone.reference.model.parameters()).dtype == torch.float32
        vectors.append(backbone.forward(backbone.tokenize(TEXTS, 64).ids, [Tap("final")]))
    np.testing.assert_array_equal(vectors[0], vectors[1])
    np.testing.assert_array_equal(vectors[0], vectors[2])


@pytest.mark.parametrize("family", ["bert", "llama", "t5"])
def test_missing_weights_are_refused(tmp_path, family):
    FAMILIES[family]().save_pretrained(tmp_path)
    byte_tokenizer().save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    lost = [key for key in weights if re.search(r"(layers?|block)\.1\.", key)]
    save_file(
        {key: w for key, w in weights.items() if key not in lost}, tmp_path / "model.safetensors", {"format": "pt"}
    )
    backbone = resolve(BackboneSpec(str(tmp_path)))
    with pytest.raises(UserError, match=f"lack {len(lost)} tensors.*{re.escape(min(lost))}"):
        backbone.forward(backbone.tokenize(TEXTS, 64).ids, [Tap(0)])
