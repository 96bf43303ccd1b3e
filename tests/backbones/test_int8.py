"""Linear maps on bytes: near to float32, row by row, and never taken where they come out too far off."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fakes import tiny_bert
from frostline.backbones import clear_cache, resolve
from frostline.backbones.packed import choose_runner, int8_here
from frostline.backbones.packed.calibration import Samples
from frostline.backbones.packed.int8 import Int8Dense, Int8Linear
from frostline.backbones.packed.quantize import Recorder, round_weights, to_int8
from frostline.backbones.packed.weights import Dense
from frostline.contracts import BackboneSpec, Tap

VNNI = {"amx_bf16": False, "avx512_bf16": False, "avx512_vnni": True, "avx_vnni": False}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def recorded(x):
    seen = Recorder(lambda rows, _: rows, len(x))
    seen(x)
    return seen


def quantized(x, role="qkv", n_out=48):
    dense = Dense(torch.randn(n_out, x.shape[1], generator=generator(1)), torch.randn(n_out, generator=generator(2)))
    return dense, to_int8(dense, recorded(x), role)


def relative_error(found, expected):
    return float((found - expected).norm() / expected.norm())


@pytest.fixture(autouse=True)
def operator():
    if not int8_here(VNNI):
        pytest.skip("this build of torch has no 8-bit operator")


def rows(n=64, k=96, seed=0):
    x = torch.randn(n, k, generator=generator(seed))
    x[:, 5] *= 30  # a column as some norms have
    return x


def test_near_to_float32_despite_a_large_column():
    x = rows()
    dense, int8 = quantized(x)
    assert 5 in int8.columns
    expected = torch.nn.functional.linear(x, dense.weight, dense.bias)
    assert relative_error(Int8Linear(int8)(x), expected) < 0.003
    plain = Int8Dense(int8.values, int8.scales, int8.columns[:0], int8.exact[:0], int8.bias, False)
    assert relative_error(Int8Linear(plain)(x), expected) > 0.5


def test_behind_an_activation():
    x = torch.nn.functional.gelu(rows())
    dense, int8 = quantized(x, "down")
    expected = torch.nn.functional.linear(x, dense.weight, dense.bias)
    assert relative_error(Int8Linear(int8)(x.clone()), expected) < 0.01


@pytest.mark.parametrize("activation", [None, "gelu", "relu"])
def test_residual_and_activation(activation):
    x, other = rows(), torch.randn(64, 48, generator=generator(3))
    dense, int8 = quantized(x)
    expected = torch.nn.functional.linear(x, dense.weight, dense.bias)
    if activation is None:
        assert relative_error(Int8Linear(int8)(x, other), expected + other) < 0.003
    else:
        expected = getattr(torch.nn.functional, activation)(expected)
        assert relative_error(Int8Linear(int8, activation)(x), expected) < 0.005


def test_a_row_does_not_depend_on_the_others():
    x = rows()
    _, int8 = quantized(x, "out")
    linear = Int8Linear(int8)
    together = linear(x)
    x[1:] *= 1000
    assert torch.equal(linear(x)[0], together[0])
    assert torch.equal(linear(x[:1])[0], together[0])


def test_a_row_of_zeros_gives_the_bias():
    x = rows()
    dense, int8 = quantized(x)
    x[3] = 0
    assert torch.equal(Int8Linear(int8)(x)[3], dense.bias)


def test_rounding_that_knows_its_input_beats_the_nearest_number():
    mix = torch.randn(32, 32, generator=generator(4))
    x = torch.randn(400, 32, generator=generator(5)) @ mix  # columns that go together
    weight = torch.randn(16, 32, generator=generator(6))
    values, scales = round_weights(weight, x.T @ x)
    nearest = (weight / scales[:, None]).round() * scales[:, None]
    assert values.abs().max() <= 127
    exact = x @ weight.T
    assert relative_error(x @ (values * scales[:, None]).T, exact) < 0.75 * relative_error(x @ nearest.T, exact)


def test_independent_inputs_are_rounded_to_the_nearest():
    weight = torch.randn(4, 8, generator=generator(7))
    values, scales = round_weights(weight, torch.eye(8))
    assert torch.equal(values, (weight / scales[:, None]).round().to(torch.int8))


def test_which_processors():
    assert int8_here(VNNI)
    assert not int8_here(VNNI | {"amx_bf16": True})
    assert not int8_here(VNNI | {"avx512_bf16": True})
    assert not int8_here(VNNI | {"avx512_vnni": False})
    assert not int8_here({})


@pytest.fixture
def fast(tmp_path, monkeypatch):
    def load(here=True):
        clear_cache()
        monkeypatch.setattr("frostline.backbones.load.int8_here", lambda: here)
        return resolve(BackboneSpec(folder, precision="fast", device="cpu"))

    folder = str(tiny_bert(tmp_path / "m", width=64))
    return load


TEXT = "a frozen film that is rather longer than it needs to be , and quiet"


def test_fast_runs_in_8_bits_and_keeps_the_cosine(fast):
    backbone = fast()
    report = backbone.runner_report
    assert (report.path, report.numerics, report.kernels["down"]) == ("packed", "int8", "int8")
    assert report.cosine > 0.9992
    ids = backbone.tokenize([TEXT, "x", "a film"], 64).ids
    taps = [Tap(0), Tap(1), Tap("final")]
    found, exact = backbone.forward(ids, taps), backbone.reference.forward(ids, taps)
    cosine = (found * exact).sum(-1) / np.linalg.norm(found, axis=-1) / np.linalg.norm(exact, axis=-1)
    assert cosine.min() > 0.999
    assert np.abs(found - exact)[0].max() > 1e-5  # the long text did run in 8 bits
    np.testing.assert_allclose(found[1:], exact[1:], atol=1e-5)  # the short ones did not


def test_a_text_does_not_depend_on_its_company(fast):
    backbone = fast()
    ids = backbone.tokenize([TEXT, "x", TEXT + " !", TEXT + " and so on and so on"], 64).ids
    alone = backbone.forward(ids[:1], [Tap("final")])
    np.testing.assert_allclose(backbone.forward(ids, [Tap("final")])[:1], alone, atol=1e-5)


def test_vectors_in_8_bits_have_their_own_address(fast):
    eight, single = fast().identity, fast(here=False).identity
    assert eight["fast_in"] == "int8"
    assert {key: value for key, value in eight.items() if key != "fast_in"} == single
    assert fast(here=False).runner_report.numerics != "int8"


def test_too_far_off_falls_back_and_says_so(fast, monkeypatch):
    right = Int8Linear.__call__
    monkeypatch.setattr(
        Int8Linear, "__call__", lambda self, x, residual=None: right(self, x, residual).mul_(1.2).add_(1)
    )
    report = fast().runner_report
    assert (report.path, report.numerics) == ("packed", "float32")
    assert "not in 8 bits" in report.reason


def test_a_missing_operator_falls_back_and_says_so(fast, monkeypatch):
    def missing(*_):
        raise RuntimeError("no such operator")

    monkeypatch.setattr("frostline.backbones.packed.routed.to_int8", missing)
    report = fast().runner_report
    assert report.numerics == "float32"
    assert "no such operator" in report.reason


def test_exact_never_runs_in_8_bits(tmp_path):
    backbone = resolve(BackboneSpec(str(tiny_bert(tmp_path / "m", width=32)), device="cpu"))
    assert "fast_in" not in backbone.identity
    assert backbone.runner_report.numerics == "float32"


def test_no_clock_chooses_8_bits(fast, monkeypatch):
    def clock(*_):
        raise AssertionError("a clock was read")

    monkeypatch.setattr("frostline.backbones.packed.choose.best_ms", clock)
    backbone = fast()
    ids = backbone.tokenize([TEXT] * 3, 64).ids
    runner, report = choose_runner(backbone.reference, "fast", Samples(ids, ids))
    assert report.path == "packed"
    assert runner is not backbone.reference
