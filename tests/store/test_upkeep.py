from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from frostline.contracts import FeatureSpec
from frostline.errors import StoreError, UserError
from frostline.store import Store
from frostline.store.shard import HEADER_BYTES

from .conftest import contained, gathered, make_batch

Opener = Callable[..., Store]


@pytest.fixture
def filled(store: Store, specs: list[FeatureSpec]) -> Store:
    for seed in range(4):
        store.append(specs, *make_batch(seed))
    return store


def shard_of(folder: Path, spec: FeatureSpec) -> Path:
    (path,) = (folder / "shards").glob(f"{spec.address[:8]}-*")
    return path


def flip(path: Path, row: int) -> None:
    with path.open("r+b") as file:
        file.seek(HEADER_BYTES + 32 * row + 9)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 16]))


def age(folder: Path, spec: FeatureSpec, days: float) -> None:
    """Pretend that the shards of `spec` were last used so long ago."""
    connection = sqlite3.connect(folder / "index.sqlite", isolation_level=None)
    connection.execute(
        "UPDATE shards SET last_used = last_used - ? WHERE spec = (SELECT id FROM specs WHERE address = ?)",
        (86400 * days, spec.address),
    )
    connection.close()


def test_info_of_nothing_creates_nothing(store: Store, folder: Path) -> None:
    assert store.info() == {"path": str(folder), "bytes": 0, "n_vectors": 0, "specs": []}
    assert store.verify()["n_vectors"] == 0
    assert store.prune()["n_vectors_removed"] == 0
    assert not contained(store, [FeatureSpec("{}", 8)], make_batch(0)[0]).any()
    store.append([FeatureSpec("{}", 8)], *make_batch(0, n=0, n_specs=1))
    assert not folder.exists()


def test_info_describes_each_specification(filled: Store, folder: Path, specs: list[FeatureSpec]) -> None:
    filled.append([FeatureSpec("no JSON", 8)], *make_batch(0, n_specs=1))
    found = filled.info()
    assert found["path"] == str(folder)
    assert found["n_vectors"] == 65
    *known, odd = found["specs"]
    assert [spec["address"] for spec in known] == [spec.address for spec in specs]
    assert [(spec["dim"], spec["n_vectors"], spec["bytes"]) for spec in known] == [(8, 20, HEADER_BYTES + 640)] * 3
    assert [(spec["backbone"], spec["tap"]) for spec in known] == [({"name": "tiny"}, {"layer": i}) for i in range(3)]
    assert (odd["backbone"], odd["tap"], odd["n_vectors"]) == (None, None, 5)
    assert abs(datetime.fromisoformat(odd["last_used"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert found["bytes"] > sum(spec["bytes"] for spec in found["specs"])


def test_verify_finds_a_flipped_bit_and_repair_forgets_the_batch(
    filled: Store, open_store: Opener, folder: Path, specs: list[FeatureSpec]
) -> None:
    reader = open_store()
    assert contained(reader, specs, make_batch(1)[0]).all()
    flip(shard_of(folder, specs[1]), row=7)  # in the second batch
    report = filled.verify()
    assert (report["n_vectors"], report["n_bad"]) == (60, 5)
    assert report["bad"] == [
        {
            "file": shard_of(folder, specs[1]).name,
            "address": specs[1].address,
            "first_row": 5,
            "n_rows": 5,
            "reason": "the checksum differs",
        }
    ]
    assert filled.verify() == report
    assert filled.verify(repair=True)["n_bad"] == 5
    assert filled.verify() == {"n_vectors": 55, "n_bad": 0, "bad": [], "repaired": False}
    keys, vectors = make_batch(1)
    for store in (filled, reader):
        assert contained(store, specs, keys).tolist() == [[True, False, True]] * 5
        assert np.array_equal(gathered(store, specs, make_batch(3)[0]), make_batch(3)[1])
    filled.append(specs, keys, vectors)
    assert np.array_equal(gathered(reader, specs, keys), vectors)


def test_verify_finds_changed_keys(filled: Store, folder: Path, specs: list[FeatureSpec]) -> None:
    """A key that changed would give the vector of one text to another."""
    connection = sqlite3.connect(folder / "index.sqlite", isolation_level=None)
    connection.execute("UPDATE batches SET keys = zeroblob(80) WHERE id = 2")
    connection.close()
    (bad,) = filled.verify()["bad"]
    assert (bad["address"], bad["reason"]) == (specs[1].address, "the checksum differs")


@pytest.mark.parametrize("repair", ["verify", "prune"])
def test_cut_and_missing_shards_are_found_and_forgotten(
    filled: Store, folder: Path, specs: list[FeatureSpec], open_store: Opener, repair: str
) -> None:
    filled.close()
    store = open_store()
    shard_of(folder, specs[0]).unlink()
    with shard_of(folder, specs[2]).open("r+b") as file:
        file.truncate(HEADER_BYTES + 32 * 12)
    report = store.verify()
    assert report["n_bad"] == 30
    assert [(bad["first_row"], bad["reason"]) for bad in report["bad"]] == [
        *((row, "the file is missing") for row in (0, 5, 10, 15)),
        *((row, "the file is cut") for row in (10, 15)),
    ]
    if repair == "verify":
        assert store.verify(repair=True)["n_bad"] == 30
    else:
        assert store.prune()["n_vectors_removed"] == 30
    assert store.verify()["n_bad"] == 0
    wanted = [[False, True, True]] * 10 + [[False, True, False]] * 10
    keys = np.concatenate([make_batch(seed)[0] for seed in range(4)])
    assert contained(store, specs, keys).tolist() == wanted
    assert np.array_equal(
        gathered(store, specs[1:], keys[:10]), np.concatenate([make_batch(s)[1] for s in (0, 1)])[:, 1:]
    )


def test_prune_by_address(filled: Store, folder: Path, specs: list[FeatureSpec]) -> None:
    report = filled.prune(address=specs[1].address)
    assert (report["n_vectors_removed"], report["bytes_freed"]) == (20, HEADER_BYTES + 640)
    assert contained(filled, specs, make_batch(0)[0]).tolist() == [[True, False, True]] * 5
    assert [spec["address"] for spec in filled.info()["specs"]] == [specs[0].address, specs[2].address]
    assert len(list((folder / "shards").iterdir())) == 2
    with pytest.raises(StoreError, match=f"no address '{specs[1].address}'"):
        filled.prune(address=specs[1].address)


def test_prune_by_age_counts_from_the_last_use(
    filled: Store, open_store: Opener, folder: Path, specs: list[FeatureSpec]
) -> None:
    filled.close()
    for spec in specs:
        age(folder, spec, 40)
    reader, pruner = open_store(), open_store()
    reader.gather(specs[0], make_batch(0)[0], np.empty((5, 8), dtype=np.float32))
    age(folder, specs[1], -20)
    assert pruner.prune(older_than_days=30)["n_vectors_removed"] == 20
    assert contained(pruner, specs, make_batch(0)[0]).tolist() == [[True, True, False]] * 5
    assert pruner.prune(older_than_days=10, address=specs[0].address)["n_vectors_removed"] == 0
    assert pruner.prune(older_than_days=-0.0)["n_vectors_removed"] == 40


def test_last_used_is_written_once_per_run(filled: Store, open_store: Opener, specs: list[FeatureSpec]) -> None:
    reader = open_store()
    reader.contains(specs[0], make_batch(0)[0])
    version = next(iter(reader._sessions.values())).index.version
    before = version()
    for _ in range(3):
        reader.contains(specs[0], make_batch(1)[0])
    assert version() == before


def test_prune_by_size_takes_the_least_recently_used(filled: Store, folder: Path, specs: list[FeatureSpec]) -> None:
    age(folder, specs[2], 3)
    total = filled.info()["bytes"]
    assert filled.prune(max_bytes=total)["n_vectors_removed"] == 0
    assert filled.prune(max_bytes=total - 1)["n_vectors_removed"] == 20
    assert contained(filled, specs, make_batch(0)[0]).tolist() == [[True, True, False]] * 5
    assert filled.prune(max_bytes=0)["n_vectors_removed"] == 40
    assert list((folder / "shards").iterdir()) == []


def test_prune_removes_garbage_and_only_garbage(filled: Store, folder: Path, specs: list[FeatureSpec]) -> None:
    orphan, foreign = folder / "shards" / "orphan.safetensors", folder / "shards" / "README"
    orphan.write_bytes(b"x" * 5000)
    foreign.write_text("not ours")
    report = filled.prune()
    assert (report["n_garbage_files"], report["n_vectors_removed"]) == (1, 0)
    assert report["bytes_freed"] >= 5000
    assert not orphan.exists()
    assert foreign.exists()
    assert contained(filled, specs, make_batch(0)[0]).all()


def test_prune_gives_the_index_back(store: Store, folder: Path) -> None:
    spec = FeatureSpec("{}", 2)
    for seed in range(30):
        store.append([spec], *make_batch(seed, n=2000, n_specs=1, dim=2))
    size = (folder / "index.sqlite").stat().st_size + (folder / "index.sqlite-wal").stat().st_size
    store.prune(older_than_days=-0.0)
    assert (folder / "index.sqlite").stat().st_size < size / 10
    assert (folder / "index.sqlite-wal").stat().st_size == 0


def test_another_handles_open_shards_are_left_alone(
    filled: Store, open_store: Opener, specs: list[FeatureSpec]
) -> None:
    other = open_store()
    report = other.prune(older_than_days=0, max_bytes=0)
    assert report["n_vectors_removed"] == 0
    assert report["n_shards_in_use"] > 0
    filled.append(specs, *make_batch(9))
    assert np.array_equal(gathered(other, specs, make_batch(9)[0]), make_batch(9)[1])


@pytest.mark.parametrize("options", [{"older_than_days": -1}, {"max_bytes": -5}, {"older_than_days": float("nan")}])
def test_negative_limits_are_refused(filled: Store, options: dict[str, float]) -> None:
    with pytest.raises(UserError, match="must be at least 0"):
        filled.prune(**options)
