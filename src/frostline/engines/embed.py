"""Embed a table of any length into a file, window by window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from frostline.backbones import WINDOW_ROWS
from frostline.contracts import EmbedStats
from frostline.embedder import TextEmbedder
from frostline.engines.inputs import build_embedder, column_values, input_columns
from frostline.engines.options import EmbedOptions, InputOptions
from frostline.errors import UserError
from frostline.features import Forecast
from frostline.rendering import Rendered, RowStream
from frostline.tables import VECTOR_ENDINGS, check_output, iter_tables, pick_columns, read_table, vector_writer

__all__ = ["embed_table", "forecast_embed"]


def embed_table(
    data: str | Path,
    *,
    out: str | Path,
    inputs: InputOptions | None = None,
    embedding: EmbedOptions | None = None,
    per_layer: bool = False,
    distinct_ids: bool = False,
) -> tuple[EmbedStats, int]:
    """Embed every row of a file, in memory that does not grow with their number.

    A run that was killed and is run again finds its finished batches in the store and writes the same bytes as a run
    that was not.

    Parameters
    ----------
    data : path
    out : path
        ``.npy`` of shape (n, F), or ``.parquet`` with `id` and `vector`.
    inputs : InputOptions, optional
    embedding : EmbedOptions, optional
    per_layer : bool, default=False
        Keep the layers apart: shape (n, L, D), ``.npy`` only.
    distinct_ids : bool, default=False
        Refuse an id that stands in two rows, before anything is embedded: a space has one vector an id.

    Returns
    -------
    EmbedStats
    int
        Width of the vectors.
    """
    inputs = inputs or InputOptions()
    check_output(out, (".npy",) if per_layer else VECTOR_ENDINGS)
    if distinct_ids and inputs.id:
        _refuse_repeated(data, inputs.id)
    embedder = build_embedder(embedding or EmbedOptions(), inputs)
    ids: list[list[Any]] = []

    def windows() -> Iterator[Rendered]:
        n_before = 0
        for table in iter_tables(data, WINDOW_ROWS):
            rows = range(n_before, n_before := n_before + table.num_rows)
            ids.append(_ids(table, inputs.id, rows.start) if inputs.id else list(rows))
            yield embedder.render(_input_table(table, inputs))

    stream = RowStream(embedder.extractor(), windows())
    dim = 0
    space = None if per_layer else {"kind": "semantic", "embedder": _recipe(embedder)}
    with vector_writer(out, space) as write:
        for features in stream:
            vectors = features.vectors if per_layer else embedder.fuse(features)
            write(ids.pop(0), vectors)
            dim = int(vectors.shape[-1])
    return stream.stats(), dim


def _ids(table: pa.Table, name: str, n_before: int) -> list[Any]:
    """The ids of some rows.

    Raises
    ------
    UserError
        A row has none: nobody could find its vector again.
    """
    found = column_values(table, name)
    if missing := [n_before + i for i, value in enumerate(found, start=1) if value is None or value == ""]:
        raise UserError(
            f"Row {missing[0]} has no id in {name!r}.", hint="give every row an id, or leave --id out to number them"
        )
    return found


def _refuse_repeated(data: str | Path, name: str) -> None:
    """Read the column of ids alone.

    Raises
    ------
    UserError
        A row without an id, or ids that stand in several rows.
    """
    counts: Counter[str] = Counter()
    for table in iter_tables(data, WINDOW_ROWS):
        counts.update(str(value) for value in _ids(table, name, counts.total()))
    if twice := [value for value, n in counts.items() if n > 1]:
        raise UserError(
            f"{len(twice)} ids of {name!r} stand in more than one row, such as {twice[0]!r} in {counts[twice[0]]} rows; a space "
            "has one vector an id.",
            hint="keep one row an id, name another column with --id, or join an id's texts into one row",
        )


def _recipe(embedder: TextEmbedder) -> dict[str, Any]:
    """What decides the vector of a text, so that a reader of the file can embed others the same way."""
    ours = {"store", "device", "progress", "trust_remote_code", "template", "number_format"}
    return {name: value for name, value in embedder.get_params(deep=False).items() if name not in ours}


def _input_table(table: pa.Table, inputs: InputOptions) -> pa.Table:
    return pick_columns(table, input_columns(table, inputs, (None, inputs.id)))


def forecast_embed(
    data: str | Path, *, inputs: InputOptions | None = None, embedding: EmbedOptions | None = None
) -> Forecast:
    """Say what :func:`embed_table` would do.

    Parameters
    ----------
    data, inputs, embedding
        As there.

    Returns
    -------
    Forecast
    """
    inputs = inputs or InputOptions()
    embedder = build_embedder(embedding or EmbedOptions(), inputs)
    return embedder.render(_input_table(read_table(data), inputs)).forecast(embedder.extractor())
