"""Ways to turn rows into vectors: the columns themselves, a backbone that reads their text, and controls of its width."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from frostline.backbones.locate import locate
from frostline.baselines import RawColumns
from frostline.contracts import Layer
from frostline.embedder import TextEmbedder
from frostline.errors import UserError
from frostline.studies.regression.problems import Inputs

__all__ = ["PROJECTIONS", "RAW", "Encoder", "Encoding", "dense_columns", "random_of_width"]

Floats = NDArray[np.float64]

PROJECTIONS = ("random projection", "random features")
_WIDTHS = ("hidden_size", "d_model", "n_embd")
_INNER = ("intermediate_size", "d_ff", "ffn_dim")


@dataclass(frozen=True)
class Encoding:
    """One way to turn rows into vectors.

    Attributes
    ----------
    source : str
        ``"raw"``, one of :data:`PROJECTIONS`, or a backbone.
    title : str
        What tables call the backbone; "" = its own name.
    layer : Layer
    pooling : str
    names : bool
        Whether the text has the columns' names: ``{"x0": 1.23, ...}``, or else ``[1.23, ...]``.
    number_format : str
        As for :class:`frostline.TextEmbedder`.
    width : int
        Of a projection.
    """

    source: str
    title: str = ""
    layer: Layer = "final"
    pooling: str = "mean"
    names: bool = True
    number_format: str = "plain"
    width: int = 0

    @property
    def name(self) -> str:
        """For tables."""
        return "columns" if self.source == "raw" else self.title or self.source

    @property
    def reads(self) -> bool:
        """Whether a backbone reads the rows."""
        return self.source != "raw" and self.source not in PROJECTIONS

    @property
    def key(self) -> dict[str, Any]:
        """What of it decides a result, beside the backbone's weights."""
        if not self.reads:
            return {"source": self.source} | ({"width": self.width} if self.width else {})
        own = {"layer": self.layer, "pooling": self.pooling, "names": self.names, "number_format": self.number_format}
        return {"source": self.name, **own}

    def template(self, table: pa.Table) -> str:
        """How :func:`frostline.tables.render_rows` writes a row."""
        return "json" if self.names else "[" + ", ".join(f"{{{name}}}" for name in table.column_names) + "]"


RAW = Encoding("raw")


class Encoder:
    """Encodes inputs when they are asked for, and keeps what it made of the last ones.

    Parameters
    ----------
    ladders : mapping of str to list of layers
        For a backbone of which several layers are asked for: those that are read in one pass.
    store, progress
        As for :class:`frostline.TextEmbedder`.
    """

    def __init__(self, ladders: Mapping[str, Sequence[Layer]], store: Any, progress: Any) -> None:
        self._ladders, self._store, self._progress = ladders, store, progress
        self._kept: dict[tuple[str, str], NDArray[Any]] = {}

    def __call__(self, inputs: Inputs, encoding: Encoding) -> NDArray[Any]:
        """Vectors of all rows, shape (n, F).

        Raises
        ------
        UserError
            A row was cut: such rows enter no figure.
        """
        self._kept = {known: found for known, found in self._kept.items() if known[0] == inputs.digest}
        if not encoding.reads:
            return self._columns(inputs, encoding)
        ladder: list[Layer] = ["final"] if encoding.layer == "final" else list(self._ladders[encoding.source])
        how = repr((encoding.source, encoding.pooling, encoding.names, encoding.number_format, ladder))
        if (inputs.digest, how) not in self._kept:
            self._kept[inputs.digest, how] = self._read(inputs, encoding, ladder)
        vectors: NDArray[np.float32] = self._kept[inputs.digest, how][:, ladder.index(encoding.layer), :]
        return vectors

    def _columns(self, inputs: Inputs, encoding: Encoding) -> Floats:
        key = inputs.digest, repr(encoding.key)
        if key not in self._kept:
            X = dense_columns(inputs)
            self._kept[key] = X if encoding.source == "raw" else _projected(X, inputs, encoding)
        return self._kept[key]

    def _read(self, inputs: Inputs, encoding: Encoding, ladder: Sequence[Layer]) -> NDArray[np.float32]:
        embedder = TextEmbedder(
            encoding.source,
            layers=ladder,
            pooling=encoding.pooling,
            template=encoding.template(inputs.table),
            overflow="truncate" if encoding.pooling == "padded_mean" else "chunk",
            number_format=encoding.number_format,
            store=self._store,
            progress=self._progress,
        )
        found = embedder.features(inputs.table)
        if found.truncated.any():
            raise UserError(
                f"{int(found.truncated.sum())} of {len(found.truncated)} rows do not fit into the window; no cut row enters "
                "a figure."
            )
        return found.vectors


def dense_columns(inputs: Inputs) -> Floats:
    """Columns as numbers without gaps: a mean and a mark where one is missing, a column for each category.

    Encoders are fitted on the rows to learn from.

    Parameters
    ----------
    inputs : Inputs

    Returns
    -------
    float64 array of shape (n, F)
    """
    encoder = RawColumns().fit(inputs.table.take(inputs.fit))
    X = encoder.transform(inputs.table)
    categorical = encoder.categorical_
    # An unknown category is NaN, and that is one more category.
    fill = make_column_transformer(
        (SimpleImputer(add_indicator=True, keep_empty_features=True), ~categorical),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), categorical),
    )
    fill.fit(X[inputs.fit])
    return np.asarray(fill.transform(X), dtype=np.float64)


def _projected(X: Floats, inputs: Inputs, encoding: Encoding) -> Floats:
    """Standardized columns through a Gaussian matrix: as they come out, or through tanh."""
    scaled = StandardScaler().fit(X[inputs.fit]).transform(X)
    matrix = np.random.default_rng(0).normal(size=(X.shape[1], encoding.width)) / np.sqrt(X.shape[1])
    return np.asarray(np.tanh(scaled @ matrix) if encoding.source == PROJECTIONS[1] else scaled @ matrix)


def random_of_width(backbone: str, factor: float, folder: str | Path) -> Encoding:
    """Describe a backbone of the same architecture, `factor` times as wide, with random weights.

    Parameters
    ----------
    backbone : str
        Whose configuration and tokenizer are taken.
    factor : float
        Of the width and of what the blocks widen to; the number of attention heads stays.
    folder : path
        Where the configuration is written.

    Returns
    -------
    Encoding

    Raises
    ------
    UserError
        A backbone that does not run here, or one whose configuration names no width.
    """
    home = locate(backbone, weights=False).folder
    config = json.loads((home / "config.json").read_text(encoding="utf-8"))
    name = next((name for name in _WIDTHS if name in config), None)
    if name is None:
        raise UserError(f"Backbone {backbone!r}: its configuration does not say how it would be widened.")
    width = int(config[name] * factor)
    place = Path(folder) / f"{Path(backbone).name}-{width}"
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"Results cannot be written to {folder}: {error.strerror}.", hint="name another --out"
        ) from error
    inner = {key: int(config[key] * factor) for key in _INNER if isinstance(config.get(key), int)}
    (place / "config.json").write_text(json.dumps({**config, name: width, **inner}), encoding="utf-8")
    for path in home.iterdir():  # the tokenizer
        known = path.name in ("config.json", "modules.json", "model.safetensors.index.json")
        if path.is_file() and path.suffix in (".json", ".txt", ".model") and not known:
            shutil.copyfile(path, place / path.name)
    return Encoding(f"random:{place}", title=f"random:{Path(backbone).name}, width {width}")
