"""TextClassifier: strings or rows to a class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from frostline.concepts import CAV
from frostline.errors import UserError
from frostline.estimators.arms import Fitted
from frostline.estimators.base import TextEstimator, target_vector
from frostline.features import Features
from frostline.numerics.metrics import classification_metrics

__all__ = ["TextClassifier"]


def _head_has_proba(estimator: TextClassifier) -> bool:
    arms = getattr(estimator, "arms_", None)
    return all(hasattr(arm.head, "predict_proba") for arm in arms) if arms else _new_has_proba(estimator)


def _new_has_proba(estimator: TextClassifier) -> bool:
    return estimator.features in ("tfidf", "raw") or hasattr(estimator._new_head(), "predict_proba")


class TextClassifier(ClassifierMixin, TextEstimator):  # type: ignore[misc]
    """Classify strings or table rows by the hidden states of a frozen language model.

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
        runs), vectors and TF-IDF weighed against each other, or what cross-validation on the training rows favors of these
        (columns where there are several).
    head : str or estimator, default="auto"
        ``"linear"`` (logistic, strength by cross-validation), ``"mlp"``, ``"cooccurrence"`` (dot products between several
        layers), or any scikit-learn classifier; ``"auto"`` is ``"linear"``.
    embedder : TextEmbedder, default=None
        Overrides `backbone`, `layers`, `pooling` and `fusion`; takes templates, windows and stores as well.
    seed : int, default=0
        Of folds and of heads that draw numbers.

    Attributes
    ----------
    classes_ : ndarray
        Labels as they were given.
    arms_ : list
        What was trained: a head on vectors, a head on words, or both; heads see labels as 0..n_classes-1.
    head_ : estimator
        The first of these heads.
    pool_ : LogPool or None
        How the arms' probabilities are joined and calibrated, learnt on held-out folds.
    selection_ : list of CandidateScore
        Everything that was compared.
    layers_ : list
        The layers taken.
    cv_metrics_ : dict
        Out-of-fold metrics on the training rows; slightly optimistic, since strengths were chosen on the same folds.

    References
    ----------
    LLMEmbed (Liu et al., 2024, arXiv 2406.03725): depth-fused hidden states and a light head. We differ by masking the
    mean, by feeding logits to the loss, and by choosing every strength on training rows.
    """

    _task = "classification"

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict labels.

        Parameters
        ----------
        X : strings, frame, or rows of shape (n_samples, n_columns)

        Returns
        -------
        array of shape (n_samples,)
        """
        return self.predict_features(self.extract(X))

    def predict_features(self, features: Features) -> NDArray[Any]:
        """Predict labels from extracted features."""
        check_is_fitted(self, "arms_")
        if self.pool_ is None:
            return np.asarray(self.classes_[self.arms_[0].predict(features, proba=False)])
        return np.asarray(self.classes_[self.proba_features(features).argmax(axis=1)])

    @available_if(_head_has_proba)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Predict class probabilities.

        Parameters
        ----------
        X : strings, frame, or rows of shape (n_samples, n_columns)

        Returns
        -------
        array of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        return np.asarray(self.proba_features(self.extract(X)))

    @available_if(_head_has_proba)  # type: ignore[untyped-decorator]
    def proba_features(self, features: Features) -> NDArray[np.float64]:
        """Predict class probabilities from extracted features."""
        check_is_fitted(self, "arms_")
        found = [arm.predict(features, proba=True) for arm in self.arms_]
        return np.asarray(found[0] if self.pool_ is None else self.pool_(found))

    def concept(self, label: Any) -> CAV:
        """The direction, in the space of :meth:`embed`, in which rows come to have a label.

        Parameters
        ----------
        label
            One of `classes_`.

        Returns
        -------
        CAV
            Of several classes, that of the label against the mean of all. Without an accuracy of its own: `cv_metrics_`
            has that of the whole predictor.

        Raises
        ------
        UserError
            An unknown label, or a predictor that is not linear in vectors.
        """
        check_is_fitted(self, "arms_")
        known = self.classes_.tolist()
        if label not in known:
            raise UserError(f"Unknown label {label!r}. Allowed: {', '.join(map(repr, known[:20]))}.")
        coef = getattr(self.head_, "coef_", None)
        if not self.reads_backbone_ or coef is None or np.shape(coef)[1:] != (self.head_.n_features_in_,):
            what = "has no linear map" if self.reads_backbone_ else "does not read vectors"
            raise UserError(
                f"This predictor {what}, so no direction stands for {label!r}.",
                hint="fit with features='embedding' and head='linear', or use CAV.fit on vectors of your choice",
            )
        place = known.index(label)
        direction = coef[0] * (1 if place else -1) if len(known) == 2 else coef[place] - coef.mean(axis=0)
        return CAV(np.asarray(direction / np.linalg.norm(direction), dtype=np.float64), str(label))

    def check_target(self, y: Any, n_rows: int) -> NDArray[Any]:
        """Check labels: one a row, none missing, at least two classes.

        Raises
        ------
        UserError
        """
        labels = target_vector(y, n_rows)
        if labels.dtype.kind == "O" and len(kinds := {type(v).__name__ for v in labels}) > 1:
            raise UserError(
                f"Labels are of several types: {', '.join(sorted(kinds))}.", hint="make them all text, or all numbers"
            )
        if labels.dtype.kind == "f":  # of other labels it only warns that there are many
            check_classification_targets(labels)
        classes = np.unique(labels)
        if len(classes) < 2:
            raise UserError(
                f"There is one class only ({classes[0]!r} in all {len(labels)} rows); a classifier needs two or more.",
                hint="check the target column",
            )
        return labels

    def _targets(self, y: NDArray[Any]) -> NDArray[Any]:
        self.classes_, codes = np.unique(y, return_inverse=True)
        return codes

    def _judge_held_out(self, fitted: Fitted, y: NDArray[Any]) -> None:
        classes = np.arange(len(self.classes_))
        codes = self._targets(y)[fitted.rows]
        self.cv_metrics_ = classification_metrics(codes, fitted.oof, classes) if len(fitted.rows) else {}
