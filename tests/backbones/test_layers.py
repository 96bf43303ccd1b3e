from __future__ import annotations

import numpy as np
import pytest

from frostline.backbones import resolve_layers
from frostline.errors import UserError


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (0, [0]),
        (-1, [6]),
        (-7, [0]),
        ("final", ["final"]),
        ("all", [0, 1, 2, 3, 4, 5, "final"]),
        ([1, "final", 6], [1, "final", 6]),
        ("1,-2", [1, 5]),
        (["3", "final"], [3, "final"]),
        (np.int64(2), [2]),
        (np.array([1, 2]), [1, 2]),
    ],
)
def test_layers(layers, expected):
    assert resolve_layers(layers, 6) == expected


@pytest.mark.parametrize("layers", [7, -8, "last", 1.5, True, None, [], "", [1, 1], [6, -1], ["all", 2], [None]])
def test_refused(layers):
    with pytest.raises(UserError, match="0..6|twice"):
        resolve_layers(layers, 6)
