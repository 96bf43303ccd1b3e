from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from frostline.contracts import FeatureSpec, VectorStore
from frostline.store import MemoryStore, Store

Batch = tuple[np.ndarray, np.ndarray]


def make_specs(n: int = 3, dim: int = 8) -> list[FeatureSpec]:
    return [FeatureSpec(f'{{"backbone":{{"name":"tiny"}},"tap":{{"layer":{i}}}}}', dim) for i in range(n)]


def make_batch(seed: int, n: int = 5, n_specs: int = 3, dim: int = 8) -> Batch:
    rng = np.random.default_rng(seed)
    keys = rng.integers(0, 2**64, (n, 2), dtype=np.uint64)
    return keys, rng.standard_normal((n, n_specs, dim), dtype=np.float32)


def gathered(store: VectorStore, specs: list[FeatureSpec], keys: np.ndarray) -> np.ndarray:
    out = np.full((len(keys), len(specs), specs[0].dim), np.nan, dtype=np.float32)
    for i, spec in enumerate(specs):
        store.gather(spec, keys, out[:, i])
    return out


def contained(store: VectorStore, specs: list[FeatureSpec], keys: np.ndarray) -> np.ndarray:
    return np.stack([store.contains(spec, keys) for spec in specs], axis=1)


@pytest.fixture
def specs() -> list[FeatureSpec]:
    return make_specs()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def open_store(folder: Path) -> Iterator[Callable[..., Store]]:
    """Opens handles on one folder, and closes them after the test."""
    opened: list[Store] = []

    def open_one(**options: object) -> Store:
        opened.append(Store(folder, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[..., Store]) -> Store:
    return open_store()


@pytest.fixture(params=["disk", "memory"])
def any_store(request: pytest.FixtureRequest, open_store: Callable[..., Store]) -> VectorStore:
    return open_store() if request.param == "disk" else MemoryStore()
