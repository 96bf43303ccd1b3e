"""What checks look at: rows, their vectors layer by layer, predictions; each computed once, when first asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from frostline.baselines import RawColumns, boosting, fit_text
from frostline.baselines.text import Task
from frostline.candidates import Candidate
from frostline.contracts import Tap
from frostline.diagnostics.model import NotApplicable
from frostline.features import Features
from frostline.heads import TfidfClassifier, fit_head, held_out, make_head
from frostline.selection import Trial, attempt
from frostline.splits import group_ids, holdout

__all__ = ["Evidence", "Part", "Prediction", "Reader", "layer_name", "raw_matrix"]

T = TypeVar("T")

LABELED = 20_000
"""Rows whose labels are compared with out-of-fold predictions; with more, so many are drawn."""

SAMPLE = 2_000
"""Rows that checks of vectors look at; with more, so many are drawn."""


@dataclass(frozen=True, eq=False)
class Part:
    """Rows as they were given, as a table, and as texts; `y` is None where no target is known."""

    X: Any
    table: pa.Table
    texts: Sequence[str]
    y: NDArray[Any] | None = None

    def __len__(self) -> int:
        return int(self.table.num_rows)


class Reader(Protocol):
    """Rows to vectors: the layers that can be looked at, and how the predictor reads them.

    Attributes
    ----------
    read : Candidate
        The layers that the predictor reads, and their fusion.
    """

    read: Candidate

    def __call__(self, part: Part) -> Features:
        """Vectors of rows at all layers."""
        ...

    def pieces(self, words: Sequence[str]) -> list[NDArray[np.int32]] | None:
        """Token ids of each word, special tokens included; None where there is no tokenizer."""
        ...

    def sensitivity(self, part: Part, rows: NDArray[np.intp], seed: int) -> dict[str, float]:
        """How much each layer's vector moves with the token embeddings."""
        ...


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a predictor says of rows: class numbers or numbers, and probabilities where it has them."""

    values: NDArray[Any]
    proba: NDArray[np.float64] | None = None


class Evidence:
    """All that checks may look at.

    Parameters
    ----------
    task : {"classification", "regression"}
    train, test, against : Part, optional
        Rows that the predictor was trained on; labeled rows that it has not seen; rows of another time or place.
    estimator : object, optional
        Anything fitted that has ``predict``.
    reader : Reader, optional
    groups : sequence, optional
        Of the rows looked at: rows that belong together.
    seed : int
    """

    def __init__(
        self,
        task: Task,
        *,
        train: Part | None = None,
        test: Part | None = None,
        against: Part | None = None,
        estimator: Any = None,
        reader: Reader | None = None,
        groups: Sequence[Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.task, self.estimator, self.reader, self.seed = task, estimator, reader, seed
        self._train, self._test, self._against, self._groups = train, test, against, groups
        self._known: dict[tuple[str, int], Any] = {}
        self._trials: dict[Candidate, Trial] = {}

    @property
    def train(self) -> Part:
        """Rows of the fit."""
        return _there(self._train, "The training rows were not given.")

    @property
    def test(self) -> Part:
        """Labeled rows that the predictor has not seen."""
        return _there(self._test, "No labeled rows outside the training rows were given.")

    @property
    def against(self) -> Part:
        """Rows to compare with."""
        return _there(self._against, "No rows to compare with were given (--against).")

    @property
    def has_train(self) -> bool:
        """Whether the training rows were given."""
        return self._train is not None

    @property
    def rows(self) -> Part:
        """The rows that data and vectors are judged on: those of the fit, else the others."""
        return self.train if self.has_train else self.test

    @cached_property
    def classes(self) -> list[Any]:
        """Labels, in the order of the predictor's probabilities."""
        if (known := getattr(self.estimator, "classes_", None)) is not None:
            return list(np.asarray(known).tolist())
        return sorted(set(np.asarray(self.rows.y, dtype=object).tolist()), key=str)

    def target(self, part: Part) -> NDArray[Any]:
        """Class numbers, -1 for a label that the predictor does not know; or numbers."""
        y = _there(part.y, "These rows have no target.")
        if self.task == "regression":
            return np.asarray(y, dtype=np.float64)
        number = {label: i for i, label in enumerate(self.classes)}
        by_text = {str(label): i for label, i in number.items()}
        labels = np.asarray(y, dtype=object).tolist()
        return np.array([number.get(label, by_text.get(str(label), -1)) for label in labels], dtype=np.intp)

    @cached_property
    def groups(self) -> NDArray[np.intp]:
        """Rows that must not be parted when some are held out."""
        given = [] if self._groups is None else [list(self._groups)]
        return group_ids(list(self.rows.texts), *given)

    @cached_property
    def sample(self) -> NDArray[np.intp]:
        """Row numbers that vectors are judged on."""
        return self._some(SAMPLE)

    def _some(self, most: int) -> NDArray[np.intp]:
        """All rows, or some drawn whole group by whole group."""
        n = len(self.rows)
        return np.arange(n) if n <= most else holdout(np.zeros(n), self.groups, most / n, self.seed, stratify=False)[1]

    def features(self, part: Part) -> Features:
        """Vectors of rows at all layers.

        Raises
        ------
        NotApplicable
            There are none, or some are not finite.
        """
        found = self.unchecked_features(part)
        if not np.isfinite(found.columns).all():
            raise NotApplicable("Some vectors are not finite (FRL201).")
        return found

    def unchecked_features(self, part: Part) -> Features:
        """Vectors as they come."""
        reader = _there(self.reader, "There are no vectors: the rows are not numbers and no embedder was given.")
        return self._once("features", part, lambda: reader(part))  # type: ignore[no-any-return]

    @cached_property
    def sampled(self) -> Features:
        """Vectors of the sample."""
        return self.features(self.rows).take(self.sample)

    @cached_property
    def sampled_target(self) -> NDArray[Any]:
        """Target of the sample: numbers, or numbers of the classes that occur in it, without gaps."""
        y = self.target(self.rows)[self.sample]
        return np.unique(y, return_inverse=True)[1] if self.task == "classification" else y

    @property
    def read(self) -> Candidate:
        """How the predictor reads the layers."""
        return _there(self.reader, "There are no vectors.").read

    def trial(self, candidate: Candidate) -> Trial:
        """A linear head on some layers, cross-validated on the sample."""
        if candidate in self._trials:
            return self._trials[candidate]
        found = attempt(
            candidate,
            self.sampled,
            self.sampled_target,
            self.groups[self.sample],
            task=self.task,
            head="linear",
            seed=self.seed,
        )
        if not len(found.rows):
            raise NotApplicable("There are too few rows to hold any out.")
        self._trials[candidate] = found
        return found

    @property
    def layers(self) -> dict[str, Candidate]:
        """Each of the layers alone."""
        return {layer_name(tap): Candidate((tap,), "concat", self.read.pooling) for tap in self.sampled.taps}

    @cached_property
    def out_of_fold(self) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Rows, and what a linear head on the read vectors (without vectors, on words) predicts when it has not seen them."""
        looked_at, task = self._some(LABELED), self.task
        y, groups = self.target(self.rows)[looked_at], self.groups[looked_at]
        if task == "classification" and (y < 0).any():
            raise NotApplicable("Some rows have a label that the predictor does not know.")
        if task == "classification" and (np.bincount(y, minlength=len(self.classes)) < 2).any():
            raise NotApplicable("Some class has fewer than two rows, so none of it can be held out.")
        if self.reader is None and task == "classification":
            X: Any = [self.rows.texts[row] for row in looked_at]
            head: Any = TfidfClassifier(seed=self.seed).fit(X, y, list(groups))
        else:
            X = self.read.features(self.features(self.rows).take(looked_at))
            head = fit_head(make_head("linear", task, self.seed), X, y, groups)
        rows, predicted = held_out(head, X, y, groups, task, self.seed, every=True)
        if not len(rows):
            raise NotApplicable("There are too few rows to hold any out.")
        return looked_at[rows], np.asarray(predicted, dtype=np.float64)

    def predicted(self, part: Part) -> Prediction:
        """What the predictor says of rows."""
        estimator = _there(self.estimator, "No predictor was given.")
        return self._once("predicted", part, lambda: self._predict(estimator, part))  # type: ignore[no-any-return]

    def _predict(self, estimator: Any, part: Part) -> Prediction:
        if self.task == "regression":
            return Prediction(np.asarray(estimator.predict(part.X), dtype=np.float64).reshape(len(part)))
        if hasattr(estimator, "predict_proba"):
            proba = np.asarray(estimator.predict_proba(part.X), dtype=np.float64)
            return Prediction(proba.argmax(axis=1), proba)
        return Prediction(self.target(Part(part.X, part.table, part.texts, np.asarray(estimator.predict(part.X)))))

    def errors(self, part: Part, values: NDArray[Any] | None = None) -> NDArray[np.float64]:
        """What each row costs: 1 for a wrong class, or the squared error over the variance of the target."""
        y = self.target(part)
        values = self.predicted(part).values if values is None else values
        if self.task == "classification":
            return np.asarray(values != y, dtype=np.float64)
        return np.asarray((values - y) ** 2 / max(float(y.var()), 1e-300))

    def baseline(self, name: str) -> NDArray[Any]:
        """What a simpler method, fitted on the training rows, predicts for the others: `dummy`, `text` or `raw_columns`."""
        return self._once(name, self.test, lambda: self._baseline(name))  # type: ignore[no-any-return]

    def _baseline(self, name: str) -> NDArray[Any]:
        source = self.train if name != "dummy" or self.has_train else self.test
        y = self.target(source)
        known = y >= 0 if self.task == "classification" else np.ones(len(y), dtype=bool)
        if name == "dummy":
            constant = np.bincount(y[known]).argmax() if self.task == "classification" else y.mean()
            return np.full(len(self.test), constant)
        if name == "text":
            words = fit_text(self.task, list(source.texts), y, seed=self.seed, groups=self.groups)
            if words is None:
                raise NotApplicable("No row has a character to learn on.")
            return np.asarray(words.predict(list(self.test.texts)))
        encoder = RawColumns(seed=self.seed).fit(source.table)
        X = encoder.transform(source.table)
        trees = boosting(self.task, y, encoder.categorical_, self.seed).fit(X, y)
        return np.asarray(trees.predict(encoder.transform(self.test.table)))

    @cached_property
    def raw(self) -> NDArray[np.float64]:
        """The rows' own columns as numbers, categories one by one."""
        return raw_matrix(self.rows.table, self.rows.table, self.seed)

    def _once(self, name: str, part: Part, compute: Any) -> Any:
        key = name, id(part)
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]


def layer_name(tap: Tap) -> str:
    """How a layer is called, after its backbone where there are several."""
    return f"{tap.backbone} {tap.layer}".strip()


def raw_matrix(table: pa.Table, fitted_on: pa.Table, seed: int) -> NDArray[np.float64]:
    """Columns as numbers without gaps: categories one by one, missing values at the mean of their column.

    Parameters
    ----------
    table : pa.Table
    fitted_on : pa.Table
        Rows that decide categories and means.
    seed : int

    Returns
    -------
    float64 array of shape (n, F)
    """
    encoder = RawColumns(seed=seed).fit(fitted_on)
    X, base = encoder.transform(table), encoder.transform(fitted_on)
    columns = []
    for j, is_category in enumerate(encoder.categorical_):
        if is_category:
            columns += [
                np.asarray(X[:, j] == value, dtype=np.float64) for value in np.unique(base[:, j][~np.isnan(base[:, j])])
            ]
            continue
        known = base[:, j][~np.isnan(base[:, j])]
        columns.append(np.where(np.isnan(X[:, j]), known.mean() if known.size else 0.0, X[:, j]))
    return np.column_stack(columns)


def _there(thing: T | None, otherwise: str) -> T:
    if thing is None:
        raise NotApplicable(otherwise)
    return thing
