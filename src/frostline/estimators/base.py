"""What classifier and regressor share: strings or rows in, features of a frozen backbone, a head on top."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from frostline.candidates import Candidate, union
from frostline.contracts import Layer
from frostline.embedder import TextEmbedder, layers_of, remember_columns, text_tags
from frostline.errors import UserError, nearest
from frostline.estimators.arms import Arm, Fitted, learn, needs_backbone
from frostline.estimators.drift import check_backbone, describe_backbone
from frostline.estimators.fields import deepest, text_columns
from frostline.estimators.grown import ColumnTrees
from frostline.estimators.kept import TrainingRows
from frostline.estimators.labeled import labeled_rows, missing_rows, take
from frostline.estimators.occlusion import Occlusion, occlude
from frostline.estimators.reading import candidates_of, settle, whole_embedder
from frostline.estimators.workflow import Workflow
from frostline.features import Features, PlainTexts
from frostline.heads import LabelPool, LogPool, SumPool, make_head, reads_layers
from frostline.rendering import AnyExtractor, Rendered, RowReader
from frostline.reports.model import CandidateScore, FitReport
from frostline.splits import check_seed, group_ids

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

__all__ = ["FEATURES", "TextEstimator"]

FEATURES = ("auto", "embedding", "tfidf", "raw", "both")
"""What is learnt on: the backbone's vectors, TF-IDF of the same text, the table's columns, two of these (see
:data:`frostline.estimators.arms.BOTH`), or what cross-validation favors."""

_OWN_HEADS = {"tfidf": ("linear", "words by a linear head"), "raw": ("boosting", "columns by trees or a kernel")}
"""Which head learns from features that hold no vectors, and how that is said."""


class TextEstimator(Workflow, BaseEstimator):  # type: ignore[misc]
    """Base of :class:`TextClassifier` and :class:`TextRegressor`; see there for the parameters.

    An estimator holds specifications, never a model: backbones live in one bounded cache, so a clone costs nothing and
    ``set_params(backbone=...)`` followed by ``fit`` uses the new one.
    """

    _task: str
    arms_: list[Arm]
    pool_: LogPool | LabelPool | SumPool | None
    layers_: list[Layer] | dict[str, list[Layer]]
    selection_: list[CandidateScore]

    def __init__(
        self,
        backbone: Any = "minilm",
        *,
        layers: Any = "auto",
        pooling: str = "auto",
        fusion: str = "auto",
        features: str = "auto",
        head: Any = "auto",
        embedder: TextEmbedder | None = None,
        seed: int = 0,
    ) -> None:
        self.backbone = backbone
        self.layers = layers
        self.pooling = pooling
        self.fusion = fusion
        self.features = features
        self.head = head
        self.embedder = embedder
        self.seed = seed

    def fit(self, X: Any, y: Any, groups: Any = None, *, unlabeled: str = "error") -> Self:
        """Embed the rows and train the head; the backbone stays as it is.

        Parameters
        ----------
        X : strings, frame, or rows of shape (n_samples, n_columns)
        y : array of shape (n_samples,); of a regressor also (n_samples, n_targets)
        groups : array of shape (n_samples,), optional
            Rows of one group are never split between training and validation when the head chooses its strength.
            Rows with the same text never are, with or without groups.
        unlabeled : {"error", "skip"}, default="error"
            Whether rows whose target is None or NaN are refused, or left out and counted in `n_unlabeled_`.

        Returns
        -------
        self

        Raises
        ------
        UserError
            A parameter, the rows or the targets cannot be used; the message says which and why.
        """
        rendered = self.prepare(X)
        n_rows = rendered.table.num_rows
        known = labeled_rows(y, n_rows, unlabeled)
        if len(known) < n_rows:
            rendered, y, groups = rendered.take(known), take(y, known), take(groups, known)
        y = self.check_target(y, len(known))
        self.fit_features(rendered.through(self.training_reader(rendered.table)), y, groups)
        self.n_unlabeled_ = n_rows - len(known)
        if self.n_unlabeled_ and self.rows_ is not None:
            self.rows_ = self.rows_.named(known.tolist())  # their places among the rows that were given
        return self

    def prepare(self, X: Any) -> Rendered:
        """Check the parameters, remember the input's columns and render the rows; nothing runs yet."""
        self.check_params()
        self.embedder_ = self._new_embedder()
        rendered = self.embedder_.render(X)
        remember_columns(self.embedder_, rendered.table, X)
        remember_columns(self, rendered.table, X)
        if rendered.table.num_rows == 0:
            raise UserError("There are no rows to fit on.")
        return rendered

    def training_reader(self, table: pa.Table) -> RowReader:
        """What reads, in one pass, everything that a fit on these rows may choose from; after :meth:`prepare`."""
        if not needs_backbone(self.features):
            return RowReader(PlainTexts())
        embedder = whole_embedder(self.embedder_)
        taps = union(self._candidates(embedder.extractor()))
        columns = text_columns(table) if self.features == "auto" and self._task != "multilabel" else ()
        cells = embedder.extractor(deepest(taps)) if columns else None
        return RowReader(embedder.extractor(taps), cells, columns)

    def fit_features(self, features: Features, y: Any, groups: Any = None) -> Self:
        """Train on features that were extracted before, by the :meth:`training_reader`.

        Parameters
        ----------
        features : Features
        y : array of shape (n_samples,)
        groups : array of shape (n_samples,), optional
        """
        return self._train(features, self.check_target(y, len(features.texts)), groups)

    def _train(self, features: Features, y: NDArray[Any], groups: Any, trees: ColumnTrees | None = None) -> Self:
        """Train for targets that were checked, with trees for numbers where columns may be read."""
        if groups is not None and len(groups) != len(y):
            raise UserError(f"groups has {len(groups)} entries, but there are {len(y)} rows.")
        keys = [*features.alike(), *([list(groups)] if groups is not None else [])]
        embedder = whole_embedder(self.embedder_)
        extractor = embedder.extractor() if needs_backbone(self.features) else PlainTexts()
        targets = self._targets(y)
        fitted = learn(
            self._task,
            self._candidates(extractor),
            features,
            targets,
            group_ids(*keys),
            kinds=self.features,
            head=self._trained_head(),
            seed=int(self.seed),
            class_weight=getattr(self, "class_weight_", None),
            trees=trees,
        )
        self.n_train_ = len(y)
        self.target_: str | list[str] | None = None  # the column's name, where a job on a table knows it
        self._keep(fitted, embedder, extractor)
        self._judge_held_out(fitted, y, targets)
        read = None if self.embedding_ is None else self.embedding_.candidate
        self.rows_ = TrainingRows.of(
            features, read, self.fused(features), self._kept(y, targets), groups, seed=int(self.seed)
        )
        return self

    @property
    def head_(self) -> Any:
        """The trained head on the backbone's vectors; where the backbone was left out, the first of the others."""
        return (self.embedding_ or self.arms_[0]).head

    @property
    def embedding_(self) -> Arm | None:
        """The part that reads the backbone, where there is one."""
        check_is_fitted(self, "arms_")
        return next((arm for arm in self.arms_ if arm.candidate is not None), None)

    @property
    def reads_backbone_(self) -> bool:
        """Whether predictions need the backbone at all."""
        return self.embedding_ is not None

    def embed(self, X: Any) -> NDArray[np.float32]:
        """The fused vectors that the head reads, shape (n_samples, n_features); width 0 where it reads no backbone."""
        return self.fused(self.extract(X))

    def fused(self, features: Features) -> NDArray[np.float32]:
        """The same, of features that were extracted before."""
        candidate = None if self.embedding_ is None else self.embedding_.candidate
        return np.empty((len(features.texts), 0), np.float32) if candidate is None else candidate.features(features)

    def extract(self, X: Any) -> Features:
        """What predictions are made from: vectors by the backbone of the fit, texts, truncation and counts.

        Raises
        ------
        ArtifactError
            The backbone found now is not the one of the fit.
        """
        reader = self.reader()
        return self.embedder_.render(X).through(reader)

    def reader(self) -> RowReader:
        """What reads rows for predictions: whole, and where a head reads text columns each on its own, these as well.

        Raises
        ------
        ArtifactError
            The backbone found now is not the one of the fit.
        """
        whole = self.extractor()
        fields = next((arm.fields for arm in self.arms_ if arm.fields is not None), None)
        if fields is None:
            return RowReader(whole)
        return RowReader(whole, self.embedder_.extractor([fields.tap]), fields.columns)

    def extractor(self) -> AnyExtractor:
        """What reads whole rows for predictions.

        Raises
        ------
        ArtifactError
            The backbone found now is not the one of the fit.
        """
        if not self.reads_backbone_:
            return PlainTexts()
        extractor = self.embedder_.extractor()
        for one, fitted, part in zip(self.embedder_.written(), self.backbones_, extractor.parts, strict=True):
            check_backbone(fitted, describe_backbone(part.backbone), one.name)
        return extractor

    def _candidates(self, extractor: AnyExtractor) -> list[Candidate]:
        return candidates_of(self.embedder_, extractor, several_layers=reads_layers(self._new_head()))

    def _keep(self, fitted: Fitted, embedder: TextEmbedder, extractor: AnyExtractor) -> None:
        """Remember what was learnt; from now on the embedder reads what was chosen and nothing else."""
        self.arms_, self.pool_, self.selection_ = fitted.arms, fitted.pool, fitted.table
        candidate = None if self.embedding_ is None else self.embedding_.candidate
        self.layers_ = [] if candidate is None else layers_of(candidate.taps)
        self.backbones_: list[dict[str, Any]] = []  # the identity of each, in the embedder's order
        if candidate is not None and not isinstance(extractor, PlainTexts):
            found = {one.name: part.backbone for one, part in zip(embedder.written(), extractor.parts, strict=True)}
            settle(embedder, candidate)
            self.backbones_ = [describe_backbone(found[one.name]) for one in embedder.written()]
        self.embedder_ = embedder

    def occlude(self, X: Any) -> list[Occlusion]:
        """Why these predictions: what each word of a text, or each of several columns, does to them.

        Every row is predicted again without each of its pieces, at most a hundred times.

        Parameters
        ----------
        X : strings, frame, or rows of shape (n_samples, n_columns)

        Returns
        -------
        list of Occlusion
            One for each row: `predicted`, `value`, `pieces`, `effects`, and ``top(n)``.
        """
        check_is_fitted(self, "arms_")
        return occlude(self, X)

    def save(
        self, folder: str | Path, report: FitReport | None = None, *, keep_rows: bool = True, keep_texts: bool = False
    ) -> None:
        """Write the artifact folder: specification, head, card and report; never the backbone.

        Parameters
        ----------
        folder : path
        report : FitReport, optional
            What the report and card show; None = cross-validation on the training rows.
        keep_rows : bool, default=True
            Whether vectors (half precision, at most 128 MiB), digests and targets of the training rows go with it, for
            :meth:`neighbors` and :meth:`update`.
        keep_texts : bool, default=False
            Whether any text stays in the folder: those of the kept rows, and of the mistakes that the report quotes.
        """
        from frostline.estimators.saving import save_estimator

        check_is_fitted(self, "arms_")
        save_estimator(self, folder, report, keep_rows=keep_rows, keep_texts=keep_texts)

    def check_target(self, y: Any, n_rows: int) -> NDArray[Any]:
        """Check the targets before anything runs.

        Raises
        ------
        UserError
            Wrong length, missing values, or nothing to learn.
        """
        raise NotImplementedError

    def _targets(self, y: NDArray[Any]) -> NDArray[Any]:
        """Targets as heads see them."""
        raise NotImplementedError

    def _kept(self, y: NDArray[Any], targets: NDArray[Any]) -> NDArray[Any]:
        """Targets as they are kept with the training rows."""
        return y

    def as_given(self, kept: NDArray[Any]) -> NDArray[Any]:
        """The way back: targets as the user gave them."""
        return kept

    def _judge_held_out(self, fitted: Fitted, y: NDArray[Any], targets: NDArray[Any]) -> None:
        """Score, against the targets as given or as heads see them, what was predicted for training rows that were held out."""
        raise NotImplementedError

    def _trained_head(self) -> Any:
        """What is trained: a name, or an estimator with settings that depend on the targets."""
        return self.head

    def _new_head(self) -> Any:
        return make_head(self.head, self._task, self.seed)

    def _new_embedder(self) -> TextEmbedder:
        if self.embedder is not None:
            embedder: TextEmbedder = clone(self.embedder)
            return embedder
        return TextEmbedder(self.backbone, layers=self.layers, pooling=self.pooling, fusion=self.fusion)

    def check_params(self) -> None:
        """Refuse parameters that cannot be used, before anything runs.

        Raises
        ------
        UserError
        """
        if self.features not in FEATURES:
            raise UserError(
                f"Unknown features {self.features!r}. Allowed: {', '.join(map(repr, FEATURES))}.",
                hint=nearest(str(self.features), FEATURES) or None,
            )
        if self.embedder is not None and not isinstance(self.embedder, TextEmbedder):
            raise UserError(f"embedder must be a TextEmbedder or None, got {type(self.embedder).__name__}.")
        check_seed(self.seed)
        # Refuses a head that does not suit before anything runs.
        head = self._new_head()
        if not needs_backbone(self.features):
            own, how = _OWN_HEADS[self.features]
            if not (isinstance(self.head, str) and self.head in ("auto", own)):
                none = f"features={self.features!r} holds none and learns {how}"
                raise UserError(
                    f"head={self.head!r} is trained on vectors of a backbone; {none}.",
                    hint="features='embedding' (or 'both', 'auto') with this head, or head='auto'",
                )
        if not reads_layers(head):
            return
        fusion = self.fusion if self.embedder is None else self.embedder.fusion
        if fusion not in ("concat", "auto"):
            raise UserError(
                f"Co-occurrence pooling reads each layer on its own; fusion={fusion!r} leaves one vector.",
                hint='use fusion="concat" with this head',
            )

    def __sklearn_tags__(self) -> Tags:
        return text_tags(super().__sklearn_tags__())


def target_vector(given: Any, n_rows: int) -> NDArray[Any]:
    """Turn targets into a 1-D array of the right length without missing values.

    Raises
    ------
    UserError
    """
    if given is None:
        raise UserError("fit requires y to be passed, but the target y is None.")
    y: NDArray[Any] = np.asarray(given)
    if y.ndim == 2 and y.shape[1] == 1:
        import warnings

        from sklearn.exceptions import DataConversionWarning

        warnings.warn("A column-vector y was passed when a 1d array was expected.", DataConversionWarning, stacklevel=3)
        y = y.ravel()
    if y.ndim != 1:
        raise UserError(f"y must be one value a row, got an array of shape {y.shape}.")
    if len(y) != n_rows:
        raise UserError(f"X has {n_rows} rows and y has {len(y)}: inconsistent numbers of samples.")
    if (missing := missing_rows(given)).size:
        raise UserError(
            f"{missing.size} of {len(y)} targets are missing (NaN or None), the first in row {missing[0]} (counting from 0).",
            hint="drop those rows or fill their targets",
        )
    return y
