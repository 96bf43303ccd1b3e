"""TextClassifier: strings or rows to a class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from frostline.concepts import CAV
from frostline.decisions import Decided, Decision, Rule, by_label, check_decision, make_rule
from frostline.embedder import TextEmbedder
from frostline.errors import UserError
from frostline.estimators.arms import Fitted, needs_backbone
from frostline.estimators.base import TextEstimator, target_vector
from frostline.estimators.kept import extremes
from frostline.estimators.sets import check_sets, decide_sets, judge_sets, labels_of
from frostline.features import Features
from frostline.heads import class_weights
from frostline.labelsets import LabelRule, are_sets, label_sets, truth_table
from frostline.numerics.metrics import classification_metrics

__all__ = ["TextClassifier"]


def _head_has_proba(estimator: TextClassifier) -> bool:
    arms = getattr(estimator, "arms_", None)
    return all(hasattr(arm.head, "predict_proba") for arm in arms) if arms else _new_has_proba(estimator)


def _weighs(head: Any) -> bool:
    return "class_weight" in head.get_params(deep=False)


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
        ``"linear"`` (logistic, strength by cross-validation), ``"mlp"``, ``"boosting"``, ``"cooccurrence"`` (dot products
        between several layers; ``"cooccurrence-published"`` with the flaws of the published code), or any scikit-learn
        classifier; ``"auto"`` is ``"linear"``, of few rows on layers of length one (:class:`frostline.heads.UnitClassifier`).
    embedder : TextEmbedder, default=None
        Overrides `backbone`, `layers`, `pooling` and `fusion`; takes templates, windows and stores as well.
    seed : int, default=0
        Of folds and of heads that draw numbers.
    class_weight : None, "balanced" or mapping of label to weight, default=None
        How much rows count in training, for heads that take a `class_weight` and for TF-IDF. Probabilities are led back to
        the true frequencies of the classes and calibrated; a label is predicted as if an error on a row of class k cost
        weight k, unless `decision` says otherwise.
    decision : Decision, default=None
        A cost matrix, a threshold, or the precision below which no answer is given; None = the most probable class.

    Notes
    -----
    Where `y` holds a list (tuple, set) of labels for each row, every label is a question of its own: a calibrated
    probability, and a threshold chosen where the out-of-fold F1 of the label is highest.

    Attributes
    ----------
    classes_ : ndarray
        Labels as they were given.
    class_weight_ : ndarray of shape (n_classes,) or None
        Weights, the mean over training rows 1.
    rule_ : Rule or LabelRule
        What `decision` and `class_weight` became on out-of-fold predictions.
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
    rule_: Rule | LabelRule
    class_weight_: NDArray[np.float64] | None
    label_separator_: str | None = None

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
        class_weight: Any = None,
        decision: Decision | None = None,
    ) -> None:
        super().__init__(
            backbone, layers=layers, pooling=pooling, fusion=fusion, features=features, head=head, embedder=embedder,
            seed=seed,
        )  # fmt: skip
        self.class_weight = class_weight
        self.decision = decision

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict labels.

        Parameters
        ----------
        X : strings, frame, or rows of shape (n_samples, n_columns)

        Returns
        -------
        array of shape (n_samples,)
            Where `decision` asks for a precision, None for the rows that are not answered; where rows have sets of labels,
            a tuple of labels for each, perhaps empty.
        """
        return self.predict_features(self.extract(X))

    def predict_features(self, features: Features) -> NDArray[Any]:
        """Predict labels from extracted features."""
        return self.decide_features(features).answers

    def decide(self, X: Any) -> Decided:
        """Predict labels with their confidence, and which rows are abstained from.

        Parameters
        ----------
        X : strings, frame, or rows of shape (n_samples, n_columns)

        Returns
        -------
        Decided
            `labels`, `confidence`, `abstained`.
        """
        return self.decide_features(self.extract(X))

    def decide_features(self, features: Features) -> Decided:
        """Decide from extracted features."""
        check_is_fitted(self, "arms_")
        if isinstance(self.rule_, LabelRule):
            return decide_sets(self, self.proba_features(features))
        if not _head_has_proba(self) or (self.pool_ is None and self.rule_.is_plain):
            labels = np.asarray(self.classes_[self.arms_[0].predict(features, proba=False)])
            return Decided(labels, None, np.zeros(len(labels), dtype=bool))
        proba = self.proba_features(features)
        codes = self.rule_(proba)
        confidence = proba[np.arange(len(codes)), codes]
        return Decided(np.asarray(self.classes_[codes]), confidence, self.rule_.abstains(proba, codes))

    @available_if(_head_has_proba)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Predict class probabilities.

        Parameters
        ----------
        X : strings, frame, or rows of shape (n_samples, n_columns)

        Returns
        -------
        array of shape (n_samples, n_classes)
            Columns in the order of `classes_`. Of sets of labels each column is a probability of its own.
        """
        return np.asarray(self.proba_features(self.extract(X)))

    @available_if(_head_has_proba)  # type: ignore[untyped-decorator]
    def proba_features(self, features: Features) -> NDArray[np.float64]:
        """Predict class probabilities from extracted features."""
        check_is_fitted(self, "arms_")
        found = [arm.predict(features, proba=True) for arm in self.arms_]
        return np.asarray(found[0] if self.pool_ is None else self.pool_(found))

    def concept(self, label: Any, n_texts: int = 5) -> CAV:
        """The direction, in the space of :meth:`embed`, in which rows come to have a label, and the texts along it.

        Parameters
        ----------
        label
            One of `classes_`.
        n_texts : int, default=5
            How many training texts at either end come with it, where they are kept.

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
        if isinstance(self.rule_, LabelRule):
            direction = coef[place]
        else:
            direction = coef[0] * (1 if place else -1) if len(known) == 2 else coef[place] - coef.mean(axis=0)
        unit = np.asarray(direction / np.linalg.norm(direction), dtype=np.float64)
        toward, against = extremes(self.rows_, unit, n_texts) if self.rows_ is not None else ((), ())
        return CAV(unit, str(label), toward=toward, against=against)

    def check_target(self, y: Any, n_rows: int) -> NDArray[Any]:
        """Check labels: one a row, none missing, at least two classes; or a list of labels for each row.

        Raises
        ------
        UserError
        """
        self._task = "multilabel" if are_sets(y) else "classification"
        if self._task == "multilabel":
            return check_sets(self, y, n_rows)
        labels = target_vector(y, n_rows)
        if labels.dtype.kind == "O" and len(kinds := {type(v).__name__ for v in labels}) > 1:
            raise UserError(
                f"Labels are of several types: {', '.join(sorted(kinds))}.", hint="make them all text, or all numbers"
            )
        if labels.dtype.kind == "f" and (labels != np.floor(labels)).any():
            odd = labels[labels != np.floor(labels)][0]
            raise UserError(
                f"Unknown label type: continuous. Labels are text, whole numbers, booleans or dates; got {odd}.",
                hint="write such labels as text, or predict the number: TextRegressor, --task regression",
            )
        classes = np.unique(labels)
        if len(classes) < 2:
            raise UserError(
                f"There is one class only ({classes.tolist()[0]!r} in all {len(labels)} rows); a classifier needs two or more.",
                hint="check the target column",
            )
        check_decision(self.decision, classes.tolist())
        self._weights(classes, np.searchsorted(classes, labels))
        return labels

    def check_params(self) -> None:
        """Refuse parameters that cannot be used, before anything runs.

        Raises
        ------
        UserError
        """
        super().check_params()
        check_decision(self.decision)
        if self.decision is not None and not _new_has_proba(self):
            raise UserError(
                "This head gives no probabilities, so neither costs, thresholds nor precision can decide.",
                hint="head='linear'",
            )
        if self.class_weight is not None and needs_backbone(self.features) and not _weighs(self._new_head()):
            raise UserError(
                f"The head {self.head!r} takes no class weights.", hint="use 'linear' or 'mlp', or leave them out"
            )

    def _weights(self, classes: NDArray[Any], codes: NDArray[np.intp]) -> NDArray[np.float64] | None:
        if self.class_weight is None:
            return None
        given = self.class_weight
        if isinstance(given, Mapping):
            labels = classes.tolist()
            given = {labels[number]: w for number, w in by_label(given, labels, "class_weight").items()}
        return class_weights(given, classes, codes)

    def _targets(self, y: NDArray[Any]) -> NDArray[Any]:
        if self._task == "multilabel":
            self.classes_, self.class_weight_ = labels_of(y), None
            return truth_table(y, self.classes_.tolist())
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.class_weight_ = self._weights(self.classes_, codes)
        return codes

    def _kept(self, y: NDArray[Any], targets: NDArray[Any]) -> NDArray[Any]:
        return targets

    def as_given(self, kept: NDArray[Any]) -> NDArray[Any]:
        """Labels of class numbers, or sets of labels of truth values."""
        if isinstance(self.rule_, LabelRule):
            truths = np.asarray(kept, dtype=bool)
            sets = label_sets(truths.reshape(-1, truths.shape[-1]), self.classes_.tolist())
            return sets.reshape(truths.shape[:-1])
        return np.asarray(self.classes_[kept])

    def _trained_head(self) -> Any:
        if self.class_weight_ is None or not needs_backbone(self.features):
            return self.head
        return self._new_head().set_params(class_weight=dict(enumerate(self.class_weight_.tolist())))

    def _judge_held_out(self, fitted: Fitted, y: NDArray[Any], targets: NDArray[Any]) -> None:
        if self._task == "multilabel":
            judge_sets(self, fitted, targets)
            return
        true, classes = targets[fitted.rows], np.arange(len(self.classes_))
        self.rule_ = make_rule(self.decision, self.classes_.tolist(), self.class_weight_, true, fitted.oof)
        known = len(true) > 0
        self.cv_metrics_ = classification_metrics(true, fitted.oof, classes, self.rule_(fitted.oof)) if known else {}
