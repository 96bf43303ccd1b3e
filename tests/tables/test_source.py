from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from frostline.errors import UserError
from frostline.tables.source import open_checked


def read(path: Path, tail: bytes = b"") -> bytes:
    with open_checked(path, tail=tail) as stream:
        return stream.read()


def put(folder: Path, data: bytes, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("data", [b"a", b"a\nb\n", "é€😀".encode() * 400_000])
def test_gives_the_bytes(tmp_path: Path, data: bytes) -> None:
    assert read(put(tmp_path, data)) == data
    assert read(put(tmp_path, gzip.compress(data, 1), "a.csv.gz")) == data


def test_leaves_out_the_byte_order_mark(tmp_path: Path) -> None:
    assert read(put(tmp_path, b"\xef\xbb\xbfa\n")) == b"a\n"


@pytest.mark.parametrize(("data", "whole"), [(b"a", b"a\nEND"), (b"a\n", b"a\nEND"), (b"a\r", b"a\rEND")])
def test_tail_stands_on_a_line_of_its_own(tmp_path: Path, data: bytes, whole: bytes) -> None:
    assert read(put(tmp_path, data), tail=b"END") == whole


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b" \r\n\t\n"])
def test_empty(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UserError, match="a.csv is empty"):
        read(put(tmp_path, data))


@pytest.mark.parametrize(
    ("data", "byte", "line"),
    [
        (b"\xe9", 0, 1),
        (b"a\nb\ncaf\xe9\nd\n", 7, 3),
        (b"\xef\xbb\xbfa\n\xff", 5, 2),
        (b"a\n" * 800_000 + b"x\xe9y", 1_600_001, 800_001),
        (b"a\n\xc3", 2, 2),
    ],
)
def test_wrong_encoding_is_located(tmp_path: Path, data: bytes, byte: int, line: int) -> None:
    with pytest.raises(UserError, match=rf"not UTF-8 at byte {byte} \(line {line}\)") as caught:
        read(put(tmp_path, data))
    assert "iconv -f WINDOWS-1252 -t UTF-8 > converted.csv" in str(caught.value.hint)


def test_character_across_two_reads_is_located(tmp_path: Path) -> None:
    first_part = b"a" * ((1 << 20) - 1)  # the buffer ends inside the broken character
    with pytest.raises(UserError, match=rf"not UTF-8 at byte {len(first_part)} \(line 1\)"):
        read(put(tmp_path, first_part + b"\xc3\x28"))


def test_packed_file_gets_a_command_that_unpacks(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(put(tmp_path, gzip.compress(b"\xe9"), "a.tsv.gz"))
    assert str(caught.value.hint).startswith("If it is in Latin-1: zcat ")
    assert str(caught.value.hint).endswith("converted.tsv")


def test_nul_and_utf16(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"NUL byte \(byte 3\)"):
        read(put(tmp_path, b"PK\x04\0"))
    with pytest.raises(UserError, match="is UTF-16, not UTF-8"):
        read(put(tmp_path, "a,b\n".encode("utf-16")))


@pytest.mark.parametrize(
    "data",
    [b"a,b\n1,2\n", gzip.compress(b"a,b\n" * 1000)[:-9], gzip.compress(b"a" * 100)[:12] + b"\xff" * 30],
    ids=["plain", "cut", "damaged"],
)
def test_broken_gzip(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UserError, match="not a whole gzip file"):
        read(put(tmp_path, data, "a.csv.gz"))


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_no_permission(tmp_path: Path) -> None:
    path = put(tmp_path, b"a")
    path.chmod(0)
    with pytest.raises(UserError, match="cannot be read: Permission denied"):
        read(path)


def test_refusal_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: "):
        read(tmp_path)
