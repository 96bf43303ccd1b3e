"""The bytes of a text file, unpacked and checked as they pass: not empty, no NUL, UTF-8, whole."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from frostline.errors import UserError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["open_checked", "reading"]

_BUFFER = 1 << 20
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def open_checked(path: Path, *, tail: bytes = b"") -> io.BufferedReader:
    """Open a text file, ``.gz`` or not, for reading bytes without a byte-order mark.

    Parameters
    ----------
    path : Path
        The file.
    tail : bytes
        Put after the last line, which is ended first where it is not.

    Returns
    -------
    io.BufferedReader
        Raises UserError while it is read where the file is empty, holds NUL, is not UTF-8, or is a broken gzip.
    """
    return io.BufferedReader(_CheckedBytes(path, tail), _BUFFER)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals, and what gzip says of a broken file, into UserError."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(
            f"{path} is not a whole gzip file: {error}.",
            hint="Fetch or pack it again; a file that is not packed should not end in .gz.",
        ) from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from error


class _CheckedBytes(io.RawIOBase):
    """The file's bytes after its byte-order mark, then the tail; offsets in errors count from the file's start."""

    def __init__(self, path: Path, tail: bytes) -> None:
        super().__init__()
        self._path, self._tail = path, tail
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._n_bytes = self._n_lines = 0
        self._blank = True
        self._line_ended = True
        with reading(path):
            self._file = gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")  # noqa: SIM115
            if self._file.peek(3).startswith(codecs.BOM_UTF8):
                self._n_bytes = len(self._file.read(3))
        self._source: gzip.GzipFile | io.BufferedReader | io.BytesIO = self._file

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer)
        with reading(self._path):
            chunk = self._source.read(len(view))
        if self._source is self._file:
            self._check(chunk)
            if not chunk and self._tail:
                self._source = io.BytesIO(self._tail if self._line_ended else b"\n" + self._tail)
                chunk = self._source.read(len(view))
        view[: len(chunk)] = chunk
        return len(chunk)

    def _check(self, chunk: bytes) -> None:
        if b"\0" in chunk or (self._n_bytes == 0 and chunk.startswith(_UTF16_MARKS)):
            raise self._not_text(chunk)
        held_back = len(self._decoder.getstate()[0])
        try:
            self._decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            at = self._n_bytes - held_back + error.start
            line = self._n_lines + chunk[: max(error.start - held_back, 0)].count(b"\n") + 1
            raise UserError(
                f"{self._path} is not UTF-8 at byte {at} (line {line}).",
                hint=f"If it is in Latin-1: {self._conversion('WINDOWS-1252')}",
            ) from error
        self._n_bytes += len(chunk)
        self._n_lines += chunk.count(b"\n")
        self._blank = self._blank and not chunk.strip()
        self._line_ended = chunk.endswith((b"\n", b"\r")) if chunk else self._line_ended
        if not chunk and self._blank:
            raise UserError(f"{self._path} is empty.")

    def _not_text(self, chunk: bytes) -> UserError:
        if self._n_bytes == 0 and chunk.startswith(_UTF16_MARKS):
            return UserError(f"{self._path} is UTF-16, not UTF-8.", hint=self._conversion("UTF-16"))
        at = self._n_bytes + chunk.index(b"\0")
        return UserError(
            f"{self._path} is not text: it holds a NUL byte (byte {at}).",
            hint="Is it a spreadsheet, an archive or a Parquet file under another name? Export it as UTF-8 text.",
        )

    def _conversion(self, encoding: str) -> str:
        """The command that converts the file."""
        packed = self._path.suffix.lower() == ".gz"
        ending = Path(self._path.stem).suffix if packed else self._path.suffix
        return f"{'zcat' if packed else 'cat'} '{self._path}' | iconv -f {encoding} -t UTF-8 > converted{ending}"
