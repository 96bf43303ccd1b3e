"""Where weights go and what they are held in: int8, spread over devices, GPUs where there are any."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest
import torch
import transformers as tf

from fakes import tiny_bert, tiny_llama
from frostline.backbones import resolve
from frostline.backbones.transformer import ReferencePath
from frostline.contracts import BackboneSpec, Tap
from frostline.errors import MissingExtraError, UserError

TEXTS = ["a frozen film", "x", "a rather longer sentence, with commas"]
TAPS = [Tap(0), Tap(1, "last_token"), Tap(2, "max"), Tap("final", "mean", True)]
DEVICES = [
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")),
    pytest.param("mps", marks=pytest.mark.skipif(not torch.backends.mps.is_available(), reason="no MPS")),
]


def vectors(folder, **spec):
    backbone = resolve(BackboneSpec(str(folder), **spec))
    return backbone, backbone.forward(backbone.tokenize(TEXTS, 64).ids, TAPS)


def cosine(a, b):
    return (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)


@pytest.mark.parametrize(
    ("spec", "package", "extra"),
    [({"precision": "int8"}, "bitsandbytes", "int8"), ({"device": "balanced"}, "accelerate", "large")],
)
def test_a_missing_package_is_named(tmp_path, monkeypatch, spec, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=package) as caught:
        resolve(BackboneSpec(str(tiny_bert(tmp_path / "m")), **spec))
    assert f"frostline[{extra}]" in str(caught.value)


def test_balanced_gives_the_same_vectors(tmp_path):
    pytest.importorskip("accelerate")
    folder = tiny_llama(tmp_path / "m")
    _, whole = vectors(folder)
    _, spread = vectors(folder, device="balanced")
    np.testing.assert_allclose(spread, whole, atol=1e-5)


def test_blocks_on_the_disk_are_read_as_they_pass(tmp_path):
    """A model that is larger than one device: its blocks lie elsewhere and are fetched by hooks."""
    accelerate = pytest.importorskip("accelerate")
    folder = tiny_llama(tmp_path / "m")
    backbone, _ = vectors(folder)
    ids = backbone.tokenize(TEXTS, 64).ids
    places = {"embed_tokens": "cpu", "rotary_emb": "cpu", "layers.0": "disk", "layers.1": "cpu", "norm": "disk"}
    model = tf.LlamaModel.from_pretrained(folder).eval()
    model = accelerate.dispatch_model(model, places, offload_dir=str(tmp_path / "disk"), main_device="cpu")
    spread = ReferencePath(model, 2, 0, 64)
    assert any(weight.device.type == "meta" for weight in model.parameters())
    np.testing.assert_array_equal(spread.forward(ids, TAPS), backbone.reference.forward(ids, TAPS))


def test_int8_stays_near(tmp_path):
    pytest.importorskip("bitsandbytes")
    folder = tiny_llama(tmp_path / "m")
    _, exact = vectors(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # bitsandbytes says on first use what it casts
        backbone, quantized = vectors(folder, precision="int8")
    assert cosine(exact, quantized).min() > 0.99
    assert np.abs(exact - quantized).max() > 0
    assert any(weight.dtype == torch.int8 for weight in backbone.reference.model.parameters())
    assert backbone.runner_report.numerics == "int8"
    assert backbone.identity["quantized_by"].startswith("bitsandbytes ")


def test_a_table_alone_needs_no_spreading(tmp_path):
    pytest.importorskip("accelerate")
    folder = tiny_bert(tmp_path / "m")
    found = [vectors_of_table(folder, device)[1] for device in ("cpu", "balanced")]
    np.testing.assert_array_equal(*found)


def test_random_weights_lie_on_one_device(tmp_path):
    pytest.importorskip("accelerate")
    backbone = resolve(BackboneSpec(f"random:{tiny_bert(tmp_path / 'm')}", device="balanced"))
    with pytest.raises(UserError, match="one device"):
        backbone.forward([np.array([5, 6])], [Tap(0)])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("make", [tiny_bert, tiny_llama])
def test_a_gpu_gives_the_same_vectors(tmp_path, device, make):
    folder = make(tmp_path / "m")
    _, exact = vectors(folder, device="cpu")
    _, found = vectors(folder, device=device)
    np.testing.assert_allclose(found, exact, atol=1e-4)
    for name in ("bfloat16", "float16", "fast"):
        assert cosine(vectors(folder, device=device, precision=name)[1], exact).min() > 0.99
    _, table = vectors_of_table(folder, device)
    np.testing.assert_allclose(table, vectors_of_table(folder, "cpu")[1], atol=1e-6)


def vectors_of_table(folder, device):
    backbone = resolve(BackboneSpec(f"vocabulary:{folder}", device=device))
    return backbone, backbone.forward(backbone.tokenize(TEXTS, 64).ids, [Tap(0), Tap("final", "max")])
