"""Read-only opening, and what it leaves alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from frostline.contracts import FeatureSpec
from frostline.errors import StoreError
from frostline.store import Store

from .conftest import contained, gathered, make_batch

Opener = Callable[..., Store]


def state(folder: Path) -> list[tuple[str, int, int]]:
    return [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(folder.rglob("*"))]


def test_read_only_changes_nothing(store: Store, open_store: Opener, folder: Path, specs: list[FeatureSpec]) -> None:
    keys, vectors = make_batch(0)
    store.append(specs, keys, vectors)
    store.close()
    before = state(folder)
    reader = open_store(read_only=True)
    assert np.array_equal(gathered(reader, specs, keys), vectors)
    assert reader.info()["n_vectors"] == 15
    assert reader.verify()["n_bad"] == 0
    reader.close()
    assert state(folder) == before


def test_read_only_follows_writers_that_come_and_go(
    store: Store, open_store: Opener, folder: Path, specs: list[FeatureSpec]
) -> None:
    store.append(specs, *make_batch(0))
    reader = open_store(read_only=True)
    for seed in range(1, 6):
        with Store(folder) as writer:
            writer.append(specs, *make_batch(seed))
            assert contained(reader, specs, make_batch(seed)[0]).all()
    store.close()
    for seed in range(6, 9):
        with Store(folder) as writer:
            writer.append(specs, *make_batch(seed))
        keys, vectors = make_batch(seed)
        assert np.array_equal(gathered(reader, specs, keys), vectors)


def test_read_only_refuses_to_write(store: Store, open_store: Opener, specs: list[FeatureSpec]) -> None:
    store.append(specs, *make_batch(0))
    reader = open_store(read_only=True)
    for action in (lambda: reader.append(specs, *make_batch(1)), reader.prune, lambda: reader.verify(repair=True)):
        with pytest.raises(StoreError, match="read-only"):
            action()


READER = """
import os, sys
import numpy as np
from frostline.errors import StoreError
from frostline.store import Store
sys.path.insert(0, sys.argv[2])
from store.conftest import gathered, make_batch, make_specs
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
keys, vectors = make_batch(0)
store = Store(sys.argv[1], read_only=True)
print(np.array_equal(gathered(store, make_specs(), keys), vectors), store.info()["n_vectors"])
try:
    Store(sys.argv[1]).append(make_specs(), keys, vectors)
except StoreError as error:
    print("read_only=True" in str(error.hint))
"""


@pytest.fixture
def public(specs: list[FeatureSpec]) -> Iterator[Path]:
    """A folder that other users can reach, and nobody can write."""
    top = Path(tempfile.mkdtemp())
    top.chmod(0o755)
    yield top / "store"
    for path in top.rglob("*"):
        path.chmod(0o755)
    shutil.rmtree(top)


def read_without_rights(folder: Path) -> list[str]:
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = state(folder)
    command = [sys.executable, "-c", READER, str(folder), str(Path(__file__).parents[1])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert state(folder) == before
    return done.stdout.split()


def test_read_only_folder(public: Path, specs: list[FeatureSpec]) -> None:
    with Store(public) as store:
        store.append(specs, *make_batch(0))
    assert read_without_rights(public) == ["True", "15", "True"]


@pytest.mark.parametrize("with_shared_memory", [True, False])
def test_read_only_copy_of_a_store_that_was_in_use(
    store: Store, folder: Path, public: Path, specs: list[FeatureSpec], with_shared_memory: bool
) -> None:
    store.append(specs, *make_batch(0))
    assert (folder / "index.sqlite-wal").stat().st_size > 0
    shutil.copytree(folder, public)
    if not with_shared_memory:
        (public / "index.sqlite-shm").unlink()
    assert read_without_rights(public) == ["True", "15", "True"]


def test_log_of_a_deleted_index_is_not_replayed(store: Store, open_store: Opener, folder: Path) -> None:
    specs = [FeatureSpec("{}", 8)]
    store.append(specs, *make_batch(0, n_specs=1))
    (folder / "index.sqlite").unlink()
    other = open_store()
    assert not contained(other, specs, make_batch(0)[0]).any()
    other.append(specs, *make_batch(1, n_specs=1))
    assert other.info()["n_vectors"] == 5
    assert not contained(other, specs, make_batch(0)[0]).any()


def test_damaged_index_is_named(store: Store, open_store: Opener, folder: Path, specs: list[FeatureSpec]) -> None:
    store.append(specs, *make_batch(0))
    store.close()
    (folder / "index.sqlite").write_bytes(b"no database at all " * 500)
    for options in ({}, {"read_only": True}):
        with pytest.raises(StoreError, match="cannot be used: file is not a database") as caught:
            open_store(**options).contains(specs[0], make_batch(0)[0])
        assert "delete the folder" in str(caught.value.hint)


def test_folder_without_index_is_an_empty_store(folder: Path, open_store: Opener, specs: list[FeatureSpec]) -> None:
    folder.mkdir()
    (folder / "format.json").write_text('{"format": 1}')
    (folder / "index.sqlite.draft").write_bytes(b"left by a killed process")
    keys, vectors = make_batch(0)
    assert not contained(open_store(read_only=True), specs, keys).any()
    store = open_store()
    assert not contained(store, specs, keys).any()
    store.append(specs, keys, vectors)
    assert np.array_equal(gathered(store, specs, keys), vectors)
    assert sorted(os.listdir(folder)) == [
        "format.json",
        "index.sqlite",
        "index.sqlite-shm",
        "index.sqlite-wal",
        "shards",
    ]
