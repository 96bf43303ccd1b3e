"""One value as text: number formats, JSON with the numbers in that format, ISO 8601 fractions."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

from frostline.errors import UserError, nearest

__all__ = ["NUMBER_FORMATS", "NumberFormat", "iso_text", "json_text", "parse_number_format"]

NUMBER_FORMATS = ("plain", "rounded(k)", "scientific", "scientific(k)", "digits")
"""What `number_format` may be; k = decimals (0..17) of ``rounded``, significant digits (1..17) of ``scientific``."""

_WITH_COUNT = re.compile(r"(rounded|scientific)\(([0-9]+)\)")


@dataclass(frozen=True)
class NumberFormat:
    """How numbers are written.

    Attributes
    ----------
    inexact : callable
        Text of a finite float.
    exact : callable
        Text of an integer or a decimal.
    """

    inexact: Callable[[float], str]
    exact: Callable[[int | Decimal], str]


def parse_number_format(spec: str) -> NumberFormat:
    """Read a number format.

    Parameters
    ----------
    spec : str
        ``"plain"``: the shortest text that reads back as the same float; ``"rounded(k)"``: k decimals, 0 to 17;
        ``"scientific"`` or ``"scientific(k)"``: k significant digits, 1 to 17, by default 3 (``1.25e+01``);
        ``"digits"``: every digit with its place (``[+ 1 10e1 2 10e0 5 10e-1]`` for 12.5). Integers and decimals keep
        their exact text under ``plain`` and ``rounded``.

    Returns
    -------
    NumberFormat

    Raises
    ------
    UserError
        The format does not exist, or its k is out of range.

    References
    ----------
    Nogueira et al., 2021, arXiv 2102.13019, for the digit places. Theirs writes integers; decimals follow suit.
    """
    if spec == "plain":
        return NumberFormat(repr, _exact)
    if spec == "digits":
        return NumberFormat(_digit_places, _digit_places)
    if spec == "scientific":
        return _scientific(3)
    if isinstance(spec, str) and (match := _WITH_COUNT.fullmatch(spec)):
        name, k = match[1], int(match[2])
        if name == "rounded" and k <= 17:
            # "z": what rounds to zero is written 0.00, never -0.00.
            return NumberFormat(lambda value: f"{value:z.{k}f}", _exact)
        if name == "scientific" and 1 <= k <= 17:
            return _scientific(k)
        raise UserError(f"Number format {spec!r}: k must be {'0' if name == 'rounded' else '1'} to 17, got {k}.")
    raise UserError(
        f"Number format {spec!r} does not exist. Allowed: {', '.join(NUMBER_FORMATS)}.",
        hint=nearest(str(spec), NUMBER_FORMATS) or None,
    )


def json_text(value: Any, number: NumberFormat) -> str:
    """Write a value as ``json.dumps`` would, numbers in the given format.

    Parameters
    ----------
    value : object
        None, bool, int, float, Decimal, str, date, datetime, time, or lists and dicts (text keys) of these.
    number : NumberFormat
        How its numbers are written.

    Returns
    -------
    str
        NaN becomes ``null``.

    Raises
    ------
    UserError
        The value is, or holds, infinity or a type that JSON has no word for.
    """
    if value is None:
        return "null"
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if math.isinf(value):
            raise UserError("infinity cannot be written as JSON.", hint="Drop the row, or replace the value.")
        return "null" if math.isnan(value) else number.inexact(value)
    if isinstance(value, int | Decimal):
        return number.exact(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{encode_basestring(k)}: {json_text(v, number)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(json_text(v, number) for v in value) + "]"
    if isinstance(value, date | time):
        return encode_basestring(value.isoformat())
    raise UserError(f"a value of type {type(value).__name__} cannot be written as text.")


def iso_text(text: str) -> str:
    """Bring a date with time, or a time, to the form of ``isoformat``: a T between, 6 or 9 decimals or none."""
    head, _, fraction = text.replace(" ", "T", 1).partition(".")
    digits = fraction.ljust(9, "0")
    if digits == "000000000":
        return head
    return f"{head}.{digits[:6] if digits.endswith('000') else digits}"


def _exact(value: int | Decimal) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _scientific(significant: int) -> NumberFormat:
    def text(value: float | Decimal) -> str:
        try:
            return f"{float(value):.{significant - 1}e}"
        except OverflowError:
            raise UserError("a whole number beyond 1.8e308 has no scientific form here.") from None

    return NumberFormat(text, text)


def _digit_places(value: float | Decimal) -> str:
    text = format(Decimal(repr(value) if isinstance(value, float) else value), "f")
    whole, _, fraction = text.lstrip("-").partition(".")
    digits = whole + fraction.rstrip("0")
    leading_zeros = len(digits) - len(digits.lstrip("0"))
    if leading_zeros == len(digits):
        return "[+ 0 10e0]"
    places = [f"{digit} 10e{len(whole) - 1 - i}" for i, digit in enumerate(digits) if i >= leading_zeros]
    return f"[{'-' if text.startswith('-') else '+'} {' '.join(places)}]"
