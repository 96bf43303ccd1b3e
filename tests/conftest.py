"""The session's surroundings: no hub, no home folder. Runs before any test module imports a framework."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

_session_store = tempfile.TemporaryDirectory(prefix="frostline-test-store-")
os.environ["FROSTLINE_STORE"] = _session_store.name


def pytest_unconfigure() -> None:
    _session_store.cleanup()


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    """A folder for a feature store of this test alone; it does not exist yet."""
    return tmp_path / "store"
