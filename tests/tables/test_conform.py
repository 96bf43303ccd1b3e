from __future__ import annotations

import pyarrow as pa
import pytest

from frostline.errors import UserError
from frostline.tables import conform, render_rows


def texts(values, former):
    return render_rows(conform(pa.table({"a": values}), [str(former)]))


def test_whole_numbers_of_a_float_column_are_written_as_floats():
    assert texts([1, 2], pa.float64()) == ["1.0", "2.0"]


def test_floats_of_a_whole_column_are_written_as_whole_numbers_where_they_are():
    assert texts([1.0, None], pa.int64()) == ["1", "null"]
    assert texts([1.5, 2.0], pa.int64()) == ["1.5", "2.0"]


def test_whole_numbers_of_a_text_column():
    assert texts([7, 12], pa.string()) == ["7", "12"]


def test_a_column_of_missing_values_takes_the_former_type():
    assert conform(pa.table({"a": pa.nulls(2)}), ["double"]).schema.types == [pa.float64()]


def test_same_kinds_are_left_alone():
    table = pa.table({"a": pa.array(["x"], pa.large_string()), "b": pa.array([1], pa.int8())})
    assert conform(table, ["string", "int64"]).equals(table)
    assert conform(table, None) is table


@pytest.mark.parametrize(
    ("values", "former"), [(["x"], "int64"), (["1.5"], "double"), ([1.5], "string"), ([True], "string")]
)
def test_text_and_numbers_do_not_mix(values, former):
    with pytest.raises(UserError, match="at the fit it held"):
        conform(pa.table({"a": values}), [former])
