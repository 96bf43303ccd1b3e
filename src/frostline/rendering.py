"""Rows on their way to a backbone: rendered, read whole, and where asked column by column; cuts counted by column."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from frostline.contracts import EmbedStats
from frostline.extraction import Extractor
from frostline.features import Features, Forecast, PlainTexts
from frostline.joint import JointExtractor
from frostline.tables import count_cuts

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["AnyExtractor", "Rendered", "RowReader", "RowStream", "cell_texts"]

AnyExtractor = Extractor | JointExtractor | PlainTexts
"""What turns texts into features: one backbone, several, or none."""


@dataclass(frozen=True)
class RowReader:
    """What reads rows.

    Attributes
    ----------
    whole : Extractor, JointExtractor or PlainTexts
        Reads each row as one string.
    cells : the same, or None
        Reads, beside that, the cells of `columns` each on its own.
    columns : tuple of str
    """

    whole: AnyExtractor
    cells: AnyExtractor | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rendered:
    """Input as rows and as the strings that a backbone reads."""

    table: pa.Table
    texts: list[str]
    template: str | None = None
    number_format: str = "plain"

    def take(self, rows: NDArray[np.intp]) -> Rendered:
        """Some of the rows."""
        return replace(self, table=self.table.take(rows), texts=[self.texts[row] for row in rows])

    def cut_columns(self, found: Features | Forecast) -> dict[str, int]:
        """Count for each column the rows in which the end of the window cut its text, wholly or partly."""
        rows = np.flatnonzero(found.truncated)
        cut = self.table.take(rows)
        return count_cuts(cut, found.read[rows], template=self.template, number_format=self.number_format)

    def cells(self, reader: RowReader) -> dict[str, list[str]]:
        """Texts of the columns that are read each on its own."""
        return {name: cell_texts(name, self.table.column(name)) for name in reader.columns}

    def through(self, reader: AnyExtractor | RowReader) -> Features:
        """Embed the rows; cuts are counted by column."""
        reader = _reader(reader)
        found = reader.whole(self.texts)
        fields = {name: reader.cells(texts) for name, texts in self.cells(reader).items() if reader.cells is not None}
        stats = replace(found.stats, truncated_columns=self.cut_columns(found))
        return replace(found, stats=_joined(stats, found, fields), table=self.table, fields=fields)

    def forecast(self, reader: AnyExtractor | RowReader) -> Forecast:
        """Say what :meth:`through` would do."""
        reader = _reader(reader)
        found = reader.whole.forecast(self.texts)
        fields = {
            name: reader.cells.forecast(texts) for name, texts in self.cells(reader).items() if reader.cells is not None
        }
        every = [found, *fields.values()]
        requests = [one.n_requests for one in every if one.n_requests is not None]
        stats = replace(found.stats, truncated_columns=self.cut_columns(found))
        return replace(
            found,
            stats=_joined(stats, found, fields),
            bytes=sum(one.bytes for one in every),
            n_requests=sum(requests) if requests else None,
            n_billed=sum(one.n_billed for one in every),
            fields=fields,
        )


class RowStream:
    """Windows of rendered rows on their way through a reader, in memory that does not grow with their number.

    Parameters
    ----------
    reader : RowReader, or an extractor that reads whole rows
    windows : iterable of Rendered
        Best of :data:`frostline.backbones.WINDOW_ROWS` rows each.
    """

    def __init__(self, reader: AnyExtractor | RowReader, windows: Iterable[Rendered]) -> None:
        self._reader = _reader(reader)
        self._windows = windows
        self._stats = EmbedStats()
        cells, columns = self._reader.cells, self._reader.columns
        self._waiting: dict[str | None, deque[list[str]]] = {name: deque() for name in (None, *columns)}
        self._whole = self._reader.whole.stream(_drained(self._waiting[None]))
        self._fields = {name: cells.stream(_drained(self._waiting[name])) for name in columns if cells is not None}

    def __iter__(self) -> Iterator[Features]:
        whole, fields = iter(self._whole), {name: iter(stream) for name, stream in self._fields.items()}
        for rendered in self._windows:
            self._waiting[None].append(rendered.texts)
            for name, texts in rendered.cells(self._reader).items():
                self._waiting[name].append(texts)
            found = next(whole)
            own = {name: next(stream) for name, stream in fields.items()}
            cut = EmbedStats(truncated_columns=rendered.cut_columns(found), n_truncated=int(_cut(found, own).sum()))
            self._stats.add(cut)
            yield replace(found, table=rendered.table, fields=own)
        for stream in (whole, *fields.values()):  # nothing waits any more: what they have open is closed
            next(stream, None)

    def stats(self) -> EmbedStats:
        """What was done so far, cuts counted by column."""
        stats = replace(self._whole.stats(), truncated_columns=self._stats.truncated_columns)
        fields = {name: stream.stats() for name, stream in self._fields.items()}
        return stats.with_fields(fields, self._stats.n_truncated)


def cell_texts(name: str, column: pa.ChunkedArray) -> list[str]:
    """Cells as ``name: value``, to be read each on its own; a missing one as JSON writes it."""
    return [f"{name}: {'null' if cell is None else cell}" for cell in column.to_pylist()]


def _reader(reader: AnyExtractor | RowReader) -> RowReader:
    return reader if isinstance(reader, RowReader) else RowReader(reader)


def _cut(found: Features | Forecast, fields: Mapping[str, Features] | Mapping[str, Forecast]) -> NDArray[np.bool_]:
    """Rows that were cut, whole or in a column of their own."""
    return np.asarray(np.any([found.truncated, *(own.truncated for own in fields.values())], axis=0))


def _joined(
    stats: EmbedStats, found: Features | Forecast, fields: Mapping[str, Features] | Mapping[str, Forecast]
) -> EmbedStats:
    return stats.with_fields({name: own.stats for name, own in fields.items()}, int(_cut(found, fields).sum()))


def _drained(waiting: deque[list[str]]) -> Iterator[list[str]]:
    """Texts as they come in."""
    while waiting:
        yield waiting.popleft()
