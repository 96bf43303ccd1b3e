"""TextRegressor: strings or rows to a number, with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from frostline.embedder import TextEmbedder
from frostline.errors import UserError
from frostline.estimators.arms import Fitted
from frostline.estimators.base import TextEstimator, target_vector
from frostline.estimators.grown import ColumnTrees
from frostline.estimators.intervals import check_intervals, combine, cross_fit
from frostline.estimators.occlusion import Occlusion
from frostline.estimators.several import fit_each, reader_of_each, refuse_several
from frostline.estimators.targets import TargetScale, auto_scale, check_scale
from frostline.features import Features
from frostline.heads import SumPool
from frostline.numerics.metrics import regression_metrics
from frostline.rendering import RowReader
from frostline.splits import group_ids
from frostline.uncertainty import CrossIntervals, ResidualIntervals, TooFewRowsError

__all__ = ["TextRegressor"]

LARGEST = 1e150
"""Targets beyond this have squares that no float holds."""


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
    features : {"auto", "embedding", "tfidf", "raw", "both"}, default="auto"
        What is learnt on: the backbone's vectors, TF-IDF of the same text or boosted trees on the table's columns (no backbone
        runs), vectors and columns weighed against each other, or what cross-validation on the training rows favors.
    head : str or estimator, default="auto"
        On the backbone's vectors: ``"linear"`` (ridge, strength by cross-validation), ``"mlp"`` (the paper's), ``"kernel"`` (a
        Gaussian process's mean, for few rows), ``"boosting"`` (trees), or any scikit-learn regressor; ``"auto"`` is
        ``"linear"``.
    embedder : TextEmbedder, default=None
        Overrides `backbone`, `layers`, `pooling` and `fusion`; takes templates, windows and stores as well.
    seed : int, default=0
        Of folds and of heads that draw numbers.
    target_transform : {"auto", "none", "log", "log1p", "yeo-johnson", "quantile"}, default="auto"
        The scale that targets are learnt on; predictions, intervals and metrics are always on their own. ``"auto"`` takes
        another than ``"none"`` where out-of-fold errors on the training rows are clearly smaller.
    intervals : {"auto", "cv+", "oof"}, default="auto"
        Where prediction intervals come from: ``"cv+"`` keeps five models of folds beside the final one; ``"oof"`` takes the
        out-of-fold errors that strengths were chosen on, which costs nothing and promises nothing; ``"auto"`` is
        ``"cv+"`` up to 5,000 training rows.

    Attributes
    ----------
    arms_ : list
        What was trained: each a head and what it reads (vectors, words, columns).
    head_ : estimator
        The one on vectors, else the first.
    pool_ : SumPool or None
        How the arms' numbers are joined, learnt on held-out folds.
    selection_ : list of CandidateScore
        Everything that was compared.
    layers_ : list
        The layers taken.
    scale_ : TargetScale
        The scale that targets were learnt on, and the way back.
    intervals_ : CrossIntervals, ResidualIntervals or None
        Errors on that scale, on rows that were held out, from which prediction intervals are made.
    fold_heads_ : list of lists
        With ``"cv+"`` the heads of each fold, in the order of `arms_`; else empty.
    each_ : list of TextRegressor
        With several targets the fitted regressor of each, which can do whatever a regressor of one target can; else empty.
    cv_metrics_ : dict
        Out-of-fold metrics on the training rows; slightly optimistic, since the strength was chosen on the same folds.

    References
    ----------
    Understanding LLM Embeddings for Regression (Tang, Yang and Song, 2024, arXiv 2411.14708): rows as JSON strings,
    frozen embeddings, a light head. We differ by masking the mean, by a linear default head, and by intervals.
    """

    _task = "regression"
    pool_: SumPool | None
    intervals_: CrossIntervals | ResidualIntervals | None
    fold_heads_: list[list[Any]]
    each_: Sequence[TextRegressor] = ()

    def __init__(
        self,
        backbone: str = "minilm",
        *,
        layers: Any = "auto",
        pooling: str = "auto",
        fusion: str = "auto",
        features: str = "auto",
        head: Any = "auto",
        embedder: TextEmbedder | None = None,
        seed: int = 0,
        target_transform: str = "auto",
        intervals: str = "auto",
    ) -> None:
        super().__init__(
            backbone,
            layers=layers,
            pooling=pooling,
            fusion=fusion,
            features=features,
            head=head,
            embedder=embedder,
            seed=seed,
        )
        self.target_transform = target_transform
        self.intervals = intervals

    def fit_features(self, features: Features, y: Any, groups: Any = None) -> Self:
        """Choose the scale of the targets, then train on features that were extracted before.

        Parameters
        ----------
        features : Features
        y : array of shape (n_samples,) or (n_samples, n_targets)
        groups : array of shape (n_samples,), optional
        """
        y = self.check_target(y, len(features.texts))
        if y.ndim == 2:
            fit_each(self, features, y, groups)
            return self
        self.each_ = ()
        ids = group_ids(*features.alike(), *([list(groups)] if groups is not None else []))
        seed, trees = int(self.seed), None
        if self.features in ("auto", "both", "raw") and features.table is not None and features.table.num_columns:
            trees = ColumnTrees(features.table, ids, seed)
        if self.target_transform == "auto":
            self.scale_ = auto_scale(features, y, ids, kinds=self.features, seed=seed, trees=trees)
        else:
            self.scale_ = TargetScale.learn(self.target_transform, y)
        self._train(features, y, groups, trees)
        crossed = cross_fit(
            self.arms_, self.pool_, features, self.scale_(y), ids, method=self.intervals, seed=seed, trees=trees
        )
        self.fold_heads_ = [] if crossed is None else crossed.heads
        if crossed is not None:
            self.intervals_ = crossed.intervals
        return self

    def check_params(self) -> None:
        """Refuse parameters that cannot be used, before anything runs.

        Raises
        ------
        UserError
        """
        super().check_params()
        check_scale(self.target_transform)
        check_intervals(self.intervals)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Predict a number a row, or one for each target.

        Parameters
        ----------
        X : strings, frame, or rows of shape (n_samples, n_columns)

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_targets)
        """
        return self.predict_features(self.extract(X))

    def reader(self) -> RowReader:
        """What reads rows for predictions; of several targets once for all of them."""
        return reader_of_each(self) if self.each_ else super().reader()

    def occlude(self, X: Any) -> list[Occlusion]:
        """Why these predictions; see :meth:`TextEstimator.occlude`."""
        refuse_several(self, "an occlusion")
        return super().occlude(X)

    def predict_features(self, features: Features) -> NDArray[np.float64]:
        """Predict from extracted features."""
        if self.each_:
            return np.column_stack([part.predict_features(features) for part in self.each_])
        return self.scale_.mean(self._scaled(self._inputs(features)))

    def _inputs(self, features: Features) -> list[Any]:
        """What each of the heads reads of rows."""
        check_is_fitted(self, "arms_")
        return [arm.inputs(features) for arm in self.arms_]

    def _scaled(self, inputs: list[Any]) -> NDArray[np.float64]:
        """Predictions on the scale that targets were learnt on."""
        return combine([arm.head for arm in self.arms_], inputs, self.pool_)

    def predict_interval(self, X: Any, level: float = 0.9) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict an interval that holds the target with probability `level`.

        Parameters
        ----------
        X : strings, frame, or rows of shape (n_samples, n_columns)
        level : float, default=0.9
            Between 0 and 1.

        Returns
        -------
        lower, upper : arrays of shape (n_samples,) or (n_samples, n_targets)
            Of several targets each interval holds its own with that probability, not all of them together.
        """
        return self.predict_with_interval(self.extract(X), level)[1:]

    def predict_with_interval(
        self, features: Features, level: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Predict from extracted features, with an interval.

        Returns
        -------
        predicted, lower, upper : arrays of shape (n_samples,) or (n_samples, n_targets)

        Raises
        ------
        UserError
            There were too few training rows to hold any out, or for this level.
        """
        if self.each_:
            found = [part.predict_with_interval(features, level) for part in self.each_]
            predicted, lower, upper = (np.column_stack(columns) for columns in zip(*found, strict=True))
            return predicted, lower, upper
        inputs = self._inputs(features)
        z = self._scaled(inputs)
        if self.intervals_ is None:
            raise TooFewRowsError(
                "There were too few training rows to know how far predictions err.", hint="fit on more rows"
            )
        if isinstance(self.intervals_, CrossIntervals):
            of_folds = np.stack([combine(heads, inputs, self.pool_) for heads in self.fold_heads_])
            lower, upper = self.intervals_.interval(of_folds, level)
        else:
            lower, upper = self.intervals_.interval(z, level)
        return self.scale_.mean(z), self.scale_.back(lower), self.scale_.back(upper)

    def check_target(self, y: Any, n_rows: int) -> NDArray[np.float64]:
        """Check targets: a finite number a row, or one for each of several targets.

        Raises
        ------
        UserError
        """
        if y is not None and (given := np.asarray(y)).ndim == 2 and given.shape[1] > 1:
            return np.column_stack([self.check_target(column, n_rows) for column in given.T])
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
        if (large := np.abs(values) > LARGEST).any():
            row = int(np.flatnonzero(large)[0])
            raise UserError(
                f"Target {row} is {values[row]}: beyond {LARGEST:g} squared errors overflow.",
                hint="write the targets in a larger unit",
            )
        return values

    def _targets(self, y: NDArray[Any]) -> NDArray[Any]:
        return self.scale_(y)

    def _judge_held_out(self, fitted: Fitted, y: NDArray[Any], targets: NDArray[Any]) -> None:
        self.intervals_, self.cv_metrics_ = None, {}
        if len(fitted.rows):
            truth = self.scale_(y[fitted.rows])
            self.scale_ = self.scale_.smeared(truth - fitted.oof)
            self.intervals_ = ResidualIntervals.from_oof(truth, fitted.oof)
            self.cv_metrics_ = regression_metrics(y[fitted.rows], self.scale_.mean(np.asarray(fitted.oof)))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
