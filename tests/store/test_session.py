"""Several handles, processes, killed writers, forks, eviction, and folders that go away."""

from __future__ import annotations

import multiprocessing
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from frostline.contracts import FeatureSpec
from frostline.errors import StoreError
from frostline.store import Store
from frostline.store.index import insert

from . import writers
from .conftest import contained, gathered, make_batch

Opener = Callable[..., Store]


def shards(folder: Path) -> list[Path]:
    return sorted((folder / "shards").iterdir())


def test_handles_see_each_other_at_once(open_store: Opener, specs: list[FeatureSpec]) -> None:
    one, two = open_store(), open_store()
    for seed in range(4):
        keys, vectors = make_batch(seed)
        assert not contained(two, specs, keys).any()
        one.append(specs, keys, vectors)
        assert np.array_equal(gathered(two, specs, keys), vectors)
        one, two = two, one


def test_first_writer_wins_between_handles(open_store: Opener, specs: list[FeatureSpec]) -> None:
    one, two, late = open_store(), open_store(), open_store()
    keys, vectors = make_batch(0)
    two.append(specs, *make_batch(1))
    one.append(specs, keys, vectors)
    two.append(specs, keys, vectors + 1)
    for store in (one, two, late):
        assert np.array_equal(gathered(store, specs, keys), vectors)


def test_each_writer_has_shards_of_its_own(open_store: Opener, folder: Path, specs: list[FeatureSpec]) -> None:
    one, two = open_store(), open_store()
    one.append(specs, *make_batch(0))
    two.append(specs, *make_batch(1))
    assert len(shards(folder)) == 2 * len(specs)


def test_short_runs_go_on_with_the_shards_of_earlier_ones(folder: Path, specs: list[FeatureSpec]) -> None:
    for seed in range(5):
        with Store(folder) as store:
            store.append(specs, *make_batch(seed))
    assert len(shards(folder)) == len(specs)
    assert [load_file(path)["vectors"].shape for path in shards(folder)] == [(25, 8)] * 3
    with Store(folder) as store:
        for seed in range(5):
            keys, vectors = make_batch(seed)
            assert np.array_equal(gathered(store, specs, keys), vectors)


def test_adopted_shards_overwrite_only_rows_that_were_never_committed(folder: Path, specs: list[FeatureSpec]) -> None:
    keys, vectors = make_batch(0)
    with Store(folder) as store:
        store.append(specs, keys, vectors)
    for path in shards(folder):
        with path.open("ab") as file:  # as a writer leaves it that died between write and commit
            file.write(b"\xff" * 500)
    with Store(folder) as store:
        store.append(specs, *make_batch(1))
        assert np.array_equal(gathered(store, specs, keys), vectors)
        assert np.array_equal(gathered(store, specs, make_batch(1)[0]), make_batch(1)[1])
        assert store.verify()["n_bad"] == 0
    assert len(shards(folder)) == len(specs)


def test_failed_write_commits_nothing_and_the_next_one_works(
    store: Store, specs: list[FeatureSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append(specs, *make_batch(0))
    keys, vectors = make_batch(1)

    def full(*args: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", full)
        with pytest.raises(StoreError, match="No space left") as caught:
            store.append(specs, keys, vectors)
    assert "free space" in str(caught.value.hint)
    assert not contained(store, specs, keys).any()
    store.append(specs, keys, vectors)
    assert np.array_equal(gathered(store, specs, keys), vectors)
    assert np.array_equal(gathered(store, specs, make_batch(0)[0]), make_batch(0)[1])
    assert store.verify()["n_bad"] == 0


def test_failed_commit_commits_no_specification(
    store: Store, specs: list[FeatureSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, vectors = make_batch(0)
    calls = []

    def fail_on_the_third(*args: object) -> int:
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return insert(*args)

    with monkeypatch.context() as patch:
        patch.setattr("frostline.store.session.insert", fail_on_the_third)
        with pytest.raises(KeyboardInterrupt):
            store.append(specs, keys, vectors)
    assert len(calls) == 3
    assert not contained(store, specs, keys).any()
    store.append(specs, keys, vectors)
    assert np.array_equal(gathered(store, specs, keys), vectors)


def test_deleted_folder_is_noticed(open_store: Opener, folder: Path, specs: list[FeatureSpec]) -> None:
    one, two = open_store(), open_store()
    one.append(specs, *make_batch(0))
    assert contained(two, specs, make_batch(0)[0]).all()
    shutil.rmtree(folder)
    assert not contained(two, specs, make_batch(0)[0]).any()
    one.append(specs, *make_batch(1))
    assert np.array_equal(gathered(two, specs, make_batch(1)[0]), make_batch(1)[1])
    assert not contained(two, specs, make_batch(0)[0]).any()
    assert one.verify() == {"n_vectors": 15, "n_bad": 0, "bad": [], "repaired": False}


def test_two_processes_write_at_once(folder: Path) -> None:
    with Store(folder) as store:
        running = [writers.start_writer(folder, seed, n=25) for seed in range(2)]
        assert [writers.last_reported(writer) for writer in running] == [24, 24]
        for seed in range(2):
            writers.check(store, seed, 24)
        assert store.verify()["n_bad"] == 0


def test_killed_writers_lose_nothing_and_leave_nothing_half(folder: Path) -> None:
    n_reported = writers.kill(folder, n_kills=32)
    assert n_reported > 32
    with Store(folder) as store:
        before = store.info()["n_vectors"]
        store.prune()
        assert store.info()["n_vectors"] == before
        assert store.verify()["n_bad"] == 0
    for path in shards(folder):  # all sealed by now
        assert load_file(path)["vectors"].shape[0] * 96 * 4 + 4096 == path.stat().st_size


def test_prune_beside_a_live_writer_takes_nothing_of_it(folder: Path) -> None:
    # Few enough batches that no shard fills up and is let go, however long the other writers take to start.
    writer = writers.start_writer(folder, 0, n=500, stay=True)
    writer.stdout.readline()
    with Store(folder) as store:
        dead = writers.start_writer(folder, 1, n=3)
        assert writers.last_reported(dead) == 2
        assert writers.last_reported(writers.start_writer(folder, 2, n=1)) == 0
        removed = 0
        for _ in range(20):
            report = store.prune(older_than_days=0)
            removed += report["n_vectors_removed"]
            assert report["n_shards_in_use"] == 3
        writer.kill()
        writers.check(store, 0, writers.last_reported(writer))
        assert removed == 3 * (sum(len(writers.batch(1, i)[0]) for i in range(3)) + len(writers.batch(2, 0)[0]))
        assert not store.contains(writers.SPECS[0], writers.batch(1, 0)[0]).any()
        assert store.verify()["n_bad"] == 0


FORKING = """
import os, sys
import numpy as np
from frostline.contracts import FeatureSpec
from frostline.store import Store
from frostline.store.index import insert

def batch(seed):
    keys = np.full((4, 2), seed, dtype=np.uint64) + np.arange(8, dtype=np.uint64).reshape(4, 2) * 1000
    return [spec], keys, np.full((4, 1, 8), seed, dtype=np.float32)

def there(store, seed):
    out = np.zeros((4, 8), dtype=np.float32)
    store.gather(spec, batch(seed)[1], out)
    return (out == seed).all()

spec = FeatureSpec("{}", 8)
store = Store(sys.argv[1])
store.append(*batch(1))
children = []
for seed in (2, 3):
    child = os.fork()
    if child == 0:
        store.append(*batch(seed))
        ok = there(store, 1) and there(store, seed)
        sys.exit(0 if ok else 1)  # runs the finalizers, as a careless child does
    children.append(child)
codes = [os.waitpid(child, 0)[1] for child in children]
store.append(*batch(4))
print(codes, all(there(store, seed) for seed in (1, 2, 3, 4)), store.verify()["n_bad"])
"""


def test_forked_children_have_sessions_of_their_own(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FORKING, str(folder)], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("[0, 0] True 0", "")
    # The parent was not closed by hand: its shards were sealed at exit all the same.
    assert [load_file(path)["vectors"].shape[0] for path in shards(folder)].count(8) == 1


def _read_in_child(folder: str, keys: np.ndarray, queue: multiprocessing.Queue[bytes]) -> None:
    with Store(folder, read_only=True) as store:
        queue.put(gathered(store, writers.SPECS, keys).tobytes())


def test_spawned_child_reads_what_the_parent_just_wrote(store: Store, folder: Path) -> None:
    keys, vectors = writers.batch(0, 0)
    store.append(writers.SPECS, keys, vectors)
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=_read_in_child, args=(str(folder), keys, queue))
    child.start()
    assert queue.get(timeout=60) == vectors.tobytes()
    child.join()
    queue.close()


def big_batch(seed: int) -> tuple[np.ndarray, np.ndarray]:
    return make_batch(seed, n=100, n_specs=1, dim=64)


def test_eviction_takes_the_least_recently_used_and_spares_this_run(folder: Path) -> None:
    spec, limit = FeatureSpec("{}", 64), 1 << 20  # shards of 128 kB hold 5 batches of 25.6 kB
    for seed in range(0, 30, 5):
        with Store(folder, max_bytes=limit) as store:
            for i in range(seed, seed + 5):
                store.append([spec], *big_batch(i))
    assert len(shards(folder)) == 6
    with Store(folder, max_bytes=limit) as store:
        assert store.contains(spec, big_batch(1)[0]).all()  # used now: shard 0 is the newest, shard 1 the oldest
        for i in range(30, 45):
            store.append([spec], *big_batch(i))
        assert store.info()["bytes"] <= limit
        kept = [bool(store.contains(spec, big_batch(i)[0]).all()) for i in range(45)]
        assert kept[:5] == [True] * 5
        assert kept[30:] == [True] * 15
        # Whole shards went, the oldest first.
        assert kept[5:10] == [False] * 5
        assert sorted(kept[5:30]) == kept[5:30]
        assert np.array_equal(gathered(store, [spec], big_batch(2)[0]), big_batch(2)[1])
        assert store.verify()["n_bad"] == 0


def test_a_run_larger_than_the_limit_keeps_all_it_wrote(folder: Path) -> None:
    spec = FeatureSpec("{}", 64)
    with Store(folder, max_bytes=200_000) as store:
        for i in range(20):
            store.append([spec], *big_batch(i))
        assert all(store.contains(spec, big_batch(i)[0]).all() for i in range(20))
        assert store.info()["bytes"] > 200_000
    with Store(folder, max_bytes=200_000) as store:
        store.append([spec], *big_batch(20))
        assert store.contains(spec, big_batch(20)[0]).all()
        assert store.info()["bytes"] <= 200_000


def test_eviction_elsewhere_is_noticed(open_store: Opener, specs: list[FeatureSpec]) -> None:
    one, two = open_store(), open_store()
    keys, vectors = make_batch(0)
    one.append(specs, keys, vectors)
    assert np.array_equal(gathered(two, specs, keys), vectors)
    one.prune(older_than_days=0)
    assert not contained(two, specs, keys).any()
    with pytest.raises(StoreError, match="5 of 5 vectors are not in the store"):
        gathered(two, specs, keys)
    two.append(specs, keys, vectors + 1)
    assert np.array_equal(gathered(one, specs, keys), vectors + 1)


def test_missing_shard_raises(store: Store, folder: Path, specs: list[FeatureSpec]) -> None:
    keys, vectors = make_batch(0)
    store.append(specs, keys, vectors)
    for path in shards(folder):
        path.unlink()
    with pytest.raises(StoreError, match="is missing") as caught:
        gathered(store, specs, keys)
    assert "verify --repair" in str(caught.value.hint)
    store.append(specs, *make_batch(1))  # into new files, since the open ones have lost their names
    assert np.array_equal(gathered(store, specs, make_batch(1)[0]), make_batch(1)[1])
    assert store.verify(repair=True)["n_bad"] == 15
    store.append(specs, keys, vectors)
    assert np.array_equal(gathered(store, specs, keys), vectors)
