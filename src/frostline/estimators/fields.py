"""Text columns read each on its own: what a row's one string cannot show is how two of its texts relate.

Every cell becomes ``name: value`` and is embedded once, however often it stands, at the deepest layer that is looked at.
The vectors of the columns stand side by side, for each pair of columns with the size of their difference, their product
and their cosine.

References
----------
Conneau et al., 2017, arXiv 1705.02364, section 3.1: a pair as (u, v, |u - v|, u * v). The cosine is added.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from frostline.contracts import Tap
from frostline.features import Features

__all__ = ["Fields", "deepest", "text_columns"]

MOST_COLUMNS = 4
"""With more text columns only the whole row is read: pairs grow with the square of their number."""

MOST_WIDTH = 4096
"""Wider than this, every block of numbers is multiplied by a random matrix of fixed seed that makes it narrower."""

FEWEST_TEXTS = 30
"""Columns with at most so many distinct texts are categories, which need no language model."""

Floats = NDArray[np.float32]


def text_columns(table: pa.Table | None) -> tuple[str, ...]:
    """The columns worth reading on their own; none unless there are two to four.

    Parameters
    ----------
    table : pa.Table or None
        Training rows.
    """
    names = [] if table is None else table.column_names
    found = [name for name in names if table is not None and _is_text(table.column(name))]
    return tuple(found) if 2 <= len(found) <= MOST_COLUMNS else ()


def deepest(taps: Sequence[Tap]) -> list[Tap]:
    """Of each backbone the last of its taps, which stand by depth."""
    return list({tap.backbone: tap for tap in taps}.values())


def _is_text(column: pa.ChunkedArray) -> bool:
    is_string = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    return bool(is_string and len(column.unique()) > FEWEST_TEXTS)


@dataclass(frozen=True)
class Fields:
    """How rows are read column by column.

    Attributes
    ----------
    columns : tuple of str
    tap : Tap
        Layer and pooling.
    """

    columns: tuple[str, ...]
    tap: Tap

    def __call__(self, features: Features) -> Floats:
        """Numbers of rows, shape (n, F).

        Parameters
        ----------
        features : Features
            n rows, of which these columns were read each on its own.
        """
        vectors = [features.fields[name].fused([self.tap], "concat") for name in self.columns]
        n_blocks = len(self.columns) + 2 * len(list(combinations(vectors, 2)))
        width = vectors[0].shape[1]
        narrow = None
        if n_blocks * width > MOST_WIDTH:
            narrower = MOST_WIDTH // n_blocks
            narrow = np.random.default_rng(0).normal(size=(width, narrower)).astype(np.float32) / np.sqrt(narrower)
        return np.hstack(
            [block if narrow is None or block.shape[1] == 1 else block @ narrow for block in _blocks(vectors)]
        )


def _blocks(vectors: list[Floats]) -> Iterator[Floats]:
    yield from vectors
    for one, other in combinations(vectors, 2):
        yield np.abs(one - other)
        yield one * other
        norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
        cosine: Any = np.einsum("nd,nd->n", one, other) / np.maximum(norms, np.finfo(np.float32).tiny)
        yield cosine[:, None].astype(np.float32)
