from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from frostline.contracts import FeatureSpec
from frostline.errors import StoreError
from frostline.store import Store
from frostline.store.shard import HEADER_BYTES, OpenShard, lock_file, row_sums

from .conftest import gathered, make_batch


@pytest.fixture
def shard_path(store: Store, folder: Path) -> Path:
    """The one shard of a store with one specification and two batches of five rows."""
    for seed in (0, 1):
        keys, vectors = make_batch(seed, n_specs=1)
        store.append([FeatureSpec("{}", 8)], keys, vectors)
    (path,) = (folder / "shards").iterdir()
    return path


def read(folder: Path, seed: int) -> np.ndarray:
    with Store(folder, read_only=True) as store:
        return gathered(store, [FeatureSpec("{}", 8)], make_batch(seed)[0])


def test_shard_is_a_safetensors_file_before_and_after_sealing(store: Store, shard_path: Path) -> None:
    wanted = np.concatenate([make_batch(seed, n_specs=1)[1][:, 0] for seed in (0, 1)])
    capacity = (64 << 20) // 32
    unsealed = load_file(shard_path)["vectors"]
    assert unsealed.shape == (capacity, 8)
    assert np.array_equal(unsealed[:10], wanted)
    assert shard_path.stat().st_blocks * 512 < 1 << 20  # sparse
    store.close()
    assert np.array_equal(load_file(shard_path)["vectors"], wanted)
    assert shard_path.stat().st_size == HEADER_BYTES + wanted.nbytes


@pytest.mark.parametrize("rows_left", [0, 3, 9])
def test_cut_shard_never_yields_wrong_numbers(store: Store, folder: Path, shard_path: Path, rows_left: int) -> None:
    store.close()
    with shard_path.open("r+b") as file:
        file.truncate(HEADER_BYTES + 32 * rows_left + 5)
    with pytest.raises(StoreError, match="ends before row 9"):
        read(folder, 1)
    if rows_left < 5:
        with pytest.raises(StoreError, match="ends before row 4"):
            read(folder, 0)
    else:
        assert np.array_equal(read(folder, 0), make_batch(0, n_specs=1)[1])


@pytest.mark.parametrize("sealed", [True, False])
def test_hole_in_a_shard_is_never_read_as_zeros(store: Store, folder: Path, shard_path: Path, sealed: bool) -> None:
    if sealed:
        store.close()
    size = shard_path.stat().st_size
    with shard_path.open("r+b") as file:
        file.truncate(HEADER_BYTES + 32 * 7 + 16)
        file.truncate(size)  # cut and grown again, as a bad copy does
    assert np.array_equal(read(folder, 0), make_batch(0, n_specs=1)[1])
    with pytest.raises(StoreError, match="damaged vectors") as caught:
        read(folder, 1)
    assert "verify --repair" in str(caught.value.hint)


@pytest.mark.parametrize("offset", [0, 31, 32 * 3 + 6, 32 * 4 + 31])
@pytest.mark.parametrize("bit", [0, 7])
def test_flipped_bit_is_never_returned(store: Store, folder: Path, shard_path: Path, offset: int, bit: int) -> None:
    with shard_path.open("r+b") as file:
        file.seek(HEADER_BYTES + offset)
        byte = file.read(1)[0]
        file.seek(HEADER_BYTES + offset)
        file.write(bytes([byte ^ 1 << bit]))
    with pytest.raises(StoreError, match="damaged vectors"):
        read(folder, 0)
    assert np.array_equal(read(folder, 1), make_batch(1, n_specs=1)[1])


def test_row_sums_add_words_modulo_two_to_the_32() -> None:
    vectors = np.array([[1, 2**31, 2**31 + 5], [0, 0, 0]], dtype=np.uint32).view(np.float32)
    assert row_sums(vectors).tolist() == [6, 0]


def test_reading_crosses_blocks_and_gaps(folder: Path) -> None:
    """Rows of 64 kB: every block holds 16, and any gap splits a read."""
    spec, n = FeatureSpec("{}", 1 << 14), 40
    rng = np.random.default_rng(0)
    keys, vectors = make_batch(0, n=n, n_specs=1, dim=1 << 14)
    with Store(folder) as store:
        store.append([spec], keys, vectors)
        for order in ([39], [0, 39], list(range(n)), list(range(0, n, 3)), rng.permutation(n).tolist(), [5, 5, 6, 5]):
            assert np.array_equal(gathered(store, [spec], keys[order]), vectors[order])


def test_batch_larger_than_a_shard_gets_one_of_its_own(folder: Path) -> None:
    spec = FeatureSpec("{}", 64)
    keys, vectors = make_batch(0, n=1000, n_specs=1, dim=64)
    with Store(folder, max_bytes=1 << 20) as store:  # shards of 128 kB
        store.append([spec], keys, vectors)
        assert np.array_equal(gathered(store, [spec], keys), vectors)


def test_lock_is_exclusive_and_ends_with_the_holder(tmp_path: Path) -> None:
    shard = OpenShard.create(tmp_path, "a" * 32, 4, 10)
    assert lock_file(shard.path) is None
    shard.write(np.ones((2, 4), dtype="<f4"))
    shard.seal()
    fd = lock_file(shard.path)
    assert fd is not None
    OpenShard(fd, shard.path, "a" * 32, 4, 2, 10).release()
    assert lock_file(tmp_path / "absent") is None


def test_shard_without_rows_is_deleted_when_sealed(tmp_path: Path) -> None:
    OpenShard.create(tmp_path, "a" * 32, 4, 10).seal()
    assert list(tmp_path.iterdir()) == []
