"""What a fitted predictor does beside predicting, from the rows that it keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from frostline.estimators.kept import Neighbors, TrainingRows, check_neighbors, find_neighbors

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
