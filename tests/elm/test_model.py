"""The composed model: where soft tokens go, what is learnt, what is written, on five families of language models."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from frostline.elm.adapter import Adapter, AdapterConfig, moments
from frostline.elm.decoding import Decoding
from frostline.elm.model import ElmModel, Placed, check_window, collate
from frostline.elm.prompts import Prompt, PromptEncoder
from frostline.errors import UserError
from tiny_llms import CONFIGS, placed, tiny_elm

RNG = np.random.default_rng(0)
KINDS = sorted(CONFIGS)


def questions(model, n):
    lengths = np.random.default_rng(1).integers(1, 40, size=n)
    return placed(model, ["x" * int(k) + " {vector} is" for k in lengths], RNG.normal(3, 2, size=(n, 8)))


def test_soft_tokens_take_their_places_and_nothing_else_changes():
    model = tiny_elm(n_soft_tokens=3)
    items = placed(model, ["ab{vector}c", "{vector}"], RNG.normal(size=(2, 8)))
    batch = collate(items, left=True, pad=0)
    embedded = model.embed(batch)
    plain = model.lm.get_input_embeddings()(batch.ids)
    changed = (embedded != plain).any(-1)
    assert changed.tolist() == [
        [False, False, True, True, True, False, False],
        [False, False, False, True, True, True, False],
    ]
    torch.testing.assert_close(embedded[0, 2:5], model.adapter("v")(torch.tensor(items[0].vectors[0])[None])[0])


def test_two_spaces_of_other_widths_in_one_prompt():
    one = tiny_elm()
    wide = Adapter(
        AdapterConfig(n_soft_tokens=2, hidden=8),
        *moments(RNG.normal(size=(9, 3))),
        width=one.llm.width,
        norm=one.llm.norm,
    )
    model = ElmModel(one.llm, {"v": one.adapter("v"), "my.users": wide})
    prompt = Prompt.parse("{vector:my.users} and {vector:v}", ["v", "my.users"])
    encoded = PromptEncoder(one.llm.tokenizer, 2, chat=False).prompt(prompt)
    user, item = RNG.normal(size=3), RNG.normal(size=8)
    embedded = model.embed(collate([Placed(encoded, (user, item))], left=True, pad=0))[0]
    torch.testing.assert_close(embedded[:2], wide(torch.tensor(user)[None])[0])
    at = encoded.starts[1]
    torch.testing.assert_close(embedded[at : at + 2], model.adapter("v")(torch.tensor(item)[None])[0])


@pytest.mark.parametrize("kind", KINDS)
def test_loss_is_that_of_the_target_tokens_alone(kind):
    model = tiny_elm(kind)
    items = placed(model, ["a{vector}", "long one {vector} here"], RNG.normal(size=(2, 8)), ["yes it is", "no"])
    together = float(model.loss(collate(items, left=False, pad=0)).detach())
    by_hand = 0.0
    for item in items:
        embedded = model.embed(collate([item], left=False, pad=0))
        logits = model.lm(inputs_embeds=embedded).logits[0].log_softmax(-1)
        first = len(item.prompt.ids)
        by_hand -= sum(float(logits[first + i - 1, token].detach()) for i, token in enumerate(item.target))
    assert together == pytest.approx(by_hand, rel=1e-4)
    alone = model.token_losses(items) * [len(item.target) for item in items]
    assert float(alone.sum()) == pytest.approx(together, rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", [None, 1.0])
def test_batches_write_what_each_prompt_gets_alone(kind, temperature):
    model, decoding = tiny_elm(kind), Decoding(max_new_tokens=10, temperature=temperature)
    items, seeds = questions(model, 9), list(range(9))
    together = model.generate(items, decoding, seeds)
    alone = [model.generate([item], decoding, [seed])[0] for item, seed in zip(items, seeds, strict=True)]
    for item, seed, a, b in zip(items, seeds, together, alone, strict=True):
        assert a == b or (temperature is None and near_tie(model, item, a, b)), (seed, a, b)
    assert temperature is None or len(set(together)) > 3


def near_tie(model, item, a, b):
    """Whether the first tokens in which two answers differ are almost equally probable."""
    ids = [model.llm.tokenizer.encode(text) for text in (a, b)]
    at = next((i for i, (x, y) in enumerate(zip(*ids, strict=False)) if x != y), min(map(len, ids)))
    prefix = Placed(item.prompt, item.vectors, tuple(ids[0][:at]))
    top = model.lm(inputs_embeds=model.embed(collate([prefix], left=False, pad=0))).logits[0, -1].topk(2).values
    return bool(top[0] - top[1] < 1e-3)


def test_a_target_is_never_part_of_the_question():
    model = tiny_elm()
    vectors = RNG.normal(size=(1, 8))
    plain, with_target = (placed(model, ["a{vector}"], vectors, t) for t in (None, ["secret"]))
    decoding = Decoding(max_new_tokens=6)
    assert model.generate(plain, decoding) == model.generate(with_target, decoding)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_no_cache_gives_the_same_greedy_answer(kind):
    model = tiny_elm(kind)
    item = questions(model, 1)[0]
    ids: list[int] = []
    for _ in range(8):
        prefix = Placed(item.prompt, item.vectors, tuple(ids))
        embedded = model.embed(collate([prefix], left=False, pad=0))
        ids.append(int(model.lm(inputs_embeds=embedded).logits[0, -1].argmax()))
        if ids[-1] == model.llm.tokenizer.eos_token_id:
            break
    written = model.generate([item], Decoding(max_new_tokens=8, no_repeat_ngram=0, guidance=0))[0]
    assert written == model.llm.tokenizer.decode(ids, skip_special_tokens=True).strip()


@pytest.mark.parametrize("opening", [None, 4])
def test_guidance_is_greedy_on_the_guided_scores_and_nothing_about_the_mean_itself(opening):
    model = tiny_elm()
    items = questions(model, 6)
    at_mean = [replace(item, vectors=(model.adapter(item.prompt.spaces[0]).mean.numpy(),)) for item in items]

    def logits(item, ids):
        embedded = model.embed(collate([replace(item, target=tuple(ids))], left=False, pad=0))
        return model.lm(inputs_embeds=embedded).logits[0, -1].log_softmax(-1)

    def guided(item, mean):
        ids: list[int] = []
        while len(ids) < 8 and ids[-1:] != [model.llm.tokenizer.eos_token_id]:
            own, base = logits(item, ids), logits(mean, ids)
            pairs = list(itertools.pairwise(ids))
            times = torch.tensor([pairs.count((ids[-1], token)) if ids else 0 for token in range(len(own))])
            gain = (own - base) * torch.where(own > base, (1 - times).clamp(min=-1), 1)
            risen = 1 if len(ids) >= (opening or 0) else 0
            ids.append(int((own + 3 * risen * gain).masked_fill(own < own.max() + np.log(0.1), -np.inf).argmax()))
        return model.llm.tokenizer.decode(ids, skip_special_tokens=True).strip()

    strong, plain = (Decoding(max_new_tokens=8, no_repeat_ngram=0, guidance=g, opening=opening) for g in (3, 0))
    written = model.generate(items, strong)
    assert written == [guided(*pair) for pair in zip(items, at_mean, strict=True)]
    assert written != model.generate(items, plain)
    assert model.generate(at_mean, strong) == model.generate(at_mean, plain)


def test_the_vocabulary_keeps_its_size_and_the_language_model_its_gradients_off():
    model = tiny_elm()
    assert model.lm.get_input_embeddings().weight.shape[0] == 128
    items = placed(model, ["a{vector}"], RNG.normal(size=(1, 8)), ["b"])
    model.loss(collate(items, left=False, pad=0)).backward()
    assert all(p.grad is None for p in model.lm.parameters())
    assert all(p.grad is not None for p in model.adapters.parameters())


def test_a_prompt_longer_than_the_window():
    model = tiny_elm()
    (item,) = placed(model, ["x" * 150 + "{vector}"], RNG.normal(size=(1, 8)))
    with pytest.raises(UserError, match="153 tokens and its answer up to 8; 'llama' reads at most 160"):
        model.generate([item], Decoding(max_new_tokens=8))
    check_window(item.prompt, 7, model.llm)


def test_no_run_of_tokens_is_written_twice():
    model = tiny_elm()
    free, ruled = (model.generate(questions(model, 3), Decoding(max_new_tokens=24, no_repeat_ngram=n)) for n in (0, 1))
    assert any(len(set(text)) < len(text) for text in free)  # random weights fall into loops
    assert all(len(set(text)) == len(text) for text in ruled)
