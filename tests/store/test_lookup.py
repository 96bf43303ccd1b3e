from __future__ import annotations

import numpy as np
import pytest

from frostline.store.lookup import KeyLookup, SpecRows


@pytest.mark.parametrize("sizes", [[1] * 50, [100, 1, 1, 30, 7, 200, 3], [0, 5, 0]])
@pytest.mark.parametrize("n_values", [4, 10**6])
def test_lookup_equals_a_dict_with_first_come_first_served(sizes: list[int], n_values: int) -> None:
    rng = np.random.default_rng(0)
    lookup, wanted = KeyLookup(), {}
    for size in sizes:
        # Few distinct halves: keys repeat, and different keys share their first half.
        keys = rng.integers(0, n_values, (size, 2), dtype=np.uint64)
        for i, key in enumerate(map(tuple, keys.tolist())):
            wanted.setdefault(key, len(lookup) + i)
        lookup.add(keys)
    queries = np.concatenate([rng.integers(0, n_values + 1, (300, 2), dtype=np.uint64), np.array(list(wanted))])
    queries = queries.astype(np.uint64)
    assert lookup.find(queries).tolist() == [wanted.get(key, -1) for key in map(tuple, queries.tolist())]


def test_lookup_finds_extreme_keys() -> None:
    lookup = KeyLookup()
    keys = np.array([[2**64 - 1, 2**64 - 1], [0, 0], [2**64 - 1, 0]], dtype=np.uint64)
    assert lookup.find(keys).tolist() == [-1, -1, -1]
    lookup.add(keys)
    assert lookup.find(keys[::-1]).tolist() == [2, 1, 0]
    assert lookup.find(np.array([[2**64 - 1, 5]], dtype=np.uint64)).tolist() == [-1]


def test_spec_rows_place_each_key_in_its_batch() -> None:
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 2**64, (9, 2), dtype=np.uint64)
    sums = rng.integers(0, 2**32, 9, dtype=np.uint32)
    rows = SpecRows()
    # Batches: id, shard, first row, number of rows; the middle one lies in another shard.
    for ids, shard, first, part in ((3, 7, 10, slice(0, 4)), (5, 8, 0, slice(4, 6)), (9, 7, 14, slice(6, 9))):
        rows.extend([(ids, shard, first, len(keys[part]), keys[part].tobytes(), sums[part].tobytes())])
    places = rows.places(rows.find(keys[[8, 4, 0, 3, 5]]))
    assert places.shard.tolist() == [7, 8, 7, 7, 8]
    assert places.row.tolist() == [16, 0, 10, 13, 1]
    assert places.sums.tolist() == sums[[8, 4, 0, 3, 5]].tolist()
    assert rows.shards(rows.find(keys[[4, 5]])) == {8}
    assert rows.last_batch == 9
