"""Functions at shared inputs, and rows of real tables."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from frostline.errors import MissingExtraError, UserError
from frostline.studies.regression.problems import draw_inputs, function_names, functions_at, read_tables


def test_inputs_are_uniform_shared_and_drawn_once():
    inputs = draw_inputs(5, 0, 400)
    X = np.column_stack([column.to_numpy() for column in inputs.table.columns])
    assert X.shape == (400, 5)
    assert np.abs(X).max() <= 5
    assert np.abs(X.mean(axis=0)).max() < 0.5
    assert np.allclose(X.std(axis=0), 10 / np.sqrt(12), rtol=0.1)
    assert (len(inputs.fit), len(inputs.test)) == (360, 40)
    assert not set(inputs.fit) & set(inputs.test)
    assert draw_inputs(5, 0, 400).digest == inputs.digest
    assert len({draw_inputs(*which).digest for which in [(5, 0, 400), (5, 1, 400), (6, 0, 400), (5, 0, 401)]}) == 4
    sphere, slope = functions_at(inputs, 0, ["Sphere", "LinearSlope"])
    assert sphere.inputs is slope.inputs


def test_functions_are_those_of_bbob():
    names = function_names()
    assert len(names) == 24
    assert function_names(["Schwefel", "Sphere"]) == ["Schwefel", "Sphere"]
    inputs = draw_inputs(3, 0, 60)
    X = np.column_stack([column.to_numpy() for column in inputs.table.columns])
    (sphere,) = functions_at(inputs, 0, ["Sphere"])
    # |x - o|^2 + f0 for some o: a least-squares fit of y - |x|^2 on x and 1 leaves nothing over
    A = np.column_stack([X, np.ones(len(X))])
    rest = sphere.y - (X**2).sum(axis=1)
    assert np.allclose(A @ np.linalg.lstsq(A, rest, rcond=None)[0], rest, atol=1e-8)
    before = X.copy()
    _ = functions_at(inputs, 0, ["Katsuura"])[0].y
    assert np.array_equal(before, np.column_stack([column.to_numpy() for column in inputs.table.columns]))


def test_an_unknown_function_is_named():
    with pytest.raises(UserError, match="no function 'Spere'") as caught:
        function_names(["Spere"])
    assert "Sphere" in str(caught.value.hint)


def test_without_ioh_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ioh", None)
    with pytest.raises(MissingExtraError, match="'ioh' is not installed") as caught:
        function_names()
    assert caught.value.hint == "pip install 'frostline[study]'"


def test_tables_by_their_index(tables_folder):
    small, given = read_tables(tables_folder)
    assert (small.name, small.n_missing, len(small.y)) == ("small", 1, 89)
    assert small.table.column_names == ["x", "kind"]
    assert given.table.column_names == ["x", "who"]
    assert [table.name for table in read_tables(tables_folder, ["given"])] == ["given"]


def test_a_draw_keeps_groups_and_given_test_rows(tables_folder):
    small, given = read_tables(tables_folder)
    problem = small.draw(0, 60)
    assert problem.inputs.table.num_rows == 60
    assert (len(problem.inputs.fit), len(problem.inputs.test)) == (54, 6)
    assert sorted([*problem.inputs.fit, *problem.inputs.test]) == list(range(60))
    assert small.draw(0, 60).key == problem.key
    other = small.draw(1, 60)
    assert other.inputs.table.equals(problem.inputs.table)  # split anew, and nothing is to be embedded anew
    assert set(other.inputs.test) != set(problem.inputs.test)
    assert given.draw(1, 50).inputs.table != given.draw(0, 50).inputs.table
    held = given.draw(0, 50)
    assert len(held.inputs.test) == 5
    x = held.inputs.table["x"].to_numpy()
    first = set(given.table["x"].to_numpy()[:20])
    assert {float(v) in first for v in x[held.inputs.test]} == {True}
    assert {float(v) in first for v in x[held.inputs.fit]} == {False}
    assert np.array_equal(x, held.y)
    by_group = read_tables(tables_folder, ["given"])[0].groups
    assert np.array_equal(by_group, np.arange(90) // 2)


@pytest.mark.parametrize(
    ("index", "names", "word"),
    [("name,targets\nsmall,y\n", ["smal"], "lists no table 'smal'"), ("name\nsmall\n", [], "no column 'targets'"),
     ("name,targets\nnone,y\n", [], "holds no none.parquet"), ("name,targets\nsmall,q\n", [], "no column 'q'"),
     ("name,targets\nsmall,kind\n", [], "holds no numbers")],
)  # fmt: skip
def test_mistakes_in_an_index(tables_folder, tmp_path, index, names, word):
    (tmp_path / "small.parquet").write_bytes((tables_folder / "small.parquet").read_bytes())
    (tmp_path / "index.csv").write_text(index)
    with pytest.raises(UserError, match=word):
        read_tables(tmp_path, names)


def test_no_index(tmp_path):
    with pytest.raises(UserError, match=r"index\.csv does not exist"):
        read_tables(tmp_path)
