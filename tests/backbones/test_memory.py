"""Weights that cannot fit are refused with numbers, before they are read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers as tf

from fakes import byte_tokenizer, tiny_bert
from frostline.backbones import resolve
from frostline.backbones.memory import available_bytes, check_memory, read_headers, weight_bytes
from frostline.contracts import BackboneSpec, Tap
from frostline.errors import UserError


def test_the_estimate_is_the_size_of_the_weights(tmp_path):
    folder = tiny_bert(tmp_path / "m")
    n = sum(p.numel() for p in tf.BertModel.from_pretrained(folder).parameters())
    assert weight_bytes(folder, torch.float32) == 4 * n
    assert weight_bytes(folder, torch.bfloat16) == 2 * n
    assert n < weight_bytes(folder, torch.bfloat16, int8=True) < 1.2 * n


def test_heads_and_the_other_half_are_not_counted(tmp_path):
    config = {
        "vocab_size": 128,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    }
    model = tf.BertForMaskedLM(tf.BertConfig(**config))
    model.save_pretrained(tmp_path / "bert")
    assert weight_bytes(tmp_path / "bert", torch.float32) == 4 * sum(p.numel() for p in model.bert.parameters())
    t5 = tf.T5ForConditionalGeneration(
        tf.T5Config(vocab_size=128, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
    )
    t5.save_pretrained(tmp_path / "t5", max_shard_size="8KB")
    half = 4 * sum(p.numel() for p in t5.encoder.parameters())
    assert weight_bytes(tmp_path / "t5", torch.float32, encoder_half=True) == half
    assert len({path for path, _ in read_headers(tmp_path / "t5").values()}) > 1


def test_a_file_that_is_cut_off_is_named(tmp_path):
    folder = tiny_bert(tmp_path / "m")
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:100])
    with pytest.raises(UserError, match="model.safetensors is not a readable"):
        read_headers(folder)


@pytest.mark.parametrize("device", ["cpu", "balanced"])
def test_this_machine_says_what_is_free(device):
    free = available_bytes(device)
    assert free is None or free > 1e6


def test_too_large_is_refused_with_the_ways_out(monkeypatch):
    monkeypatch.setattr("frostline.backbones.memory.available_bytes", lambda device: 10_000_000_000)
    check_memory("m", 9_400_000_000, "cpu", "float32")
    with pytest.raises(
        UserError, match="needs 28.00 GB for its weights in float32; 10.00 GB are free on cpu"
    ) as caught:
        check_memory("m", 28_000_000_000, "cpu", "float32")
    assert all(way in str(caught.value) for way in ("bfloat16", "int8", "balanced"))
    with pytest.raises(UserError) as caught:
        check_memory("m", 28_000_000_000, "balanced", "int8")
    assert "bfloat16" not in str(caught.value)
    assert "balanced'" not in str(caught.value).partition("hint")[2]


def test_unknown_memory_refuses_nothing(monkeypatch):
    monkeypatch.setattr("frostline.backbones.memory.available_bytes", lambda device: None)
    check_memory("m", 10**15, "cpu", "float32")


def test_it_is_asked_before_the_weights_are_read(tmp_path, monkeypatch):
    folder = tiny_bert(tmp_path / "m")
    monkeypatch.setattr("frostline.backbones.memory.available_bytes", lambda device: 1000)
    monkeypatch.setattr("transformers.modeling_utils.PreTrainedModel.from_pretrained", None)
    backbone = resolve(BackboneSpec(str(folder)))
    with pytest.raises(UserError, match="are free on cpu"):
        backbone.forward([np.array([5, 6], dtype=np.int32)], [Tap(0)])
    byte_tokenizer().save_pretrained(folder)  # the folder itself stays usable for what reads no weights
    assert resolve(BackboneSpec(f"random:{folder}")).forward([np.array([5, 6])], [Tap(0)]).shape == (1, 1, 16)
