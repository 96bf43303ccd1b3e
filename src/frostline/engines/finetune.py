"""The arms beside a frozen backbone: the same one fine-tuned on the same rows, judged on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from frostline._energy import EnergyMeter
from frostline._optional import require
from frostline._progress import say
from frostline.backbones import block_sizes
from frostline.backbones.transformer import TransformerBackbone
from frostline.backbones.written import is_service, is_several
from frostline.contracts import IntArray, Tap
from frostline.embedder import TextEmbedder
from frostline.engines.data import FitRows, Split
from frostline.engines.options import FitOptions
from frostline.errors import UserError, nearest
from frostline.estimators.arms import needs_backbone
from frostline.estimators.reading import whole_embedder
from frostline.heads import n_parameters
from frostline.heads.finetune import FineTuned, How, TuningRows, check_trainable, estimate, finetune
from frostline.numerics.metrics import classification_metrics, paired_difference, regression_metrics
from frostline.numerics.proportions import wilson
from frostline.reports.model import ComparedArm, Share
from frostline.reports.scores import duration
from frostline.selection import row_hits

__all__ = ["COMPARISONS", "FineTuning"]

COMPARISONS: dict[str, tuple[How, ...]] = {
    "finetune": ("full", "lora"),
    "finetune-full": ("full",),
    "finetune-lora": ("lora",),
}
"""What ``compare=`` takes, and the arms that it trains."""


@dataclass(frozen=True)
class FineTuning:
    """A comparison that can be run: checked and timed before anything else runs.

    Attributes
    ----------
    arms : tuple of {"full", "lora"}
    backbone : TransformerBackbone
    tap : Tap
        How the final layer is pooled: as the frozen arm pools.
    ids : list of n int arrays
        Token sequences of all rows, cut to the window of the frozen arm.
    rows : FitRows
    groups : int array of shape (n,)
    folds : list of (train, test)
    options : FitOptions
    progress : "auto" or bool
    seconds : dict of str to float
        What each arm takes at most, from a few timed steps.
    """

    arms: tuple[How, ...]
    backbone: TransformerBackbone
    tap: Tap
    ids: list[IntArray]
    rows: FitRows
    groups: NDArray[np.intp]
    folds: list[Split]
    options: FitOptions
    progress: Any
    seconds: dict[str, float]

    @classmethod
    def prepare(
        cls,
        embedder: TextEmbedder,
        texts: Sequence[str],
        rows: FitRows,
        groups: NDArray[np.intp],
        folds: list[Split],
        options: FitOptions,
    ) -> FineTuning | None:
        """Check what ``compare=`` asks for and time it; None where nothing is asked for.

        Raises
        ------
        UserError
            An unknown comparison; rows, options or a backbone that it cannot be made with; or more time than it may take.
        MissingExtraError
            peft is not installed.
        """
        if options.compare is None:
            return None
        _check_options(options, rows, embedder, folds)
        (part,) = _final(embedder).extractor().parts
        backbone = check_trainable(part.backbone, part.taps[0])
        ids: list[Any] = backbone.tokenize([part.prompt + text for text in texts], part.max_length).ids
        own = cls(
            COMPARISONS[options.compare],
            backbone,
            part.taps[0],
            ids,
            rows,
            groups,
            folds,
            options,
            embedder.progress,
            {},
        )
        own.seconds.update({how: own._estimate(how) for how in own.arms})
        own._announce()
        return own

    def _estimate(self, how: How) -> float:
        """Seconds at most, over all folds."""
        largest = max((train for train, _ in self.folds), key=len)
        found = estimate(self.backbone, self._learnt(largest)[0], how=how, tap=self.tap, seed=self.options.seed)
        return found.seconds * sum(len(train) for train, _ in self.folds) / len(largest)

    def _announce(self) -> None:
        """Say what is to come, and refuse what would take longer than it may."""
        total = sum(self.seconds.values())
        each = ", ".join(f"{how} {duration(seconds)}" for how, seconds in self.seconds.items())
        allowed = self.options.compare_minutes
        if total > 60 * allowed:
            raise UserError(
                f"--compare {self.options.compare} would take up to about {duration(total)} here ({each}); allowed are {allowed:g} "
                "minutes.",
                hint=f"--compare-minutes {np.ceil(total / 60):.0f} allows it; fewer rows, a smaller backbone or --compare "
                "finetune-lora alone take less",
            )
        say(
            self.progress, f"fine-tuning will take at most about {duration(total)} ({each}), early stopping not counted"
        )

    def _learnt(self, train: NDArray[np.intp]) -> tuple[TuningRows, NDArray[Any] | None]:
        """The training rows as the loop takes them, and their classes."""
        ids, groups, y = [self.ids[row] for row in train], self.groups[train], self.rows.y[train]
        if self.rows.task == "regression":
            return TuningRows(ids, y.astype(np.float64), groups), None
        classes, codes = np.unique(y, return_inverse=True)
        return TuningRows(ids, codes.astype(np.int64), groups), classes

    def run(
        self, estimator: Any, answers: NDArray[Any], metrics: dict[str, float], costs: Sequence[EnergyMeter]
    ) -> list[ComparedArm]:
        """Train and judge each arm.

        Parameters
        ----------
        estimator : TextClassifier or TextRegressor
            The frozen arm, of the last fold.
        answers : array of shape (m,)
            What it answered on the test rows of all folds, one after another.
        metrics : dict
            Its scores.
        costs : sequence of EnergyMeter
            What it took.

        Returns
        -------
        list of ComparedArm
            The frozen arm first.
        """
        y = self.rows.y[np.concatenate([test for _, test in self.folds])]
        frozen = self._points(y, answers)
        first = self._arm("frozen", frozen, None, metrics, costs, _frozen_size(estimator), {})
        return [first, *(self._trained(how, y, frozen) for how in self.arms)]

    def _points(self, y: NDArray[Any], answers: NDArray[Any]) -> NDArray[np.float64]:
        """What each row contributes to the score: 1 where its class is right, or its share of the explained variance."""
        if self.rows.task == "regression":
            return row_hits("regression", answers, y.astype(np.float64)).astype(np.float64)
        return np.asarray(answers == y, dtype=np.float64)

    def _trained(self, how: How, y: NDArray[Any], frozen: NDArray[np.float64]) -> ComparedArm:
        found, meters, answers, scores = [], [], [], []
        for train, test in self.folds:
            rows, classes = self._learnt(train)
            with EnergyMeter() as meter:
                found.append(
                    finetune(
                        self.backbone, rows, how=how, tap=self.tap, seed=self.options.seed, progress=self.progress
                    )
                )  # fmt: skip
            meters.append(meter)
            own, metrics = _judged(found[-1], [self.ids[row] for row in test], self.rows.y[test], classes)
            answers.append(own)
            scores.append(metrics)
        metrics = {name: float(np.mean([own[name] for own in scores])) for name in scores[0]}
        size = found[-1].model.n_trained, found[-1].model.n_total
        rates = [(one.rate, one.epochs) for one in found]
        rate, epochs = rates[0] if len(rates) == 1 else zip(*rates, strict=True)
        points = self._points(y, np.concatenate(answers))
        return self._arm(f"finetune-{how}", points, frozen, metrics, meters, size, {"rate": rate, "epochs": epochs})

    def _arm(
        self,
        name: str,
        points: NDArray[np.float64],
        frozen: NDArray[np.float64] | None,
        metrics: dict[str, float],
        meters: Sequence[EnergyMeter],
        size: tuple[int | None, int | None],
        settings: dict[str, Any],
    ) -> ComparedArm:
        joules = [meter.joules for meter in meters if meter.joules is not None]
        regresses = self.rows.task == "regression"
        score = _student(points, np.zeros(len(points))) if regresses else _share_of(points)
        return ComparedArm(
            name,
            "r2" if regresses else "accuracy",
            score,
            None if frozen is None else _student(points, frozen),
            metrics,
            sum(meter.seconds for meter in meters),
            *size,
            joules=sum(joules) if len(joules) == len(meters) else None,
            energy=meters[0].method,
            settings=settings,
        )


def _check_options(options: FitOptions, rows: FitRows, embedder: TextEmbedder, folds: list[Split]) -> None:
    """Refuse what cannot be compared."""
    if options.compare not in COMPARISONS:
        raise UserError(
            f"Unknown comparison {options.compare!r}. Allowed: {', '.join(COMPARISONS)}.",
            hint=nearest(str(options.compare), COMPARISONS) or None,
        )
    if not options.compare_minutes > 0:
        raise UserError(f"compare_minutes must be a number of minutes above 0, got {options.compare_minutes!r}.")
    reasons = {
        "compares classes and numbers, but these rows have sets of labels": rows.task == "multilabel",
        "decides for the most probable class, so it does not go with class weights, costs, thresholds or a precision": (
            options.class_weight is not None or options.decision is not None
        ),
        f"trains the backbone, which --features {options.features} does not read": not needs_backbone(options.features),
        "trains one backbone, but several are named": is_several(embedder.backbone),
        "trains the backbone, and a service cannot be trained from here": is_service(embedder.backbone),
        "reads one window of each text, but --overflow chunk reads several": embedder.overflow == "chunk",
        "trains on one device, but --device balanced spreads the backbone over several": embedder.device == "balanced",
        "needs at least two test rows": sum(len(test) for _, test in folds) < 2,
    }
    for reason, applies in reasons.items():
        if applies:
            raise UserError(f"--compare {options.compare} {reason}.", hint="leave out --compare, or change the other")
    if "lora" in COMPARISONS[options.compare]:
        require("peft", extra="lora", needed_for="fine-tuning by LoRA")


def _final(embedder: TextEmbedder) -> TextEmbedder:
    """The embedder on the final layer alone, pooled as it pools."""
    whole = whole_embedder(embedder)
    changed: TextEmbedder = clone(whole).set_params(layers="final", fusion="concat")
    return changed


def _judged(
    found: FineTuned, ids: Sequence[IntArray], y: NDArray[Any], classes: NDArray[Any] | None
) -> tuple[NDArray[Any], dict[str, float]]:
    """Answers and scores on test rows."""
    if classes is None:
        numbers = found.predict(ids)
        return numbers, regression_metrics(y.astype(np.float64), numbers)
    proba = found.predict_proba(ids)
    return classes[proba.argmax(1)], classification_metrics(y, proba, classes)


def _frozen_size(estimator: Any) -> tuple[int | None, int | None]:
    """Numbers that a fitted estimator's heads hold, and with them those of the backbone where it is read."""
    heads = [n_parameters(arm.head) for arm in estimator.arms_]
    trained = None if None in heads else sum(n for n in heads if n is not None)
    total = trained
    if estimator.reads_backbone_:
        for part in estimator.embedder_.extractor().parts:
            sizes = block_sizes(part.backbone)
            total = None if total is None or sizes is None else total + sum(sizes[: max(part.depths) + 1])
    return trained, total


def _share_of(hits: NDArray[np.float64]) -> Share:
    return Share(float(hits.mean()), *wilson(float(hits.sum()), len(hits)))


def _student(points: NDArray[np.float64], others: NDArray[np.float64]) -> Share:
    found = paired_difference(points, others)
    return Share(found["difference"], found["lower"], found["upper"])
