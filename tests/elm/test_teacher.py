"""A teacher: costs said before, answers kept, nothing asked twice."""

from __future__ import annotations

from frostline.elm.teacher import TeacherModel
from tiny_llms import save_llm


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
