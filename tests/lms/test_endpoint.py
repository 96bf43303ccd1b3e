"""An endpoint on a loopback port: answers, partial failures, retries, the key, pace, and what a killed run pays for."""

from __future__ import annotations

import json
import random
import threading
from typing import Any

import pytest

from frostline.errors import StoreError, UserError
from frostline.lms import AnswerCache, EndpointModel, LanguageModel, Sampling, open_lm
from frostline.lms.endpoint import Pace
from service import ChatService, serving

KEY = "sk-proj-Zq81LkPq77vv0TTm"


@pytest.fixture
def service():
    with serving(ChatService()) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def model_of(service, **settings: Any) -> EndpointModel:
    return EndpointModel(f"api:m@{service.url}", sleep=lambda s: None, rng=random.Random(0), **settings)


def failing(text, status, message):
    """Refuse one prompt, answer the others."""
    return lambda i, request, good: (
        (status, {}, {"error": {"message": message}}) if request["messages"][-1]["content"] == text else good
    )


def test_completions_come_in_the_order_of_the_prompts(service):
    found = model_of(service).generate([f"p{i}" for i in range(20)])
    assert [completion.text for completion in found] == [f"P{i}" for i in range(20)]
    assert all(c.ended and not c.error and c.n_prompt_tokens == len(c.text) for c in found)
    assert isinstance(model_of(service), LanguageModel)


def test_what_is_sent(service):
    model_of(service).generate(["hi"], Sampling(9, 0.5, 0.9, ("x",), 7, "be kind"))
    assert service.requests == [
        {
            "model": "m",
            "messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}],
            "max_tokens": 9,
            "temperature": 0.5,
            "seed": 7,
            "top_p": 0.9,
            "stop": ["x"],
        }
    ]
    assert service.paths == ["/v1/chat/completions"]


def test_equal_prompts_are_asked_once_but_draw_twice(service):
    model = model_of(service)
    assert [c.text for c in model.generate(["a", "a"])] == ["A", "A"]
    assert len(service.requests) == 1
    model.generate(["a", "a"], Sampling(temperature=1.0, seed=5))
    assert sorted(request["seed"] for request in service.requests[1:]) == [5, 6]


def test_a_refused_prompt_leaves_the_others(service):
    service.misbehave = failing("bad", 400, "content policy")
    good, bad = model_of(service).generate(["good", "bad"])
    assert good.text == "GOOD"
    assert bad.text == ""
    assert "content policy" in bad.error


def test_when_every_prompt_is_refused_it_raises(service):
    service.misbehave = lambda i, request, good: (400, {}, {"error": {"message": "no model m"}})
    with pytest.raises(UserError, match=r"language model service .* refuses: HTTP 400: no model m"):
        model_of(service).generate(["a", "b"])


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_service_that_cannot_be_used_raises_and_stops(service, status):
    service.misbehave = lambda i, request, good: (status, {}, {"error": {"message": "no"}})
    with pytest.raises(UserError, match=f"HTTP {status}"):
        model_of(service, parallel=1).generate([f"p{i}" for i in range(50)])
    assert len(service.requests) < 10


def test_passing_trouble_is_tried_again(service):
    service.misbehave = lambda i, request, good: good if i else (503, {}, {"error": {"message": "busy"}})
    assert model_of(service).generate(["a"])[0].text == "A"
    assert len(service.requests) == 2


def test_the_limit_goes_by_its_other_name_where_it_must(service):
    def strict(i, request, good):
        if "max_tokens" in request:
            return 400, {}, {"error": {"message": "Unsupported parameter: use 'max_completion_tokens' instead."}}
        return good

    service.misbehave = strict
    assert model_of(service).generate(["a"], Sampling(max_tokens=3))[0].text == "A"
    assert service.requests[1]["max_completion_tokens"] == 3


def test_an_answer_cut_short_says_so(service):
    service.finish = "length"
    assert not model_of(service).generate(["a"])[0].ended


@pytest.mark.parametrize(
    "answer", [b"<html>", {}, {"choices": []}, {"choices": [{"message": {"content": 3}}]}, {"choices": "x"}, []]
)
def test_answers_that_are_none_are_refused(service, answer):
    service.misbehave = lambda i, request, good: (200, {}, answer)
    with pytest.raises(UserError, match=r"cannot be used|did not answer with JSON"):
        model_of(service).generate(["a"])


def test_silence_is_an_empty_answer(service):
    service.misbehave = lambda i, request, good: (200, {}, {"choices": [{"message": {"content": None}}]})
    assert model_of(service).generate(["a"])[0].text == ""


def test_the_key_is_sent_and_never_shown(service, monkeypatch, tmp_path):
    service.key = KEY
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    model = model_of(service, cache=AnswerCache(tmp_path / "answers"))
    assert model.generate(["a"])[0].text == "A"
    assert KEY.encode() not in (tmp_path / "answers").read_bytes()
    assert KEY not in json.dumps(dict(model.identity))
    service.key = "another"
    with pytest.raises(UserError) as caught:
        model_of(service).generate(["b"])
    assert KEY not in str(caught.value)
    with pytest.raises(UserError, match="looks like a key"):
        open_lm(f"api:{KEY}")


def test_a_killed_run_pays_for_no_answer_twice(service, tmp_path):
    service.misbehave = lambda i, request, good: good if i < 5 else (401, {}, {"error": {"message": "no"}})
    prompts = [f"p{i}" for i in range(12)]
    with pytest.raises(UserError):
        model_of(service, cache=AnswerCache(tmp_path / "c"), parallel=1).generate(prompts)
    service.misbehave = lambda i, request, good: good
    found = model_of(service, cache=AnswerCache(tmp_path / "c")).generate(prompts)
    assert [completion.text for completion in found] == [f"P{i}" for i in range(12)]
    answered = [request["messages"][-1]["content"] for request in service.requests[:5] + service.requests[6:]]
    assert len(service.requests) <= 12 + 3  # what was refused: the sixth, and the few that were on their way
    assert len(set(answered[:5]) & set(answered[5:])) == 0
    before = len(service.requests)
    model_of(service, cache=AnswerCache(tmp_path / "c")).generate(prompts)
    assert len(service.requests) == before


def test_another_setting_is_another_question(service, tmp_path):
    cache = AnswerCache(tmp_path / "c")
    for sampling in (Sampling(), Sampling(max_tokens=2), Sampling(system="s"), Sampling(seed=1)):
        model_of(service, cache=cache).generate(["a"], sampling)
    assert len(service.requests) == 4


def test_no_more_than_so_many_at_once(service):
    running, most, lock = [0], [0], threading.Lock()

    def slow(i, request, good):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        threading.Event().wait(0.01)
        with lock:
            running[0] -= 1
        return good

    service.misbehave = slow
    model_of(service, parallel=3).generate([f"p{i}" for i in range(15)])
    assert 1 < most[0] <= 3


def test_requests_keep_their_distance():
    now, slept = [0.0], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    pace = Pace(30, lambda: now[0], sleep)
    for _ in range(3):
        pace.wait()
    assert slept == [2.0, 2.0]
    now[0] += 100
    pace.wait()
    assert slept == [2.0, 2.0]


def test_it_scores_nothing(service):
    with pytest.raises(UserError, match="does not score"):
        model_of(service).score(["a"], [["b"]])
    assert not model_of(service).scores


def test_tokens_are_estimated(service):
    assert model_of(service).count_tokens(["", "abcde"]).tolist() == [0, 2]


@pytest.mark.parametrize("settings", [{"parallel": 0}, {"requests_per_minute": 0}])
def test_limits_that_cannot_be(service, settings):
    with pytest.raises(UserError, match="allowed are"):
        model_of(service, **settings)


def test_names_and_settings_that_do_not_fit(service, tmp_path):
    with pytest.raises(UserError, match="is for embeddings"):
        open_lm(f"api:m?dimensions=3@{service.url}")
    with pytest.raises(UserError, match="precision"):
        open_lm(f"api:m@{service.url}", precision="fast")
    (tmp_path / "text").write_text("no database, but long enough to be taken for one " * 30)
    with pytest.raises(StoreError, match="cannot be used"):
        open_lm(f"api:m@{service.url}", cache=tmp_path / "text")
