"""How much vectors and predictions move when a row changes a little, or only in how it is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from frostline.diagnostics.evidence import Evidence, Part, layer_name, raw_matrix
from frostline.diagnostics.model import Finding, NotApplicable
from frostline.features import Features
from frostline.tables import render_rows

__all__ = ["Change", "embedding_gradients", "head_gradients", "perturb", "writing_matters"]

ROWS = 50
"""Rows that are changed."""

SHARES = (0.01, 0.05, 0.2)
_MANY = 30  # distinct strings up to which a column is a category
_DIRECTIONS, _STEP = 16, 1e-2

ROUNDING = 1e-6
"""Standard deviation of a dimension, as a share of its largest entry, up to which it does not vary but for rounding."""


@dataclass(frozen=True)
class Change:
    """What one kind of change does, on average over rows.

    Attributes
    ----------
    change : str
        ``"+1 %"``, ``"+5 %"``, ``"+20 %"``, ``"swapped"``, ``"keys reordered"``, ``"numbers scientific"``.
    column : str or None
        The column that was changed; None for changes of the whole row's writing.
    n_rows : int
    embedding : float or None
        Distance that the read vector moves, as a share of the mean distance between two rows.
    prediction : float or None
        Change of the prediction, in standard deviations of the predictions of these rows; of classes, the probability that moves.
    raw : float
        Distance that the row moves in its standardized raw columns, as a share of the mean distance between two rows; 0 where
        only the writing changes.
    """

    change: str
    column: str | None
    n_rows: int
    embedding: float | None
    prediction: float | None
    raw: float


def perturb(evidence: Evidence, n_rows: int = ROWS) -> list[Change]:
    """Change columns one at a time, then the writing of whole rows, and measure what moves.

    Parameters
    ----------
    evidence : Evidence
    n_rows : int, default=ROWS
        Rows that are changed, drawn by the evidence's seed.

    Returns
    -------
    list of Change

    Raises
    ------
    NotApplicable
        One column of text: it has no parts to change.
    """
    part = evidence.rows
    if part.table.num_columns < 2:
        raise NotApplicable("Rows of one column have nothing to change but their text.")
    rng = np.random.default_rng(evidence.seed)
    rows = np.sort(rng.permutation(len(part))[:n_rows])
    base = _Measured.of(evidence, part.table.take(rows))
    found = [base.change(name, column, table) for name, column, table in _changed(base.table, part.table, rng)]
    return found + [base.rewritten(name, texts) for name, texts in _rewritten(evidence, base.table)]


def writing_matters(changes: list[Change]) -> Finding:
    """FRL309: whether predictions hang on how a row is written rather than on what it says."""
    code, title = "FRL309", "Sensitivity to the writing of a row"
    written = [change for change in changes if change.column is None and change.prediction is not None]
    if not written:
        return Finding(code, title, "not applicable", "The rows cannot be written in another way for this predictor.")
    worst = max(written, key=lambda change: change.prediction or 0.0)
    value = {change.change: change.prediction for change in written}
    message = f"With {worst.change}, which changes no value, the prediction moves by {worst.prediction:.2f}"
    real = [
        c.prediction
        for c in changes
        if c.column is not None and c.prediction is not None and c.change in ("+20 %", "swapped")
    ]
    message += f" (a changed value moves it by {np.mean(real):.2f} on average)." if real else "."
    large = (worst.prediction or 0.0) > 0.5 and (not real or (worst.prediction or 0.0) > float(np.mean(real)))
    return Finding(code, title, "tip" if large else "passed", message, value)


def head_gradients(evidence: Evidence, n_rows: int = ROWS) -> dict[str, float]:
    """How steeply the prediction rises over each layer's vector: the norm of its gradient, by finite differences.

    Parameters
    ----------
    evidence : Evidence
    n_rows : int, default=ROWS

    Returns
    -------
    dict of str to float
        For each layer that is read, the root of the mean squared norm over rows, estimated from sixteen random directions, over
        coordinates in units of their standard deviation, so that layers of any scale compare. Dimensions that vary by rounding
        only (FRL204) are left out.

    Raises
    ------
    NotApplicable
        The predictor does not predict from vectors of layers.
    """
    estimator = evidence.estimator
    if evidence.reader is None or not getattr(estimator, "reads_backbone_", False):
        raise NotApplicable("Only Frostline's own predictors say how they depend on vectors.")
    rng = np.random.default_rng(evidence.seed)
    features = evidence.features(evidence.rows).take(np.sort(rng.permutation(len(evidence.rows))[:n_rows]))
    base, found = _output(evidence, features), {}
    for tap in evidence.read.taps:
        i = features.taps.index(tap)
        place = slice(sum(features.widths[:i]), sum(features.widths[: i + 1]))
        own = features.columns[:, place]
        spread = own.std(axis=0) * (own.std(axis=0) > ROUNDING * np.abs(own).max(axis=0))
        squares = []
        for _ in range(_DIRECTIONS):
            moved = features.columns.copy()
            moved[:, place] += (_STEP * spread * rng.normal(size=own.shape)).astype(np.float32)
            rise = (_output(evidence, replace(features, columns=moved)) - base) / _STEP
            squares.append(np.square(rise).sum(axis=1).mean())
        found[layer_name(tap)] = float(np.sqrt(np.mean(squares)))
    return found


def embedding_gradients(evidence: Evidence) -> dict[str, float]:
    """How much each layer's vector moves with the token embeddings, on a few rows; see :func:`layer_sensitivity`.

    Raises
    ------
    UserError
        No backbone runs here.
    """
    if evidence.reader is None:
        raise NotApplicable("There are no vectors.")
    rows = np.random.default_rng(evidence.seed).permutation(len(evidence.rows))[:_DIRECTIONS]
    return evidence.reader.sensitivity(evidence.rows, np.sort(rows), evidence.seed)


@dataclass(frozen=True, eq=False)
class _Measured:
    """Rows, their vectors, predictions and raw columns, as they were before any change."""

    evidence: Evidence
    table: pa.Table
    vectors: NDArray[Any] | None
    output: NDArray[np.float64] | None
    raw: NDArray[np.float64]

    @classmethod
    def of(cls, evidence: Evidence, table: pa.Table) -> _Measured:
        vectors, output = _measure(evidence, table)
        return cls(evidence, table, vectors, output, raw_matrix(table, evidence.rows.table, evidence.seed))

    def change(self, name: str, column: str, table: pa.Table) -> Change:
        vectors, output = _measure(self.evidence, table)
        raw = raw_matrix(table, self.evidence.rows.table, self.evidence.seed)
        scale = self.evidence.raw.std(axis=0)
        scale = np.where(scale > 0, scale, 1)
        return self._compare(name, column, vectors, output, _moved(self.raw / scale, raw / scale))

    def rewritten(self, name: str, features: Features) -> Change:
        output = _output(self.evidence, features) if self.output is not None else None
        return self._compare(name, None, self.evidence.read.features(features), output, 0.0)

    def _compare(
        self, name: str, column: str | None, vectors: NDArray[Any] | None, output: NDArray[Any] | None, raw: float
    ) -> Change:
        embedding = None if vectors is None or self.vectors is None else _moved(self.vectors, vectors)
        prediction = None
        if output is not None and self.output is not None:
            gap = np.abs(output - self.output)
            is_number = self.evidence.task == "regression"
            scale = max(float(self.output.std()), 1e-300) if is_number else 2.0
            prediction = float(gap.sum(axis=1).mean() / scale)
        return Change(name, column, len(self.table), embedding, prediction, raw)


def _measure(evidence: Evidence, table: pa.Table) -> tuple[NDArray[Any] | None, NDArray[np.float64] | None]:
    part = Part(_like(evidence.rows.X, table), table, render_rows(table))
    vectors = None if evidence.reader is None else evidence.read.features(evidence.reader(part))
    if evidence.estimator is None:
        return vectors, None
    found = evidence._predict(evidence.estimator, part)
    if evidence.task == "regression":
        return vectors, found.values[:, None]
    return vectors, found.proba if found.proba is not None else np.eye(len(evidence.classes))[found.values]


def _output(evidence: Evidence, features: Features) -> NDArray[np.float64]:
    """Predictions from vectors, shape (n, 1) or (n, n_classes)."""
    estimator = evidence.estimator
    if evidence.task == "regression":
        return np.asarray(estimator.predict_features(features), dtype=np.float64)[:, None]
    if hasattr(estimator, "proba_features"):
        return np.asarray(estimator.proba_features(features), dtype=np.float64)
    named = estimator.predict_features(features)
    return np.asarray(named[:, None] == np.asarray(evidence.classes)[None, :], dtype=np.float64)


def _moved(before: NDArray[Any], after: NDArray[Any]) -> float:
    """Mean distance between the same rows, over that between any two rows before."""
    before, after = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    apart = [np.linalg.norm(before - np.roll(before, i, axis=0), axis=1).mean() for i in range(1, min(len(before), 20))]
    scale = float(np.mean(apart)) if apart else 0.0
    return float(np.linalg.norm(after - before, axis=1).mean()) / scale if scale > 0 else 0.0


def _changed(table: pa.Table, all_rows: pa.Table, rng: np.random.Generator) -> Iterator[tuple[str, str, pa.Table]]:
    """Tables with one column changed."""
    for i, field in enumerate(table.schema):
        values, kind = table.column(i).to_pylist(), field.type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            for share in SHARES:
                moved = [None if v is None else v * (1 + share) if v else share for v in values]
                yield (
                    f"+{share:.0%}".replace("%", " %"),
                    field.name,
                    table.set_column(i, field.name, pa.array(moved, pa.float64())),
                )
            continue
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind)):
            continue
        known = sorted({v for v in all_rows.column(i).to_pylist() if v is not None})
        if 2 <= len(known) <= _MANY:
            swapped = [known[int(rng.choice([j for j, k in enumerate(known) if k != v]))] for v in values]
            yield "swapped", field.name, table.set_column(i, field.name, pa.array(swapped, kind))


def _rewritten(evidence: Evidence, table: pa.Table) -> Iterator[tuple[str, Features]]:
    """The same values, written in another way; only where vectors are read from text and predictions from vectors."""
    embedder = getattr(evidence.estimator, "embedder_", None)
    if evidence.reader is None or embedder is None or not hasattr(evidence.estimator, "predict_features"):
        return
    rendered = embedder.render(table)
    names = table.column_names[::-1]
    for name, texts in [
        ("keys reordered", render_rows(table.select(names), template="json", number_format=embedder.number_format)),
        ("numbers scientific", render_rows(table, template=embedder.template, number_format="scientific")),
    ]:
        if texts != rendered.texts:
            yield name, replace(rendered, texts=texts).through(evidence.estimator.reader())


def _like(X: Any, table: pa.Table) -> Any:
    """A table as the kind of thing that the predictor was given."""
    if isinstance(X, pa.Table):
        return table
    if hasattr(X, "iloc"):
        return table.to_pandas()
    if isinstance(X, np.ndarray):
        return np.column_stack([table.column(i).to_numpy() for i in range(table.num_columns)])
    return table.to_pylist() if X and isinstance(X[0], dict) else table
