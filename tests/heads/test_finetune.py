"""Fine-tuning a tiny backbone: what it learns, what it leaves alone, and that a seed decides everything."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fakes import tiny_bert, tiny_llama
from frostline.backbones import resolve
from frostline.contracts import BackboneSpec, Tap
from frostline.errors import UserError
from frostline.heads.finetune import TuningRows, check_trainable, estimate, finetune, model, training
from frostline.numerics.batches import batches_of_epoch

TAP = Tap("final")
LETTERS = np.array(list("abcdefghij"))


def backbone_of(folder, **spec):
    return resolve(BackboneSpec(str(folder), **spec))


@pytest.fixture
def bert(tmp_path):
    return backbone_of(tiny_bert(tmp_path / "bert"))


@pytest.fixture
def short(monkeypatch):
    """Two rates and few epochs: milliseconds."""
    monkeypatch.setattr(training, "RATES", {"full": (1e-3, 3e-3), "lora": (1e-2, 3e-2)})
    monkeypatch.setattr(training, "MOST_EPOCHS", 5)


def rows_of(backbone, n=80, *, numbers=False, seed=0):
    """Whether a text has more letters of the first half of the alphabet, or how many: the order of letters is noise."""
    rng = np.random.default_rng(seed)
    texts = ["".join(rng.choice(LETTERS, size=rng.integers(5, 12))) for _ in range(n)]
    share = np.array([sum(c < "f" for c in text) / len(text) for text in texts])
    y = 50 + 10 * share if numbers else (share > 0.5).astype(np.int64)
    return TuningRows(backbone.tokenize(texts, 64).ids, y, np.arange(n))


@pytest.mark.parametrize("how", ["full", "lora"])
def test_the_held_out_loss_falls_and_everything_follows_from_the_seed(bert, short, how):
    rows = rows_of(bert)
    found = finetune(bert, rows, how=how, tap=TAP, seed=1, progress=False)
    best = found.losses[found.rate]
    assert min(best) == min(map(min, found.losses.values()))
    assert found.epochs == int(np.argmin(best)) + 1
    assert min(best) < best[0] - 0.03
    proba = found.predict_proba(rows.ids)
    assert np.allclose(proba.sum(1), 1)
    assert (proba.argmax(1) == rows.y).mean() > 0.7
    again = finetune(bert, rows, how=how, tap=TAP, seed=1, progress=False)
    assert again.losses == found.losses
    assert np.array_equal(again.predict_proba(rows.ids), proba)


def test_lora_leaves_the_weights_bit_equal_and_full_tuning_moves_them_but_never_the_loaded_model(bert, short):
    before = {name: p.clone() for name, p in bert.reference.model.state_dict().items()}
    rows, state = rows_of(bert, 40), torch.get_rng_state()
    lora = finetune(bert, rows, how="lora", tap=TAP, seed=0, progress=False).model
    full = finetune(bert, rows, how="full", tap=TAP, seed=0, progress=False).model
    assert torch.equal(torch.get_rng_state(), state)  # nobody else's chance is touched
    for name, p in lora.model.named_parameters():
        if "lora_" in name:
            assert p.abs().max() > 0  # the second of each pair starts at zero
        else:
            assert torch.equal(p, before[name.replace(".base_layer", "")]), name
    moved = [name for name, p in full.model.named_parameters() if not torch.equal(p, before[name])]
    # A key's bias adds the same to all of a query's scores, so attention does not see it.
    assert {name for name in before if name not in moved} <= {
        n for n in before if n.endswith("key.bias") or "_ids" in n
    }
    assert all(torch.equal(p, before[name]) for name, p in bert.reference.model.state_dict().items())
    head = sum(p.numel() for p in full.head.parameters())
    n_backbone = sum(p.numel() for p in bert.reference.model.parameters())
    assert (full.n_trained, full.n_total) == (n_backbone + head, n_backbone + head)
    assert lora.n_trained < lora.n_total == n_backbone + lora.n_trained
    assert not any(p.requires_grad for p in lora.parameters())


def test_numbers_come_back_on_their_own_scale(bert, short):
    rows = rows_of(bert, numbers=True)
    found = finetune(bert, rows, how="full", tap=TAP, seed=0, progress=False)
    predicted = found.predict(rows.ids)
    assert np.corrcoef(predicted, rows.y)[0, 1] > 0.8
    assert abs(predicted.mean() - rows.y.mean()) < 2


def test_a_decoder_without_a_padding_token(tmp_path, short):
    backbone = backbone_of(tiny_llama(tmp_path / "llama"))
    rows = rows_of(backbone, 40)
    found = finetune(backbone, rows, how="lora", tap=Tap("final", "last_token"), seed=0, progress=False)
    alone = np.concatenate([found.predict_proba([ids]) for ids in rows.ids])
    assert found.predict_proba(rows.ids) == pytest.approx(alone, abs=1e-5)  # padding and neighbors do not matter


def test_the_last_training_on_all_rows_goes_as_far_as_the_best_one(bert, short, monkeypatch):
    seen = []
    original = training._Run.train

    def train(self, rate, own, held, epochs):
        seen.append((rate, len(own), None if held is None else len(held), epochs))
        return original(self, rate, own, held, epochs)

    monkeypatch.setattr(training._Run, "train", train)
    rows = rows_of(bert, 50)
    found = finetune(bert, rows, how="full", tap=TAP, seed=0, progress=False)
    assert [(own, held, epochs) for _, own, held, epochs in seen[:-1]] == [(40, 10, 5)] * 2
    assert seen[-1] == (found.rate, 50, None, found.epochs)


def test_groups_are_never_parted_when_rows_are_held_out(bert):
    rows = rows_of(bert, 60)
    grouped = TuningRows(rows.ids, rows.y, np.arange(60) // 3)
    train, held = grouped.parts(0)
    assert len(held) == 12
    assert not set(grouped.groups[train]) & set(grouped.groups[held])


def test_batches_hold_about_sixteen_rows_and_epochs_shrink_with_the_rows(bert):
    rows = rows_of(bert, 320)
    batches = batches_of_epoch([len(ids) for ids in rows.ids], rows.batch_tokens, 0, 0)
    assert 320 / 16 <= len(batches) <= 320 / 12
    few, many = (TuningRows(rows.ids[:1] * n, np.zeros(n), np.arange(n)) for n in (100, 100_000))
    assert (few.epochs, many.epochs) == (20, 4)


def test_the_estimate_counts_every_rate_and_epoch(bert, short, monkeypatch):
    clock = iter(np.arange(100.0))
    monkeypatch.setattr(training.time, "perf_counter", lambda: float(next(clock)))
    rows = TuningRows([np.arange(4, 14, dtype=np.int32)] * 160, np.arange(160) % 2, np.arange(160))
    found = estimate(bert, rows, how="full", tap=TAP, seed=0)
    # A step of 16 rows takes a second; two rates on 128 rows, then all 160, five times each.
    assert found.seconds == pytest.approx((2 * 128 + 160) * 5 / 16)
    assert found.n_trained == found.n_total


def test_refusals(bert, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="table of token embeddings"):
        check_trainable(backbone_of(f"vocabulary:{tmp_path / 'bert'}"), TAP)
    with pytest.raises(UserError, match="padding in the mean"):
        check_trainable(bert, Tap("final", "padded_mean:64"))
    assert check_trainable(bert, TAP) is bert
    rows = rows_of(bert, 3)
    with pytest.raises(UserError, match="none can be held out"):
        finetune(bert, rows, how="full", tap=TAP, seed=0, progress=False)
    monkeypatch.setattr(training, "RATES", {"full": (1e30,)})
    with pytest.raises(UserError, match="diverged at every rate"):
        finetune(bert, rows_of(bert, 40), how="full", tap=TAP, seed=0, progress=False)
    monkeypatch.setattr(model, "available_bytes", lambda device: 1000)
    with pytest.raises(UserError, match="1,000|GB are free"):
        estimate(bert, rows_of(bert, 40), how="full", tap=TAP, seed=0)


def test_what_stops_it_is_said(bert, short, monkeypatch):
    def stop(error):
        def train(*_):
            raise error

        monkeypatch.setattr(training._Run, "train", train)

    stop(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt, match=r"while fine-tuning \(lora\), of which nothing is kept"):
        finetune(bert, rows_of(bert, 40), how="lora", tap=TAP, seed=0, progress=False)
    stop(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"))
    with pytest.raises(UserError, match="does not fit into the device's memory"):
        finetune(bert, rows_of(bert, 40), how="full", tap=TAP, seed=0, progress=False)
