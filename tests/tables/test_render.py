from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline.errors import UserError
from frostline.tables import count_cuts, render_rows, to_rows

CARS = pa.table({"cylinders": [8, 4], "mpg": [18.0, 24.25], "name": ["chevrolet", 'vw "bug" é']})
CELLS = st.none() | st.booleans() | st.integers() | st.floats(allow_infinity=False, allow_nan=False) | st.text()
VALUES = st.recursive(
    CELLS, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(), v, max_size=3), max_leaves=6
)


def test_the_form_of_the_regression_paper() -> None:
    assert render_rows(CARS) == [
        '{"cylinders": 8, "mpg": 18.0, "name": "chevrolet"}',
        '{"cylinders": 4, "mpg": 24.25, "name": "vw \\"bug\\" é"}',
    ]


def as_a_column(values: list[Any]) -> list[Any]:
    """Whole numbers in a column of numbers are floats, where that is exact; all else stays."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float} and all(-(2**53) <= v < 2**53 for v in values if type(v) is int):
        return [None if value is None else float(value) for value in values]
    return values


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(CELLS, VALUES), min_size=1, max_size=5))
def test_rows_are_what_json_dumps_writes(cells: list[tuple[Any, Any]]) -> None:
    columns = [list(column) for column in zip(*cells, strict=True)]
    rows = [{"a": a, "50%": b} for a, b in zip(*columns, strict=True)]
    expected = [{"a": a, "50%": b} for a, b in zip(*map(as_a_column, columns), strict=True)]
    assert render_rows(to_rows(rows)) == [json.dumps(row, ensure_ascii=False) for row in expected]


@pytest.mark.parametrize(
    ("number_format", "row"),
    [
        ("plain", '{"i": 12, "f": 12.5, "g": 0.1, "l": [1, 2.5], "m": 0.25}'),
        ("rounded(0)", '{"i": 12, "f": 12, "g": 0, "l": [1, 2], "m": 0}'),
        ("rounded(1)", '{"i": 12, "f": 12.5, "g": 0.1, "l": [1, 2.5], "m": 0.2}'),
        ("scientific", '{"i": 1.20e+01, "f": 1.25e+01, "g": 1.00e-01, "l": [1.00e+00, 2.50e+00], "m": 2.50e-01}'),
        (
            "digits",
            (
                '{"i": [+ 1 10e1 2 10e0], "f": [+ 1 10e1 2 10e0 5 10e-1], "g": [+ 1 10e-1], '
                '"l": [[+ 1 10e0], [+ 2 10e0 5 10e-1]], "m": [+ 2 10e-1 5 10e-2]}'
            ),
        ),
    ],
)
def test_number_formats(number_format: str, row: str) -> None:
    rows = [{"i": 12, "f": 12.5, "g": np.float32(0.1), "l": [1, 2.5], "m": 0.25}, {"m": "mixed"}]
    assert render_rows(to_rows(rows), number_format=number_format)[0] == row


@pytest.mark.parametrize("value", [0.1, 3.0, 16777216.0, 1e-20, 3.4e38, -0.0])
def test_float32_is_its_shortest_text(value: float) -> None:
    (text,) = render_rows(pa.table({"x": pa.array([np.float32(value)])}))
    assert text == repr(value)
    assert np.float32(float(text)) == np.float32(value)


@pytest.mark.parametrize(
    ("array", "texts"),
    [
        (pa.array([True, None]), ["true", "null"]),
        (pa.array([1, None], pa.uint8()), ["1", "null"]),
        (pa.array([2**63], pa.uint64()), [str(2**63)]),
        (pa.array([0.5, None, float("nan")]), ["0.5", "null", "null"]),
        (pa.array([Decimal("1.50"), None]), ["1.50", "null"]),
        (pa.array([dt.date(2020, 1, 2), None]), ['"2020-01-02"', "null"]),
        (pa.array([0], pa.date64()), ['"1970-01-01"']),
        (pa.array([0, None], pa.timestamp("s")), ['"1970-01-01T00:00:00"', "null"]),
        (pa.array([1500], pa.timestamp("ms")), ['"1970-01-01T00:00:01.500000"']),
        (pa.array([1], pa.timestamp("ns")), ['"1970-01-01T00:00:00.000000001"']),
        (pa.array([0, None], pa.timestamp("us", "UTC")), ['"1970-01-01T00:00:00+00:00"', "null"]),
        (pa.array([1593597600], pa.timestamp("s", "America/New_York")), ['"2020-07-01T06:00:00-04:00"']),
        (pa.array([dt.time(1, 2, 3, 4)]), ['"01:02:03.000004"']),
        (pa.array(["é", None]), ['"é"', "null"]),
        (pa.array(["a"], pa.large_string()), ['"a"']),
        (pa.array(["a"], pa.string_view()), ['"a"']),
        (pa.array(["a", None]).dictionary_encode(), ['"a"', "null"]),
        (pa.array([7, None]).dictionary_encode(), ["7", "null"]),
        (pa.array([[1.5, None], None]), ["[1.5, null]", "null"]),
        (pa.array([{"a": dt.date(2020, 1, 2), "b": [True]}]), ['{"a": "2020-01-02", "b": [true]}']),
        (pa.array([None, None]), ["null", "null"]),
    ],
)
def test_cells_of_every_type(array: pa.Array, texts: list[str]) -> None:
    assert render_rows(pa.table({"x": array}), template="json") == [f'{{"x": {text}}}' for text in texts]
    bare = [json.loads(text) if text.startswith('"') else "" if text == "null" else text for text in texts]
    assert render_rows(pa.table({"x": array}), template="<{x}>") == [f"<{text}>" for text in bare]


def test_iso_form_is_that_of_python() -> None:
    moments = [dt.datetime(2020, 1, 2, 3, 4, 5, 600), dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59)]
    assert render_rows(pa.table({"x": moments})) == [moment.isoformat() for moment in moments]


@pytest.mark.parametrize(
    ("array", "texts"),
    [
        (pa.array(["a", "", '"q" %s {x}']), ["a", "", '"q" %s {x}']),
        (pa.array(["a"]).dictionary_encode(), ["a"]),
        (pa.array([1, None]), ["1", "null"]),
        (pa.array([1.0, float("nan")]), ["1.0", "null"]),
        (pa.array([[1, 2]]), ["[1, 2]"]),
        (pa.array([dt.date(2020, 1, 2)]), ["2020-01-02"]),
    ],
)
def test_the_only_column_stands_alone(array: pa.Array, texts: list[str]) -> None:
    assert render_rows(pa.table({"x": array})) == texts


def test_the_only_column_with_mixed_cells() -> None:
    assert render_rows(to_rows([{"x": 1}, {"x": "a"}, {"x": [2.0]}])) == ["1", "a", "[2.0]"]


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"x": ["a", None, None]}),
        pa.table({"x": pa.array(["a", None, None]).dictionary_encode()}),
        to_rows([{"x": "a"}, {}, {"x": None}]),
        to_rows([{"x": ["mixed"]}, {}, {}, {"x": 1}]).slice(0, 3),
    ],
)
def test_missing_text_in_the_only_column(table: pa.Table) -> None:
    with pytest.raises(UserError, match=r"2 of 3 texts are missing, the first in row 1"):
        render_rows(table)


def test_an_empty_column_is_missing_text() -> None:
    with pytest.raises(UserError, match="2 of 2 texts are missing"):
        render_rows(pa.table({"x": [None, None]}))


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{name} ({cylinders})", 'vw "bug" é (4)'),
        ("100% {{{mpg}}} %s %(x)s", "100% {24.25} %s %(x)s"),
        ("{mpg}{mpg}", "24.2524.25"),
        ("a\n{name}\n", 'a\nvw "bug" é\n'),
    ],
)
def test_templates(template: str, text: str) -> None:
    assert render_rows(CARS, template=template)[1] == text


def test_any_column_name_can_be_a_field() -> None:
    table = pa.table({"a:b": [1], "c.d": [2], "e f": [3], "g!r": [4], "0": [5], "h[0]": [6]})
    assert render_rows(table, template="{a:b}{c.d}{e f}{g!r}{0}{h[0]}") == ["123456"]
    assert json.loads(render_rows(pa.table({'%s "é"': [1], "b": [2]}))[0]) == {'%s "é"': 1, "b": 2}


def test_template_leaves_other_columns_alone() -> None:
    table = pa.table({"a": [1], "b": [b"binary"], "c": [float("inf")]})
    assert render_rows(table, template="{a}") == ["1"]


def test_mixed_cells_in_a_template() -> None:
    rows = [{"x": 1.5}, {"x": 'a "b"'}, {"x": None}, {"x": {"k": "v"}}]
    assert render_rows(to_rows(rows), template="<{x}>") == ["<1.5>", '<a "b">', "<>", '<{"k": "v"}>']


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{nmae}", r"Column 'nmae' is not in the table. It has: .* Did you mean 'name'\?"),
        ("{ name }", "Column ' name ' is not in the table"),
        ("{x.y}", "Column 'x.y' is not in the table"),
        ("{}", r"The template field \{\} is not allowed"),
        ("{0}", r"The template field \{0\} is not allowed"),
        ("{mpg:.2f}", r"\{mpg:.2f\} is not allowed: a field is a column name .*\nhint: number_format"),
        ("{name!r}", "is not allowed"),
        ("{name.upper}", "is not allowed"),
        ("{name[0]}", "is not allowed"),
        ("{mpg:{cylinders}}", "is not allowed"),
        ("{name", r"is not valid: .*\nhint: Write \{\{ and \}\}"),
        ("name}", "is not valid"),
        ("no field", r"names no column.*\nhint: .*\{cylinders\}"),
        ("", "names no column"),
        (3, "is not valid"),
    ],
)
def test_template_mistakes(template: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        render_rows(CARS, template=template)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table({"x": [1.0, float("inf")], "y": [1, 2]}), "Column 'x' holds infinity, first in row 1"),
        (pa.table({"x": [float("-inf")]}), "Column 'x' holds infinity"),
        (pa.table({"x": [[1.0], [float("inf")]]}), "Column 'x', row 1: infinity"),
        (pa.table({"x": [b"a"], "y": [1]}), "Column 'x' is of type binary, which has no text"),
        (pa.table({"x": [[b"a"]]}), "Column 'x', row 0: a value of type bytes"),
        (pa.table({"x": [dt.timedelta(1)]}), r"Column 'x' is of type duration\[us\], which has no text"),
        (pa.table({}), "no columns"),
        (pa.table([[1], [2]], names=["x", "x"]), "The table has more than one column named 'x'"),
    ],
)
def test_cells_without_text(table: pa.Table, message: str) -> None:
    with pytest.raises(UserError, match=message):
        render_rows(table)


def test_unknown_number_format() -> None:
    with pytest.raises(UserError, match="Number format 'short' does not exist"):
        render_rows(pa.table({"x": ["no number here"]}), number_format="short")


def test_slices_and_chunks() -> None:
    table = pa.concat_tables([CARS, CARS, CARS])
    assert render_rows(table.slice(1, 3)) == [render_rows(CARS)[i] for i in (1, 0, 1)]
    assert render_rows(CARS.slice(0, 0)) == []


SENTENCES = pa.table({"a": ["12345", "1"], "b": ["678", None], "c": ["90", "2"]})


@pytest.mark.parametrize(
    ("template", "read", "lost"),
    [
        ("{a}-{b}-{c}", [(0, 12), (0, 4)], {}),  # 12345-678-90 and 1--2
        ("{a}-{b}-{c}", [(0, 11), (0, 3)], {"c": 2}),
        ("{a}-{b}-{c}", [(0, 7), (0, 2)], {"b": 1, "c": 2}),  # an empty cell has nothing to lose
        ("{a}-{b}-{c}", [(0, 0), (0, 0)], {"a": 2, "b": 1, "c": 2}),
        ("{a}-{b}-{c}", [(1, 12), (2, 4)], {"a": 2}),  # tokenizers may cut on the left
        ("{c}{{}}{a}{c}", [(0, 10), (0, 5)], {"c": 1}),  # 90{}1234590: the second time it stands there
        ("json", None, {"c": 1}),
    ],
)
def test_cuts_by_column(template, read, lost) -> None:
    texts = render_rows(SENTENCES, template=template)
    if read is None:  # of the first row all but the digits of c, of the second all but its brace
        read = [(0, texts[0].index("90")), (0, len(texts[1]) - 1)]
    assert count_cuts(SENTENCES, np.array(read), template=template) == lost


def test_cuts_of_the_only_column_and_of_no_row() -> None:
    column = SENTENCES.select(["a"])
    assert count_cuts(column, np.array([(0, 4), (0, 1)])) == {"a": 1}
    assert count_cuts(column.slice(0, 0), np.empty((0, 2), dtype=int)) == {}
    assert count_cuts(SENTENCES, np.array([(0, 6), (0, 30)])) == {"a": 1, "b": 1, "c": 1}


def test_narrow_floats_inside_lists_are_short() -> None:
    table = pa.table(
        {
            "list": pa.array([[0.1, None], None], pa.list_(pa.float32())),
            "half": pa.array([[0.1], []], pa.list_(pa.float16(), -1)),
            "map": pa.array([[("k", 0.7)], None], pa.map_(pa.string(), pa.float32())),
            "struct": pa.array(
                [{"a": [0.3], "b": 0.3}, None], pa.struct({"a": pa.list_(pa.float32()), "b": pa.float64()})
            ),
        }
    )
    assert render_rows(table) == [
        '{"list": [0.1, null], "half": [0.1], "map": [["k", 0.7]], "struct": {"a": [0.3], "b": 0.3}}',
        '{"list": null, "half": [], "map": null, "struct": null}',
    ]
