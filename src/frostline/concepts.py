"""Concepts as directions: vectors that have a property and vectors that lack it give a unit vector between them.

References
----------
Kim et al., 2018, arXiv 1711.11279 (concept activation vectors, and the test against random ones). Demystifying Embedding
Spaces (Tennenholtz et al., 2023, arXiv 2310.04475) moves vectors along them. We differ by choosing the penalty on training
rows and by giving every direction a held-out accuracy beside that of shuffled labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from frostline.errors import UserError
from frostline.heads import LinearClassifier

__all__ = ["CAV"]


@dataclass(frozen=True, eq=False)
class CAV:
    """A concept activation vector: the direction in which vectors come to have a property.

    Parameters
    ----------
    direction : float array of shape (F,)
        Of length one.
    label : str
        What it points to.
    accuracy : float or None
        Balanced accuracy on rows that were held out; None where that is not known.
    null : float or None
        The same with shuffled labels: near one half. A direction whose accuracy is not far above it is no concept.
    toward, against : tuple of str
        Texts that lie furthest along the direction and furthest against it, the most extreme first; empty where no texts
        are known.
    """

    direction: NDArray[np.float64]
    label: str = ""
    accuracy: float | None = None
    null: float | None = None
    toward: tuple[str, ...] = ()
    against: tuple[str, ...] = ()

    @classmethod
    def fit(
        cls,
        vectors: ArrayLike,
        has_concept: ArrayLike,
        *,
        label: str = "",
        groups: Sequence[Any] | None = None,
        seed: int = 0,
    ) -> Self:
        """Learn a direction from examples.

        Parameters
        ----------
        vectors : array of shape (n, F)
        has_concept : bool array of shape (n,)
            Both kinds are needed.
        label : str
            For reports.
        groups : sequence of length n, optional
            Rows that are never split between training and held-out part.
        seed : int

        Raises
        ------
        UserError
            One kind only, other shapes, or vectors that are not finite.
        """
        X, y = np.asarray(vectors), np.asarray(has_concept)
        if X.ndim != 2 or y.shape != (len(X),) or y.dtype.kind != "b":
            raise UserError(
                f"A concept needs vectors of shape (n, F) and n truth values; got {X.shape} and {y.dtype} of shape {y.shape}."
            )
        if not np.isfinite(X).all():
            raise UserError("A concept needs finite vectors; got NaN or infinity.")
        if y.all() or not y.any():
            raise UserError(
                f"All {len(y)} rows {'have' if y.all() else 'lack'} the concept.", hint="give rows of both kinds"
            )
        head = LinearClassifier(seed=seed).fit(X, y, groups=groups)
        shuffled = np.random.default_rng(seed).permutation(y)
        null = LinearClassifier(seed=seed).fit(X, shuffled, groups=groups)
        return cls(_unit(head.coef_[0]), label, _balanced(head, y), _balanced(null, shuffled))

    def score(self, vectors: ArrayLike) -> NDArray[np.float64]:
        """How far each vector lies along the direction, shape (n,); only differences mean something."""
        X = np.asarray(vectors, dtype=np.float64)
        if X.ndim != 2 or X.shape[1] != len(self.direction):
            raise UserError(f"The concept lives in {len(self.direction)} dimensions; got vectors of shape {X.shape}.")
        return np.asarray(X @ self.direction)

    def move(self, vectors: ArrayLike, step: float) -> NDArray[np.float64]:
        """Vectors moved along the direction by `step`, in their own units; shape (n, F)."""
        self.score(vectors)  # checks the shape
        return np.asarray(vectors, dtype=np.float64) + step * self.direction

    def along(self, vectors: ArrayLike, texts: Sequence[str], n: int = 5) -> tuple[list[str], list[str]]:
        """The texts that lie furthest against the direction, and those furthest along it.

        Parameters
        ----------
        vectors : array of shape (m, F)
        texts : sequence of m str
        n : int

        Returns
        -------
        against, toward : lists of at most n str
            The most extreme first.
        """
        order = np.argsort(self.score(vectors), kind="stable")
        if len(order) != len(texts):
            raise UserError(f"There are {len(order)} vectors and {len(texts)} texts.")
        return [texts[i] for i in order[:n]], [texts[i] for i in order[::-1][:n]]


def _unit(direction: NDArray[np.float64]) -> NDArray[np.float64]:
    length = float(np.linalg.norm(direction))
    if length == 0:
        raise UserError("The two kinds do not differ in any direction.", hint="give more or other rows")
    return np.asarray(direction / length, dtype=np.float64)


def _balanced(head: LinearClassifier, y: NDArray[np.bool_]) -> float | None:
    """Mean of the accuracies on both kinds, out of fold."""
    if not hasattr(head, "oof_proba_"):
        return None
    right = (head.oof_proba_[:, 1] > 0.5) == y
    return float((right[y].mean() + right[~y].mean()) / 2)
