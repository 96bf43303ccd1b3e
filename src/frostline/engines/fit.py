"""The main job: a table in; a trained, judged, saved predictor out."""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline._energy import EnergyMeter
from frostline._version import __version__
from frostline.artifacts import check_place
from frostline.baselines import run_baselines, run_set_baselines
from frostline.contracts import EmbedStats
from frostline.embedder import TextEmbedder
from frostline.engines.classes import class_scores, decision_of, keep_mistakes, of_confusion
from frostline.engines.data import FitRows, Split, group_rows, make_split, read_rows
from frostline.engines.finetune import FineTuning
from frostline.engines.inputs import build_embedder, unlabeled_note
from frostline.engines.options import EmbedOptions, FitOptions, InputOptions
from frostline.engines.scores import Judgement, judge, judge_folds, layer_scores
from frostline.engines.sets import bar_note
from frostline.errors import UserError
from frostline.estimators import TextClassifier, TextRegressor
from frostline.estimators.reading import whole_embedder
from frostline.estimators.saving import describe_choice
from frostline.features import Features, Forecast
from frostline.labelsets import truth_table
from frostline.rendering import Rendered, RowReader
from frostline.reports import to_json, to_text
from frostline.reports.model import ComparedArm, FitReport, LayerScore
from frostline.splits import overlap

__all__ = ["FitJob", "FitResult", "fit_table", "forecast_fit"]


LAYER_METRICS = {"classification": "accuracy", "multilabel": "subset_accuracy", "regression": "r2"}
"""What layers and candidates are compared by in a report, by task."""


@dataclasses.dataclass(frozen=True)
class FitResult:
    """A trained predictor and how it was judged.

    Attributes
    ----------
    estimator : TextClassifier or TextRegressor
    report : FitReport
    folder : Path
        Where it was saved.
    """

    estimator: Any
    report: FitReport
    folder: Path

    def to_text(self) -> str:
        """The report for a terminal."""
        return to_text(self.report, str(self.folder))

    def to_json(self) -> dict[str, Any]:
        """The report as a JSON-able dict, with `artifact` and `report` (the HTML file)."""
        return {**to_json(self.report), "artifact": str(self.folder), "report": str(self.folder / "report.html")}


def fit_table(
    train: str | Path,
    *,
    options: FitOptions,
    out: str | Path,
    inputs: InputOptions | None = None,
    embedding: EmbedOptions | None = None,
) -> FitResult:
    """Train a predictor on a table, judge it beside its baselines and save it.

    Parameters
    ----------
    train : path
        CSV, JSONL or Parquet.
    options : FitOptions
        Target, split, head.
    out : path
        Folder of the artifact.
    inputs : InputOptions, optional
        Input columns; default: all but target, id and group.
    embedding : EmbedOptions, optional
        Backbone, layers, store.

    Returns
    -------
    FitResult

    Raises
    ------
    UserError
        Anything in the files or options that cannot be used; checked before the backbone runs.
    """
    began = time.perf_counter()
    check_place(Path(out).expanduser())
    job = FitJob.prepare(train, options, inputs or InputOptions(), embedding or EmbedOptions())
    with EnergyMeter() as embedding_cost:
        features = job.extract()
    judgement, judged, costs = job.judge(features)
    compared = job.compare(judged, judgement, [embedding_cost, *costs])
    estimator = job.final_estimator(features, judged)
    job.name_targets(estimator)
    if isinstance(estimator, TextClassifier):
        estimator.label_separator_ = options.label_separator
    report = job.report(estimator, features, judgement, compared, began)
    estimator.save(out, report, keep_rows=options.keep_rows, keep_texts=options.keep_texts)
    return FitResult(estimator, report, Path(out))


def forecast_fit(
    train: str | Path,
    *,
    options: FitOptions,
    inputs: InputOptions | None = None,
    embedding: EmbedOptions | None = None,
    out: str | Path | None = None,
) -> Forecast:
    """Say what :func:`fit_table` would do: rows, distinct texts, tokens, estimated seconds and disk; nothing is written.

    Parameters
    ----------
    train, options, inputs, embedding
        As there.
    out : path, optional
        As there; None = its place is not checked.

    Returns
    -------
    Forecast

    Raises
    ------
    UserError
        What :func:`fit_table` refuses before the backbone runs.
    """
    if out is not None:
        check_place(Path(out).expanduser())
    job = FitJob.prepare(train, options, inputs or InputOptions(), embedding or EmbedOptions())
    found = job.rendered.forecast(job.reader())
    return dataclasses.replace(found, comparisons=job.comparison.seconds if job.comparison else {})


@dataclasses.dataclass(frozen=True)
class FitJob:
    """Everything that is known before the backbone runs."""

    rows: FitRows
    options: FitOptions
    embedder: TextEmbedder
    rendered: Rendered
    groups: NDArray[np.intp]
    folds: list[Split]
    how: str
    overlapping: NDArray[np.bool_]
    comparison: FineTuning | None

    @classmethod
    def prepare(cls, train: str | Path, options: FitOptions, inputs: InputOptions, embedding: EmbedOptions) -> FitJob:
        """Read, render and split the rows; everything that can be refused is refused here."""
        rows = read_rows(train, options, inputs)
        embedder = build_embedder(embedding, inputs, chooses=True)
        cls._new(rows, options, embedder).check_target(rows.y, len(rows.y))
        rendered = embedder.render(rows.table)
        texts = rendered.texts
        groups = group_rows(rows, texts)
        folds, how = make_split(rows, groups, options)
        test = folds[0][1] if rows.has_test_file else np.empty(0, dtype=np.intp)
        shared = overlap([texts[i] for i in folds[0][0]], [texts[i] for i in test])
        if shared.any() and options.on_overlap == "error":
            raise UserError(
                f"{shared.sum()} of {len(test)} test rows also stand in the training file (the first: test row "
                f"{np.flatnonzero(shared)[0] + 1}).",
                hint="remove them from one of the files, or use --on-overlap report",
            )
        if len(rows.targets) > 1 and options.compare is not None:
            raise UserError("Fine-tuning is compared on one target.", hint="leave --compare out, or name one target")
        comparison = FineTuning.prepare(embedder, texts, rows, groups, folds, options)
        return cls(rows, options, embedder, rendered, groups, folds, how, shared, comparison)

    @staticmethod
    def _new(rows: FitRows, options: FitOptions, embedder: TextEmbedder) -> TextClassifier | TextRegressor:
        shared: dict[str, Any] = {
            "features": options.features, "head": options.head, "embedder": embedder, "seed": options.seed,
        }  # fmt: skip
        estimator: TextClassifier | TextRegressor
        if rows.task == "regression":
            if options.class_weight is not None or options.decision is not None:
                raise UserError(
                    "Class weights, costs, thresholds and precision are for classes; the target is a number.",
                    hint="leave them out, or use --task classification",
                )
            estimator = TextRegressor(**shared, target_transform=options.target_transform, intervals=options.intervals)
        elif options.target_transform == options.intervals == "auto":
            estimator = TextClassifier(**shared, class_weight=options.class_weight, decision=options.decision)
        else:
            raise UserError(
                f"target_transform={options.target_transform!r} and intervals={options.intervals!r} are for numbers; "
                f"the task is {rows.task}.",
                hint="leave them out",
            )
        estimator.check_params()
        return estimator

    def blank(self) -> TextClassifier | TextRegressor:
        """An estimator that knows its columns and is not fitted."""
        estimator = self._new(self.rows, self.options, self.embedder)
        estimator.prepare(self.rows.table)
        return estimator

    def extract(self) -> Features:
        """Everything that the fit may choose from, in one pass."""
        return self.rendered.through(self.reader())

    def reader(self) -> RowReader:
        """What reads everything that the fit may choose from."""
        estimator = self.blank()
        estimator.check_target(self.rows.y, len(self.rows.y))  # sets of labels are learnt from other texts
        return estimator.training_reader(self.rendered.table)

    def fitted(self, features: Features, rows: NDArray[np.intp]) -> TextClassifier | TextRegressor:
        """Train on some of the rows, whose features are there already."""
        estimator = self.blank().fit_features(features.take(rows), self.rows.y[rows], self.groups[rows])
        estimator.rows_ = estimator.rows_ and estimator.rows_.named([self.rows.names[row] for row in rows])
        return estimator

    def vectors_of(self, estimator: TextClassifier | TextRegressor) -> TextEmbedder:
        """What the predictor reads, or where it found that it needs no vectors, what it would have read."""
        return estimator.embedder_ if estimator.reads_backbone_ else whole_embedder(self.blank().embedder_)

    @property
    def learnt(self) -> NDArray[np.intp]:
        """Rows that the report calls training rows: with folds all of them."""
        return self.folds[0][0] if self.options.cv is None else np.arange(len(self.rows.y))

    def judge(self, features: Features) -> tuple[Judgement, TextClassifier | TextRegressor, list[EnergyMeter]]:
        """Score on the test part, or on each fold in turn; with the last estimator that was scored, and what each fit took."""
        found, costs = [], []
        for train, test in self.folds:
            with EnergyMeter() as cost:
                estimator = self.fitted(features, train)
            costs.append(cost)
            shared = self.overlapping if self.rows.has_test_file else np.zeros(len(test), dtype=bool)
            found.append(judge(estimator, features.take(test), self.rows.y[test], shared, self._baselines(train, test)))
        return judge_folds(found), estimator, costs

    def compare(
        self, judged: TextClassifier | TextRegressor, judgement: Judgement, costs: list[EnergyMeter]
    ) -> list[ComparedArm]:
        """The fine-tuned arms beside the frozen one; nothing where none was asked for."""
        if self.comparison is None or judgement.answers is None:
            return []
        return self.comparison.run(judged, judgement.answers, judgement.metrics, costs)

    def name_targets(self, estimator: TextClassifier | TextRegressor) -> None:
        """Tell an estimator the columns of its targets."""
        names = self.rows.targets
        estimator.target_ = names[0] if len(names) == 1 else names
        for name, part in zip(names, getattr(estimator, "each_", ()), strict=False):
            part.target_ = name

    def _baselines(
        self, train: NDArray[np.intp], test: NDArray[np.intp]
    ) -> dict[str, dict[str, float]] | list[dict[str, dict[str, float]]]:
        """The simple methods on the same rows; of several targets those of each."""
        if self.rows.y.ndim == 2:
            return [self._baselines_of(column, train, test) for column in self.rows.y.T]
        return self._baselines_of(self.rows.y, train, test)

    def _baselines_of(
        self, y: NDArray[Any], train: NDArray[np.intp], test: NDArray[np.intp]
    ) -> dict[str, dict[str, float]]:
        texts = [[self.rendered.texts[i] for i in rows] for rows in (train, test)]
        how: dict[str, Any] = {"seed": self.options.seed, "groups": self.groups[train]}
        if self.rows.task == "multilabel":
            labels = sorted({label for row in y for label in row})
            return run_set_baselines(
                texts[0], truth_table(y[train], labels), texts[1], truth_table(y[test], labels), **how
            )
        tables = self.rows.table.take(train), self.rows.table.take(test)
        return run_baselines(self.rows.task, texts[0], y[train], texts[1], y[test], *tables, **how)

    def final_estimator(
        self, features: Features, judged: TextClassifier | TextRegressor
    ) -> TextClassifier | TextRegressor:
        """The model that is saved: the one that was judged, with refit or cross-validation one trained on all rows."""
        if self.options.refit or self.options.cv is not None:
            return self.fitted(features, np.arange(len(self.rows.y)))
        return judged

    def report(
        self,
        estimator: TextClassifier | TextRegressor,
        features: Features,
        judgement: Judgement,
        compared: list[ComparedArm],
        began: float,
    ) -> FitReport:
        """Gather what a reader must know."""
        train = self.learnt
        embed, total = features.stats.seconds, time.perf_counter() - began
        tuning = {"compare": sum(arm.seconds for arm in compared[1:])} if compared else {}
        fit = total - embed - sum(tuning.values())
        report = FitReport(
            task=self.rows.task,
            title=self.rows.title,
            target=" and ".join(self.rows.targets),
            split=self.how,
            n_train=len(train),
            n_test=sum(len(test) for _, test in self.folds),
            chosen=describe_choice(estimator),
            embed=features.stats,
            overlap=int(self.overlapping.sum()),
            n_unlabeled=self.rows.n_unlabeled,
            seconds={"embed": embed, "fit": fit, **tuning, "total": total},
            layer_scores=self._layer_scores(estimator, features.take(train), self.rows.y[train], train),
            layer_metric=LAYER_METRICS[self.rows.task],
            candidates=estimator.selection_,
            comparisons=compared,
            notes=self._notes(features.stats),
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            version=__version__,
            **judgement.as_report(),
            **self._about_classes(estimator, judgement, train),
        )
        return dataclasses.replace(
            report, targets=self._target_reports(report, estimator, features.take(train), judgement)
        )

    def _target_reports(
        self, report: FitReport, estimator: Any, features: Features, judgement: Judgement
    ) -> dict[str, FitReport]:
        """Of several targets a report on each; else nothing."""
        train = self.learnt
        found = {}
        for j, own in enumerate(judgement.targets):
            part, name = estimator.each_[j], self.rows.targets[j]
            found[name] = dataclasses.replace(
                report,
                target=name,
                chosen=describe_choice(part),
                layer_scores=self._layer_scores(part, features, self.rows.y[train, j], train),
                candidates=part.selection_,
                notes=[],
                **own.as_report(),
            )
        return found

    def _about_classes(self, estimator: Any, judgement: Judgement, train: NDArray[np.intp]) -> dict[str, Any]:
        """How each class fares and how labels are decided; nothing of a regressor."""
        if self.rows.task == "regression":
            return {}
        labels, confusion, counts = judgement.labels, judgement.confusion, judgement.counts
        found: dict[str, Any] = {"decision": decision_of(estimator, judgement.answered)}
        if confusion is not None:
            counts = of_confusion(confusion)
            if self.options.show_texts:
                found["mistakes"] = keep_mistakes(judgement.mistakes, labels, confusion)
        if counts is not None:
            y = self.rows.y[train].tolist()
            rows = Counter(str(label) for row in y for label in (row if self.rows.task == "multilabel" else [row]))
            found["classes"] = class_scores(labels, counts, [rows[label] for label in labels])
        return found

    def _layer_scores(
        self, estimator: Any, features: Features, y: NDArray[Any], train: NDArray[np.intp]
    ) -> list[LayerScore]:
        """Each layer alone: as the fit has compared them, else by a linear head; nothing of several targets together."""
        if y.ndim == 2:
            return []
        known = [LayerScore(c.layer, c.score, c.std) for c in estimator.selection_ if c.layer]
        if len(known) > 1 or self.rows.task == "multilabel":
            return known
        return layer_scores(self.rows.task, features, y, self.groups[train], self.options.seed)

    def _notes(self, stats: EmbedStats) -> list[str]:
        notes = []
        if self.rows.task == "classification" and (tip := bar_note(sorted(set(map(str, self.rows.y.tolist()))))):
            notes.append(tip)
        if self.rows.task == "multilabel" and (n := sum(not row for row in self.rows.y)):
            notes.append(f"{n} of {len(self.rows.y)} rows have no label at all, which counts as an answer.")
        notes += unlabeled_note(self.rows.n_unlabeled)
        if stats.n_truncated:
            notes.append(
                f"{stats.n_truncated} of {stats.n_rows} rows were longer than the window and were cut: "
                "use --max-length, or --overflow chunk to read all of them."
            )
        if self.options.refit:
            notes.append(
                "The saved model was trained on the test part as well (--refit), after it was judged without it."
            )
        return notes
