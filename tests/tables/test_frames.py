from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp

from frostline.errors import UserError
from frostline.tables import render_rows, to_rows


class Stream:
    """A frame of some other library: it only speaks Arrow's protocol."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return pa.table({"a": [1]}).__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize(
    "X",
    [
        ["a", "b"],
        ("a", "b"),
        [np.str_("a"), "b"],
        np.array(["a", "b"]),
        np.array(["a", "b"], dtype=object),
        pd.Series(["a", "b"], index=[7, 8]),
        pd.Series(["a", "b"], dtype=object),
        pd.Series(["a", "b"], dtype="category"),
        pd.Series(["a", "b"], dtype="string"),
        pl.Series(["a", "b"]),
        pa.array(["a", "b"]),
        pa.chunked_array([["a"], ["b"]]),
    ],
    ids=lambda X: f"{type(X).__module__}-{type(X).__name__}",
)
def test_texts(X: Any) -> None:
    table = to_rows(X)
    assert table.schema == pa.schema({"text": pa.string()})
    assert table["text"].to_pylist() == ["a", "b"]


@pytest.mark.parametrize("X", [pd.Series(["a"], name="review"), pl.Series("review", ["a"])], ids=["pandas", "polars"])
def test_series_keep_their_name(X: Any) -> None:
    assert to_rows(X).to_pydict() == {"review": ["a"]}


@pytest.mark.parametrize(
    "X",
    [
        pa.table({"a": [1, None], "s": ["x", "y"]}),
        pa.record_batch({"a": pa.array([1, None]), "s": pa.array(["x", "y"])}),
        pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "s": ["x", "y"]}, index=[5, 5]),
        pl.DataFrame({"a": [1, None], "s": ["x", "y"]}),
        [{"a": 1, "s": "x"}, {"s": "y"}],
        [{"a": 1, "s": "x"}, {"a": float("nan"), "s": "y"}],
        np.array([{"a": 1, "s": "x"}, {"s": "y"}]),
    ],
    ids=lambda X: f"{type(X).__module__}-{type(X).__name__}",
)
def test_tables(X: Any) -> None:
    table = to_rows(X)
    assert table.to_pydict() == {"a": [1, None], "s": ["x", "y"]}
    assert render_rows(table) == ['{"a": 1, "s": "x"}', '{"a": null, "s": "y"}']


def test_arrow_protocol() -> None:
    assert to_rows(Stream()).to_pydict() == {"a": [1]}


def test_pandas_columns() -> None:
    frame = pd.DataFrame(
        {
            "float": np.float32([0.1, np.nan]),
            "mixed": pd.Series([1, "a"], dtype=object),
            "gaps": pd.Series([pd.NA, 2], dtype=object),
            "cat": pd.Categorical(["u", None]),
            "cats": pd.Categorical([1, "a"]),
            "when": [pd.Timestamp("2020-01-02 03:04"), pd.NaT],
            "zoned": pd.to_datetime(["2020-01-02", "2020-07-02"]).tz_localize("Europe/Berlin"),
            "dates": pd.Series([dt.date(2020, 1, 2), None], dtype=object),
            "lists": [[1, 2], [3]],
            "sparse": pd.arrays.SparseArray([0, 1]),
            "bool": [True, False],
            3: [1, 2],
        }
    )
    assert render_rows(to_rows(frame)) == [
        (
            '{"float": 0.1, "mixed": 1, "gaps": null, "cat": "u", "cats": 1, "when": "2020-01-02T03:04:00", '
            '"zoned": "2020-01-02T00:00:00+01:00", "dates": "2020-01-02", "lists": [1, 2], "sparse": 0, "bool": true, "3": 1}'
        ),
        (
            '{"float": null, "mixed": "a", "gaps": 2, "cat": null, "cats": "a", "when": null, '
            '"zoned": "2020-07-02T00:00:00+02:00", "dates": null, "lists": [3], "sparse": 1, "bool": false, "3": 2}'
        ),
    ]


def test_polars_columns() -> None:
    frame = pl.DataFrame(
        {
            "cat": pl.Series(["u", None], dtype=pl.Categorical),
            "date": [dt.date(2020, 1, 2), None],
            "when": [dt.datetime(2020, 1, 2, 3, 4, 5, 6), None],
            "time": [dt.time(1, 2), None],
            "list": [[0.5], []],
            "struct": [{"a": 1}, {"a": None}],
            "nan": [float("nan"), 1.0],
        }
    )
    assert render_rows(to_rows(frame)) == [
        (
            '{"cat": "u", "date": "2020-01-02", "when": "2020-01-02T03:04:05.000006", "time": "01:02:00", '
            '"list": [0.5], "struct": {"a": 1}, "nan": null}'
        ),
        '{"cat": null, "date": null, "when": null, "time": null, "list": [], "struct": {"a": null}, "nan": 1.0}',
    ]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_number_arrays(dtype: Any) -> None:
    table = to_rows(np.array([[0.1, 2], [np.nan, 3]], dtype=dtype))
    assert table.column_names == ["x0", "x1"]
    assert render_rows(table) == ['{"x0": 0.1, "x1": 2.0}', '{"x0": null, "x1": 3.0}']


@pytest.mark.parametrize(
    ("X", "rows"),
    [
        ([[1, 2.5], [3, None]], ['{"x0": 1, "x1": 2.5}', '{"x0": 3, "x1": null}']),
        ([[1, "a"], ["b", True]], ['{"x0": 1, "x1": "a"}', '{"x0": "b", "x1": true}']),
        (np.array([[1, "a"], [None, 2.5]], dtype=object), ['{"x0": 1, "x1": "a"}', '{"x0": null, "x1": 2.5}']),
        ([np.float32([0.1, 0.2])], ['{"x0": 0.1, "x1": 0.2}']),
        ([(1, np.float32(0.1))], ['{"x0": 1, "x1": 0.1}']),
        (np.array([["a", "b"]]), ['{"x0": "a", "x1": "b"}']),
        (np.array([[True], [False]]), ["true", "false"]),
        (np.array([[2**64 - 1]], dtype=np.uint64), [str(2**64 - 1)]),
        (np.array([["2020-01-02"]], dtype="datetime64[D]"), ["2020-01-02"]),
        (np.asfortranarray(np.arange(4).reshape(2, 2)), ['{"x0": 0, "x1": 1}', '{"x0": 2, "x1": 3}']),
    ],
)
def test_rows_and_arrays(X: Any, rows: list[str]) -> None:
    assert render_rows(to_rows(X)) == rows


@pytest.mark.parametrize(
    "X",
    [
        ["a", None, "b", float("nan")],
        np.array(["a", None, "b", np.nan], dtype=object),
        pd.Series(["a", None, "b", None]),
        pd.Series(["a", pd.NA, "b", pd.NA], dtype="string"),
        pl.Series(["a", None, "b", None]),
        pa.array(["a", None, "b", None]),
    ],
    ids=lambda X: f"{type(X).__module__}-{type(X).__name__}",
)
def test_missing_text_is_refused(X: Any) -> None:
    with pytest.raises(UserError, match=r"^2 of 4 texts are missing, the first in row 1 .*\nhint: Drop .* or fill"):
        to_rows(X)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (["a", 1, 2], r"2 of 3 values are no text \(str\), the first in row 1 .*: 1 of type int"),
        (["a", b"b"], "first in row 1 .* of type bytes"),
        ([b"a"], "first in row 0 .* of type bytes"),
        (np.array([b"a"]), "of type bytes"),
        (["a", ["b"]], r"first in row 1 .*: \['b'\] of type list"),
        (["a", "\ud800"], "Row 1: the text holds half a surrogate pair"),
        ([{"a": "\ud800"}], "Column 'a', row 0: the text holds half a surrogate pair"),
        ("a text", r"got str.\nhint: For one text, pass a list"),
        (b"bytes", "got bytes"),
        ({"a": [1]}, "got dict.\nhint: For one row"),
        (None, "got NoneType"),
        (3, "got int"),
        ({"a", "b"}, "got set"),
        ((text for text in "ab"), "got generator"),
        (pl.DataFrame({"a": [1]}).lazy(), r"Collect the lazy frame first"),
        (sp.csr_matrix(np.eye(2)), "Sparse data is not supported, got scipy.sparse"),
        (sp.csr_array(np.eye(2)), "Sparse data is not supported"),
        ([1, 2], "Expected 2D array, got 1D array instead: 2 values of type int. Reshape your data"),
        (np.arange(3.0), "Expected 2D array, got 1D array instead: 3 values of type float64. Reshape your data"),
        (pd.Series([1.0]), "Expected 2D array, got 1D array instead"),
        (pl.Series([1.0]), "Expected 2D array, got 1D array instead"),
        (pa.array([1.0]), "Expected 2D array, got 1D array instead"),
        (np.array(3.0), "Expected 2D array, got scalar array instead"),
        (np.zeros((2, 2, 2)), "Found array with 3 dimensions"),
        ([[[1]], [[2]]], "Found array with 3 dimensions"),
        ([], r"0 sample\(s\) \(shape=\(0,\)\) while a minimum of 1 is required"),
        (np.zeros((0, 3)), r"0 sample\(s\) \(shape=\(0, 3\)\) while a minimum of 1 is required\."),
        (np.zeros((3, 0)), r"0 feature\(s\) \(shape=\(3, 0\)\) while a minimum of 1 is required\."),
        (pd.DataFrame({"a": []}), r"0 sample\(s\) \(shape=\(0, 1\)\)"),
        (pd.DataFrame(index=[1, 2]), r"0 feature\(s\) \(shape=\(2, 0\)\)"),
        (pa.table({"a": pa.array([], pa.int64())}), r"0 sample\(s\) \(shape=\(0, 1\)\)"),
        ([[], []], r"0 feature\(s\) \(shape=\(2, 0\)\)"),
        (np.array([[1.0, np.inf]]), "'x1' holds infinity, first in row 0"),
        (np.array([[1.0, -np.inf]], dtype=object), "'x1' holds infinity"),
        ([[1.0, float("inf")]], "infinity"),
        (np.array([[1j]]), "Complex data not supported"),
        (np.array([1j]), "Complex data not supported"),
        (np.array([[1j]], dtype=object), "Complex data not supported"),
        (pd.DataFrame({"a": [1j]}), "Complex data not supported"),
        ([[1], [2, 3]], "Every row must have as many values as the first, 1; row 1 has 2"),
        ([[1], 2], "Every row must be a list of values; row 1 is of type int"),
        (np.ma.array([[1.0]], mask=[[True]]), r"Masked arrays are not supported.\nhint: .*filled"),
        (np.zeros((1, 1), dtype=np.longdouble), "is not supported"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "more than one column named 'a'"),
        (pd.DataFrame({("a", "b"): [1]}), r"A column name must be text or a whole number, got \('a', 'b'\)"),
        (pd.DataFrame({"p": pd.period_range("2020", "2020", freq="Y")}), "Column 'p', row 0: .* Period has no text"),
        (pd.DataFrame({"o": [1, b"x"]}), "Column 'o', row 1: .* bytes has no text"),
    ],
)
def test_mistakes(X: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        to_rows(X)


def test_the_table_itself_is_not_copied() -> None:
    table = pa.table({"a": [1]})
    assert to_rows(table) is table
