from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest

from frostline.errors import UserError
from frostline.tables.cells import iso_text, json_text, parse_number_format

PLAIN = parse_number_format("plain")


@pytest.mark.parametrize(
    ("spec", "value", "text"),
    [
        ("plain", 12.5, "12.5"),
        ("plain", 3.0, "3.0"),
        ("plain", 1e20, "1e+20"),
        ("plain", -0.0, "-0.0"),
        ("rounded(2)", 12.345678, "12.35"),
        ("rounded(0)", 12.5, "12"),
        ("rounded(2)", -0.001, "0.00"),
        ("rounded(17)", 0.1, "0.10000000000000001"),
        ("scientific", 12.5, "1.25e+01"),
        ("scientific(1)", 12.5, "1e+01"),
        ("scientific(5)", -0.00123456, "-1.2346e-03"),
        ("digits", 12.5, "[+ 1 10e1 2 10e0 5 10e-1]"),
        ("digits", -12.3, "[- 1 10e1 2 10e0 3 10e-1]"),
        ("digits", 100.0, "[+ 1 10e2 0 10e1 0 10e0]"),
        ("digits", 0.00001234, "[+ 1 10e-5 2 10e-6 3 10e-7 4 10e-8]"),
        ("digits", 0.0, "[+ 0 10e0]"),
        ("digits", -0.0, "[+ 0 10e0]"),
        ("digits", 0.205, "[+ 2 10e-1 0 10e-2 5 10e-3]"),
    ],
)
def test_floats(spec: str, value: float, text: str) -> None:
    assert parse_number_format(spec).inexact(value) == text


@pytest.mark.parametrize(
    ("spec", "value", "text"),
    [
        ("plain", 12, "12"),
        ("rounded(2)", 12, "12"),
        ("rounded(1)", Decimal("1.250"), "1.250"),
        ("plain", Decimal("1E+2"), "100"),
        ("scientific", 1234, "1.23e+03"),
        ("digits", 1234, "[+ 1 10e3 2 10e2 3 10e1 4 10e0]"),
        ("digits", -10, "[- 1 10e1 0 10e0]"),
        ("digits", Decimal("1.50"), "[+ 1 10e0 5 10e-1]"),
    ],
)
def test_integers_and_decimals(spec: str, value: int | Decimal, text: str) -> None:
    assert parse_number_format(spec).exact(value) == text


@pytest.mark.parametrize("value", [1e-7, 0.1, 1 / 3, 123456.789, 2.0**60, 5e-324])
def test_digit_places_add_up_to_the_number(value: float) -> None:
    words = parse_number_format("digits").inexact(value).strip("[]").split()
    assert words[0] == "+"
    total = sum(
        int(d) * Decimal(10) ** int(p.removeprefix("10e")) for d, p in zip(words[1::2], words[2::2], strict=True)
    )
    assert float(total) == value


@pytest.mark.parametrize("spec", ["rounded(18)", "scientific(0)", "scientific(18)"])
def test_count_out_of_range(spec: str) -> None:
    with pytest.raises(UserError, match=r"k must be [01] to 17, got"):
        parse_number_format(spec)


@pytest.mark.parametrize("spec", ["plan", "rounded", "rounded(-1)", "digits(2)", "", None, 3])
def test_unknown_format(spec: str) -> None:
    with pytest.raises(UserError, match=r"does not exist. Allowed: plain, rounded\(k\), scientific"):
        parse_number_format(spec)


def test_unknown_format_suggests() -> None:
    with pytest.raises(UserError, match="Did you mean 'scientific'"):
        parse_number_format("scientfic")


def test_scientific_refuses_a_number_it_cannot_hold() -> None:
    with pytest.raises(UserError, match="1.8e308"):
        parse_number_format("scientific").exact(10**400)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        'é "quoted" \n \u2028 \x01',
        [1, 2.5, [], {}],
        {"a": {"b": [None, False]}, "": "x"},
        10**30,
        -1.5e-9,
    ],
)
def test_json_text_is_json_dumps(value: object) -> None:
    assert json_text(value, PLAIN) == json.dumps(value, ensure_ascii=False)


def test_json_text_beyond_json_dumps() -> None:
    value = [float("nan"), Decimal("1.50"), dt.date(2020, 1, 2), dt.datetime(2020, 1, 2, 3, 4), dt.time(5, 6)]
    assert json_text(value, PLAIN) == '[null, 1.50, "2020-01-02", "2020-01-02T03:04:00", "05:06:00"]'


def test_json_text_formats_nested_numbers() -> None:
    assert json_text({"a": [1, 2.25]}, parse_number_format("rounded(1)")) == '{"a": [1, 2.2]}'


@pytest.mark.parametrize("value", [float("inf"), [-float("inf")], {"a": float("inf")}])
def test_json_text_refuses_infinity(value: object) -> None:
    with pytest.raises(UserError, match="infinity"):
        json_text(value, PLAIN)


def test_json_text_refuses_other_types() -> None:
    with pytest.raises(UserError, match="type bytes"):
        json_text([b"x"], PLAIN)


@pytest.mark.parametrize(
    ("arrow", "iso"),
    [
        ("2020-01-02 03:04:05", "2020-01-02T03:04:05"),
        ("2020-01-02 03:04:05.000", "2020-01-02T03:04:05"),
        ("2020-01-02 03:04:05.120", "2020-01-02T03:04:05.120000"),
        ("03:04:05.000001000", "03:04:05.000001"),
        ("03:04:05.000000001", "03:04:05.000000001"),
    ],
)
def test_iso_text(arrow: str, iso: str) -> None:
    assert iso_text(arrow) == iso
