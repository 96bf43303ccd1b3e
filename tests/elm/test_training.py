"""Training: the paper's toy, stages, selection, and a killed run that ends in the same bytes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from frostline.elm.checkpoint import Checkpoint
from frostline.elm.decoding import Decoding
from frostline.elm.model import ElmModel
from frostline.elm.stages import STAGES, AdaptOptions
from frostline.elm.training import train
from frostline.errors import UserError
from frostline.numerics.batches import batches_of_epoch
from tiny_llms import placed, tiny_elm

FAST = AdaptOptions(epochs=100, max_steps=12, batch_tokens=160, warmup=2, lr=1e-2, lr_llm=4e-3)


def points(model, n, seed=0):
    """The paper's toy: points of the plane, named by where they lie."""
    X = np.random.default_rng(seed).normal(size=(n, model.adapter("v").dim))
    names = np.where(X[:, 0] > 0, "one", "two")
    return placed(model, ["{vector} is"] * n, X, names.tolist()), names


def spoken(model: ElmModel, names=("one", "two")):
    """Teach the language model to say the words at all, as a pretrained one can."""
    ids = [model.llm.tokenizer.encode(f"it is{name}~") for name in names]
    optimizer = torch.optim.AdamW(model.lm.requires_grad_(True).parameters(), lr=1e-2)
    for _ in range(40):
        model.lm(input_ids=torch.tensor(ids), labels=torch.tensor(ids)).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.lm.requires_grad_(False)
    return model


def accuracy(model, items, names):
    return np.mean(np.array(model.generate(items, Decoding(max_new_tokens=6))) == names)


def test_two_stages_learn_the_toy_and_the_second_needs_the_vectors_still():
    model = spoken(tiny_elm(dim=2, hidden=32))
    items, _ = points(model, 200)
    test, names = points(model, 80, seed=1)
    options = AdaptOptions(
        stages="1+2", tune="full", epochs=100, max_steps=60, batch_tokens=400, lr=1e-2, lr_llm=8e-3, patience=9
    )
    log = train(model, items, test[:40], options, seed=0, progress=False)
    assert log.n_steps < 1000
    assert accuracy(model, test[40:], names[40:]) > 0.9
    losses = {stage.name: min(e.loss for e in log.evaluations if e.stage == stage.name) for stage in STAGES["1+2"]}
    first, second = losses.values()
    assert second < first


@pytest.mark.parametrize("stages", sorted(STAGES))
def test_what_each_order_trains(stages):
    model = tiny_elm()
    before = {n: p.clone() for n, p in model.named_parameters()}
    items, _ = points(model, 30)
    train(model, items[:20], items[20:], AdaptOptions(**{**vars(FAST), "stages": stages, "tune": "full"}), seed=0)
    changed = {n.partition(".")[0] for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert changed == ({"adapters"} if stages == "1" else {"adapters", "lm"})
    assert not any(p.requires_grad for p in model.lm.parameters())


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_low_rank_training_starts_from_the_same_answers_and_leaves_the_weights(kind):
    model, plain = tiny_elm(kind), tiny_elm(kind)
    items, _ = points(model, 30)
    before = plain.token_losses(items)
    options = AdaptOptions(**{**vars(FAST), "stages": "2", "max_steps": 4, "lr_llm": 2e-2})
    log = train(model, items[:20], items[20:], options, seed=0)
    kept = {n.replace(".base_layer", ""): p for n, p in model.lm.named_parameters() if "lora_" not in n}
    assert all(torch.equal(p, kept[n]) for n, p in plain.lm.named_parameters())
    assert model.token_losses(items).mean() < before.mean()
    assert log.n_steps == 4


class KilledError(Exception):
    pass


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("kill_at", [5, 17])
def test_killed_and_resumed_to_the_same_bytes(tmp_path, kill_at, warm, monkeypatch):
    options = AdaptOptions(**{**vars(FAST), "stages": "1+2", "save_seconds": 0.0, "accumulate": 2, "max_steps": 9})

    def attempt(checkpoint, die=None):
        model = tiny_elm()
        items, _ = points(model, 40)

        seen, real = [], ElmModel.loss

        def dying(self, *args):
            seen.append(1)
            if len(seen) == die:
                raise KilledError
            return real(self, *args)

        with monkeypatch.context() as patch:
            patch.setattr(ElmModel, "loss", dying)
            log = train(model, items[:30], items[30:], options, seed=3, warm=warm, checkpoint=checkpoint)
        return {n: p.detach().numpy().tobytes() for n, p in model.named_parameters()}, log.evaluations

    undisturbed = attempt(None)
    with pytest.raises(KilledError):
        attempt(Checkpoint(tmp_path / "c", "same"), die=2 * kill_at)
    assert (tmp_path / "c" / "state.json").is_file()
    resumed = attempt(Checkpoint(tmp_path / "c", "same"))
    assert resumed[0] == undisturbed[0]
    assert resumed[1] == undisturbed[1]
    assert (tmp_path / "c").exists()  # what was learnt is saved nowhere yet


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    Checkpoint(tmp_path / "c", "one").write({}, {"x": torch.zeros(1)})
    with pytest.raises(UserError, match="other data or settings"):
        Checkpoint(tmp_path / "c", "two").read()
    (tmp_path / "d").mkdir()
    with pytest.raises(UserError, match="is no checkpoint"):
        Checkpoint(tmp_path / "d", "two").read()


def test_the_best_state_is_kept_and_training_stops_when_nothing_improves():
    model = tiny_elm()
    items, _ = points(model, 30)
    scores = iter([1.0, 5.0, 2.0, 3.0, 99.0])
    states = []

    def judge(m):
        states.append(m.adapter("v").out.weight.detach().clone())
        return next(scores)

    options = AdaptOptions(**{**vars(FAST), "patience": 2, "max_steps": None})
    log = train(model, items[:20], items[20:], options, seed=0, judge=judge)
    assert [e.score for e in log.evaluations] == [1.0, 5.0, 2.0, 3.0]
    assert log.best.score == 5.0
    assert torch.equal(model.adapter("v").out.weight, states[1])


@pytest.mark.parametrize(("scores", "kept"), [([5.0, 1.0, 2.0, 3.0, 99.0], 0), ([5.0, 1.0, 6.0, 3.0, 2.0], 2)])
def test_after_a_warm_start_the_first_state_is_one_to_choose(scores, kept):
    model = tiny_elm()
    items, _ = points(model, 30)
    told, states = iter(scores), []

    def judge(m):
        states.append(m.adapter("v").out.weight.detach().clone())
        return next(told)

    start = model.adapter("v").out.weight.detach().clone()
    options = AdaptOptions(**{**vars(FAST), "max_steps": 4, "patience": 3})
    log = train(model, items[:20], items[20:], options, seed=0, judge=judge, warm=True)
    assert torch.equal(states[0], start)
    assert torch.equal(model.adapter("v").out.weight, states[kept])
    assert [e.step for e in log.evaluations] == list(range(len(log.evaluations)))  # four looks, though no epoch is over
    assert (log.evaluations[0].train_loss, log.evaluations[0].loss > 0) == (None, True)
    assert (log.n_steps, log.best.step, log.kept_start) == (4 if kept else 3, kept, kept == 0)


def test_a_warm_start_is_changed_little_and_chosen_by_consistency():
    cold, warm = (AdaptOptions().after(same_space=own) for own in (False, True))
    assert (cold.select, warm.select) == ("loss", "consistency")
    assert warm.lr < cold.lr / 10
    assert AdaptOptions(lr=3.0, select="loss").after(same_space=True) == AdaptOptions(lr=3.0, select="loss")


def test_chance_is_seeded_and_the_global_generator_left_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    found = []
    for seed in (0, 0, 1):
        model = tiny_elm()
        items, _ = points(model, 30)
        train(model, items[:20], items[20:], FAST, seed=seed)
        found.append(model.adapter("v").out.weight)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@pytest.mark.parametrize("kind", ["llama", "gpt2"])  # gpt2 has dropout, which stays off
@pytest.mark.parametrize("stages", ["1", "joint"])
def test_gradient_checkpointing_computes_layers_again_and_changes_nothing_else(kind, stages):
    found, calls = [], []
    for on in (False, True):
        model, seen = tiny_elm(kind), []
        block = next(module for name, module in model.lm.named_modules() if name.endswith("mlp"))
        block.register_forward_pre_hook(lambda *_, seen=seen: seen.append(1))
        items, _ = points(model, 30)
        options = AdaptOptions(**{**vars(FAST), "stages": stages, "max_steps": 3, "gradient_checkpointing": on})
        log = train(model, items[:20], items[20:], options, seed=0)
        found.append(model.adapter("v").out.weight)
        calls.append(len(seen))
    torch.testing.assert_close(found[0], found[1])
    assert calls[1] - calls[0] == log.n_steps == 3


def test_accumulated_batches_are_one_larger_batch():
    found = []
    for batch_tokens in (10_000, 60):
        model = tiny_elm()
        items, _ = points(model, 30)
        n = len(batches_of_epoch([item.length for item in items[:20]], batch_tokens, 0, 0))
        options = AdaptOptions(
            **{**vars(FAST), "batch_tokens": batch_tokens, "accumulate": n, "max_steps": 1, "lr": 1e-3}
        )
        log = train(model, items[:20], items[20:], options, seed=0)
        found.append((n, log.n_tokens, log.best.loss))
    (one, tokens, loss), (several, *others) = found
    assert (one, several > 2) == (1, True)
    assert others == [tokens, pytest.approx(loss, abs=1e-4)]


def test_half_precision_computes_in_it_and_keeps_weights_whole():
    found = []
    for precision in ("float32", "bfloat16"):
        model, dtypes = tiny_elm(), set()
        block = next(module for name, module in model.lm.named_modules() if name.endswith("mlp"))
        block.register_forward_hook(lambda module, given, out, dtypes=dtypes: dtypes.add(out.dtype))
        items, _ = points(model, 30)
        options = AdaptOptions(**{**vars(FAST), "stages": "joint", "tune": "full", "precision": precision})
        log = train(model, items[:20], items[20:], options, seed=0)
        assert dtypes == {getattr(torch, precision)}
        assert {p.dtype for p in model.parameters()} == {torch.float32}
        found.append(log.best.loss)
    assert found[0] != found[1]
    assert found[1] == pytest.approx(found[0], rel=0.05)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"stages": "3"}, "Unknown stages '3'"),
        ({"tune": "all"}, "Unknown tune"),
        ({"epochs": 0}, "epochs must be 1"),
        ({"max_steps": -1}, "max_steps must be 0 or more"),
        ({"max_steps": 0, "stages": "1+2"}, r"max_steps=0 trains nothing, and stages='1\+2'"),
    ],
)
def test_options_that_cannot_be(wrong, said):
    with pytest.raises(UserError, match=said):
        AdaptOptions(**wrong).checked()


def test_no_examples():
    with pytest.raises(UserError, match="0 examples to train on"):
        train(tiny_elm(), [], [], FAST, seed=0)
