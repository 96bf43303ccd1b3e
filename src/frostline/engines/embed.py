"""Embed a table of any length into a file, window by window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from frostline._drafts import remove_dead_drafts
from frostline.backbones import WINDOW_ROWS
from frostline.contracts import EmbedStats
from frostline.embedder import TextEmbedder
from frostline.engines.inputs import build_embedder, column_values, input_columns
from frostline.engines.options import EmbedOptions, InputOptions
from frostline.errors import UserError
from frostline.extraction import Extractor
from frostline.features import Forecast
from frostline.joint import JointExtractor
from frostline.rendering import Rendered, RowStream
from frostline.tables import (
    VECTOR_ENDINGS,
    check_output,
    check_room,
    id_text,
    iter_tables,
    pick_columns,
    read_table,
    replacing,
    vector_writer,
)

__all__ = ["embed_table", "forecast_embed"]


def embed_table(
    data: str | Path,
    *,
    out: str | Path,
    inputs: InputOptions | None = None,
    embedding: EmbedOptions | None = None,
    per_layer: bool = False,
    distinct_ids: bool = False,
    ids_out: str | Path | None = None,
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
    ids_out : path, optional
        A text file for the ids of `out`, one a line, since ``.npy`` does not hold them.

    Returns
    -------
    EmbedStats
    int
        Width of the vectors.
    """
    inputs = inputs or InputOptions()
    _check_outputs(out, ids_out, per_layer, data, inputs)
    n_rows = _n_rows(data, inputs.id if distinct_ids else None)
    embedder = build_embedder(embedding or EmbedOptions(), inputs)
    extractor = embedder.extractor()
    remove_dead_drafts(Path(out))
    _check_room(Path(out), embedder, extractor, per_layer, n_rows)
    ids: list[list[Any]] = []

    def windows() -> Iterator[Rendered]:
        n_before = 0
        for table in iter_tables(data, WINDOW_ROWS):
            rows = range(n_before, n_before := n_before + table.num_rows)
            ids.append(_ids(table, inputs.id, rows.start) if inputs.id else list(rows))
            yield embedder.render(_input_table(table, inputs))

    stream = RowStream(extractor, windows())
    dim = 0
    space = None if per_layer else {"kind": "semantic", "embedder": _recipe(embedder)}
    with _id_writer(ids_out) as write_ids, vector_writer(out, space) as write:
        for features in stream:
            vectors = features.vectors if per_layer else embedder.fuse(features)
            write(ids[0], vectors)
            write_ids(ids.pop(0))
            dim = int(vectors.shape[-1])
    return stream.stats(), dim


def _check_outputs(
    out: str | Path, ids_out: str | Path | None, per_layer: bool, data: str | Path, inputs: InputOptions
) -> None:
    """Refuse files that cannot be written, and a file of ids that says nothing, before anything is embedded."""
    ending = check_output(out, (".npy",) if per_layer else VECTOR_ENDINGS, [data])
    if ids_out is None:
        return
    if ending != ".npy" or inputs.id is None:
        raise UserError(
            f"A file of ids goes with vectors in .npy and a column of ids; got {Path(out).name} and "
            f"{'no --id' if inputs.id is None else f'--id {inputs.id}'}.",
            hint="name the column with --id; Parquet holds the ids itself",
        )
    check_output(ids_out, (Path(ids_out).suffix.lower(),), [data, out])


def _check_room(
    out: Path, embedder: TextEmbedder, extractor: Extractor | JointExtractor, per_layer: bool, n_rows: int
) -> None:
    """Refuse vectors that do not fit the disk."""
    widths = [width for part in extractor.parts for width in part.widths]
    width = sum(widths) if per_layer or embedder.fusion == "concat" else max(widths)
    check_room(out, 4 * width * n_rows)


@contextmanager
def _id_writer(path: str | Path | None) -> Iterator[Callable[[list[Any]], None]]:
    """What writes the ids of a window, one a line; nothing where no file is named."""
    if path is None:
        yield lambda _: None
        return
    with replacing(Path(path)) as file:

        def write(ids: list[Any]) -> None:
            file.write("".join(f"{line}\n" for line in _id_lines(ids)).encode())

        yield write


def _id_lines(ids: list[Any]) -> list[str]:
    lines = [id_text(value) for value in ids]
    if broken := [line for line in lines if not line.strip() or len(line.splitlines()) != 1]:
        raise UserError(f"The id {broken[0]!r} is not one line, so a file of lines cannot hold it.")
    return lines


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


def _n_rows(data: str | Path, distinct: str | None) -> int:
    """Count the rows, and look whether a column of ids says each once, where one is named.

    Raises
    ------
    UserError
        A row without an id, or ids that stand in several rows.
    """
    counts: Counter[str] = Counter()
    n_rows = 0
    for table in iter_tables(data, WINDOW_ROWS):
        if distinct is not None:
            counts.update(id_text(value) for value in _ids(table, distinct, n_rows))
        n_rows += table.num_rows
    if twice := [value for value, n in counts.items() if n > 1]:
        raise UserError(
            f"{len(twice)} ids of {distinct!r} stand in more than one row, such as {twice[0]!r} in {counts[twice[0]]} rows; "
            "a space has one vector an id.",
            hint="keep one row an id, name another column with --id, or join an id's texts into one row",
        )
    return n_rows


def _recipe(embedder: TextEmbedder) -> dict[str, Any]:
    """What decides the vector of a text, so that a reader of the file can embed others the same way."""
    ours = {"store", "device", "progress", "trust_remote_code", "template", "number_format"}
    return {name: value for name, value in embedder.get_params(deep=False).items() if name not in ours}


def _input_table(table: pa.Table, inputs: InputOptions) -> pa.Table:
    return pick_columns(table, input_columns(table, inputs, (None, inputs.id)))


def forecast_embed(
    data: str | Path,
    *,
    inputs: InputOptions | None = None,
    embedding: EmbedOptions | None = None,
    per_layer: bool = False,
    ids_out: str | Path | None = None,
    out: str | Path | None = None,
) -> Forecast:
    """Say what :func:`embed_table` would do; nothing is written.

    Parameters
    ----------
    data, inputs, embedding, per_layer, ids_out
        As there.
    out : path, optional
        As there; None = its place is not checked.

    Returns
    -------
    Forecast

    Raises
    ------
    UserError
        What :func:`embed_table` refuses before it embeds.
    """
    inputs = inputs or InputOptions()
    if out is not None:
        _check_outputs(out, ids_out, per_layer, data, inputs)
    table = read_table(data)
    ids = _ids(table, inputs.id, 0) if inputs.id else []
    if ids_out is not None:
        _id_lines(ids)
    embedder = build_embedder(embedding or EmbedOptions(), inputs)
    extractor = embedder.extractor()
    if out is not None:
        _check_room(Path(out), embedder, extractor, per_layer, table.num_rows)
    return embedder.render(_input_table(table, inputs)).forecast(extractor)
