"""Why this prediction: take one word or one column away at a time, and see what the prediction does.

References
----------
Zeiler and Fergus, 2014, arXiv 1311.2901 (occlusion); Robnik-Sikonja and Kononenko, 2008, IEEE TKDE 20 (leaving one feature
out). It shows what one piece does while all others stay; pieces that say the same thing hide each other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from frostline.errors import UserError

if TYPE_CHECKING:
    from frostline.estimators.base import TextEstimator

__all__ = ["Occlusion", "occlude"]

MAX_PIECES = 100
"""Pieces that a row is cut into at most: of longer texts neighboring words are taken away together."""

_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Occlusion:
    """What each piece of a row does to its prediction.

    Attributes
    ----------
    predicted
        The label, or the number.
    value : float
        Probability of that label, or the number.
    pieces : list of str
        Words in reading order, or names of columns.
    effects : float array of shape (n_pieces,)
        By how much `value` falls when the piece is taken away.
    """

    predicted: Any
    value: float
    pieces: list[str]
    effects: NDArray[np.float64]

    def top(self, n: int = 5) -> list[tuple[str, float]]:
        """The pieces that matter most, with their effects."""
        order = np.argsort(-np.abs(self.effects), kind="stable")[:n]
        return [(self.pieces[i], float(self.effects[i])) for i in order]

    def __str__(self) -> str:
        effects = ", ".join(f"{piece} {effect:+.3f}" for piece, effect in self.top())
        return f"{self.predicted} ({self.value:.3f}): {effects}"


def occlude(estimator: TextEstimator, X: Any) -> list[Occlusion]:
    """Take pieces of rows away, one at a time.

    Parameters
    ----------
    estimator : TextClassifier or TextRegressor
        Fitted.
    X : strings, frame, or rows
        A text column alone is cut into words, several columns are taken away whole.

    Returns
    -------
    list of Occlusion
        One for each row.
    """
    table: pa.Table = estimator.embedder_.render(X).table
    whole = _values(estimator, table)
    found = []
    for row in range(table.num_rows):
        variants, pieces = _variants(table.slice(row, 1))
        column = int(whole[row].argmax()) if whole.shape[1] > 1 else 0
        effects = whole[row, column] - _values(estimator, variants)[:, column] if pieces else np.empty(0)
        classes = getattr(estimator, "classes_", None)
        predicted = float(whole[row, 0]) if classes is None else classes[column]
        found.append(Occlusion(predicted, float(whole[row, column]), pieces, effects))
    return found


def _values(estimator: TextEstimator, table: pa.Table) -> NDArray[np.float64]:
    """Class probabilities (n, n_classes), or numbers (n, 1)."""
    if not hasattr(estimator, "classes_"):
        return np.asarray(estimator.predict(table), dtype=np.float64)[:, None]
    if not hasattr(estimator, "predict_proba"):
        raise UserError(
            "This classifier's head gives no probabilities, so effects cannot be measured.", hint="head='linear'"
        )
    return np.asarray(estimator.predict_proba(table), dtype=np.float64)


def _variants(row: pa.Table) -> tuple[pa.Table, list[str]]:
    """The row without each of its pieces in turn."""
    if row.num_columns > 1:
        without = [row.set_column(i, field, pa.nulls(1, field.type)) for i, field in enumerate(row.schema)]
        return pa.concat_tables(without), list(row.column_names)
    text = row.column(0)[0].as_py()
    words = list(_WORD.finditer(text)) if isinstance(text, str) else []
    step = -(-len(words) // MAX_PIECES) or 1
    spans = [(words[i].start(), words[min(i + step, len(words)) - 1].end()) for i in range(0, len(words), step)]
    if len(spans) < 2:
        return row.slice(0, 0), []
    texts = [" ".join((text[:start].rstrip(), text[end:].lstrip())).strip() for start, end in spans]
    return pa.table({row.column_names[0]: pa.array(texts, row.schema.field(0).type)}), [text[a:b] for a, b in spans]
