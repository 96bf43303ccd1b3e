from __future__ import annotations

import hashlib
import struct

import numpy as np
import pytest

from frostline.errors import UserError
from frostline.store import key_of, keys_of


def test_key_is_blake2b_of_little_endian_ids_and_their_number() -> None:
    ids = [101, 7592, -1, 2**31 - 1]
    wanted = hashlib.blake2b(struct.pack("<4iQ", *ids, 4), digest_size=16).digest()
    assert key_of(np.array(ids, dtype=np.int32)) == wanted
    assert keys_of([np.array(ids, dtype=np.int32)]).tolist() == [list(struct.unpack("<2Q", wanted))]


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.int32, ">i4"])
def test_key_does_not_depend_on_integer_type_or_layout(dtype: str) -> None:
    wanted = key_of(np.array([1, 2, 3], dtype=np.int32))
    assert key_of(np.array([1, 2, 3], dtype=dtype)) == wanted
    assert key_of(np.array([1, 9, 2, 9, 3], dtype=dtype)[::2]) == wanted


def test_keys_differ_where_ids_differ() -> None:
    texts = [[], [0], [0, 0], [1], [1, 2], [2, 1], [256]]
    keys = keys_of([np.array(ids, dtype=np.int32) for ids in texts])
    assert keys.shape == (len(texts), 2)
    assert keys.dtype == np.uint64
    assert len(np.unique(keys, axis=0)) == len(texts)


def test_no_texts_give_no_keys() -> None:
    assert keys_of([]).shape == (0, 2)


@pytest.mark.parametrize("ids", [np.array([1.0]), np.array([[1]]), np.array([2**31]), np.array([True])])
def test_wrong_ids_are_refused(ids: np.ndarray) -> None:
    with pytest.raises(UserError, match=r"Token ids must"):
        key_of(ids)
