"""Texts to one vector per layer, each distinct text through the backbone at most once.

A window of rows is tokenized, its distinct token sequences are addressed and planned into batches, the store answers
for those it has, and only the others run. Commits fall on the plan's boundaries, so a killed job loses at most one batch.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline._progress import progress_bar
from frostline.backbones import (
    batch_limits,
    check_canary,
    check_service_window,
    count_tokens,
    distinct_keys,
    plan_batches,
    row_windows,
)
from frostline.backbones.beginning import LONG_TEXT
from frostline.backbones.windows import join_windows, text_keys, windows_per_row
from frostline.contracts import Backbone, EmbedStats, FeatureSpec, IntArray, KeyArray, Tap, Tokens, VectorStore
from frostline.errors import StoreError, UserError, nearest
from frostline.features import Features, Forecast, SeenTexts
from frostline.store import MemoryStore, keys_of

__all__ = ["OVERFLOWS", "ExtractionStream", "Extractor"]

OVERFLOWS = ("truncate", "chunk", "error")
"""What happens to a text that outgrows the window: cut and counted; read in several windows; refused."""

MOST_IN_MEMORY = 1 << 30
"""Bytes of vectors that a stream without a store remembers before it begins anew: a long one needs no more than a short one."""


@dataclass(frozen=True)
class _Window:
    """A tokenized window of rows: every array but `row_*` has one entry for each distinct token sequence."""

    ids: list[NDArray[np.int32]]
    lengths: NDArray[np.int64]
    keys: KeyArray
    batches: list[NDArray[np.intp]]
    pieces: NDArray[np.intp]  # for each window of each row: which distinct sequence it is
    owner: NDArray[np.intp]  # for each window of each row: which row it belongs to
    row_keys: KeyArray
    row_truncated: NDArray[np.bool_]
    row_read: IntArray


class Extractor:
    """Embeds texts with one backbone at fixed taps, through a store.

    Parameters
    ----------
    backbone : Backbone
    taps : sequence of Tap
        What to take from each pass.
    max_length : int, optional
        Window in tokens; None = the backbone's own.
    overflow : {"truncate", "chunk", "error"}
        What happens to longer texts.
    prompt : str
        Put before every text.
    store : VectorStore, optional
        None keeps vectors in memory for the length of one call.
    progress : "auto" or bool

    Raises
    ------
    UserError
        A window that the backbone cannot read, or an unknown `overflow`.
    """

    def __init__(
        self,
        backbone: Backbone,
        taps: Sequence[Tap],
        *,
        max_length: int | None = None,
        overflow: str = "truncate",
        prompt: str = "",
        store: VectorStore | None = None,
        progress: Any = "auto",
    ) -> None:
        if overflow not in OVERFLOWS:
            raise UserError(
                f"Unknown overflow {overflow!r}. Allowed: {', '.join(map(repr, OVERFLOWS))}.",
                hint=nearest(str(overflow), OVERFLOWS) or None,
            )
        self.backbone = backbone
        self.taps = tuple(taps)
        self.widths = (backbone.dim,) * len(self.taps)
        self.depths = tuple(backbone.n_layers if tap.layer == "final" else int(tap.layer) for tap in self.taps)
        self.specs = [FeatureSpec.of(backbone, tap) for tap in self.taps]
        check_service_window(backbone, max_length, overflow)
        self._vector_bytes = backbone.dim * 4 + 16  # with its key
        self.max_length = _check_window(backbone, max_length)
        self.overflow = overflow
        self.prompt = prompt
        self.store = store
        self.progress = progress

    @property
    def parts(self) -> tuple[Extractor, ...]:
        """Itself, as of several backbones each; not kept, since a cycle would hold the store's files open."""
        return (self,)

    def __call__(self, texts: Sequence[str]) -> Features:
        """Embed `texts`; rows keep their order.

        Parameters
        ----------
        texts : sequence of n str

        Returns
        -------
        Features

        Raises
        ------
        UserError
            A text without tokens, or with ``overflow="error"`` one that outgrows the window.
        """
        columns = np.empty((len(texts), sum(self.widths)), dtype=np.float32)
        keys = np.empty((len(texts), 2), dtype=np.uint64)
        truncated, read = np.zeros(len(texts), dtype=bool), np.zeros((len(texts), 2), dtype=np.int64)
        windows = row_windows(len(texts))
        stream = self.stream((texts[rows] for rows in windows), total=len(texts))
        for rows, found in zip(windows, stream, strict=True):
            columns[rows], keys[rows], truncated[rows], read[rows] = (
                found.columns,
                found.keys,
                found.truncated,
                found.read,
            )
        return Features(
            columns, keys, truncated, read, texts, self.taps, self.widths, self.depths, stream.stats()
        )  # fmt: skip

    def stream(self, windows: Iterable[Sequence[str]], total: int | None = None) -> ExtractionStream:
        """Embed windows of rows one after another, in memory that does not grow with their number.

        Parameters
        ----------
        windows : iterable of sequences of str
            Best of :data:`frostline.backbones.WINDOW_ROWS` rows each: the batch plan is made for each window.
        total : int, optional
            Rows of all windows, for the progress bar.

        Returns
        -------
        ExtractionStream
            Iterate over it for the :class:`Features` of each window; ``stats()`` says what was done so far.
        """
        return ExtractionStream(self, windows, total)

    def recall(self, keys: KeyArray) -> Features:
        """Features of rows whose texts nobody has any more, from the store alone; their texts are empty.

        Parameters
        ----------
        keys : uint64 array of shape (n, 2)
            As :class:`Features` had them.

        Raises
        ------
        StoreError
            There is no store, or it lacks some of the vectors, as it always does those of texts read in several windows.
        """
        first, inverse = distinct_keys(keys)
        distinct = np.ascontiguousarray(keys[first])
        known = [self.store.contains(spec, distinct) for spec in self.specs] if self.store is not None else []
        n_lacking = len(first) - int(np.all(known, axis=0).sum()) if known else len(first)
        if self.store is None or n_lacking:
            raise StoreError(
                f"The texts of {len(keys)} earlier rows are not kept, and the feature store "
                + ("is not used." if self.store is None else f"lacks {n_lacking} of {len(first)} distinct vectors."),
                hint="use the store of the fit (--store), or fit again with --keep-texts",
            )
        found = np.empty((len(first), len(self.taps), self.backbone.dim), dtype=np.float32)
        column = np.empty((len(first), self.backbone.dim), dtype=np.float32)
        for t, spec in enumerate(self.specs):
            self.store.gather(spec, distinct, column)
            found[:, t] = column
        none = np.zeros(len(keys), dtype=bool), np.zeros((len(keys), 2), dtype=np.int64)
        stats = EmbedStats(len(keys), len(first))
        columns = found.reshape(len(first), sum(self.widths))[inverse]
        return Features(columns, keys, *none, [""] * len(keys), self.taps, self.widths, self.depths, stats)

    def forecast(self, texts: Sequence[str], sample: int = 64) -> Forecast:
        """Count what a run would do and time a sample of it, but never a service's; nothing is stored.

        Parameters
        ----------
        texts : sequence of str
        sample : int
            Texts that run, chosen evenly over the lengths; their seconds per token are scaled up.
        """
        stats = EmbedStats(n_rows=len(texts))
        n_requests = 0
        truncated, read = np.zeros(len(texts), dtype=bool), np.zeros((len(texts), 2), dtype=np.int64)
        missing: list[NDArray[np.int32]] = []
        seen: set[bytes] = set()
        for rows in row_windows(len(texts)):
            window = self.read(texts[rows], rows.start)
            truncated[rows], read[rows] = window.row_truncated, window.row_read
            digests = [key.tobytes() for key in window.keys]
            new = np.array([digest not in seen for digest in digests], dtype=bool)
            seen.update(digests)
            stats.n_tokens += int(window.lengths[new].sum())
            lacking = new & self.lacking(window, self.store).any(axis=1)
            missing.extend(window.ids[i] for i in np.flatnonzero(lacking))
            n_requests += sum(bool(lacking[batch].any()) for batch in window.batches)
        stats.n_texts, stats.n_embedded = len(seen), len(missing)
        stats.n_truncated = int(truncated.sum())
        n_bytes = len(missing) * len(self.taps) * self._vector_bytes
        if self.backbone.service is None:
            stats.seconds = self._time(missing, sample)
            return Forecast(stats, n_bytes, truncated, read)
        stats.n_tokens = count_tokens(self.backbone, stats.n_tokens)
        return Forecast(
            stats, n_bytes, truncated, read, n_requests, count_tokens(self.backbone, sum(map(len, missing)))
        )

    def _time(self, missing: list[NDArray[np.int32]], sample: int) -> float:
        if not missing:
            return 0.0
        missing = sorted(missing, key=len)
        chosen = [missing[i] for i in np.unique(np.linspace(0, len(missing) - 1, sample).astype(int))]
        lengths = np.array([len(ids) for ids in chosen])
        batches = plan_batches(lengths, keys_of(chosen))
        self.backbone.forward(chosen[:1], self.taps)  # the first pass pays for warming up
        began = time.perf_counter()
        for batch in batches:
            self.backbone.forward([chosen[i] for i in batch], self.taps)
        return (time.perf_counter() - began) * sum(map(len, missing)) / int(lengths.sum())

    def read(self, texts: Sequence[str], first_row: int) -> _Window:
        """Tokenize, address and plan one window of rows; `first_row` is for messages."""
        distinct_texts = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        text_of_row = np.fromiter((distinct_texts[text] for text in texts), dtype=np.intp, count=len(texts))
        tokens = self.backbone.tokenize(
            [self.prompt + text for text in distinct_texts], self.max_length, windows=self.overflow == "chunk"
        )
        cut = np.bincount(tokens.owner, weights=tokens.lengths, minlength=len(distinct_texts)) < tokens.n_full
        if self.overflow == "error" and cut.any():
            row = int(np.flatnonzero(cut[text_of_row])[0])
            raise UserError(
                f"Row {first_row + row} has {'at least ' * (len(texts[row]) > LONG_TEXT)}"
                f"{tokens.n_full[text_of_row[row]]} tokens, more than the window of "
                f"{self.max_length} ({int(cut[text_of_row].sum())} such rows).",
                hint="use overflow='chunk' to read all of it, or overflow='truncate' to cut it",
            )
        keys = keys_of(tokens.ids)
        first, inverse = distinct_keys(keys)
        ids = [tokens.ids[i] for i in first]
        lengths = tokens.lengths[first]
        pieces, owner = windows_per_row(tokens, inverse, text_of_row)
        return _Window(
            ids=ids,
            lengths=lengths,
            keys=keys[first],
            batches=plan_batches(lengths, keys[first], *batch_limits(self.backbone)),
            pieces=pieces,
            owner=owner,
            row_keys=text_keys(tokens, keys)[text_of_row],
            row_truncated=cut[text_of_row],
            row_read=_read(tokens, len(distinct_texts), len(self.prompt))[text_of_row],
        )

    def lacking(self, window: _Window, store: VectorStore | None) -> NDArray[np.bool_]:
        """Which vectors the store lacks, shape (distinct sequences, taps)."""
        if store is None:
            return np.ones((len(window.keys), len(self.specs)), dtype=bool)
        return ~np.column_stack([store.contains(spec, window.keys) for spec in self.specs])

    def embed(self, window: _Window, store: VectorStore, advance: Any) -> tuple[NDArray[np.float32], int]:
        """Run what the store lacks and gather the vectors of each row; the number of texts that ran comes with them."""
        n_run = self.run(window, store, advance)
        try:
            return self.gather(window, store), n_run
        except StoreError:
            # Another process may have removed vectors since we found them; what is damaged is found, and raises again.
            n_run += self.run(window, store, lambda _: None)
            return self.gather(window, store), n_run

    def run(self, window: _Window, store: VectorStore, advance: Any) -> int:
        """Run what the store lacks, batch by batch; returns the number of texts that ran."""
        lacking = self.lacking(window, store)
        if self.backbone.service is not None and lacking.any():
            check_canary(self.backbone.service, self.specs, store)
        store.check_space(int(lacking.sum()) * self._vector_bytes)
        rows_of = np.bincount(window.pieces, minlength=len(window.keys))
        n_run = 0
        for batch in window.batches:
            taps = np.flatnonzero(lacking[batch].any(0))
            todo = batch[lacking[batch].any(1)]
            if len(todo):
                vectors = self.backbone.forward([window.ids[i] for i in todo], [self.taps[t] for t in taps])
                store.append([self.specs[t] for t in taps], window.keys[todo], vectors)
                n_run += len(todo)
            advance(int(rows_of[batch].sum()))
        return n_run

    def gather(self, window: _Window, store: VectorStore) -> NDArray[np.float32]:
        """Vectors of each row of the window, shape (n, L, D), all of them stored by now."""
        found = np.empty((len(window.keys), len(self.taps), self.backbone.dim), dtype=np.float32)
        column = np.empty((len(window.keys), self.backbone.dim), dtype=np.float32)
        for t, spec in enumerate(self.specs):
            store.gather(spec, window.keys, column)
            found[:, t] = column
        if len(window.pieces) == len(window.row_keys):  # one window a row: nothing to join
            return found[window.pieces]
        return np.stack(
            [
                join_windows(found[window.pieces, t], window.lengths[window.pieces], window.owner, tap)
                for t, tap in enumerate(self.taps)
            ],
            axis=1,
        )


class ExtractionStream:
    """Windows of rows on their way through an :class:`Extractor`; made by its ``stream``."""

    def __init__(self, extractor: Extractor, windows: Iterable[Sequence[str]], total: int | None) -> None:
        self._extractor = extractor
        self._windows = windows
        self._total = total
        self._stats = EmbedStats()
        self._seen = SeenTexts()

    def __iter__(self) -> Iterator[Features]:
        extractor = self._extractor
        store = MemoryStore() if extractor.store is None else extractor.store
        label = f"embedding with {extractor.backbone.name}"
        began = time.perf_counter()
        with progress_bar(extractor.progress, self._total, label, "rows") as advance:
            for texts in self._windows:
                if isinstance(store, MemoryStore) and extractor.store is None and store.n_bytes > MOST_IN_MEMORY:
                    store = MemoryStore()
                window = extractor.read(texts, self._stats.n_rows)
                vectors, n_run = extractor.embed(window, store, advance)
                n_texts, n_tokens = self._count_new(window)
                n_cut = int(window.row_truncated.sum())
                now = time.perf_counter()
                done = EmbedStats(len(texts), n_texts, n_run, n_cut, n_tokens, seconds=now - began)
                self._stats.add(done)
                yield Features(
                    vectors.reshape(len(texts), sum(extractor.widths)), window.row_keys, window.row_truncated,
                    window.row_read, texts, extractor.taps, extractor.widths, extractor.depths, done,
                )  # fmt: skip
                began = time.perf_counter()

    def stats(self) -> EmbedStats:
        """What was done so far; distinct texts and their tokens are counted over all windows."""
        return replace(self._stats, n_tokens=count_tokens(self._extractor.backbone, self._stats.n_tokens))

    def _count_new(self, window: _Window) -> tuple[int, int]:
        """Texts of this window that no window before it had, and their tokens."""
        new = self._seen.add(window.keys[:, 0])
        return int(new.sum()), int(window.lengths[new].sum())


def _read(tokens: Tokens, n: int, n_prompt: int) -> IntArray:
    """Characters of each text that were read, the prompt not counted; none where the backbone cannot tell."""
    return np.zeros((n, 2), dtype=np.int64) if tokens.read is None else np.maximum(tokens.read - n_prompt, 0)


def _check_window(backbone: Backbone, max_length: int | None) -> int:
    if max_length is None:
        return backbone.max_length
    if isinstance(max_length, bool) or not isinstance(max_length, int | np.integer) or max_length < 3:
        raise UserError(f"max_length must be a whole number of tokens, at least 3, got {max_length!r}.")
    if backbone.max_positions is not None and max_length > backbone.max_positions:
        raise UserError(
            f"max_length={max_length} is longer than the {backbone.max_positions} positions that {backbone.name} can read.",
            hint=f"use max_length={backbone.max_positions} and overflow='chunk' for longer texts",
        )
    return int(max_length)
