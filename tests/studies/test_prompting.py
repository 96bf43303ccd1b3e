"""Answers are read strictly; prompts fit the window; examples are what they are said to be."""

from __future__ import annotations

import numpy as np
import pytest

from fakes import tiny_writer
from frostline.lms import Completion, load_local
from frostline.studies.prompting import PromptArm, parse_answer, run_prompts
from frostline.studies.sets import Part, StudySet

CLASSES = ["negative", "Sci/Tech", "card_not working"]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (" negative", 0),
        ("\n Negative.\n\nText: more", 0),
        ('"sci/tech"', 1),
        ("**Sci/Tech**", 1),
        ("card_not  working", 2),
        ("", -1),
        ("It is negative", -1),
        ("negative or Sci/Tech", -1),
        ("positive", -1),
        ("neg", -1),
    ],
)
def test_an_answer_is_a_label_and_nothing_else(text, answer):
    assert parse_answer(text, CLASSES) == answer


def test_reasons_end_with_the_answer():
    assert parse_answer("negative words... Answer: sci/tech\n", CLASSES, reasons=True) == 1
    assert parse_answer("Answer: negative? no.\nAnswer: sci/tech", CLASSES, reasons=True) == 1
    assert parse_answer("negative", CLASSES, reasons=True) == -1


def test_labels_that_look_alike_are_no_answer():
    assert parse_answer("a", ["a", "A"]) == -1


class Scripted:
    """A language model that answers by a rule, and keeps what it was asked."""

    name, identity, scores = "scripted", {}, False

    def __init__(self, answer, window=None):
        self.answer, self.window, self.asked = answer, window, []

    def generate(self, prompts, sampling=None):
        self.asked += prompts
        return [Completion(self.answer(prompt), len(prompt), 3, True) for prompt in prompts]

    def count_tokens(self, texts):
        return np.array([len(text) for text in texts])


def data_of(n=20):
    train = Part([f"train {i}" for i in range(n)], np.arange(n) % 2)
    return StudySet("s", train, Part(["test zero", "test one"], np.array([0, 1])), ["no", "yes"])


def test_answers_tokens_and_invalid_ones_are_counted():
    lm = Scripted(lambda prompt: "yes" if "one" in prompt else "perhaps")
    found = run_prompts(lm, PromptArm(), data_of(), np.arange(2), None, 0)
    assert found["answers"] == [-1, 1]
    assert found["invalid"] == 0.5
    assert found["failed"] == 0
    assert found["n_prompt_tokens"] == sum(map(len, lm.asked))
    assert found["n_tokens"] == 6
    assert "The labels are: no, yes." in lm.asked[0]
    assert lm.asked[0].endswith("Text: test zero\nLabel:")


def test_random_examples_are_the_same_for_all_rows_and_balanced():
    lm = Scripted(lambda prompt: "yes")
    run_prompts(lm, PromptArm(shots=4), data_of(), np.arange(2), None, 0)
    first, second = (prompt.split("\n\n")[1:-1] for prompt in lm.asked)
    assert first == second
    assert sorted(block.rpartition(" ")[2] for block in first) == ["no", "no", "yes", "yes"]
    other = Scripted(lambda prompt: "yes")
    run_prompts(other, PromptArm(shots=4), data_of(), np.arange(2), None, 1)
    assert other.asked != lm.asked


def test_nearest_examples_are_neighbors_the_nearest_last():
    train = np.array([[np.cos(a), np.sin(a)] for a in np.linspace(0, np.pi, 20)])
    test = train[[3, 10]]
    lm = Scripted(lambda prompt: "yes")
    run_prompts(lm, PromptArm(shots=3, nearest=True), data_of(), np.arange(2), (train, test), 0)
    shown = [[block.split("\n")[0] for block in prompt.split("\n\n")[1:-1]] for prompt in lm.asked]
    assert [own[-1] for own in shown] == ["Text: train 3", "Text: train 10"]
    assert set(shown[0]) == {"Text: train 2", "Text: train 3", "Text: train 4"}


def test_what_does_not_fit_is_cut_and_counted():
    lm = Scripted(lambda prompt: "yes", window=230)
    found = run_prompts(lm, PromptArm(shots=8), data_of(), np.arange(2), None, 0)
    assert found["n_cut"] == 2
    assert all(len(prompt) <= 230 - 16 - 16 for prompt in lm.asked)
    assert all(prompt.endswith("Label:") and "Text: train" in prompt for prompt in lm.asked)


def test_a_local_model_scores_the_options(tmp_path):
    lm = load_local(str(tiny_writer(tmp_path / "lm", window=300)))
    data = data_of()
    found = run_prompts(lm, PromptArm(scored=True), data, np.arange(2), None, 0)
    prompt = "Classify the text. The labels are: no, yes. Answer with the label only.\n\nText: test zero\nLabel:"
    own = lm.score([prompt], [[" no", " yes"]])[0]
    assert found["answers"][0] == int(np.argmax([one.logprob / one.n_tokens for one in own]))
    assert found["invalid"] == 0
