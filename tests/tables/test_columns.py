from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from frostline.errors import UserError
from frostline.tables.columns import (
    ColumnBuilder,
    check_finite,
    check_names,
    columns_table,
    has_json_cells,
    is_missing,
    pick_columns,
    python_cells,
    records_table,
)


def where(row: int) -> str:
    return f"row {row}"


class Color(str, enum.Enum):  # noqa: UP042 - the kind whose str() is not its value
    RED = "red"


@pytest.mark.parametrize(
    "value", [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT, np.datetime64("NaT"), Decimal("NaN")]
)
def test_missing(value: object) -> None:
    assert is_missing(value)
    assert python_cells([value], where) == [None]


@pytest.mark.parametrize("value", ["", "nan", 0, 0.0, False, [], float("inf"), Decimal(0)])
def test_not_missing(value: object) -> None:
    assert not is_missing(value)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.int8(3), 3),
        (np.float64(0.1), 0.1),
        (np.float32(0.1), 0.1),
        (np.float16(0.1), 0.1),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (Color.RED, "red"),
        (dt.date(2020, 1, 2), "2020-01-02"),
        (pd.Timestamp("2020-01-02 03:04"), "2020-01-02T03:04:00"),
        (np.datetime64("2020-01-02T03:04:05.5"), "2020-01-02T03:04:05.500000"),
        (dt.time(1, 2), "01:02:00"),
        ((1, np.int64(2)), [1, 2]),
        (np.array([[1, 2]]), [[1, 2]]),
        ({"a": np.array([0.5, np.nan])}, {"a": [0.5, None]}),
        (Decimal("1.50"), Decimal("1.50")),
    ],
)
def test_python_cells(value: object, plain: object) -> None:
    (cell,) = python_cells([value], where)
    assert cell == plain
    assert type(cell) is type(plain)


@pytest.mark.parametrize(
    "value", [b"x", object(), {1, 2}, dt.timedelta(1), {1: 2}, 1j, pd.Period("2020"), Decimal("inf")]
)
def test_python_cells_names_the_row_of_what_has_no_text(value: object) -> None:
    with pytest.raises(UserError, match=r"^row 1: "):
        python_cells(["fine", value], where)


@pytest.mark.parametrize(
    ("cells", "dtype"),
    [
        ([None, None], pa.null()),
        ([True, None], pa.bool_()),
        ([1, None, -(2**63)], pa.int64()),
        ([2**63 - 1], pa.int64()),
        ([1, 2.5], pa.float64()),
        (["a", None], pa.string()),
        ([[1], [2, None], None], pa.list_(pa.int64())),
        ([{"a": 1}, {"a": 2}], pa.struct({"a": pa.int64()})),
    ],
)
def test_one_type(cells: list[Any], dtype: pa.DataType) -> None:
    builder = ColumnBuilder().learn(cells)
    assert builder.dtype == dtype
    array = builder.build(cells, where)
    assert array.type == dtype
    assert array.to_pylist() == cells


@pytest.mark.parametrize(
    ("cells", "texts"),
    [
        ([1, "a", None], ["1", '"a"', None]),
        ([True, 1], ["true", "1"]),
        ([2**63], [str(2**63)]),
        ([-(2**63) - 1], [str(-(2**63) - 1)]),
        ([2**53 + 1, 0.5], [str(2**53 + 1), "0.5"]),
        ([[1], [2.5]], ["[1]", "[2.5]"]),
        ([{"a": 1}, {"b": 2}], ['{"a": 1}', '{"b": 2}']),
        ([{"a": 1, "b": 2}, {"b": 2, "a": 1}], ['{"a": 1, "b": 2}', '{"b": 2, "a": 1}']),
        ([[1], {"a": 1}, "x"], ["[1]", '{"a": 1}', '"x"']),
        ([Decimal("1.50"), None], ["1.50", None]),
    ],
)
def test_json_cells(cells: list[Any], texts: list[str | None]) -> None:
    builder = ColumnBuilder().learn(cells)
    assert builder.dtype is None
    assert builder.build(cells, where).to_pylist() == texts


@pytest.mark.parametrize(
    "blocks",
    [[[1, 2], [0.5]], [[None], ["a"]], [[1], ["a"]], [[[1]], [["a"]]], [[2**60], [1]], [[2**60], [1.5]], [[True], [1]]],
)
def test_type_of_blocks_is_the_type_of_the_whole(blocks: list[list[Any]]) -> None:
    by_block, whole = ColumnBuilder(), ColumnBuilder()
    for block in blocks:
        by_block.learn(block)
    assert by_block.dtype == whole.learn([cell for block in blocks for cell in block]).dtype


@pytest.mark.parametrize("cells", [["fine", "\ud800"], [1, "\ud800"], [[1], ["\ud800"]]])
def test_surrogates_are_named(cells: Sequence[Any]) -> None:
    with pytest.raises(UserError, match=r"^row 1: the text holds half a surrogate pair \('\\ud800'\)"):
        ColumnBuilder().learn(cells).build(cells, where)


def test_infinity_among_text_is_named() -> None:
    with pytest.raises(UserError, match="row 1: infinity"):
        ColumnBuilder().learn(["a", float("inf")]).build(["a", float("inf")], where)


def test_columns_table_marks_json_cells() -> None:
    table = columns_table(["mixed", "text"], [[1, "a"], ["b", "c"]])
    assert [has_json_cells(field) for field in table.schema] == [True, False]


def test_records_keep_first_met_order_and_fill_missing_keys() -> None:
    table = records_table([{"b": 1}, {"a": "x", "b": np.nan}, {}])
    assert table.column_names == ["b", "a"]
    assert table.to_pydict() == {"b": [1, None, None], "a": [None, "x", None]}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"a": 1}, 3], "Row 1: of type int"),
        ([{"a": 1}, {2: 1}], "Row 1: the key 2"),
        ([{}, {}], r"0 feature\(s\) \(shape=\(2, 0\)\)"),
        ([{"a": b"x"}], "Column 'a', row 0"),
    ],
)
def test_records_mistakes(rows: list[Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        records_table(rows)


def test_pick_columns_keeps_the_order_asked_for() -> None:
    table = pa.table({"a": [1], "b": [2], "c": [3]})
    assert pick_columns(table, ["c", "a"]).to_pydict() == {"c": [3], "a": [1]}
    assert pick_columns(table, "b").column_names == ["b"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["lable"], r"^Column 'lable' is not in the table. It has: 'text', 'label'. Did you mean 'label'\?$"),
        (["zzz"], r"^Column 'zzz' is not in the table. It has: 'text', 'label'.$"),
        (["text", "text"], "The selection has more than one column named 'text'"),
        ([], "No column was named"),
    ],
)
def test_pick_columns_mistakes(names: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        pick_columns(pa.table({"text": ["a"], "label": [1]}), names)


def test_a_long_list_of_columns_is_counted() -> None:
    table = pa.table({f"c{i}": [1] for i in range(100)})
    with pytest.raises(UserError, match="'c29' and 70 more."):
        pick_columns(table, ["nothing like it"])


def test_check_names() -> None:
    check_names(["a", "b"], "The table")
    with pytest.raises(UserError, match="The table has more than one column named 'b'"):
        check_names(["a", "b", "b"], "The table")


@pytest.mark.parametrize("dtype", [pa.float64(), pa.float32(), pa.float16()])
def test_check_finite(dtype: pa.DataType) -> None:
    check_finite(pa.table({"x": pa.array(np.array([1, np.nan], dtype=dtype.to_pandas_dtype()), dtype)}))
    values = np.array([1, -np.inf], dtype=dtype.to_pandas_dtype())
    with pytest.raises(UserError, match="Column 'x' holds infinity, first in row 1"):
        check_finite(pa.table({"x": pa.array(values, dtype)}))
