from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest

from frostline.contracts import FeatureSpec
from frostline.errors import StoreError, UserError
from frostline.store import Store, default_store_path
from frostline.store.place import check_space, explained, network_filesystem

from .conftest import make_batch


def test_default_path_by_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    monkeypatch.setenv("FROSTLINE_STORE", "~/mine")
    assert default_store_path() == Path("/home/someone/mine")
    monkeypatch.delenv("FROSTLINE_STORE")
    assert default_store_path() == Path("/cache/frostline/store")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_store_path() == Path("/home/someone/.cache/frostline/store")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_store_path() == Path("/home/someone/.cache/frostline/store")
    assert Store("default").path == default_store_path()


@pytest.mark.parametrize("found", ["2", '"one"', "null"])
def test_other_format_is_refused_naming_both(folder: Path, found: str) -> None:
    folder.mkdir()
    (folder / "format.json").write_text(f'{{"format": {found}}}')
    with pytest.raises(StoreError, match=r"has format .*; this version of Frostline reads format 1") as caught:
        Store(folder)
    assert found.strip('"').replace("null", "None") in caught.value.message
    assert "another folder" in str(caught.value.hint)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"form'])
def test_unreadable_format_is_refused(folder: Path, content: str) -> None:
    folder.mkdir()
    (folder / "format.json").write_text(content)
    with pytest.raises(StoreError, match="cannot be read as a store's format"):
        Store(folder)


def test_a_file_and_a_folder_with_other_content_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match="is a file; a feature store is a folder"):
        Store(tmp_path / "notes.txt")
    with pytest.raises(StoreError, match=r"has no format.json but other content, such as 'notes.txt'"):
        Store(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_read_only_needs_a_store(folder: Path) -> None:
    with pytest.raises(StoreError, match="There is no feature store"):
        Store(folder, read_only=True)


MOUNTS = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /home rw,relatime shared:2 - nfs4 server:/home rw,vers=4.2
31 30 8:2 / /home/me/local rw - xfs /dev/sdb1 rw
32 22 0:41 / /with\040space rw - cifs //server/share rw
33 22 0:42 / /scratch rw - lustre mds:/scratch rw,flock,lazystatfs
34 22 0:43 / /work rw - lustre mds:/work rw,lazystatfs
35 22 0:44 / /sshfs rw - fuse.sshfs me@host: rw
36 22 0:45 / /twice rw - nfs server:/x rw
37 36 0:46 / /twice rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/cache", None),
        ("/home/me", "nfs4"),
        ("/homeless", None),
        ("/home/me/local/store", None),
        ("/with space/store", "cifs"),
        ("/scratch/store", None),
        ("/work/store", "lustre"),
        ("/sshfs", "fuse.sshfs"),
        ("/twice/store", None),
    ],
)
def test_network_file_systems_are_told_by_the_mount_table(path: str, kind: str | None) -> None:
    assert network_filesystem(Path(path), MOUNTS.strip()) == kind


def test_no_mount_table_means_no_network_file_system() -> None:
    assert network_filesystem(Path("/home"), "") is None


def test_network_file_system_is_refused_unless_read_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(folder):
        pass
    folder.mkdir()
    (folder / "format.json").write_text('{"format": 1}')
    monkeypatch.setattr("frostline.store.place.network_filesystem", lambda folder: "nfs4")
    with pytest.raises(StoreError, match=r"network file system \(nfs4\)") as caught:
        Store(folder)
    assert "read_only=True" in str(caught.value.hint)
    with Store(folder, read_only=True) as store:
        assert store.info()["n_vectors"] == 0


def test_space_is_checked_before_a_job(folder: Path) -> None:
    with Store(folder) as store:
        store.check_space(1000)
        with pytest.raises(StoreError, match=r"needs 1e\+06 TB .* are free") as caught:
            store.check_space(10**18)
    assert "prune" in str(caught.value.hint)
    with pytest.raises(StoreError, match=r"would store 2 kB, more than the limit of 1 kB"):
        check_space(folder, 2000, 1000)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("code", "hint"), [(errno.ENOSPC, "free space"), (errno.EACCES, "read_only=True"), (errno.EROFS, "read_only=True")]
)
def test_system_errors_say_what_to_do(code: int, hint: str) -> None:
    with pytest.raises(StoreError, match="/the/store cannot be used") as caught, explained(Path("/the/store")):
        raise OSError(code, "reason")
    assert hint in str(caught.value.hint)


def test_full_index_says_what_to_do(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "index.sqlite", isolation_level=None)
    connection.execute("CREATE TABLE t (x)")
    connection.execute("PRAGMA max_page_count = 3")
    with pytest.raises(StoreError, match="database or disk is full") as caught, explained(tmp_path):
        connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    connection.close()
    assert "free space" in str(caught.value.hint)


def test_locked_index_says_so(tmp_path: Path) -> None:
    one, two = (sqlite3.connect(tmp_path / "index.sqlite", isolation_level=None, timeout=0) for _ in range(2))
    one.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked") as caught, explained(tmp_path):
        two.execute("BEGIN IMMEDIATE")
    one.close()
    two.close()
    assert "another process" in str(caught.value.hint)


def test_format_that_appears_later_is_refused_too(folder: Path, specs: list[FeatureSpec]) -> None:
    with Store(folder) as store, Store(folder) as other:
        other.append(specs, *make_batch(0))
        (folder / "format.json").write_text('{"format": 2}')
        with pytest.raises(StoreError, match="has format 2"):
            store.contains(specs[0], make_batch(0)[0])


def test_the_limit_comes_from_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROSTLINE_STORE_MAX_BYTES", "2000")
    with Store(folder) as store, pytest.raises(StoreError, match=r"3 kB, more than the limit of 2 kB"):
        store.check_space(3000)
    assert "max_bytes=2000" in repr(Store(folder))
    assert "max_bytes=5" in repr(Store(folder, max_bytes=5))  # what is said in code counts
    for wrong in ("2GB", "0", "-5", "1.5"):
        monkeypatch.setenv("FROSTLINE_STORE_MAX_BYTES", wrong)
        with pytest.raises(UserError, match="positive whole number of bytes"):
            Store(folder)
    monkeypatch.setenv("FROSTLINE_STORE_MAX_BYTES", "")
    assert "max_bytes=None" in repr(Store(folder))
