"""Evidence made by hand: rows, layers and predictors for the checks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from frostline.candidates import Candidate
from frostline.contracts import Tap
from frostline.diagnostics import CHECKS
from frostline.diagnostics.evidence import Evidence
from frostline.diagnostics.readers import MatrixReader, make_part

BY_CODE = {check.code: check for check in CHECKS}
WORDS = [
    "frost",
    "line",
    "deep",
    "cold",
    "warm",
    "sun",
    "ice",
    "snow",
    "river",
    "stone",
    "leaf",
    "cloud",
    "storm",
    "field",
    "night",
    "light",
    "glass",
    "paper",
]


def look(code, evidence):
    return BY_CODE[code](evidence)


def part(X, y=None):
    return make_part(X, y, None, None)


def texts(n, seed=0, words=WORDS, length=14):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(words, length)) for _ in range(n)]


class Layers(MatrixReader):
    """Rows that have vectors of several layers, whatever the rows are; a tokenizer where one is given."""

    def __init__(self, vectors, read=None, tokenize=None, truncated=None):
        self._vectors = np.asarray(vectors, dtype=np.float32)
        taps = tuple(Tap(layer) for layer in (*range(self._vectors.shape[1] - 1), "final"))
        self._taps, self._tokenize, self._truncated = taps, tokenize, truncated
        self.read = Candidate(taps if read is None else tuple(taps[i] for i in read), "concat", "mean")

    def __call__(self, part):
        blank = super().__call__(replace(part, X=np.zeros((len(part), 1))))
        cut = np.zeros(len(part), dtype=bool) if self._truncated is None else self._truncated
        _, depth, width = self._vectors.shape
        columns = self._vectors[: len(part)].reshape(len(part), -1)
        widths, depths = (width,) * depth, tuple(range(depth))
        return replace(blank, columns=columns, taps=self._taps, widths=widths, depths=depths, truncated=cut)

    def pieces(self, words):
        return self._tokenize and [np.array(self._tokenize(word), dtype=np.int32) for word in words]


def vectors(Z, task="regression", y=None, read=None):
    """Evidence about vectors (n, L, D) of rows with distinct texts."""
    Z = np.asarray(Z)
    Z = Z[:, None] if Z.ndim == 2 else Z
    rows = part([{"a": float(i), "b": float(i % 7)} for i in range(len(Z))], np.arange(len(Z)) % 2 if y is None else y)
    return Evidence(task, train=rows, reader=Layers(Z, read))


def separable(n=300, d=6, seed=0, noise=0.3):
    """Numbers and labels that a linear head finds in them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    return X, (X[:, 0] - X[:, 1] + noise * rng.normal(size=n) > 0).astype(int)
