"""Sensitivity of layers against differences of the model itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fakes import tiny_bert, tiny_llama
from frostline.backbones import layer_sensitivity, resolve
from frostline.contracts import BackboneSpec, Tap
from frostline.errors import UserError

TEXTS = ["frost", "a longer line of text"]


@pytest.mark.parametrize("build", [tiny_bert, tiny_llama])
def test_equals_small_random_changes(build, tmp_path):
    backbone = resolve(BackboneSpec(str(build(tmp_path / "m"))))
    ids = backbone.tokenize(TEXTS, 64).ids
    taps = [Tap(0), Tap(1), Tap("final")]
    found = layer_sensitivity(backbone, ids, taps, n_directions=100)
    assert found.shape == (2, 3)
    path, rng = backbone.reference, torch.Generator().manual_seed(1)

    def nudge(_, args, kwargs):
        hidden = args[0] if args else kwargs["hidden_states"]
        size = hidden[0].norm() / hidden[0].numel() ** 0.5
        moved = hidden + 1e-3 * size * torch.randn(hidden.shape, generator=rng)
        return ((moved, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": moved})

    for row, own in enumerate(ids):
        base = path.forward([own], taps)[0]
        handle = path.blocks[0].register_forward_pre_hook(nudge, with_kwargs=True)
        try:
            moved = path.forward([own] * 400, taps)
        finally:
            handle.remove()
        change = np.linalg.norm(moved - base, axis=2) / np.linalg.norm(base, axis=1) / 1e-3
        np.testing.assert_allclose(found[row], np.sqrt((change**2).mean(axis=0)), rtol=0.15)


def test_token_embeddings_have_a_closed_form(tmp_path):
    """Of the mean over T tokens, J is the identity over T, so ||J|| = sqrt(D / T)."""
    backbone = resolve(BackboneSpec(str(tiny_bert(tmp_path / "m"))))
    ids = backbone.tokenize(TEXTS[:1], 64).ids
    (value,) = layer_sensitivity(backbone, ids, [Tap(0)], n_directions=500)[0]
    states = []
    handle = backbone.reference.blocks[0].register_forward_pre_hook(
        lambda _, args, kwargs: states.append(args[0] if args else kwargs["hidden_states"]), with_kwargs=True
    )
    z = backbone.reference.forward(ids, [Tap(0)])[0, 0]
    handle.remove()
    n_tokens, dim = states[0].shape[1:]
    expected = np.sqrt(dim / n_tokens) * float(states[0].norm()) / np.sqrt(n_tokens * dim) / np.linalg.norm(z)
    assert value == pytest.approx(expected, rel=0.05)


def test_vectors_are_the_same_afterwards_and_nothing_learns(tmp_path):
    backbone = resolve(BackboneSpec(str(tiny_bert(tmp_path / "m"))))
    ids = backbone.tokenize(TEXTS, 64).ids
    before = backbone.forward(ids, [Tap("final")])
    layer_sensitivity(backbone, ids, [Tap("final")])
    np.testing.assert_array_equal(backbone.forward(ids, [Tap("final")]), before)
    assert all(weight.grad is None for weight in backbone.reference.model.parameters())


def test_nothing_lies_between(tmp_path):
    backbone = resolve(BackboneSpec(f"vocabulary:{tiny_bert(tmp_path / 'm')}"))
    with pytest.raises(UserError, match="no blocks"):
        layer_sensitivity(backbone, backbone.tokenize(TEXTS, 64).ids, [Tap(0)])
