"""What a fitted predictor does beside predicting, from the rows that it keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

from frostline.estimators.kept import Neighbors, TrainingRows, check_neighbors, find_neighbors
from frostline.estimators.suggest import Suggestions, suggest
from frostline.estimators.update import check_update, learn_more

if TYPE_CHECKING:
    from frostline.estimators.base import TextEstimator

__all__ = ["Workflow"]


class Workflow:
    """Methods of :class:`TextClassifier` and :class:`TextRegressor` that need the training rows.

    Attributes
    ----------
    rows_ : TrainingRows or None
        None where a folder was written without them.
    """

    rows_: TrainingRows | None

    def neighbors(self, X: Any, k: int = 5) -> Neighbors:
        """Find the training rows nearest to other rows, by the vectors that the head reads.

        Parameters
        ----------
        X : strings, frame, or rows of shape (n_samples, n_columns)
        k : int, default=5

        Returns
        -------
        Neighbors
            `rows`, `targets`, `similarities` and, where they are kept, `texts`.

        Raises
        ------
        UserError
            No training rows are kept, there are fewer than `k`, or the predictor reads words only.
        """
        estimator = cast("TextEstimator", self)
        check_neighbors(estimator, k)
        return find_neighbors(estimator, estimator.embed(X), k)

    def update(self, X: Any, y: Any, groups: Any = None, *, strength: str = "keep") -> Self:
        """Learn from further rows, and again from those of the fit; classes may be new.

        Layers, pooling, fusion, features and head stay what they are, so the result is that of a fit on all rows with these
        choices fixed. Only the new texts are embedded where a feature store is used.

        Parameters
        ----------
        X : strings, frame, or rows of shape (n_samples, n_columns)
            The new rows only.
        y : array of shape (n_samples,)
        groups : array of shape (n_samples,), optional
            Rows of one group, those of the fit included, are never split.
        strength : {"keep", "auto"}, default="keep"
            Whether the head keeps the strength that was chosen, or chooses again.

        Returns
        -------
        self

        Raises
        ------
        UserError
            Nothing, or not enough, is kept of the training rows; the targets are of another type. The estimator stays as it
            was.
        """
        estimator = cast("TextEstimator", self)
        check_update(estimator, strength)
        learn_more(estimator, estimator.extract(X), y, groups, strength=strength)
        return self

    def suggest(self, X: Any, n: int = 20) -> Suggestions:
        """Choose the rows that are most worth a label: those that the predictor is least sure of, and unlike each other.

        Parameters
        ----------
        X : strings, frame, or rows of shape (n_samples, n_columns)
            Rows without labels; texts that were trained on are never chosen.
        n : int, default=20

        Returns
        -------
        Suggestions
            `rows` (places in X, the most useful first), `predictions` and, for classes, `margins`.

        Raises
        ------
        UserError
            Nothing is kept of the training rows, or no row is left to label.
        """
        return suggest(cast("TextEstimator", self), cast("TextEstimator", self).extract(X), n)
