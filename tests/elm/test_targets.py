"""Records and examples: columns found, lists split, partners on one's own side, teachers asked once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from frostline.elm.facts import Names
from frostline.elm.records import generalized, read_records
from frostline.elm.targets import build_examples
from frostline.elm.tasks import Task, load_pack
from frostline.errors import UserError

TABLE = pa.table(
    {
        "movieId": [1.0, 2.0, 3.0, 4.0],
        "title": ["Up", "Heat", "Alien", "Big"],
        "year": [1994, 1995, 1979, None],
        "genres": ["Drama|War", "War", "Sci-Fi|Horror", "(no genres listed)"],
        "overview": ["A man flies. He lands.", "Cops hunt.", "Zelda meets an alien.", None],
    }
)
IDS = ["1", "2", "3", "4"]
VECTORS = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], dtype=np.float32)


def records():
    return read_records(TABLE, "movieId", load_pack("films"))


def test_objects_in_cells_are_json():
    rows = [{"id": "a", "title": {"main": "Käfer", "year": 1994}, "genres": [{"name": "War"}, None]}]
    (row,) = read_records(pa.Table.from_pylist(rows), "id", load_pack("films")).rows.values()
    assert row.text["title"] == '{"main": "Käfer", "year": 1994}'
    assert row.lists["genres"] == ('{"name": "war"}',)


def test_columns_are_found_and_lists_split():
    found = records()
    assert found.columns["text"] == "overview"
    assert found.rows["1"].lists["genres"] == ("drama", "war")
    assert found.rows["4"].lists["genres"] == ()
    assert found.attribute_values("decade", "3") == ("1970s",)
    assert found.attribute_values("decade", "4") == ()


def test_names_are_taken_out_of_texts_but_not_of_titles():
    free = generalized(records(), Names(frozenset(), "film"))
    assert free.rows["3"].text["title"] == "Alien"
    assert free.rows["2"].text["text"] == "Cops hunt."


def test_examples_say_which_tasks_were_skipped_and_which_rows_were_empty():
    found = build_examples(records(), IDS, VECTORS, seed=0)
    assert found.skipped["positive_review"] == "it needs a teacher, and none was given"
    assert found.skipped["user_profile"] == "the table has no column for liked, disliked"
    assert {e.ids[0] for e in found.items} == {"1", "2", "3"}
    assert sum(found.empty.values()) > 0
    summaries = {e.ids[0]: e.text for e in found.items if e.task.name == "summary"}
    assert summaries.get("1", "A man flies.") == "A man flies."


@pytest.mark.parametrize(("lengths", "kept"), [((30, 25, 3), {"0", "1"}), ((30, 3, 2), {"0", "1", "2"})])
def test_short_targets_are_left_out_where_most_are_long(lengths, kept):
    table = pa.table({"id": ["0", "1", "2"], "text": [" ".join(["word"] * n) for n in lengths]})
    task = Task("tell", "Tell {vector}.", "column", "text", "-", min_words=20)
    pack = replace(load_pack("generic"), tasks=[task])
    found = build_examples(read_records(table, "id", pack), ["0", "1", "2"], VECTORS[:3], seed=0)
    assert {e.ids[0] for e in found.items} == kept
    assert found.empty.get("tell", 0) == 3 - len(kept)


def test_the_nearest_partner_is_the_nearest_vector():
    pack = load_pack("films")
    only = [task for task in pack.tasks if task.name == "shares_with_neighbor"]
    found = read_records(TABLE, "movieId", type(pack)(**{**vars(pack), "tasks": only, "per_id": None}))
    items = build_examples(found, IDS, VECTORS, seed=0).items
    assert [(e.ids, e.text) for e in items] == [(("1", "2"), "They share war."), (("2", "1"), "They share war.")]


def test_an_id_gets_the_same_tasks_whoever_stands_beside_it():
    def of_one(ids):
        found = build_examples(records(), ids, VECTORS[: len(ids)], seed=3)
        return [(e.task.name, e.text) for e in found.items if e.ids[0] == "1" and not e.task.pairs]

    assert of_one(IDS) == of_one(IDS[:3])


def test_a_teacher_answers_instructions_and_empty_answers_are_none():
    asked = []

    def teacher(instructions):
        asked.extend(instructions)
        return ["" if "alien" in text else "fine" for text in instructions]

    found = build_examples(records(), IDS, VECTORS, seed=0, teacher=teacher)
    assert asked
    assert all("description" in text or "Retell" in text for text in asked)
    taught = [e for e in found.items if e.task.source == "teacher"]
    assert {e.text for e in taught} == {"fine"}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (pa.table({"movieId": [1, 1], "overview": ["a", "b"]}), "ids stand in more than one row"),
        (pa.table({"movieId": [1, None], "overview": ["a", "b"]}), "1 rows have no id"),
        (pa.table({"movieId": [1, 2], "x": ["a", "b"]}), "No task of 'films' finds its columns"),
    ],
)
def test_tables_that_cannot_be_used(table, said):
    with pytest.raises(UserError, match=said):
        read_records(table, "movieId", load_pack("films"))


def test_the_generic_pack_finds_attributes():
    table = pa.table({"id": range(40), "text": [f"t {i}" for i in range(40)], "kind": ["a", "b"] * 20})
    found = read_records(table, "id", load_pack("generic"))
    assert list(found.pack.attributes) == ["kind"]
    assert found.attribute_values("kind", "1") == ("b",)
