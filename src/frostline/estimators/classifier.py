"""TextClassifier: strings or rows to a class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from frostline.errors import UserError
from frostline.estimators.base import TextEstimator, target_vector
from frostline.extraction import Features
from frostline.numerics.metrics import classification_metrics

__all__ = ["TextClassifier"]


def _head_has_proba(estimator: TextClassifier) -> bool:
    head = getattr(estimator, "head_", None)
    return hasattr(estimator._new_head() if head is None else head, "predict_proba")


class TextClassifier(ClassifierMixin, TextEstimator):  # type: ignore[misc]
    """Classify strings or table rows by the hidden states of a frozen language model.

    Parameters
    ----------
    backbone : str, default="minilm"
        ``"minilm"``, a local model folder, or a hub name ``"org/name"``.
    layers : int, str or list, default="final"
        ``0`` = token embeddings; ``L`` = after block L; ``"final"`` = after the final norm; ``"all"``.
    pooling : str, default="recipe"
        The model's own recipe, or ``"mean"``, ``"max"``, ``"first_token"``, ``"last_token"``, ``"weighted_mean"``.
    fusion : {"concat", "mean", "max"}, default="concat"
        How several layers become one vector.
    features : {"embedding"}, default="embedding"
        What the head learns on.
    head : str or estimator, default="linear"
        ``"linear"`` (logistic, strength by cross-validation), ``"mlp"``, ``"cooccurrence"`` (dot products
        between several layers), or any scikit-learn classifier.
    embedder : TextEmbedder, default=None
        Overrides `backbone`, `layers`, `pooling` and `fusion`; takes templates, windows and stores as well.
    seed : int, default=0
        Of folds and of heads that draw numbers.

    Attributes
    ----------
    classes_ : ndarray
        Labels as they were given.
    head_ : estimator
        The trained head; it sees labels as 0..n_classes-1.
    layers_ : list
        The layers taken.
    cv_metrics_ : dict
        Out-of-fold metrics on the training rows, where the head has out-of-fold probabilities; slightly optimistic,
        since the strength was chosen on the same folds.

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
        check_is_fitted(self, "head_")
        return np.asarray(self.classes_[self.head_.predict(self.embedder_.fuse(features))])

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
        check_is_fitted(self, "head_")
        return np.asarray(self.head_.predict_proba(self.embedder_.fuse(features)))

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

    def _fit_head(self, Z: NDArray[np.float32], y: NDArray[Any], groups: NDArray[Any]) -> None:
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.head_ = self._train(Z, codes, groups)
        oof = getattr(self.head_, "oof_proba_", None)
        self.cv_metrics_ = {} if oof is None else classification_metrics(codes, oof, np.arange(len(self.classes_)))
