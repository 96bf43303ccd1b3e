"""Answers on disk: the file comes with the first of them, and a place that cannot hold one is refused before."""

from __future__ import annotations

import pytest

from frostline.errors import StoreError
from frostline.lms import AnswerCache


def test_the_file_is_made_with_the_first_answer(tmp_path):
    path = tmp_path / "sub" / "answers"
    cache = AnswerCache(path)
    assert cache.get({"a": 1}) is None
    assert list(tmp_path.iterdir()) == []
    cache.put({"a": 1}, {"text": "x"})
    assert AnswerCache(path).get({"a": 1}) == {"text": "x"}
    assert cache.get({"a": 2}) is None


def test_a_file_that_a_killed_job_left_empty_is_used(tmp_path):
    (tmp_path / "answers").touch()
    cache = AnswerCache(tmp_path / "answers")
    assert cache.get({}) is None
    cache.put({}, 1)
    assert cache.get({}) == 1


def test_a_place_that_cannot_hold_answers_is_refused_at_once(tmp_path):
    (tmp_path / "text").write_text("no database, but text that is long enough " * 9)
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "text", tmp_path / "folder", tmp_path / "text" / "answers"):
        with pytest.raises(StoreError, match="cannot be used"):
            AnswerCache(path)
