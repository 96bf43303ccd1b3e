"""Every layer of the reference path against the full model, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fakes import add_recipe, tiny_bert, tiny_llama
from frostline.backbones import resolve, transformer
from frostline.backbones.pooling import pool
from frostline.backbones.transformer import find_blocks
from frostline.contracts import BackboneSpec, Recipe, Tap
from frostline.errors import UserError

TEXTS = ["a frozen film", "x", "a rather longer sentence, with commas"]


@pytest.fixture(params=[tiny_bert, tiny_llama], ids=["bert", "llama"])
def backbone(request, tmp_path):
    return resolve(BackboneSpec(str(request.param(tmp_path / "model"))))


def full_states(backbone, ids):
    """Hidden states by the model's own means, on the batch that `forward` builds."""
    longest = max(map(len, ids))
    pad = backbone.tokenizer.pad_token_id or 0
    rows = torch.tensor([[*i, *[pad] * (longest - len(i))] for i in map(list, ids)], dtype=torch.long)
    mask = torch.tensor([[1] * len(i) + [0] * (longest - len(i)) for i in ids])
    with torch.inference_mode():
        return backbone.reference.model(input_ids=rows, attention_mask=mask, output_hidden_states=True), mask.bool()


@pytest.mark.parametrize("how", ["mean", "max", "first_token", "last_token", "weighted_mean"])
def test_every_layer_is_bit_equal_to_the_full_model(backbone, how):
    ids = backbone.tokenize(TEXTS, 64).ids
    output, mask = full_states(backbone, ids)
    layers = [0, 1, "final"]  # transformers' last entry is the state after the final norm
    found = backbone.reference.forward(ids, [Tap(layer, how) for layer in layers])
    expected = [output.hidden_states[0], output.hidden_states[1], output.last_hidden_state]
    for i, hidden in enumerate(expected):
        np.testing.assert_array_equal(found[:, i], pool(hidden, mask, how).numpy())


def test_layer_n_is_the_raw_stream_and_final_is_after_the_norm(tmp_path):
    backbone = resolve(BackboneSpec(str(tiny_llama(tmp_path / "m"))))
    with torch.no_grad():
        backbone.reference.model.norm.weight.mul_(3.0)
    ids = backbone.tokenize(TEXTS, 64).ids
    raw, final = (backbone.reference.forward(ids, [Tap(layer, "last_token")])[:, 0] for layer in (2, "final"))
    with torch.inference_mode():
        normed = backbone.reference.model.norm(torch.from_numpy(raw)).numpy()
    np.testing.assert_allclose(normed, final, rtol=1e-6)
    assert np.abs(raw - final).max() > 0.1


def test_post_norm_model_has_one_last_state(tmp_path):
    backbone = resolve(BackboneSpec(str(tiny_bert(tmp_path / "m"))))
    found = backbone.reference.forward(backbone.tokenize(TEXTS, 64).ids, [Tap(2), Tap("final")])
    np.testing.assert_array_equal(found[:, 0], found[:, 1])


def test_blocks_above_the_deepest_layer_do_not_run(backbone):
    ran = []
    handles = [
        block.register_forward_hook(lambda *_, i=i: ran.append(i))
        for i, block in enumerate(backbone.reference.blocks, 1)
    ]
    backbone.reference.forward(backbone.tokenize(TEXTS, 64).ids, [Tap(1), Tap(0)])
    for handle in handles:
        handle.remove()
    assert ran == [1]


def test_padding_changes_rounding_only(backbone):
    ids = backbone.tokenize(TEXTS, 64).ids
    taps = [Tap(layer, how) for layer in (0, 1, "final") for how in ("mean", "max", "first_token", "last_token")]
    together = backbone.reference.forward(ids, taps)
    alone = np.concatenate([backbone.reference.forward([one], taps) for one in ids])
    np.testing.assert_allclose(together, alone, atol=2e-6)


def test_hooks_are_gone_after_an_error(backbone, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(backbone.reference.blocks[1], "forward", broken)
    with pytest.raises(RuntimeError, match="out of memory"):
        backbone.reference.forward(backbone.tokenize(TEXTS, 64).ids, [Tap("final")])
    assert not any(block._forward_hooks or block._forward_pre_hooks for block in backbone.reference.blocks)


def test_tokenize_counts_what_it_cuts(backbone):
    tokens = backbone.tokenize(["ab" * 40, "ab"], 20)
    assert tokens.lengths.tolist() == [20, len(tokens.ids[1])]
    assert tokens.n_full[0] == 80 + (tokens.n_full[1] - 2)
    windows = backbone.tokenize(["ab" * 40, "ab"], 20, windows=True)
    specials = int(tokens.n_full[1]) - 2
    assert windows.owner.tolist() == [0] * -(-80 // (20 - specials)) + [1]
    assert sum(len(w) - specials for w in windows.ids[:-1]) == 80


def test_text_without_tokens_is_refused(tmp_path):
    backbone = resolve(BackboneSpec(str(tiny_llama(tmp_path / "m"))))
    with pytest.raises(UserError, match="Text 1 has no tokens"):
        backbone.tokenize(["a", ""], 20)


def test_recipe_comes_from_the_folder(tmp_path):
    folder = add_recipe(tiny_bert(tmp_path / "m"), pooling="lasttoken", normalize=True, prompt="query: ")
    assert resolve(BackboneSpec(str(folder))).recipe == Recipe(
        "last_token", True, "query: ", "modules.json", {"query": "query: "}
    )
    assert resolve(BackboneSpec(str(tiny_bert(tmp_path / "plain")))).recipe == Recipe()


def test_recipe_that_cannot_be_reproduced_is_named(tmp_path):
    folder = add_recipe(tiny_bert(tmp_path / "m"), pooling="mean_sqrt_len_tokens")
    backbone = resolve(BackboneSpec(str(folder)))
    with pytest.raises(UserError, match="mean_sqrt_len_tokens"):
        _ = backbone.recipe


def test_identity_follows_weights_and_tokenizer(tmp_path):
    first, same, other = (
        resolve(BackboneSpec(str(tiny_bert(tmp_path / name, seed=seed)))).identity
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert first == same
    assert {key for key in first if first[key] != other[key]} == {"weights"}
    lowered = tmp_path / "b" / "tokenizer.json"
    lowered.write_text(lowered.read_text().replace('"NFC"', '"NFKC"'))
    assert resolve(BackboneSpec(str(tmp_path / "b"))).identity["tokenizer"] != first["tokenizer"]


def test_changed_folder_is_loaded_anew(tmp_path):
    folder = tiny_bert(tmp_path / "m", seed=0)
    before = resolve(BackboneSpec(str(folder)))
    assert resolve(BackboneSpec(str(folder))) is before
    tiny_bert(folder, seed=1)
    after = resolve(BackboneSpec(str(folder)))
    assert after is not before
    assert after.identity != before.identity


def test_half_precision_stays_near(tmp_path):
    folder = str(tiny_bert(tmp_path / "m"))
    ids = resolve(BackboneSpec(folder)).tokenize(TEXTS, 64).ids
    exact, half = (
        resolve(BackboneSpec(folder, precision=p)).forward(ids, [Tap("final")])[:, 0] for p in ("exact", "bfloat16")
    )
    cosine = (exact * half).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(half, axis=1)
    assert half.dtype == np.float32
    assert cosine.min() > 0.999
    assert np.abs(exact - half).max() > 0


def test_model_without_a_stack_of_blocks_is_refused():
    with pytest.raises(UserError, match="no plain stack of 3 blocks"):
        find_blocks(torch.nn.Sequential(torch.nn.Linear(2, 2)), 3)


@pytest.mark.parametrize("change", ["config", "weights", "json"])
def test_broken_folder_is_the_users_error(tmp_path, change):
    folder = tiny_bert(tmp_path / "m")
    if change == "config":
        (folder / "config.json").unlink()
    elif change == "weights":
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    else:
        (folder / "config.json").write_text('{"model_type": "nobody-knows-this"}')
    with pytest.raises(UserError, match="config.json|safetensors|cannot load"):
        resolve(BackboneSpec(str(folder)))


@pytest.mark.parametrize("name", ["minlm", "", "no/such/path", 7])
def test_unknown_backbone(name):
    with pytest.raises(UserError, match="Unknown backbone|must be a name"):
        resolve(BackboneSpec(name))


def test_hub_model_that_cannot_be_reached():
    with pytest.raises(UserError, match="cannot be reached") as caught:
        resolve(BackboneSpec("nobody-at-all/no-such-model"))
    assert "pass its folder" in str(caught.value)


@pytest.mark.parametrize(("field", "value"), [("precision", "exakt"), ("device", "tpu9"), ("device", "cuda:77")])
def test_unknown_precision_or_device(tmp_path, field, value):
    with pytest.raises(UserError, match=value.split(":")[0]):
        resolve(BackboneSpec(str(tiny_bert(tmp_path / "m")), **{field: value}))


class _Slow:
    """A tokenizer without offsets."""

    is_fast = False

    def __init__(self, inner):
        self.inner = inner

    def __call__(self, text, *, return_offsets_mapping=False, **options):
        assert not return_offsets_mapping
        return self.inner(text, **options)


@pytest.mark.parametrize("slow", [False, True])
def test_tokens_say_which_characters_were_read(backbone, slow):
    inner, n_special = backbone.tokenizer, backbone.tokenizer.num_special_tokens_to_add()
    backbone.tokenizer = _Slow(inner) if slow else inner
    tokens = backbone.tokenize(["abc", "x" * 30, "é" * 30], 10)
    assert tokens.read.tolist() == [[0, 3], [0, 10 - n_special], [0, 10 - n_special]]


def test_windows_read_everything_and_a_left_cut_reads_the_end(backbone):
    n_special = backbone.tokenizer.num_special_tokens_to_add()
    assert backbone.tokenize(["x" * 30], 10, windows=True).read.tolist() == [[0, 30]]
    backbone.tokenizer.truncation_side = "left"
    assert backbone.tokenize(["x" * 30], 10).read.tolist() == [[20 + n_special, 30]]


def test_a_padded_mean_is_that_of_the_published_code(backbone):
    """Texts padded to the window, masked as keys, and every position averaged: padded ones read the text too."""
    ids = backbone.tokenize(TEXTS, 50).ids
    pad = backbone.tokenizer.pad_token_id or 0
    rows = torch.tensor([[*i, *[pad] * (50 - len(i))] for i in map(list, ids)], dtype=torch.long)
    mask = torch.tensor([[1] * len(i) + [0] * (50 - len(i)) for i in ids])
    with torch.inference_mode():
        output = backbone.reference.model(input_ids=rows, attention_mask=mask, output_hidden_states=True)
    found = backbone.forward(ids, [Tap(1, "padded_mean:50"), Tap("final", "padded_mean:50"), Tap(1, "mean")])
    np.testing.assert_array_equal(found[:, 0], output.hidden_states[1].mean(1).numpy())
    np.testing.assert_array_equal(found[:, 1], output.last_hidden_state.mean(1).numpy())
    np.testing.assert_allclose(found[:, 2], backbone.forward(ids, [Tap(1, "mean")])[:, 0], atol=1e-6)
    assert np.abs(found[:, 0] - found[:, 2]).max() > 0.01
    alone = np.concatenate([backbone.forward([own], [Tap(1, "padded_mean:50")]) for own in ids])
    np.testing.assert_allclose(alone[:, 0], found[:, 0], atol=2e-6)  # what else is in the batch does not matter
    with pytest.raises(UserError, match="several windows: 40, 50"):
        backbone.forward(ids, [Tap(1, "padded_mean:50"), Tap(2, "padded_mean:40")])


def test_padded_texts_run_in_parts_that_the_plan_allows(tmp_path, monkeypatch):
    backbone = resolve(BackboneSpec(str(tiny_bert(tmp_path / "m"))))
    monkeypatch.setattr(transformer, "BATCH_TOKENS", 100)
    sizes = []
    backbone.reference.model.register_forward_pre_hook(
        lambda _, __, kwargs: sizes.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    found = backbone.forward([np.array([4, 5, 6])] * 5, [Tap(1, "padded_mean:50")])
    assert found.shape == (5, 1, 16)
    assert sizes == [(2, 50), (2, 50), (1, 50)]
