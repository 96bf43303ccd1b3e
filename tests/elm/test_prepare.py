"""Data of a fit: what a teacher says is no exception to the rule on names."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from frostline.elm.prepare import as_spaces, main_text, prepare_data
from frostline.elm.records import read_records
from frostline.elm.tasks import load_pack
from frostline.errors import UserError
from frostline.tables import render_rows, write_vectors

N = 40
TABLE = pa.table(
    {"id": range(N), "title": [f"Ufo {i}" for i in range(N)], "plot": [f"a tale of {i}" for i in range(N)]}
)
TASKS = """
name: t
noun: film
columns: {text: [plot], title: [title]}
tasks:
  - {name: taught, prompt: 'y {vector}', note: n, teacher: 'Review {text}'}
"""


@pytest.mark.parametrize("keep_names", [True, False])
def test_names_that_a_teacher_brings_are_taken_out(tmp_path, keep_names):
    (tmp_path / "t.yaml").write_text(TASKS)

    def teacher(instructions):
        number = [text.rpartition(" ")[2] for text in instructions]
        return ["Zelda Quux is it." if n == "7" else f"In Ufo {n} a man meets Zelda Quux and runs." for n in number]

    vectors = np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)
    data = prepare_data(
        as_spaces((range(N), vectors), TABLE, "id"), TABLE, load_pack(tmp_path / "t.yaml"), id="id", text=None, held_out=["1", "2"],
        keep_names=keep_names, seed=0, teacher=teacher,
    )  # fmt: skip
    train, held_out = data.examples["vectors"]
    said = {one.ids[0]: one.text for one in train.items}
    if keep_names:
        assert said["3"] == "In Ufo 3 a man meets Zelda Quux and runs."
        assert (len(said), train.empty) == (38, {})
    else:
        assert said["3"] == "In the film a man meets someone and runs."
        assert (len(said), train.empty) == (37, {"taught": 1})  # nothing was left of the seventh
    assert len(held_out.items) == 2


@pytest.mark.parametrize("cells", [[["Red", "n 1", "Red"], None], [{"a": 1}, {"a": None}], [1.5, 2.0], [True, False]])
def test_a_text_column_of_other_cells_is_written_as_embed_writes_it(cells):
    table = pa.table({"id": [0, 1], "c": cells})
    read = read_records(table, "id", load_pack("generic"), "c")
    wanted = render_rows(table.select(["c"]))
    assert [main_text(read, id) or "null" for id in "01"] == wanted


def spaces_of(*ids, seed=0):
    rng = np.random.default_rng(seed)
    return {f"s{i}": (own, rng.normal(size=(len(own), 4)).astype(np.float32)) for i, own in enumerate(ids)}


def test_a_thing_is_on_one_side_in_all_spaces_and_held_out_ids_may_be_in_one_of_them(tmp_path):
    (tmp_path / "t.yaml").write_text("""
name: t
columns: {text: [plot]}
tasks:
  - {name: a, prompt: 'a {vector}', column: text, space: s0, note: n}
  - {name: b, prompt: 'b {vector}', column: text, space: s1, note: n}
""")

    def prepared(spaces, table, held_out):
        return prepare_data(
            as_spaces(spaces, table, "id"), table, load_pack(tmp_path / "t.yaml"), id="id", text=None, held_out=held_out,
            keep_names=True, seed=0, teacher=None,
        )  # fmt: skip

    items, users = range(20), range(20, 40)
    data = prepared(spaces_of(items, users), TABLE, ["3", "4", "25"])
    assert [held for _, held in data.parts.values()] == [["3", "4"], ["25"]]
    with pytest.raises(UserError, match="1 held-out ids have no vector and row, such as '77'"):
        prepared(spaces_of(items, users), TABLE, ["3", "25", "77"])
    # Row i of the one space has the text of row i + 20 of the other: they are one thing.
    twins = TABLE.set_column(2, "plot", [[f"a tale of {i % 20}" for i in range(N)]])
    data = prepared(spaces_of(items, users), twins, 0.3)
    held = [{int(key) % 20 for key in own} for _, own in data.parts.values()]
    assert held[0] == held[1]
    with pytest.raises(UserError, match="both sides of the split.*3, 23"):
        prepared(spaces_of(items, users), twins, ["3", "24", "4"])


def test_an_array_without_ids_follows_the_rows_of_the_table(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)
    write_vectors(tmp_path / "v.npy", None, vectors)
    table = TABLE.set_column(
        0, "id", pa.array(range(N, 0, -1))
    )  # numbers of rows would all name a row, and a wrong one
    found = as_spaces({"films": tmp_path / "v.npy"}, table, "id")["films"]
    assert found.ids == [str(i) for i in range(N, 0, -1)]
    np.testing.assert_array_equal(found.vectors, vectors)
    with pytest.raises(UserError, match="holds 40 vectors and no ids, .* follow the 39 rows") as refused:
        as_spaces(tmp_path / "v.npy", table.slice(1), "id")
    assert "--ids F" in refused.value.hint
