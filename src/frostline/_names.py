"""Names as an option gives them that may be repeated, hold several with commas between, or both."""

from __future__ import annotations

import csv
from collections.abc import Sequence

from frostline.errors import UserError

__all__ = ["split_names"]


def split_names(values: Sequence[str]) -> list[str]:
    """List the names, by the rules of CSV: one that holds a comma stands in double quotes, as in ``"Price, USD",Area``.

    Raises
    ------
    UserError
        A quote that does not close.
    """
    try:
        found = [name for value in values for name in next(csv.reader([value], skipinitialspace=True, strict=True), [])]
    except csv.Error as error:
        raise UserError(
            f"{', '.join(values)} cannot be read as names with commas between: {error}.",
            hint="a name that holds a comma stands in double quotes, '\"Price, USD\",Area'",
        ) from error
    return [name.strip() for name in found if name.strip()]
