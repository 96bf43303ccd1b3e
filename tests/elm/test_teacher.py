"""A teacher, here and behind an endpoint: costs said before, answers kept one by one, trouble named, nothing asked twice."""

from __future__ import annotations

import json
import random
from functools import partial

import numpy as np
import pytest

from frostline.cli import main
from frostline.elm import teacher as module
from frostline.elm.teacher import TeacherModel
from frostline.errors import UserError
from frostline.lms import AnswerCache, EndpointModel
from frostline.tables import write_vectors
from service import ChatService, serving
from tiny_llms import save_llm

KEY = "sk-proj-Zq81LkPq77vv0TTm"
TASKS = """
name: t
columns: {text: [plot]}
tasks:
  - {name: own, prompt: 'x {vector}', note: n, column: text}
  - {name: taught, prompt: 'y {vector}', note: n, teacher: 'Retell {text}'}
"""


def error(status, message):
    return status, {}, {"error": {"message": message}}


def asked(service):
    return [request["messages"][-1]["content"] for request in service.requests]


def patient(name, *, cache, parallel=1):
    return EndpointModel(name, cache=AnswerCache(cache), parallel=parallel, sleep=lambda s: None, rng=random.Random(0))


@pytest.fixture
def service(monkeypatch):
    """One that answers at once; what waits between tries waits for nothing."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(module, "open_lm", lambda name, cache: patient(name, cache=cache))
    with serving(ChatService(key=KEY)) as running:
        yield running


@pytest.fixture
def teacher(service, tmp_path):
    return partial(TeacherModel, f"api:m@{service.url}", tmp_path / "answers", progress=False)


def test_answers_are_kept_and_what_is_kept_costs_nothing(tmp_path):
    teacher = TeacherModel(str(save_llm(tmp_path / "m")), tmp_path / "answers", max_tokens=4, progress=False)
    asked = ["say a", "say b", "say a"]
    cost = teacher.cost(asked)
    assert (cost.n_instructions, cost.n_tokens, cost.n_new_tokens) == (2, 10, 8)
    answers = teacher(asked)
    assert answers[0] == answers[2]
    assert teacher.cost(asked).n_instructions == 0

    class Broken:
        identity = teacher.model.identity

        def generate(self, *_):
            raise AssertionError("asked again")

    teacher.model = Broken()
    assert teacher(asked) == answers


def test_an_endpoint_is_asked_each_instruction_once_and_its_cost_is_an_estimate(service, teacher):
    cost = teacher(max_tokens=9).cost(["say a", "say b", "say a"])
    assert (cost.n_instructions, cost.n_tokens, cost.n_new_tokens) == (2, 4, 18)
    assert service.requests == []
    assert teacher()(["say a", "say b", "say a"]) == ["SAY A", "SAY B", "SAY A"]
    assert teacher()(["say b", "say c"]) == ["SAY B", "SAY C"]
    assert asked(service) == ["say a", "say b", "say c"]
    assert service.requests[0]["max_tokens"] == 120
    assert teacher().cost(["say a", "say c", "say d"]).n_instructions == 1
    assert teacher(max_tokens=9).cost(["say a"]).n_instructions == 1  # another limit, another answer


def test_a_killed_run_pays_for_no_answer_twice(service, teacher):
    """It dies in the middle of a chunk: what had come is on disk all the same."""
    instructions = [f"say {i}" for i in range(10)]
    service.misbehave = lambda i, request, good: good if i < 6 else error(401, "no")
    with pytest.raises(UserError, match="HTTP 401"):
        teacher()(instructions)
    service.requests.clear()
    service.misbehave = lambda i, request, good: good
    assert teacher().cost(instructions).n_instructions == 4
    assert teacher()(instructions) == [text.upper() for text in instructions]
    assert asked(service) == instructions[6:]


def test_passing_trouble_is_tried_again(service, teacher):
    service.misbehave = lambda i, request, good: good if i == 2 else (error(429, "slow down") if i else None)
    assert teacher()(["say a"]) == ["SAY A"]
    assert len(service.requests) == 3


def test_a_service_that_is_down_is_named_and_the_key_is_not(service, teacher, tmp_path):
    teacher()(["say a"])
    service.misbehave = lambda i, request, good: error(503, f"down for {KEY}")
    with pytest.raises(
        UserError, match=r"language model service http\S+ cannot be used now: 6 tries.*HTTP 503"
    ) as caught:
        teacher()(["say a", "say b"])
    assert "run the same again" in caught.value.hint
    assert KEY not in str(caught.value)
    assert KEY.encode() not in (tmp_path / "answers").read_bytes()
    assert teacher().cost(["say a", "say b"]).n_instructions == 1


@pytest.mark.parametrize("answer", [b"<html>", {}, {"choices": []}, {"choices": [{"message": {"content": 3}}]}])
def test_an_answer_that_is_none_stops_the_job_and_is_not_kept(service, teacher, answer):
    service.misbehave = lambda i, request, good: (200, {}, answer) if i == 1 else good
    with pytest.raises(UserError, match="cannot be used|did not answer with JSON"):
        teacher()(["say a", "say b"])
    assert teacher()(["say a", "say b"]) == ["SAY A", "SAY B"]
    assert asked(service) == ["say a", "say b", "say b"]


def test_what_it_refuses_or_leaves_empty_is_counted_and_said(service, teacher, capsys, monkeypatch):
    """Even where the only ones that are left are refused, as when a job is run again."""
    monkeypatch.setattr(module, "CHUNK", 1)
    service.answer = lambda prompt: "" if prompt == "say nothing" else prompt.upper()
    service.misbehave = lambda i, request, good: (
        error(400, "content policy") if asked(service)[i] == "say bad" else good
    )
    instructions = ["say a", "say bad", "say nothing"]
    first = teacher(progress=True)
    assert first(instructions) == ["SAY A", "", ""]
    assert "content policy" in first.failed["say bad"]
    assert first.failed["say nothing"] == "it wrote nothing"
    assert "gave no answer to 2 of 3 instructions" in capsys.readouterr().err
    assert teacher()(instructions) == ["SAY A", "", ""]
    assert asked(service) == [*instructions, "say bad"]  # silence is an answer, a refusal may pass


def test_a_teacher_that_refuses_everything_is_not_asked_everything(service, teacher, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 2)
    service.misbehave = lambda i, request, good: error(400, "no model m")
    with pytest.raises(UserError, match="no model m"):
        teacher()([f"say {i}" for i in range(20)])
    assert len(service.requests) == 2


def test_an_answer_that_is_too_long_ends_with_its_last_whole_sentence(service, teacher, capsys):
    service.finish = "length"
    service.answer = lambda prompt: "It is long. It goes on and"
    first = teacher(progress=True)
    assert first(["say a"]) == ["It is long."]
    assert first.n_cut == 1
    assert "1 of 1 answers have more than 120 tokens" in capsys.readouterr().err
    service.answer = lambda prompt: "no end at"
    assert teacher()(["say b"]) == ["no end at"]


@pytest.fixture
def job(service, tmp_path):
    """Arguments of an adapt that asks a teacher about forty rows."""
    rng = np.random.default_rng(0)
    write_vectors(tmp_path / "v.parquet", [f"r{i}" for i in range(40)], rng.normal(size=(40, 5)).astype(np.float32))
    lines = [json.dumps({"key": f"r{i}", "plot": f"a tale of {rng.integers(99)} {i}"}) for i in range(40)]
    (tmp_path / "t.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "t.yaml").write_text(TASKS)
    return ("adapt", tmp_path / "v.parquet", tmp_path / "t.jsonl", "--id", "key", "--tasks", tmp_path / "t.yaml",
            "--llm", save_llm(tmp_path / "m"), "--encoder", "words", "--max-steps", 2, "--max-target-tokens", 24,
            "--held-out", 0.2, "--device", "cpu", "--teacher", f"api:m@{service.url}", "--out", tmp_path / "e", "--json")  # fmt: skip


def run(capsys, *args):
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in args])
    return stop.value.code, capsys.readouterr()


def test_adapt_shows_the_cost_first_and_goes_on_where_it_was_killed(capsys, service, job, tmp_path):
    code, said = run(capsys, *job, "--dry-run")
    assert (code, json.loads(said.out.splitlines()[-1])["n_instructions"], service.requests) == (0, 40, [])
    service.answer = str.lower  # words in capitals would be taken for names
    service.misbehave = lambda i, request, good: good if i < 15 else error(403, f"key {KEY} is out")
    code, said = run(capsys, *job)
    assert code == 2
    assert "asked 40 times" in said.out
    assert "HTTP 403" in said.err
    answered = asked(service)[:15]
    service.requests.clear()
    service.misbehave = lambda i, request, good: error(400, "no") if asked(service)[i][-1] == "7" else good
    code, again = run(capsys, *job)
    assert code == 0, again.err
    assert "asked 25 times" in again.out
    assert not set(answered) & set(asked(service))
    n_refused = sum(text[-1] == "7" for text in asked(service))
    assert json.loads(again.out.splitlines()[-1])["empty"] == {"taught": n_refused}
    assert f"- taught: {n_refused}" in again.out
    kept = [path.read_bytes() for path in (tmp_path / "e.answers", *(tmp_path / "e").iterdir())]
    assert not any(KEY.encode() in blob for blob in kept)
    assert KEY not in said.out + said.err + again.out + again.err
