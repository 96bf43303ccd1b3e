from __future__ import annotations

import json

import pyarrow as pa
import pytest

from frostline.errors import UserError
from frostline.tables import conform, read_table, render_rows, to_rows, type_name


def texts(values, former):
    return render_rows(conform(pa.table({"a": values}), [str(former)]))


def test_whole_numbers_of_a_float_column_are_written_as_floats():
    assert texts([1, 2], pa.float64()) == ["1.0", "2.0"]


def test_floats_of_a_whole_column_are_written_as_whole_numbers_where_they_are():
    assert texts([1.0, None], pa.int64()) == ["1", "null"]
    assert texts([1.5, 2.0, -3.0], pa.int64()) == ["1.5", "2", "-3"]  # as each row alone
    assert texts([1e30, float("nan")], pa.int64()) == ["1e+30", "null"]
    assert texts(pa.array([2.0, 0.1], pa.float32()), pa.int64()) == ["2", "0.1"]
    for cells in ([50331648.0], [50331648.0, 0.5]):  # whose shortest decimal as a float32 is 50331650.0
        assert texts(pa.array(cells, pa.float32()), pa.int64())[0] == "50331648"
    assert conform(pa.table({"a": [1.0, None]}), ["int64"]).column("a").type == pa.int64()
    later = conform(pa.table({"a": [12.0, 2.5]}), ["int64"])
    assert later.column("a").type == pa.float64()  # numbers still, for who reads columns
    assert render_rows(later, number_format="digits") == ["[+ 1 10e1 2 10e0]", "[+ 2 10e0 5 10e-1]"]
    assert render_rows(later, number_format="rounded(1)", template="{a}") == ["12", "2.5"]


def test_whole_numbers_of_a_text_column():
    assert texts([7, 12], pa.string()) == ["7", "12"]


def test_a_column_of_missing_values_takes_the_former_type():
    assert conform(pa.table({"a": pa.nulls(2)}), ["double"]).schema.types == [pa.float64()]


def test_same_kinds_are_left_alone():
    table = pa.table({"a": pa.array(["x"], pa.large_string()), "b": pa.array([1], pa.int8())})
    assert conform(table, ["string", "int64"]).equals(table)
    assert conform(table, None) is table


def read(path, text):
    path.write_text(text)
    return read_table(path)


def test_a_column_that_one_file_leaves_blank_is_read_as_in_a_file_that_does_not(tmp_path):
    fitted = read(tmp_path / "a.csv", "notes,n\n,1\nsome,2\n")
    types = [type_name(field) for field in fitted.schema]
    for text in ("notes,n\n,1\n", "notes,n\n,1\n,1\n"):
        later = read(tmp_path / "b.csv", text)
        assert render_rows(conform(later, types))[0] == render_rows(fitted)[0] == '{"notes": "", "n": 1}'
    assert render_rows(conform(pa.table({"notes": pa.nulls(1), "n": [1]}), types)) == ['{"notes": null, "n": 1}']


@pytest.mark.parametrize("word", ["NA", "nan", "NULL"])
def test_a_column_of_words_for_missing_values_is_missing_numbers(tmp_path, word):
    fitted = read(tmp_path / "a.csv", f"n,x\n{word},a\n2.5,b\n")
    later = read(tmp_path / "b.csv", f"n,x\n{word},a\n")
    types = [type_name(field) for field in fitted.schema]
    assert render_rows(conform(later, types)) == render_rows(fitted)[:1] == ['{"n": null, "x": "a"}']
    assert conform(later, ["string", "string"]).column("n").to_pylist() == [word]


@pytest.mark.parametrize("one", [{"a": 1}, ["x"], 5, "abc", 2.5, True, None])
def test_values_of_several_kinds_at_the_fit_and_of_one_kind_later(one):
    fitted = to_rows([{"c": value} for value in ({"a": 1}, ["x"], 5, "abc", 2.5, True, None, {"b": [2]})])
    assert type_name(fitted.schema.field("c")) == "json"
    later = conform(to_rows([{"c": one, "d": 0}]).select(["c"]), ["json"])
    at_fit = {
        json.dumps(value): text
        for value, text in zip(({"a": 1}, ["x"], 5, "abc", 2.5, True, None), cells(fitted), strict=False)
    }
    assert cells(later) == [at_fit[json.dumps(one)]]


def cells(table):
    both = table.append_column("z", pa.nulls(table.num_rows))
    return render_rows(both)


def test_values_of_several_kinds_now_where_there_were_numbers_are_refused():
    mixed = to_rows([{"c": 3, "d": 0}, {"c": "unknown", "d": 0}]).select(["c"])
    with pytest.raises(UserError, match="at the fit it held int64"):
        conform(mixed, ["int64"])
    assert conform(mixed, ["string"]).column("c").to_pylist() == ["3", '"unknown"']
    assert conform(mixed, ["struct<a: int64>"]).num_rows == 2


def test_categories_and_their_values_are_one():
    words = pa.table({"a": pa.array(["x", "y"]).dictionary_encode()})
    (named,) = [type_name(field) for field in words.schema]
    assert render_rows(conform(pa.table({"a": ["x", "y"]}), [named])) == ["x", "y"]
    assert render_rows(conform(words, ["string"])) == ["x", "y"]
    numbers = pa.table({"a": pa.array([1, 2]).dictionary_encode()})
    assert render_rows(conform(numbers, ["double"])) == ["1.0", "2.0"]


@pytest.mark.parametrize(
    ("values", "former"), [(["x"], "int64"), (["1.5"], "double"), ([1.5], "string"), ([True], "string")]
)
def test_text_and_numbers_do_not_mix(values, former):
    with pytest.raises(UserError, match="at the fit it held"):
        conform(pa.table({"a": values}), [former])
