"""Drafts take their place whole, and what dead writers left is removed, by whoever writes the same thing next."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from frostline._drafts import drafting, put_folder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="drafts of others are known by flock")

KILLED = """
import os, signal, sys
from pathlib import Path
from frostline._drafts import drafting
with drafting(Path(sys.argv[1]), folder=sys.argv[2] == "folder") as place:
    (place / "part" if place.is_dir() else place).write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("folder", [False, True])
def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path, folder):
    kind = "folder" if folder else "file"
    assert subprocess.run([sys.executable, "-c", KILLED, tmp_path / "out", kind], check=False).returncode == -9
    (left,) = names(tmp_path)
    assert left.startswith(".out-")
    (tmp_path / ".out-of-mine.tmp").write_text("no draft")
    with drafting(tmp_path / "other", folder=folder):
        assert left in names(tmp_path)
    with drafting(tmp_path / "out", folder=folder) as place:
        if folder:
            put_folder(place, tmp_path / "out")
        else:
            place.replace(tmp_path / "out")
    assert names(tmp_path) == [".out-of-mine.tmp", "out"]


@pytest.mark.parametrize("folder", [False, True])
def test_a_draft_that_is_being_written_stays(tmp_path, folder):
    with drafting(tmp_path / "out", folder=folder) as first:
        with drafting(tmp_path / "out", folder=folder) as second:
            assert first.exists()
            assert first != second
        assert names(tmp_path) == [first.name]
    assert names(tmp_path) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_nothing_is_left_of_a_block_that_fails(tmp_path, error):
    for folder in (False, True):
        with pytest.raises(error), drafting(tmp_path / "out", folder=folder):
            raise error
    assert names(tmp_path) == []


def test_the_longest_name_that_a_folder_can_hold(tmp_path):
    with drafting(tmp_path / ("ä" * 127)) as place:
        place.replace(tmp_path / ("ä" * 127))
    assert names(tmp_path) == ["ä" * 127]


def test_a_folder_that_cannot_be_put_leaves_the_old_one(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("")
    real = Path.rename

    def rename(self, target):
        if self.name == "fresh":
            raise OSError("no")
        return real(self, target)

    (tmp_path / "fresh").mkdir()
    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(OSError, match="no"):
        put_folder(tmp_path / "fresh", tmp_path / "out")
    assert names(tmp_path / "out") == ["old"]
