"""What is fetched from a hub: no weights for random ones, no code until it is allowed, nothing twice."""

from __future__ import annotations

import fnmatch

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from frostline.backbones.locate import locate

REPOSITORY = ("config.json", "tokenizer.json", "model.safetensors", "modeling_own.py", "pytorch_model.bin")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub with one model; yields the names that were fetched."""
    folder, fetched = tmp_path / "snapshot", []

    def download(_, *, allow_patterns, local_files_only=False, **__):
        if local_files_only:
            if not folder.exists():
                raise LocalEntryNotFoundError("nothing here")
            return str(folder)
        folder.mkdir(exist_ok=True)
        for name in REPOSITORY:
            if any(fnmatch.fnmatch(name, pattern) for pattern in allow_patterns) and not (folder / name).exists():
                (folder / name).write_text("{}")
                fetched.append(name)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return fetched


def test_each_file_is_fetched_when_it_is_needed(hub):
    locate("org/name", weights=False)
    assert hub == ["config.json", "tokenizer.json"]
    locate("org/name")
    assert hub[2:] == ["model.safetensors"]
    locate("org/name", code=True)
    assert hub[3:] == ["modeling_own.py"]


def test_what_is_there_is_not_asked_for_again(hub):
    folder = locate("org/name").folder
    (folder / "tokenizer.json").unlink()  # the hub would fetch it again
    hub.clear()
    assert locate("org/name").folder == folder
    assert hub == []
