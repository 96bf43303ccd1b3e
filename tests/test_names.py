"""Names with commas between them, by the rules of CSV."""

from __future__ import annotations

import pytest

from frostline._names import split_names
from frostline.errors import UserError


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (['"Price, USD",Area'], ["Price, USD", "Area"]),
        (["a, b", "c"], ["a", "b", "c"]),
        (['a, "b, c"', ",", ""], ["a", "b, c"]),
        (['say ""x""', '5" disk'], ['say ""x""', '5" disk']),
        (['"one\ntwo",b'], ["one\ntwo", "b"]),
        (['"a ""b"", c"'], ['a "b", c']),
    ],
)
def test_names(given, names):
    assert split_names(given) == names


@pytest.mark.parametrize("given", ['"Price, USD', '"a"b'])
def test_a_quote_that_does_not_close_is_refused(given):
    with pytest.raises(UserError, match="cannot be read as names"):
        split_names([given])
