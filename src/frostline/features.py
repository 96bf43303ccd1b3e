"""What a predictor learns on: vectors of rows, what is known about them, and the rows' own texts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from frostline.contracts import EmbedStats, IntArray, KeyArray, Tap
from frostline.store import keys_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Features", "Forecast", "PlainTexts"]


@dataclass(frozen=True)
class Features:
    """What extraction yields for n rows.

    Attributes
    ----------
    vectors : float32 array of shape (n, L, D)
        One vector for each tap.
    keys : uint64 array of shape (n, 2)
        Digest of what the model read of each row: rows with equal keys are the same text to it.
    truncated : bool array of shape (n,)
        Rows that were cut.
    read : int array of shape (n, 2)
        Of each row's text, the first character that was read and the one after the last.
    texts : sequence of n str
        The rows as they were rendered, without prompt.
    taps : tuple of L Tap
        What `vectors` were taken at.
    stats : EmbedStats
    table : pa.Table or None
        The rows' columns, where they come from a table.
    """

    vectors: NDArray[np.float32]
    keys: KeyArray
    truncated: NDArray[np.bool_]
    read: IntArray
    texts: Sequence[str]
    taps: tuple[Tap, ...]
    stats: EmbedStats
    table: pa.Table | None = None

    def at(self, taps: Sequence[Tap]) -> NDArray[np.float32]:
        """Vectors of some of the taps, shape (n, len(taps), D); without a copy where these are all of them."""
        if tuple(taps) == self.taps:
            return self.vectors
        return self.vectors[:, [self.taps.index(tap) for tap in taps]]

    def take(self, rows: NDArray[np.intp]) -> Features:
        """Features of some of the rows; `stats` still describes the whole job."""
        texts = [self.texts[row] for row in rows]
        return replace(
            self,
            vectors=self.vectors[rows],
            keys=self.keys[rows],
            truncated=self.truncated[rows],
            read=self.read[rows],
            texts=texts,
            table=None if self.table is None else self.table.take(rows),
        )


@dataclass(frozen=True)
class Forecast:
    """What an extraction would do, without running it on more than a sample.

    Attributes
    ----------
    stats : EmbedStats
        With `n_embedded` = texts that the store lacks and `seconds` = the estimate.
    bytes : int
        Estimated growth of the store.
    truncated, read
        As in :class:`Features`.
    n_requests : int or None
        Requests to the service; None where the backbone runs here.
    n_billed : int
        Estimated tokens of those requests. Nothing is timed then: `seconds` is 0.
    """

    stats: EmbedStats
    bytes: int
    truncated: NDArray[np.bool_]
    read: IntArray
    n_requests: int | None = None
    n_billed: int = 0


class PlainTexts:
    """Stands in for an extractor where no backbone is asked for: rows are their texts, and nothing runs."""

    taps: tuple[Tap, ...] = ()

    def __call__(self, texts: Sequence[str]) -> Features:
        """Features without vectors: shape (n, 0, 0); keys are those of the texts."""
        stream = self.stream([texts])
        features = next(iter(stream))
        return replace(features, stats=stream.stats())

    def stream(self, windows: Iterable[Sequence[str]], total: int | None = None) -> _PlainStream:
        """Features of windows of rows, one after another; `total` is ignored."""
        return _PlainStream(windows)

    def forecast(self, texts: Sequence[str], sample: int = 0) -> Forecast:
        """Nothing will run and nothing be stored; `sample` is ignored."""
        features = self(texts)
        return Forecast(features.stats, 0, features.truncated, features.read)


class _PlainStream:
    """Windows of rows on their way through :class:`PlainTexts`."""

    def __init__(self, windows: Iterable[Sequence[str]]) -> None:
        self._windows = windows
        self._stats = EmbedStats()
        self._seen: set[bytes] = set()

    def __iter__(self) -> Iterator[Features]:
        for texts in self._windows:
            began = time.perf_counter()
            n = len(texts)
            # surrogatepass: what cannot be written as UTF-8 is still a distinct text.
            keys = keys_of([np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8) for text in texts])
            self._seen.update(key.tobytes() for key in keys)
            stats = EmbedStats(n_rows=n, seconds=time.perf_counter() - began)
            self._stats.add(stats)
            vectors = np.empty((n, 0, 0), dtype=np.float32)
            yield Features(vectors, keys, np.zeros(n, dtype=bool), np.zeros((n, 2), np.int64), texts, (), stats)

    def stats(self) -> EmbedStats:
        """What was done so far."""
        return replace(self._stats, n_texts=len(self._seen))
