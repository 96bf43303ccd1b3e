"""TextRegressor: strings or rows to a number, with an interval."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted

from frostline.errors import UserError
from frostline.estimators.arms import Fitted
from frostline.estimators.base import TextEstimator, target_vector
from frostline.features import Features
from frostline.numerics.metrics import regression_metrics
from frostline.uncertainty import ResidualIntervals

__all__ = ["TextRegressor"]


class TextRegressor(RegressorMixin, TextEstimator):  # type: ignore[misc]
    """Predict a number from strings or table rows by the hidden states of a frozen language model.

    Parameters
    ----------
    backbone : str, default="minilm"
        ``"minilm"``, a local model folder, or a hub name ``"org/name"``.
    layers : int, str or list, default="auto"
        ``0`` = token embeddings; ``L`` = after block L; ``"final"`` = after the final norm; ``"all"``; ``"auto"`` = chosen by
        cross-validation on the training rows, from a ladder of depths.
    pooling : str, default="auto"
        ``"recipe"`` (the model's own, which ``"auto"`` takes), ``"mean"``, ``"max"``, ``"first_token"``, ``"last_token"``,
        ``"weighted_mean"``.
    fusion : {"auto", "concat", "mean", "max"}, default="auto"
        How several layers become one vector.
    features : {"auto", "embedding", "tfidf", "both"}, default="auto"
        What is learnt on: the backbone's vectors, TF-IDF of the same text (no backbone runs), both weighed against each other,
        or what cross-validation on the training rows favors.
    head : str or estimator, default="auto"
        ``"linear"`` (ridge, strength by cross-validation), ``"mlp"`` (the paper's), or any scikit-learn regressor; ``"auto"`` is
        ``"linear"``.
    embedder : TextEmbedder, default=None
        Overrides `backbone`, `layers`, `pooling` and `fusion`; takes templates, windows and stores as well.
    seed : int, default=0
        Of folds and of heads that draw numbers.

    Attributes
    ----------
    arms_ : list
        What was trained: a head on vectors, a head on words, or both.
    head_ : estimator
        The first of these heads.
    pool_ : SumPool or None
        How the arms' numbers are joined, learnt on held-out folds.
    selection_ : list of CandidateScore
        Everything that was compared.
    layers_ : list
        The layers taken.
    intervals_ : ResidualIntervals
        Out-of-fold residuals, from which prediction intervals are made.
    cv_metrics_ : dict
        Out-of-fold metrics on the training rows; slightly optimistic, since the strength was chosen on the same folds.

    References
    ----------
    Understanding LLM Embeddings for Regression (Tang, Yang and Song, 2024, arXiv 2411.14708): rows as JSON strings,
    frozen embeddings, a light head. We differ by masking the mean, by a linear default head, and by intervals.
    """

    _task = "regression"

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Predict a number a row.

        Parameters
        ----------
        X : strings, frame, or rows of shape (n_samples, n_columns)

        Returns
        -------
        array of shape (n_samples,)
        """
        return self.predict_features(self.extract(X))

    def predict_features(self, features: Features) -> NDArray[np.float64]:
        """Predict from extracted features."""
        check_is_fitted(self, "arms_")
        found = [np.asarray(arm.predict(features, proba=False), dtype=np.float64) for arm in self.arms_]
        return np.asarray(found[0] if self.pool_ is None else self.pool_(found))

    def predict_interval(self, X: Any, level: float = 0.9) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict an interval that holds the target with probability `level`.

        Parameters
        ----------
        X : strings, frame, or rows of shape (n_samples, n_columns)
        level : float, default=0.9
            Between 0 and 1.

        Returns
        -------
        lower, upper : arrays of shape (n_samples,)
        """
        return self.interval_of(self.predict(X), level)

    def interval_of(self, predicted: NDArray[Any], level: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Put an interval around predictions that were made before.

        Raises
        ------
        UserError
            There were too few training rows for out-of-fold residuals, or for this level.
        """
        check_is_fitted(self, "arms_")
        if self.intervals_ is None:
            raise UserError(
                "There were too few training rows to know how far predictions err.", hint="fit on more rows"
            )
        return self.intervals_.interval(predicted, level)

    def check_target(self, y: Any, n_rows: int) -> NDArray[np.float64]:
        """Check targets: one finite number a row, not all equal to a label.

        Raises
        ------
        UserError
        """
        values = target_vector(y, n_rows)
        if values.dtype.kind not in "fiub":
            try:
                values = values.astype(np.float64)
            except (TypeError, ValueError) as error:
                raise UserError(
                    f"The targets are not numbers ({error}).",
                    hint="use TextClassifier, or --task classification, for labels",
                ) from error
        values = values.astype(np.float64)
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise UserError(f"Target {row} is {values[row]}: NaN or infinity cannot be learnt.", hint="drop those rows")
        return values

    def _targets(self, y: NDArray[Any]) -> NDArray[Any]:
        return y

    def as_given(self, targets: NDArray[Any]) -> NDArray[Any]:
        """Numbers are what they are."""
        return targets

    def _judge_held_out(self, fitted: Fitted, y: NDArray[Any]) -> None:
        known = len(fitted.rows) > 0
        self.intervals_ = ResidualIntervals.from_oof(y[fitted.rows], fitted.oof) if known else None
        self.cv_metrics_ = regression_metrics(y[fitted.rows], fitted.oof) if known else {}
