"""A local language model against transformers' own generate, and against probabilities added up token by token."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers

from fakes import byte_tokenizer, tiny_bert, tiny_llama, tiny_writer
from frostline.errors import UserError
from frostline.lms import LanguageModel, LocalModel, Sampling, load_local, open_lm

PROMPTS = ["ab", "a much longer prompt", "x", "middle one", "ab"]
CHAT = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def model(request, tmp_path_factory):
    return load_local(str(tiny_writer(tmp_path_factory.mktemp("lm") / request.param, request.param)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_writer(tmp_path_factory.mktemp("lm") / "llama")


def likelihood(model, prompt, option):
    """The log-probability of `option` behind `prompt`, from one pass over both."""
    ids = torch.tensor([model.encode(prompt, behind=option)])
    with torch.inference_mode():
        logp = torch.log_softmax(model.model(input_ids=ids).logits[0].double(), -1)
    start = len(model.encode(prompt))
    return sum(float(logp[i - 1, ids[0, i]]) for i in range(start, ids.shape[1]))


def test_it_is_a_language_model(model):
    assert isinstance(model, LanguageModel)
    assert model.scores
    assert model.window == 64


def test_greedy_text_is_that_of_transformers(model):
    for prompt, own in zip(PROMPTS, model.generate(PROMPTS, Sampling(max_tokens=12)), strict=True):
        ids = torch.tensor([model.encode(prompt)])
        settings = transformers.GenerationConfig(max_new_tokens=12, do_sample=False, pad_token_id=0)
        other = model.model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=settings)[
            0, ids.shape[1] :
        ]
        text = model.tokenizer.decode(other, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        assert (own.text, own.n_prompt_tokens) == (text, len(prompt))
        assert own.ended is (own.n_tokens < 12 or int(other[-1]) in model._ends)


def test_padding_and_company_change_nothing(model):
    options = Sampling(max_tokens=8, temperature=1.0, seed=3)
    together = model.generate(PROMPTS, options)
    alone = [model.generate([prompt], options)[0] for prompt in PROMPTS[:4]]
    assert together[:4] == alone


def test_the_same_prompt_twice_draws_twice_and_the_same_call_draws_the_same(model):
    options = Sampling(max_tokens=16, temperature=2.0)
    first, again = (model.generate(["same"] * 3, options) for _ in range(2))
    assert first == again
    assert len({completion.text for completion in first}) == 3
    assert first != model.generate(["same"] * 3, Sampling(max_tokens=16, temperature=2.0, seed=1))


def test_global_generators_are_left_alone(model):
    before = torch.random.get_rng_state()
    model.generate(["a"], Sampling(temperature=1.0))
    assert torch.equal(before, torch.random.get_rng_state())


def test_it_ends_before_a_stop_and_at_the_end_token(model):
    text = model.generate(["ab"], Sampling(max_tokens=10))[0].text
    stopped = model.generate(["ab"], Sampling(max_tokens=10, stop=(text[3:5],)))[0]
    assert text[3:5] not in stopped.text
    assert text.startswith(stopped.text)
    assert stopped.ended
    drawn = model.generate([f"p{i}" for i in range(60)], Sampling(max_tokens=30, temperature=3.0))
    early = [completion for completion in drawn if completion.n_tokens < 30]
    assert early
    assert all(completion.ended and "~" not in completion.text for completion in early)
    assert not any(completion.ended for completion in drawn if completion.n_tokens == 30 and "~" in completion.text)


def test_a_prompt_without_room_has_an_error_and_the_others_an_answer(model):
    found = model.generate(["a", "b" * 60], Sampling(max_tokens=8))
    assert found[0].text
    assert found[1].text == ""
    assert "the prompt has 60 tokens, and the window leaves 56" in found[1].error


def test_scores_are_sums_of_log_probabilities(model):
    options = [["yes", "no", " maybe so"], ["a"], ["", "b"], ["c", "cc"], []]
    scored = model.score(PROMPTS, options)
    for prompt, own, scores in zip(PROMPTS, options, scored, strict=True):
        assert [score.n_tokens for score in scores] == [len(option) for option in own]
        assert [s.logprob for s in scores] == pytest.approx([likelihood(model, prompt, o) for o in own], abs=1e-4)


def test_an_option_that_begins_the_other_and_an_empty_prompt(model):
    aa, aab = model.score([""], [["aa", "aab"]])[0]
    assert aab.logprob < aa.logprob < 0


def test_the_prefix_is_read_once(folder, monkeypatch):
    model = load_local(str(folder))
    read = []
    forward = model.model.forward

    def counting(*args, **kwargs):
        read.append(tuple(kwargs["input_ids"].shape))
        return forward(*args, **kwargs)

    counting.__signature__ = __import__("inspect").signature(forward)
    monkeypatch.setattr(model.model, "forward", counting)
    model.score(["0123456789"], [["abc", "de"]])
    assert read == [(1, 10), (2, 2)]


def test_many_options_in_several_passes_are_the_same(model, monkeypatch):
    options = [[f"option {i}" for i in range(9)]]
    whole = model.score(["prompt"], options)
    monkeypatch.setattr("frostline.lms.scoring._ROW_TOKENS", 40)
    parts = model.score(["prompt"], options)
    assert [s.logprob for s in parts[0]] == pytest.approx([s.logprob for s in whole[0]], abs=1e-5)


def test_tokens_are_counted_without_marks(model):
    assert model.count_tokens(["", "abc"]).tolist() == [0, 3]


def test_a_chat_template_makes_turns(tmp_path):
    model = load_local(str(tiny_writer(tmp_path / "chat", chat=CHAT)))
    assert model.tokenizer.decode(model.encode("hi", "be kind")).replace(" ", "") == "<system>bekind<user>hi<assistant>"
    refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + CHAT
    model = load_local(str(tiny_writer(tmp_path / "no-system", chat=refusing)))
    assert "".join(model.tokenizer.convert_ids_to_tokens(model.encode("hi", "be kind"))).startswith("<user>be")


def test_a_beginning_of_text_stays_and_an_end_of_text_goes(tmp_path):
    model = load_local(str(tiny_writer(tmp_path / "lm")))
    model.tokenizer = byte_tokenizer()
    assert model.encode("ab") == [2, 4 + 65, 4 + 66]


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"stop": "x"}, "stop"),
        ({"stop": ("",)}, "stop"),
        ({"seed": -1}, "seed"),
    ],
)
def test_settings_that_cannot_be(model, settings, word):
    with pytest.raises(UserError, match=f"{word}=.* cannot be used; allowed"):
        model.generate(["a"], Sampling(**settings))


def test_scores_of_too_long_prompts_and_wrong_numbers_are_refused(model):
    with pytest.raises(UserError, match="has 66 tokens, the window"):
        model.score(["a" * 60], [["bcdefg"]])
    with pytest.raises(UserError, match="1 prompts and options of 2"):
        model.score(["a"], [["b"], ["c"]])


def test_models_that_do_not_write_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"lack .* tensors|reads in both directions"):
        load_local(str(tiny_bert(tmp_path / "bert")))
    with pytest.raises(UserError, match=r"lack 1 tensors .* lm_head"):
        load_local(str(tiny_llama(tmp_path / "base")))
    config = transformers.BertConfig(
        vocab_size=128, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    masked = tiny_writer(tmp_path / "masked")
    transformers.BertForMaskedLM(config).save_pretrained(masked)
    with pytest.raises(UserError, match="both directions"):
        load_local(str(masked))
    with pytest.raises(UserError, match="table of token embeddings"):
        load_local(f"vocabulary:{masked}")


def test_an_unknown_name_is_that_of_a_language_model():
    allowed = "a local model folder, a hub name 'org/name', a service 'api:MODEL'"
    with pytest.raises(UserError, match=f"Unknown language model 'nope'. Allowed: {allowed}\\."):
        open_lm("nope")


def test_random_weights_are_a_control(folder):
    drawn = open_lm(f"random:{folder}#1")
    assert isinstance(drawn, LocalModel)
    assert drawn.identity["weights"] == "random-1"
    short = Sampling(max_tokens=9)
    assert drawn.generate(["ab"], short) != load_local(str(folder)).generate(["ab"], short)


def test_a_limit_of_requests_is_for_endpoints(folder):
    with pytest.raises(UserError, match="for an endpoint"):
        open_lm(str(folder), requests_per_minute=3)


def test_half_precision_runs(folder):
    assert np.isfinite(load_local(str(folder), precision="bfloat16").score(["ab"], [["c"]])[0][0].logprob)
