from __future__ import annotations

import gc
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from frostline.contracts import FeatureSpec, VectorStore
from frostline.errors import StoreError, UserError
from frostline.store import Store, keys_of

from .conftest import make_batch


def test_opening_and_asking_create_nothing(folder: Path, specs: list[FeatureSpec]) -> None:
    with Store(folder / "deep") as store:
        assert not store.contains(specs[0], make_batch(0)[0]).any()
        with pytest.raises(StoreError, match="5 of 5"):
            store.gather(specs[0], make_batch(0)[0], np.empty((5, 8), dtype=np.float32))
    assert not folder.exists()


def test_layout(folder: Path, specs: list[FeatureSpec]) -> None:
    with Store(folder) as store:
        store.append(specs, *make_batch(0))
    assert sorted(p.name for p in folder.iterdir()) == ["format.json", "index.sqlite", "shards"]
    assert json.loads((folder / "format.json").read_text()) == {"format": 1}
    assert sorted(p.name[:8] for p in (folder / "shards").iterdir()) == sorted(spec.address[:8] for spec in specs)


def test_no_text_and_no_token_ids_at_rest(folder: Path) -> None:
    text = "a most confidential sentence"
    ids = np.array([ord(c) for c in text], dtype=np.int32)
    with Store(folder, max_bytes=1 << 20) as store:  # small shards are quick to search
        store.append([FeatureSpec("{}", 4)], keys_of([ids]), np.ones((1, 1, 4), dtype=np.float32))
        files = [p for p in folder.rglob("*") if p.is_file()]
        assert any(p.name == "index.sqlite-wal" for p in files)
        for data in (p.read_bytes() for p in files):
            for dtype in ("<i2", "<i4", "<i8", "i1"):
                assert ids[:3].astype(dtype).tobytes() not in data
    for data in (p.read_bytes() for p in folder.rglob("*") if p.is_file()):
        assert text[:3].encode() not in data
        assert ids[:2].tobytes() not in data


def test_closed_store_refuses(folder: Path, specs: list[FeatureSpec]) -> None:
    store = Store(folder)
    store.append(specs, *make_batch(0))
    store.close()
    store.close()
    for action in (store.info, store.prune, lambda: store.contains(specs[0], make_batch(0)[0])):
        with pytest.raises(StoreError, match="is closed"):
            action()


def test_forgotten_store_is_sealed_when_collected(folder: Path, specs: list[FeatureSpec]) -> None:
    store = Store(folder)
    store.append(specs, *make_batch(0))
    del store
    gc.collect()
    assert [load_file(path)["vectors"].shape for path in (folder / "shards").iterdir()] == [(5, 8)] * 3
    assert not (folder / "index.sqlite-wal").exists()


def test_store_is_a_vector_store_with_a_readable_repr(folder: Path) -> None:
    store: VectorStore = Store(folder, max_bytes=10**9)
    assert repr(store) == f"Store({str(folder)!r}, read_only=False, max_bytes=1000000000)"


def test_store_is_not_pickled(folder: Path) -> None:
    with pytest.raises(TypeError, match="pass its path"):
        pickle.dumps(Store(folder))


@pytest.mark.parametrize("max_bytes", [0, -1])
def test_limit_must_be_positive(folder: Path, max_bytes: int) -> None:
    with pytest.raises(UserError, match="max_bytes must be a positive number"):
        Store(folder, max_bytes=max_bytes)


def test_windows_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    with pytest.raises(StoreError, match="Windows"):
        Store(folder)
