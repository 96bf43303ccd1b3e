"""Adapters: shapes, lengths, standardization, kinds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from frostline.elm.adapter import Adapter, AdapterConfig, moments
from frostline.errors import UserError

X = np.random.default_rng(0).normal(5, 3, size=(50, 6))


def made(**shape) -> Adapter:
    return Adapter(AdapterConfig(hidden=12, **shape), *moments(X), width=10, norm=1.7)


@pytest.mark.parametrize("kind", ["linear", "mlp", "deep", "residual"])
@pytest.mark.parametrize("n", [1, 16])
def test_every_soft_token_is_as_long_as_an_embedded_one(kind, n):
    soft = made(kind=kind, n_soft_tokens=n)(torch.tensor(X[:4]))
    assert soft.shape == (4, n, 10)
    torch.testing.assert_close(soft.norm(dim=-1), torch.full((4, n), 1.7))


def test_vectors_are_standardized_by_the_training_rows():
    adapter = made(kind="linear", n_soft_tokens=1)
    by_hand = torch.tensor((X - X.mean(0)) / X.std(0)).float() @ adapter.out.weight.T + adapter.out.bias
    torch.testing.assert_close(
        adapter(torch.tensor(X))[:, 0], by_hand / by_hand.norm(dim=-1, keepdim=True) * 1.7, rtol=1e-4, atol=1e-5
    )


def test_a_constant_column_is_not_blown_up():
    small = moments(np.column_stack([np.linspace(1e6, 2e6, 9), 1e-9 * np.arange(9), np.zeros(9)]))[1]
    assert small[1:] == pytest.approx([1e-9 * np.arange(9).std(), 1.0])  # each by itself, however large another is
    mean, scale = moments(np.column_stack([np.full(9, 4.0), np.arange(9.0)]))
    assert mean.tolist() == [4.0, 4.0]
    assert scale[0] == 1.0


def test_residual_layers_add_to_what_they_read():
    residual, deep = made(kind="residual"), made(kind="deep")
    deep.load_state_dict(residual.state_dict())
    x = torch.tensor(X)
    assert not torch.allclose(residual(x), deep(x))
    for layer in residual.hidden[1:]:  # the first changes the width, so it adds nothing
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    one = made(kind="mlp")
    one.load_state_dict({k: v for k, v in residual.state_dict().items() if not k.startswith(("hidden.1", "hidden.2"))})
    torch.testing.assert_close(residual(x), one(x))


def test_activations_differ():
    tanh, relu = made(activation="tanh"), made(activation="relu")
    assert not torch.allclose(tanh(torch.tensor(X)), relu(torch.tensor(X)))


def test_the_seed_decides_the_start_and_the_global_generator_is_left_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, second = made(), made()
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.out.weight, second.out.weight)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ({"kind": "mpl"}, "Unknown adapter 'mpl'.*mlp"),
        ({"activation": "elu"}, "Unknown activation"),
        ({"n_soft_tokens": 0}, "from 1 to 16, got 0"),
        ({"n_soft_tokens": 17}, "got 17"),
        ({"hidden": 0}, "hidden must be"),
    ],
)
def test_what_cannot_be_built(shape, said):
    with pytest.raises(UserError, match=said):
        AdapterConfig(**shape).checked()
