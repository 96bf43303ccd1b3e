"""Every family of backbones, as a tiny seeded random model of its real class: each layer bit-equal to the full model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers as tf

from fakes import byte_tokenizer
from frostline.backbones import resolve
from frostline.backbones.pooling import pool
from frostline.contracts import BackboneSpec, Tap

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
