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
