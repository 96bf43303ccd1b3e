"""The packed path gives the reference's numbers on every layer, for every family that it knows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers as tf

from fakes import tiny_bert
from frostline.backbones import resolve
from frostline.backbones.packed import PackedEncoder, choose_runner, time_paths
from frostline.backbones.packed.attention import ATTENTIONS
from frostline.backbones.packed.kernels import KERNELS
from frostline.backbones.packed.timing import preferred
from frostline.backbones.packed.weights import read_weights
from frostline.backbones.transformer import ReferencePath
from frostline.contracts import POOLINGS, BackboneSpec, Tap
from frostline.errors import UserError

SMALL = {
    "vocab_size": 128, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64,
    "max_position_embeddings": 90,
}  # fmt: skip
FAMILIES = {
    "bert": lambda: tf.BertModel(tf.BertConfig(**SMALL), add_pooling_layer=False),
    "bert-relu": lambda: tf.BertModel(tf.BertConfig(**SMALL, hidden_act="relu"), add_pooling_layer=False),
    "bert-gelu-new": lambda: tf.BertModel(tf.BertConfig(**SMALL, hidden_act="gelu_new"), add_pooling_layer=False),
    "roberta": lambda: tf.RobertaModel(tf.RobertaConfig(**SMALL, pad_token_id=1), add_pooling_layer=False),
    "xlm-roberta": lambda: tf.XLMRobertaModel(tf.XLMRobertaConfig(**SMALL, pad_token_id=1), add_pooling_layer=False),
    "mpnet": lambda: tf.MPNetModel(tf.MPNetConfig(**SMALL, pad_token_id=1), add_pooling_layer=False),
    "distilbert": lambda: tf.DistilBertModel(
        tf.DistilBertConfig(vocab_size=128, dim=32, n_layers=3, n_heads=2, hidden_dim=64, max_position_embeddings=90)
    ),
}
TAPS = [Tap(layer, how) for layer in (0, 1, 2, 3, "final") for how in POOLINGS] + [Tap(2, "mean", True)]


def batch(lengths=(1, 2, 2, 7, 30, 70, 7), seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(4, 120, n, dtype=np.int32) for n in lengths]


@pytest.fixture(scope="module", params=FAMILIES)
def reference(request):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = FAMILIES[request.param]().eval()
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(0.05 * torch.randn_like(weight))  # biases and norms start as zeros and ones
    if (reason := PackedEncoder.supports(model.config)) is not None:
        pytest.skip(reason)
    return ReferencePath(model, 3, model.config.pad_token_id or 0, 64)


def encoders(reference):
    """Every way to run: all kernels, both attentions."""
    weights = read_weights(reference.model, reference.model.config)
    for kernel in KERNELS:
        for attention in ATTENTIONS:
            yield PackedEncoder(
                weights, {**dict.fromkeys(("qkv", "out", "up", "down"), kernel), "attention": attention}
            )


def test_every_layer_pooling_and_kernel(reference):
    ids = batch()
    expected = reference.forward(ids, TAPS)
    for encoder in encoders(reference):
        found = encoder.forward(ids, TAPS)
        np.testing.assert_allclose(
            found, expected, atol=1e-5 * max(1, np.abs(expected).max()), err_msg=str(encoder.kernels)
        )


@pytest.mark.parametrize("lengths", [(1,), (5,), (3,) * 40, (70, 1)])
def test_batches_of_any_shape(reference, lengths):
    ids = batch(lengths)
    packed = PackedEncoder.from_model(reference.model, reference.model.config)
    np.testing.assert_allclose(packed.forward(ids, TAPS), reference.forward(ids, TAPS), atol=1e-5)


def test_a_padding_token_inside_a_text(reference):
    ids = [np.array([5, 1, 7, 1, 1, 9], dtype=np.int32), np.array([8, 0, 9], dtype=np.int32)]
    packed = PackedEncoder.from_model(reference.model, reference.model.config)
    np.testing.assert_allclose(packed.forward(ids, TAPS), reference.forward(ids, TAPS), atol=1e-5)


def test_rows_keep_their_order(reference):
    packed = PackedEncoder.from_model(reference.model, reference.model.config)
    ids = batch()
    order = np.random.default_rng(1).permutation(len(ids))
    shuffled = packed.forward([ids[i] for i in order], TAPS)
    np.testing.assert_allclose(shuffled, packed.forward(ids, TAPS)[order], atol=1e-6)


def test_pieces_do_not_change_the_numbers(reference, monkeypatch):
    packed = PackedEncoder.from_model(reference.model, reference.model.config)
    whole = packed.forward(ids := batch((9, 8, 30, 2, 2, 70)), TAPS)
    monkeypatch.setattr("frostline.backbones.packed.encoder.PIECE_TOKENS", 12)
    np.testing.assert_allclose(packed.forward(ids, TAPS), whole, atol=1e-6)


def test_bfloat16_stays_near(reference):
    ids, taps = batch(), [Tap(layer) for layer in (1, 3)]
    half = PackedEncoder.from_model(reference.model, reference.model.config, "bfloat16").forward(ids, taps)
    exact = reference.forward(ids, taps)
    cosine = (half * exact).sum(-1) / np.linalg.norm(half, axis=-1) / np.linalg.norm(exact, axis=-1)
    assert cosine.min() > 0.999


def test_text_without_tokens(reference):
    packed = PackedEncoder.from_model(reference.model, reference.model.config)
    with pytest.raises(UserError, match="no tokens"):
        packed.forward([np.array([], dtype=np.int32)], TAPS)


def test_wrong_numbers_are_never_chosen(reference, monkeypatch):
    right = PackedEncoder.forward
    monkeypatch.setattr(PackedEncoder, "forward", lambda *a: right(*a) + 1e-3)
    runner, report = choose_runner(reference, "exact")
    assert runner is reference
    assert "differs by" in report.reason


def test_a_failing_operator_falls_back(reference, monkeypatch):
    def missing(*_):
        raise RuntimeError("no such operator")

    monkeypatch.setattr(PackedEncoder, "from_model", missing)
    runner, report = choose_runner(reference, "exact")
    assert runner is reference
    assert "no such operator" in report.reason


def test_unknown_families_run_on_the_reference_path():
    config = tf.LlamaConfig(
        vocab_size=128, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    reference = ReferencePath(tf.LlamaModel(config).eval(), 2, 0, None)
    runner, report = choose_runner(reference, "exact")
    assert runner is reference
    assert report.path == "reference"
    assert "llama" in report.reason.lower()


def test_a_backbone_says_which_path_it_took_and_both_agree(tmp_path):
    backbone = resolve(BackboneSpec(str(tiny_bert(tmp_path / "m", width=32))))
    ids = backbone.tokenize(["a frozen film", "x", "a rather longer sentence, with commas"], 64).ids
    taps = [Tap(layer) for layer in (0, 1, "final")]
    np.testing.assert_allclose(backbone.forward(ids, taps), backbone.reference.forward(ids, taps), atol=1e-5)
    assert backbone.runner_report.path == "packed"
    assert backbone.runner_report.reason


def test_fast_keeps_the_cosine(tmp_path):
    backbone = resolve(BackboneSpec(str(tiny_bert(tmp_path / "m", width=32)), precision="fast"))
    ids = backbone.tokenize(["a frozen film", "x"], 64).ids
    fast, exact = backbone.forward(ids, [Tap("final")])[:, 0], backbone.reference.forward(ids, [Tap("final")])[:, 0]
    assert ((fast * exact).sum(1) / np.linalg.norm(fast, axis=1) / np.linalg.norm(exact, axis=1)).min() > 0.999


def test_preference_is_steady():
    assert preferred({"first": 19.5, "second": 10.0, "slow": 30.0}) == "first"
    assert preferred({"slow": 30.0, "second": 10.0}) == "second"


def test_no_clock_chooses_numbers(reference, monkeypatch):
    """A busy moment looks like a slow path; two processes of one job must give the same last digits all the same."""

    def clock(*_):
        raise AssertionError("a clock was read")

    monkeypatch.setattr("frostline.backbones.packed.choose.best_ms", clock)
    runner, report = choose_runner(reference, "exact")
    assert report.path == "packed"
    assert isinstance(runner, PackedEncoder)


def test_both_paths_can_be_timed(reference):
    runner, _ = choose_runner(reference, "exact")
    times = time_paths(runner, reference)
    assert times.keys() == {"packed", "reference"}
    assert min(times.values()) > 0
