"""Answers of a service: read exactly, refused by name."""

from __future__ import annotations

import base64
import math

import numpy as np
import pytest

from frostline.backbones.answers import read_vectors
from frostline.errors import UserError


def entry(embedding, index=0):
    return {"index": index, "embedding": embedding}


def answer(*entries):
    return {"data": list(entries)}


def test_vectors_by_index_whatever_their_order():
    found = read_vectors(answer(entry([3, 4], 2), entry([1.5, 2.0], 0)), 3, 2)
    assert {i: v.tolist() for i, v in found.items()} == {2: [3, 4], 0: [1.5, 2]}
    assert all(v.dtype == np.float32 for v in found.values())


def test_base64_is_32_bit_floats():
    vector = np.array([0.1, -2.5e-8, 3e30], dtype="<f4")
    found = read_vectors(answer(entry(base64.b64encode(vector.tobytes()).decode())), 1, 3)
    np.testing.assert_array_equal(found[0], vector)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ([], "no list 'data'"),
        ({"data": {}}, "no list 'data'"),
        ({"data": [[1.0]]}, "no list 'data'"),
        ({"error": "x"}, "no list 'data'"),
        (answer(entry([1.0], 2)), "2 texts were sent, and it names the index 2"),
        (answer(entry([1.0], -1)), "names the index -1"),
        (answer(entry([1.0], True)), "names the index True"),
        (answer(entry([1.0], "0")), "names the index 0"),
        (answer({"embedding": [1.0]}), "names the index None"),
        (answer(entry([1.0]), entry([2.0])), "names the index 0 twice"),
        (answer(entry([1.0, 2.0])), "vector 0 has the wrong dimension: 2, expected 1"),
        (answer(entry([math.nan])), "vector 0 holds NaN or infinity"),
        (answer(entry([-math.inf])), "vector 0 holds NaN or infinity"),
        (answer(entry([1e39])), "vector 0 holds NaN or infinity"),
        (answer(entry([0.0])), "vector 0 has length zero"),
        (answer(entry([])), "vector 0 has length zero"),
        (answer(entry("")), "vector 0 has length zero"),
        (answer(entry(None)), "neither a list of numbers nor base64"),
        (answer(entry([None])), "neither a list of numbers nor base64"),
        (answer(entry(["1.0"])), "neither a list of numbers nor base64"),
        (answer(entry([True])), "neither a list of numbers nor base64"),
        (answer(entry([[1.0]])), "neither a list of numbers nor base64"),
        (answer(entry([1.0, [2.0]])), "neither a list of numbers nor base64"),
        (answer(entry([10**400])), "neither a list of numbers nor base64"),
        (answer(entry("no base64!")), "neither a list of numbers nor base64"),
        (answer(entry("AAAA")), "neither a list of numbers nor base64"),
    ],
)
def test_what_cannot_be_used(broken, said):
    with pytest.raises(UserError, match=said) as e:
        read_vectors(broken, 2, 1)
    assert "nothing of it was stored" in e.value.hint
