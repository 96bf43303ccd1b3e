"""What both stores promise, tested on both."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from frostline.contracts import FeatureSpec, VectorStore
from frostline.errors import StoreError, UserError
from frostline.store import MemoryStore, Store

from .conftest import contained, gathered, make_batch, make_specs


def test_round_trip_is_exact(any_store: VectorStore, specs: list[FeatureSpec]) -> None:
    keys, vectors = make_batch(0)
    vectors[0, 0, :4] = [np.nan, -0.0, np.inf, 1e-45]
    any_store.append(specs, keys, vectors)
    assert gathered(any_store, specs, keys).tobytes() == vectors.tobytes()


def test_gather_takes_any_order_and_repeats_into_any_layout(any_store: VectorStore, specs: list[FeatureSpec]) -> None:
    batches = [make_batch(seed, n=50) for seed in range(4)]
    for keys, vectors in batches:
        any_store.append(specs, keys, vectors)
    keys, vectors = (np.concatenate(part) for part in zip(*batches, strict=True))
    order = np.random.default_rng(0).integers(0, len(keys), 500)
    wide = np.zeros((500, 8, 2), dtype=np.float32)
    any_store.gather(specs[1], keys[order], wide[:, :, 1])
    assert np.array_equal(wide[:, :, 1], vectors[order, 1])
    assert not wide[:, :, 0].any()


def test_contains_is_by_specification(any_store: VectorStore, specs: list[FeatureSpec]) -> None:
    keys, vectors = make_batch(0)
    any_store.append(specs[:2], keys[:3], vectors[:3, :2])
    assert contained(any_store, specs, keys).tolist() == [[True, True, False]] * 3 + [[False] * 3] * 2


def test_empty_requests_are_fine(any_store: VectorStore, specs: list[FeatureSpec]) -> None:
    keys, vectors = make_batch(0)
    assert any_store.contains(specs[0], keys[:0]).shape == (0,)
    any_store.gather(specs[0], keys[:0], np.empty((0, 8), dtype=np.float32))
    any_store.append(specs, keys[:0], vectors[:0])
    any_store.append([], keys, vectors[:, :0])
    assert not contained(any_store, specs, keys).any()


def test_first_writer_wins(any_store: VectorStore, specs: list[FeatureSpec]) -> None:
    keys, vectors = make_batch(0)
    any_store.append(specs, keys, vectors)
    any_store.append(specs, keys[::-1].copy(), vectors + 1)
    assert np.array_equal(gathered(any_store, specs, keys), vectors)


def test_within_a_batch_the_first_of_equal_keys_wins(any_store: VectorStore, specs: list[FeatureSpec]) -> None:
    keys, vectors = make_batch(0)
    keys[3] = keys[1]
    any_store.append(specs, keys, vectors)
    assert np.array_equal(gathered(any_store, specs, keys[3:4]), vectors[1:2])
    assert np.array_equal(gathered(any_store, specs, keys[4:]), vectors[4:])


def test_gather_of_a_missing_key_raises_and_says_how_many(any_store: VectorStore, specs: list[FeatureSpec]) -> None:
    keys, vectors = make_batch(0)
    any_store.append(specs, keys[:3], vectors[:3])
    out = np.full((5, 8), 7, dtype=np.float32)
    with pytest.raises(StoreError, match="2 of 5 vectors are not in the store"):
        any_store.gather(specs[0], keys, out)
    assert (out == 7).all()
    with pytest.raises(StoreError, match="5 of 5"):
        any_store.gather(FeatureSpec("other", 8), keys, out)


def test_other_width_under_the_same_address_is_refused(any_store: VectorStore, specs: list[FeatureSpec]) -> None:
    keys, vectors = make_batch(0)
    any_store.append(specs, keys, vectors)
    wider = FeatureSpec(specs[0].description, 9)
    with pytest.raises(StoreError, match="width 8 .* says 9"):
        any_store.contains(wider, keys)
    with pytest.raises(StoreError, match="width 8 .* says 9"):
        any_store.append([wider], keys, np.zeros((5, 1, 9), dtype=np.float32))
    assert np.array_equal(gathered(any_store, specs, keys), vectors)


@pytest.mark.parametrize(
    "keys",
    [np.zeros((3, 2), dtype=np.int64), np.zeros((3, 1), dtype=np.uint64), np.zeros(6, dtype=np.uint64)],
)
def test_wrong_keys_are_refused(any_store: VectorStore, specs: list[FeatureSpec], keys: np.ndarray) -> None:
    with pytest.raises(UserError, match="Keys must be a uint64 array"):
        any_store.contains(specs[0], keys)
    with pytest.raises(UserError, match="Keys must be a uint64 array"):
        any_store.gather(specs[0], keys, np.zeros((3, 8), dtype=np.float32))
    with pytest.raises(UserError, match="Keys must be a uint64 array"):
        any_store.append(specs, keys, np.zeros((3, 3, 8), dtype=np.float32))


@pytest.mark.parametrize(
    "vectors",
    [
        np.zeros((5, 3, 8)),
        np.zeros((5, 8), dtype=np.float32),
        np.zeros((4, 3, 8), dtype=np.float32),
        np.zeros((5, 2, 8), dtype=np.float32),
    ],
)
def test_wrong_vectors_are_refused(any_store: VectorStore, specs: list[FeatureSpec], vectors: np.ndarray) -> None:
    with pytest.raises(UserError, match="vectors must be a float32 array"):
        any_store.append(specs, make_batch(0)[0], vectors)


def test_wrong_width_and_repeated_specifications_are_refused(any_store: VectorStore, specs: list[FeatureSpec]) -> None:
    keys, vectors = make_batch(0)
    with pytest.raises(UserError, match="width 7, the specification says 8"):
        any_store.append(specs, keys, vectors[:, :, :7])
    with pytest.raises(UserError, match="distinct"):
        any_store.append([specs[0], specs[1], specs[0]], keys, vectors)
    assert not contained(any_store, specs, keys).any()


@pytest.mark.parametrize("out", [np.zeros((5, 8)), np.zeros((4, 8), dtype=np.float32), np.zeros(8, dtype=np.float32)])
def test_wrong_out_is_refused(any_store: VectorStore, specs: list[FeatureSpec], out: np.ndarray) -> None:
    with pytest.raises(UserError, match="out must be a writeable float32 array"):
        any_store.gather(specs[0], make_batch(0)[0], out)


def test_read_only_out_is_refused(any_store: VectorStore, specs: list[FeatureSpec]) -> None:
    out = np.zeros((5, 8), dtype=np.float32)
    out.flags.writeable = False
    with pytest.raises(UserError, match="got read-only"):
        any_store.gather(specs[0], make_batch(0)[0], out)


def test_threads_share_one_store(any_store: VectorStore, specs: list[FeatureSpec]) -> None:
    failures: list[BaseException] = []

    def work(first: int) -> None:
        try:
            for seed in range(first, first + 10):
                keys, vectors = make_batch(seed)
                any_store.append(specs, keys, vectors)
                assert np.array_equal(gathered(any_store, specs, keys), vectors)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(100 * i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    for seed in (5, 105, 205, 305):
        keys, vectors = make_batch(seed)
        assert np.array_equal(gathered(any_store, specs, keys), vectors)


def test_memory_store_equals_disk_store(store: Store) -> None:
    """The same appends, duplicates included, give the same answers; blocks and shards are crossed on the way."""
    rng = np.random.default_rng(0)
    specs, memory = make_specs(2, dim=512), MemoryStore()
    pool = rng.integers(0, 2**64, (6000, 2), dtype=np.uint64)
    for _ in range(6):
        keys = pool[rng.integers(0, len(pool), 1500)]
        vectors = rng.standard_normal((1500, 2, 512), dtype=np.float32)
        for one in (memory, store):
            one.append(specs, keys, vectors)
    known = contained(store, specs, pool)
    assert np.array_equal(contained(memory, specs, pool), known)
    assert 0 < known.sum() < known.size
    stored = rng.permutation(pool[known[:, 0]])
    assert np.array_equal(gathered(memory, specs, stored), gathered(store, specs, stored))
