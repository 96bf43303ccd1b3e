"""Table columns as numbers for trees, without a language model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from frostline.errors import UserError
from frostline.tables import Opened

__all__ = ["RawColumns"]

Floats = NDArray[np.float64]

MAX_SVD_TEXTS = 5_000
"""The distinct strings of a column, drawn at random, that its SVD is learned from."""

_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


class RawColumns(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Encode the columns of a table as numbers for trees, without a language model.

    Numbers stay as they are (infinities become the nearest finite training value), booleans become 0 and 1, times become
    seconds (since 1970, since midnight, or long). Strings with few distinct training values become category numbers,
    others the components of a truncated SVD of character 2- to 4-gram TF-IDF. A column of objects, or of the JSON text of
    objects, becomes a column for each path to a value, see :class:`frostline.tables.Opened`; values of other types are
    first written as JSON. A missing value and an unknown category are NaN. A column that is all missing in training
    becomes 0.

    Parameters
    ----------
    max_categories : int
        Up to so many distinct strings are categories.
    n_components : int
        At most so many components for each column of longer strings.
    seed : int
        Of the SVD.

    Attributes
    ----------
    categorical_ : bool array of shape (F,)
        Which output columns hold category numbers.
    columns_ : list of str
        Input columns.
    names_ : list of str
        Columns after objects were opened, in the order of their output.
    """

    def __init__(self, max_categories: int = 30, n_components: int = 64, seed: int = 0) -> None:
        self.max_categories = max_categories
        self.n_components = n_components
        self.seed = seed

    def fit(self, table: pa.Table, y: object = None) -> RawColumns:
        """Learn ranges, categories and components.

        Parameters
        ----------
        table : pa.Table
            Training rows; at least one column.
        y : ignored

        Returns
        -------
        RawColumns
            Itself.

        Raises
        ------
        UserError
            No row or no column.
        """
        if not table.num_columns or not table.num_rows:
            raise UserError(f"Raw columns need at least one row and one column; got {table.shape}.")
        self.columns_ = list(table.column_names)
        self.opened_ = Opened.learn(table)
        table = self.opened_(table)
        self.names_ = list(table.column_names)
        self.kinds_ = [_kind(table.column(name).type) for name in self.names_]
        self.encoders_ = [self._encoder(table.column(name)) for name in self.names_]
        self.categorical_ = _categorical(self.encoders_)
        return self

    def transform(self, table: pa.Table) -> Floats:
        """Encode rows.

        Parameters
        ----------
        table : pa.Table
            n rows with at least the columns of the training rows; further ones are not used.

        Returns
        -------
        float64 array of shape (n, F)

        Raises
        ------
        UserError
            A column is absent, or holds another kind of value than in training.
        """
        absent = [name for name in self.columns_ if name not in table.column_names]
        if absent:
            raise UserError(f"Column {absent[0]!r} is absent; the training rows had {', '.join(self.columns_)}.")
        table = self.opened_(table)
        parts: list[Floats] = []
        for name, kind, encoder in zip(self.names_, self.kinds_, self.encoders_, strict=True):
            column = table.column(name)
            if (got := _kind(column.type)) != kind and "empty" not in (got, kind):
                raise UserError(f"Column {name!r} held {kind} values in training; got {column.type}.")
            parts.append(encoder(column).reshape(table.num_rows, encoder.n_outputs))
        return np.hstack(parts)

    def get_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """What a saved folder keeps: plain values and arrays."""
        encoders: list[dict[str, Any]] = []
        tensors: dict[str, NDArray[Any]] = {}
        for i, encoder in enumerate(self.encoders_):
            encoders.append({"type": type(encoder).__name__.strip("_").lower(), **encoder.values()})
            tensors |= {f"{i}.{name}": array for name, array in encoder.arrays().items()}
        names = {"columns": self.columns_, "names": self.names_, "kinds": self.kinds_}
        return {**names, "opened": dict(self.opened_.paths), "encoders": encoders}, tensors

    @classmethod
    def from_state(cls, params: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> RawColumns:
        """Restore a fitted encoder from :meth:`get_state`."""
        found = cls()
        found.columns_, found.names_, found.kinds_ = params["columns"], params["names"], params["kinds"]
        found.opened_ = Opened(params["opened"])
        found.encoders_ = [_restored(i, entry, tensors) for i, entry in enumerate(params["encoders"])]
        found.categorical_ = _categorical(found.encoders_)
        return found

    def _encoder(self, column: pa.ChunkedArray) -> _Encoder:
        if _kind(column.type) != "text":
            values = _numbers(column)
            finite = values[np.isfinite(values)]
            return _Numbers(float(finite.min()), float(finite.max())) if finite.size else _Numbers()
        distinct = sorted({text for text in _strings(column) if text is not None})
        if not distinct:
            return _Numbers()
        if len(distinct) <= self.max_categories:
            return _Categories({text: i for i, text in enumerate(distinct)})
        return _Letters.of(distinct, self.n_components, self.seed)


@dataclass(frozen=True)
class _Numbers:
    """Numbers between the smallest and the largest finite one of the training rows; 0 where there is none."""

    low: float | None = None
    high: float | None = None
    n_outputs: int = 1

    def __call__(self, column: pa.ChunkedArray) -> Floats:
        if self.low is None:
            return np.zeros(len(column))
        return np.nan_to_num(_numbers(column), nan=np.nan, posinf=self.high, neginf=self.low)

    def values(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high}

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {}


@dataclass(frozen=True)
class _Categories:
    """The number of each known string."""

    number: dict[str | None, int]
    n_outputs: int = 1

    def __call__(self, column: pa.ChunkedArray) -> Floats:
        return np.array([self.number.get(text, np.nan) for text in _strings(column)], dtype=np.float64)

    def values(self) -> dict[str, Any]:
        return {"known": list(self.number)}

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {}


@dataclass(frozen=True, eq=False)
class _Letters:
    """Components of a string's character n-grams."""

    vectorizer: TfidfVectorizer
    components: NDArray[np.float32]

    @property
    def n_outputs(self) -> int:
        return len(self.components)

    @classmethod
    def of(cls, distinct: Sequence[str], n_components: int, seed: int) -> _Letters:
        drawn = np.random.default_rng(seed).permutation(len(distinct))[:MAX_SVD_TEXTS]
        vectorizer = TfidfVectorizer(**_GRAMS)
        X = vectorizer.fit_transform([_marked(distinct[i]) for i in drawn])
        svd = TruncatedSVD(min(n_components, *(size - 1 for size in X.shape)), n_iter=2, random_state=seed)
        with np.errstate(invalid="ignore", divide="ignore"):  # the share of a variance that is 0 is not used
            svd.fit(X)  # trees need no exact components
        return cls(vectorizer, svd.components_.astype(np.float32))

    def __call__(self, column: pa.ChunkedArray) -> Floats:
        texts = _strings(column)
        distinct = sorted({text for text in texts if text is not None})
        out = np.full((len(texts), self.n_outputs), np.nan)
        if distinct:
            row = {text: i for i, text in enumerate(distinct)}
            known = np.array([text is not None for text in texts])
            found = self.vectorizer.transform([_marked(text) for text in distinct]) @ self.components.T
            out[known] = found[[row[text] for text in texts if text is not None]]
        return out

    def values(self) -> dict[str, Any]:
        return {}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """N-grams may hold any character, so they are kept as JSON, its bytes as an array."""
        grams = json.dumps(self.vectorizer.get_feature_names_out().tolist()).encode()
        return {
            "grams": np.frombuffer(grams, dtype=np.uint8),
            "idf": self.vectorizer.idf_,
            "components": self.components,
        }


_GRAMS: dict[str, Any] = {
    "analyzer": "char",
    "ngram_range": (2, 4),
    "sublinear_tf": True,
    "max_features": 20_000,
    "dtype": np.float32,
}


def _restored(i: int, entry: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> _Encoder:
    """One encoder from its values and arrays."""
    if entry["type"] == "numbers":
        return _Numbers(entry["low"], entry["high"])
    if entry["type"] == "categories":
        return _Categories({text: number for number, text in enumerate(entry["known"])})
    grams = json.loads(tensors[f"{i}.grams"].tobytes())
    vectorizer = TfidfVectorizer(**_GRAMS, vocabulary=grams)
    vectorizer.idf_ = tensors[f"{i}.idf"]
    return _Letters(vectorizer, tensors[f"{i}.components"])


def _categorical(encoders: Sequence[_Encoder]) -> NDArray[np.bool_]:
    """Which output columns hold category numbers."""
    return np.repeat([isinstance(e, _Categories) for e in encoders], [e.n_outputs for e in encoders])


_Encoder = _Numbers | _Categories | _Letters


def _marked(text: str) -> str:
    """Mark both ends, so that even one character has a 2-gram."""
    return f"\x02{text}\x03"


def _kind(value_type: pa.DataType) -> Literal["number", "time", "text", "empty"]:
    """Sort a column type by how it is encoded."""
    types = pa.types
    if types.is_dictionary(value_type):
        return _kind(value_type.value_type)
    if types.is_null(value_type):
        return "empty"
    if types.is_temporal(value_type) and not types.is_interval(value_type):
        return "time"
    is_number: tuple[Callable[[pa.DataType], bool], ...] = (types.is_integer, types.is_floating, types.is_decimal)
    return "number" if types.is_boolean(value_type) or any(test(value_type) for test in is_number) else "text"


def _numbers(column: pa.ChunkedArray) -> Floats:
    """Read numbers, booleans and times as floats, times in seconds; NaN where there is no value."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _numbers(column.cast(kind.value_type))
    scale = 1.0
    if pa.types.is_temporal(kind):
        scale = 86_400.0 if pa.types.is_date32(kind) else 1e-3 if pa.types.is_date64(kind) else _SECONDS[kind.unit]
        column = column.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
    values: Floats = column.cast(pa.float64(), safe=False).to_numpy()
    return values * scale


def _strings(column: pa.ChunkedArray) -> list[str | None]:
    """Read strings, and other values as their JSON text; None where there is no value."""
    return [
        value if value is None or isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
        for value in column.to_pylist()
    ]
