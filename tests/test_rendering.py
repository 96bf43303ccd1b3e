"""Rows read whole and column by column: the same vectors and counts in one piece, in windows, and forecast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from fakes import tiny_bert
from frostline.embedder import TextEmbedder
from frostline.rendering import Rendered, RowReader, RowStream

LONG = "x" * 70  # the window holds 62 characters
TABLE = pa.table(
    {
        "a": ["p", LONG, LONG, "p", "q", None],
        "b": ["r", "s", LONG + "y", "r", "t", "r"],
        "n": [1, 2, 3, 4, 5, 6],
    }
)


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    return TextEmbedder(str(tiny_bert(tmp_path_factory.mktemp("bert"))), store=None)


@pytest.fixture
def reader(embedder):
    return RowReader(embedder.extractor(), embedder.extractor(), ("a", "b"))


def timeless(stats):
    own = {name: replace(one, seconds=0.0) for name, one in stats.fields.items()}
    return replace(stats, seconds=0.0, fields=own)


def test_cells_are_read_and_cuts_counted_by_column(embedder, reader):
    found = embedder.render(TABLE).through(reader)
    cells = ["a: p", f"a: {LONG}", f"a: {LONG}", "a: p", "a: q", "a: null"]
    np.testing.assert_array_equal(found.fields["a"].columns, embedder.transform(cells))
    alone = embedder.features(TABLE).stats
    a, b = found.stats.fields["a"], found.stats.fields["b"]
    assert (a.n_truncated, a.n_texts, a.n_embedded) == (2, 4, 4)
    assert (b.n_truncated, b.n_texts, b.n_embedded) == (1, 4, 4)
    assert found.stats.truncated_columns == alone.truncated_columns == {"a": 2, "b": 2, "n": 2}
    assert (found.stats.n_rows, found.stats.n_truncated) == (6, 2)
    assert found.stats.n_texts == alone.n_texts + 8
    assert found.stats.n_tokens == alone.n_tokens + a.n_tokens + b.n_tokens


def test_a_cell_may_be_cut_where_the_row_is_not(embedder):
    reader = RowReader(embedder.extractor(), embedder.extractor(), ("a",))
    rows = embedder.render(TABLE.select(["a"]).slice(0, 3))
    rows = Rendered(rows.table, ["p", "q", LONG], rows.template)
    assert rows.through(reader).stats.n_truncated == 2  # row 1 only in its cell


def test_windows_count_as_one_piece(embedder, reader):
    whole = embedder.render(TABLE).through(reader)
    stream = RowStream(reader, (embedder.render(TABLE.slice(i, 2)) for i in (0, 2, 4)))
    parts = list(stream)
    assert timeless(stream.stats()) == timeless(whole.stats)
    np.testing.assert_allclose(
        np.vstack([part.fields["b"].columns for part in parts]), whole.fields["b"].columns, atol=1e-6
    )
    np.testing.assert_allclose(np.vstack([part.columns for part in parts]), whole.columns, atol=1e-6)


def test_a_forecast_counts_what_a_run_does(embedder, reader):
    rows = embedder.render(TABLE)
    forecast, done = rows.forecast(reader), rows.through(reader)
    assert timeless(forecast.stats) == timeless(done.stats)
    assert forecast.fields["a"].stats.n_truncated == 2
    assert forecast.bytes == done.stats.n_texts * (16 * 4 + 16)


def test_rows_without_columns_of_their_own_are_as_before(embedder):
    rows = embedder.render(TABLE)
    plain, read = rows.through(embedder.extractor()), rows.through(RowReader(embedder.extractor()))
    assert plain.fields == read.fields == plain.stats.fields == {}
    np.testing.assert_array_equal(plain.columns, read.columns)


def test_taken_rows_take_their_cells(embedder, reader):
    found = embedder.render(TABLE).through(reader)
    taken = found.take(np.array([4, 0]))
    np.testing.assert_array_equal(taken.fields["a"].columns, found.fields["a"].columns[[4, 0]])
    assert taken.followed_by(taken).fields == {}
