"""The table of the study: rows with a text and a vector in three parts that share nothing, and what reads texts back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from frostline.contracts import canonical_json
from frostline.elm.facts import Names
from frostline.elm.fitting import primary_task
from frostline.elm.prepare import as_spaces, main_text, refuse_shared, row_keys
from frostline.elm.reading import open_reader, reader_state
from frostline.elm.records import Records, generalized, read_records
from frostline.elm.scores import EncoderReader, Reader
from frostline.elm.tasks import Pack, load_pack
from frostline.embedder import TextEmbedder
from frostline.errors import UserError
from frostline.keys import key_split
from frostline.studies.elm.options import ElmStudyOptions
from frostline.studies.sets import BUNDLED
from frostline.tables import VectorTable, pick_columns, read_table

__all__ = ["PARTS", "ElmData", "Part", "read_data"]

PARTS = ("train", "valid", "test")

_IDS = ("id", "movieId")
_ENDINGS = (".parquet", ".csv", ".jsonl")
_FEWEST = 20
"""Rows that each part must have: fewer rank nothing."""


@dataclass(frozen=True)
class Part:
    """Rows of one part.

    Attributes
    ----------
    ids : list of n str
    vectors : array of shape (n, D)
    """

    ids: list[str]
    vectors: NDArray[np.float32]


@dataclass(frozen=True)
class ElmData:
    """What all explainers of the study learn from and are judged by.

    Attributes
    ----------
    name : str
    table : pa.Table
    id : str
    text : str or None
    pack : Pack
    records : Records
        Texts as the table has them.
    parts : dict of str to Part
    texts : dict of str to str
    space : mapping
        How the vectors were made, where it is known.
    reader : Reader
        Reads the texts of all explainers back into the real space.
    encoder
        As :meth:`frostline.ELM.fit` takes it.
    store
    n_without : int
        Rows that have no vector or no text.
    """

    name: str
    table: pa.Table
    id: str
    text: str | None
    pack: Pack
    records: Records
    parts: dict[str, Part]
    texts: dict[str, str]
    space: Mapping[str, Any]
    reader: Reader
    encoder: Any
    store: Any
    n_without: int

    @property
    def digest(self) -> str:
        """16 hexadecimal digits: of rows, with all that tasks and attributes read of them, parts, tasks, vectors and the reader."""
        common = [self.pack.to_json(), self.records.columns, self.reader.kind, reader_state(self.reader)]
        found = hashlib.blake2b(canonical_json(common).encode(), digest_size=8)
        for name, part in self.parts.items():
            rows = [self.records.rows[key] for key in part.ids]
            said = [name, part.ids, [self.texts[key] for key in part.ids], [[row.text, row.lists] for row in rows]]
            found.update(canonical_json(said).encode("utf-8", "surrogatepass"))
            found.update(part.vectors.tobytes())
        return found.hexdigest()

    def rows_of(self, ids: Sequence[str]) -> pa.Table:
        """The table's rows of these ids, in their order."""
        place = {key: i for i, key in enumerate(self.records.rows)}
        return self.table.take([place[key] for key in ids])

    def targets(self, names: Names, ids: Sequence[str]) -> list[str]:
        """What the heaviest task wants to be written about rows, without names."""
        template = primary_task(self.pack.tasks, "vectors").template
        bare = generalized(self.records, names).rows
        return [template.render([bare[key]]) or bare[key].text.get("text", "") for key in ids]


def read_data(options: ElmStudyOptions) -> ElmData:
    """Read the table, embed it where no vectors are given, and divide it.

    Parameters
    ----------
    options : ElmStudyOptions

    Returns
    -------
    ElmData

    Raises
    ------
    UserError
        A table, columns, vectors or a split that cannot be used.
    """
    path = _table_path(options.data)
    table = read_table(path)
    id_ = options.id or next((name for name in _IDS if name in table.column_names), "id")
    known = None if options.vectors is None else as_spaces(options.vectors, table, id_)["vectors"]
    if options.rows is not None:
        table = table.take(np.sort(np.random.default_rng(0).permutation(table.num_rows)[: options.rows]))
    raw = read_records(table, id_, load_pack(options.tasks), options.text)
    texts = {key: main_text(raw, key) for key in raw.rows}
    own, encoder = _vectors(options, known, [key for key, text in texts.items() if text], texts)
    kept = set(own.ids)
    divided = _divided(options, table, raw, own)
    parts = {name: Part(ids, own.of(ids)) for name, ids in divided.items()}
    train = parts["train"]
    train_texts = [texts[key] for key in train.ids]
    reader = open_reader(
        encoder, own.space, train_texts, train.vectors, train.ids, store=options.store, progress=options.progress
    )
    given = reader.embedder if isinstance(reader, EncoderReader) else "words"
    return ElmData(
        path.stem, table, id_, options.text, raw.pack, raw, parts, texts, own.space, reader, given, options.store,
        len(texts) - len(kept),
    )  # fmt: skip


def _table_path(data: str | None) -> Path:
    path = BUNDLED / "films" if data is None else Path(data).expanduser()
    if not path.is_dir():
        return path
    found = [path / f"{path.name}{ending}" for ending in _ENDINGS if (path / f"{path.name}{ending}").is_file()]
    if not found:
        raise UserError(
            f"The folder {path} holds no table {path.name} ({', '.join(_ENDINGS)}).",
            hint="name the file itself with --data",
        )
    return found[0]


def _vectors(
    options: ElmStudyOptions, known: VectorTable | None, ids: Sequence[str], texts: Mapping[str, str]
) -> tuple[VectorTable, Any]:
    """Vectors of the rows that have a text, and what embedded the texts, as far as it is known."""
    if known is not None:
        rows = [i for i, key in enumerate(known.ids) if texts.get(key)]
        if not rows:
            raise UserError(
                f"No id of {options.vectors}, such as {known.ids[0]!r}, stands in the table.",
                hint="name its column with --id",
            )
        return VectorTable([known.ids[i] for i in rows], known.vectors[rows], known.space), options.encoder
    name = "minilm" if options.encoder == "auto" else options.encoder
    embedder = TextEmbedder(name, store=options.store, progress=options.progress)
    vectors = np.asarray(embedder.fit_transform([texts[key] for key in ids]), dtype=np.float32)
    embedder.progress = False
    return VectorTable(list(ids), vectors), embedder


def _divided(options: ElmStudyOptions, table: pa.Table, raw: Records, own: VectorTable) -> dict[str, list[str]]:
    """Ids of each part: by the column, else by a hash of what rows share; no more than the options say."""
    keys = row_keys(raw, own)
    column = options.split or ("split" if "split" in table.column_names else None)
    if column is None:
        part = key_split(keys, {"train": 0.8, "valid": 0.1, "test": 0.1}, "elm study")
    else:
        said = dict(zip(raw.rows, map(str, pick_columns(table, [column]).column(0).to_pylist()), strict=True))
        part = np.array([said[key] for key in own.ids])
        known = np.isin(part, PARTS)
        ids, own_keys = (np.array(values, dtype=object)[known].tolist() for values in (own.ids, keys))
        for name in ("valid", "test"):
            refuse_shared(ids, own_keys, part[known] != name)
    found = {}
    for name in PARTS:
        ids = [key for key, where in zip(own.ids, part, strict=True) if where == name]
        most = options.most_rows[name] or len(ids)
        rows = np.sort(np.random.default_rng(0).permutation(len(ids))[:most])
        found[name] = [ids[i] for i in rows]
        if len(ids) < _FEWEST:
            where = "the hash gives" if column is None else f"the column {column!r} calls"
            raise UserError(
                f"{where[0].upper()}{where[1:]} {len(ids)} rows {name!r}; each of {', '.join(PARTS)} needs {_FEWEST} or more.",
                hint="name a column of these three words with --split, or give more rows",
            )
    return found
