"""Packs: the three that ship, and files of one's own."""

from __future__ import annotations

import pytest

from frostline.elm.tasks import PACKS, load_pack, pack_from_json
from frostline.errors import UserError

ONE = {"name": "t", "prompt": "x {vector}", "note": "n", "column": "text"}


@pytest.mark.parametrize("name", PACKS)
def test_packs_read_their_prompts_and_survive_json(name):
    pack = load_pack(name)
    assert all(task.parsed(["v"]).spaces == ("v",) * task.n_vectors for task in pack.tasks)
    assert all(task.note and "arget" in task.note for task in pack.tasks)
    assert pack_from_json(pack.to_json()) == pack


def test_the_films_pack_has_the_papers_tasks():
    pack = load_pack("films")
    films = [task for task in pack.tasks if task.name != "user_profile"]
    assert len(films) == 24
    assert len([task for task in films if task.n_vectors == 2]) == 5
    assert len([task for task in films if task.source != "teacher"]) >= 12
    assert all("aper" in task.note for task in pack.tasks)


def test_films_say_what_they_are_before_what_is_theirs():
    assert {name: load_pack(name).opening for name in PACKS} == {"films": 14, "books": 0, "generic": 0}


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"name": "p"}, "lacks tasks"),
        ({"name": "p", "tasks": [], "task": 1}, "unknown key 'task'"),
        ({"name": "p", "tasks": [{**ONE, "template": "{x}"}]}, "needs one of column, template, teacher"),
        ({"name": "p", "tasks": [ONE, ONE]}, "two tasks have one name"),
        ({"name": "p", "tasks": [{**ONE, "pairs": "near"}]}, "unknown pairs 'near'"),
        (
            {"name": "p", "tasks": [{"name": "t", "prompt": "{vector}", "note": "n", "template": "{b.x}"}]},
            "speaks of two rows",
        ),
        ([], "must be a mapping"),
        ({"name": "p", "tasks": None}, "lacks tasks"),
        ({"name": "p", "tasks": {"t": ONE}}, "tasks must be a list"),
        ({"name": 3, "tasks": [ONE]}, "name must be text, got 3"),
        ({"name": "p", "tasks": [ONE], "columns": ["text"]}, "columns must be a mapping"),
        ({"name": "p", "tasks": [ONE], "columns": {"text": 3}}, "columns: text must be a list, got 3"),
        ({"name": "p", "tasks": [ONE], "lists": {"genres": ""}}, "here it is empty"),
        ({"name": "p", "tasks": [ONE], "per_id": 0}, "per_id must be 1 or more"),
        ({"name": "p", "tasks": [ONE], "opening": -1}, "opening must be 0 or more"),
        ({"name": "p", "tasks": [{**ONE, "prompt": None}]}, "lacks prompt"),
        ({"name": "p", "tasks": [{**ONE, "weight": "much"}]}, "task t: weight must be a number, got 'much'"),
        ({"name": "p", "tasks": [{**ONE, "weight": -1}]}, "weight must be a positive number"),
        ({"name": "p", "tasks": [{**ONE, "min_words": True}]}, "min_words must be a whole number"),
        (
            {"name": "p", "tasks": [ONE], "attributes": {"a": {"column": "c", "kind": "decades"}}},
            "unknown kind 'decades'",
        ),
        (
            {"name": "p", "tasks": [ONE], "attributes": {"a": {"column": "c", "words": {"x": 3}}}},
            "attribute a: the words of x must be a list of text, got 3",
        ),
    ],
)
def test_packs_that_cannot_be_used(said, message):
    with pytest.raises(UserError, match=message):
        pack_from_json(said)


def test_one_word_for_a_value_is_a_list_of_one():
    said = {"name": "p", "tasks": [ONE], "attributes": {"a": {"column": "c", "words": {"x": "some word", "y": ["z"]}}}}
    assert pack_from_json(said).attributes["a"].words == {"x": ["some word"], "y": ["z"]}


def test_files(tmp_path):
    (tmp_path / "p.yaml").write_text("name: p\ntasks:\n - {name: t, prompt: 'x {vector}', note: n, column: text}\n")
    assert load_pack(tmp_path / "p.yaml").task("t").target == "text"
    (tmp_path / "q.yaml").write_text("a: [")
    with pytest.raises(UserError, match="cannot be read as YAML"):
        load_pack(tmp_path / "q.yaml")
    with pytest.raises(UserError, match="Unknown task 'x'"):
        load_pack("generic").task("x")
