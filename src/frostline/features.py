"""What a predictor learns on: vectors of rows, what is known about them, and the rows' own texts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from frostline.contracts import EmbedStats, IntArray, KeyArray, Tap
from frostline.errors import UserError
from frostline.numerics.fusion import fuse
from frostline.store import keys_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Features", "Forecast", "PlainTexts", "one_width"]


def one_width(taps: Sequence[Tap], widths: Sequence[int], needed_for: str) -> int:
    """The width that all taps share.

    Raises
    ------
    UserError
        They have several: the backbones differ.
    """
    if len(set(widths)) > 1:
        of = {tap.backbone: width for tap, width in zip(taps, widths, strict=True)}
        raise UserError(
            f"The backbones have vectors of different widths ({', '.join(f'{name}: {w}' for name, w in of.items())}), "
            f"but {needed_for} needs one width.",
            hint='use fusion="concat", which puts vectors of any width side by side',
        )
    return widths[0]


@dataclass(frozen=True)
class Features:
    """What extraction yields for n rows.

    Attributes
    ----------
    columns : float32 array of shape (n, F)
        The vectors of all taps side by side.
    keys : uint64 array of shape (n, 2) or (n, 2 * number of backbones)
        Digest of what each backbone read of each row: rows with equal keys are the same text to it.
    truncated : bool array of shape (n,)
        Rows that were cut.
    read : int array of shape (n, 2)
        Of each row's text, the first character that was read and the one after the last.
    texts : sequence of n str
        The rows as they were rendered, without prompt.
    taps : tuple of L Tap
        What `columns` were taken at.
    widths : tuple of L int
        Columns of each tap.
    depths : tuple of L int
        Blocks of its backbone that ran for each tap.
    stats : EmbedStats
    table : pa.Table or None
        The rows' columns, where they come from a table.
    fields : dict of str to Features
        Of text columns that are also read each on its own, their cells.
    """

    columns: NDArray[np.float32]
    keys: KeyArray
    truncated: NDArray[np.bool_]
    read: IntArray
    texts: Sequence[str]
    taps: tuple[Tap, ...]
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    stats: EmbedStats
    table: pa.Table | None = None
    fields: dict[str, Features] = field(default_factory=dict)

    @property
    def vectors(self) -> NDArray[np.float32]:
        """One vector for each tap, shape (n, L, D), without a copy.

        Raises
        ------
        UserError
            The backbones differ in width.
        """
        width = one_width(self.taps, self.widths, "layers kept apart") if self.taps else 0
        return self.columns.reshape(len(self.columns), len(self.taps), width)

    def alike(self) -> list[list[int]]:
        """For each backbone one number a row: rows with equal numbers are the same text to it."""
        numbers: list[list[int]] = self.keys[:, ::2].T.tolist()
        return numbers

    def fused(self, taps: Sequence[Tap], how: str) -> NDArray[np.float32]:
        """One vector of each row from some of the taps, shape (n, F); all of them side by side are not copied."""
        places = [self.taps.index(tap) for tap in taps]
        chosen = self.columns
        if tuple(taps) != self.taps:
            ends = np.cumsum(self.widths)
            chosen = np.concatenate([self.columns[:, ends[i] - self.widths[i] : ends[i]] for i in places], axis=1)
        if how == "concat":
            return chosen
        width = one_width(taps, [self.widths[i] for i in places], f"fusion {how!r}")
        return fuse(chosen.reshape(len(chosen), len(taps), width), how)

    def take(self, rows: NDArray[np.intp]) -> Features:
        """Features of some of the rows; `stats` still describes the whole job."""
        texts = [self.texts[row] for row in rows]
        return replace(
            self,
            columns=self.columns[rows],
            keys=self.keys[rows],
            truncated=self.truncated[rows],
            read=self.read[rows],
            texts=texts,
            table=None if self.table is None else self.table.take(rows),
            fields={name: own.take(rows) for name, own in self.fields.items()},
        )

    def followed_by(self, more: Features) -> Features:
        """These rows and then others, read at the same taps; without a table and its columns."""
        stats = EmbedStats()
        stats.add(self.stats)
        stats.add(more.stats)
        joined: dict[str, Any] = {
            name: np.concatenate([getattr(self, name), getattr(more, name)])
            for name in ("columns", "keys", "truncated", "read")
        }
        return replace(self, **joined, texts=[*self.texts, *more.texts], stats=stats, table=None, fields={})


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
    backbones : dict of str to Forecast
        Of several backbones what each would do; the other fields are sums.
    fields : dict of str to Forecast
        The same of text columns that are also read each on its own.
    comparisons : dict of str to float
        What each arm of a comparison would take at most, in seconds.
    """

    stats: EmbedStats
    bytes: int
    truncated: NDArray[np.bool_]
    read: IntArray
    n_requests: int | None = None
    n_billed: int = 0
    backbones: dict[str, Forecast] = field(default_factory=dict)
    fields: dict[str, Forecast] = field(default_factory=dict)
    comparisons: dict[str, float] = field(default_factory=dict)


class PlainTexts:
    """Stands in for an extractor where no backbone is asked for: rows are their texts, and nothing runs."""

    taps: tuple[Tap, ...] = ()

    def __call__(self, texts: Sequence[str]) -> Features:
        """Features without vectors: shape (n, 0); keys are those of the texts."""
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
        self._seen = SeenTexts()

    def __iter__(self) -> Iterator[Features]:
        for texts in self._windows:
            began = time.perf_counter()
            n = len(texts)
            # surrogatepass: what cannot be written as UTF-8 is still a distinct text.
            keys = keys_of([np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8) for text in texts])
            self._seen.add(np.unique(keys[:, 0]))
            stats = EmbedStats(n_rows=n, seconds=time.perf_counter() - began)
            self._stats.add(stats)
            columns, cut = np.empty((n, 0), dtype=np.float32), np.zeros(n, dtype=bool)
            yield Features(columns, keys, cut, np.zeros((n, 2), np.int64), texts, (), (), (), stats)

    def stats(self) -> EmbedStats:
        """What was done so far."""
        return replace(self._stats, n_texts=len(self._seen))


class SeenTexts:
    """Counts distinct texts over windows of rows.

    Half a digest is remembered of each: two of a billion texts share one with a probability of 3 %, and then a count is off by one.
    """

    def __init__(self) -> None:
        self._halves = np.empty(0, dtype=np.uint64)

    def __len__(self) -> int:
        return len(self._halves)

    def add(self, halves: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Which of these digests, all distinct, were not there before; now they are."""
        place = np.searchsorted(self._halves, halves)
        known = np.zeros(len(halves), dtype=bool)
        inside = place < len(self._halves)
        known[inside] = self._halves[place[inside]] == halves[inside]
        self._halves = np.concatenate([self._halves, halves[~known]])
        self._halves.sort(kind="stable")  # merges: the first part is sorted already
        return ~known
