"""What reports show, as plain values: the same for text, JSON and HTML."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from frostline.contracts import EmbedStats, FloatArray, IntArray, Task

__all__ = ["CandidateScore", "ClassScore", "ComparedArm", "FitReport", "LayerScore", "Mistake", "Share"]


@dataclass(frozen=True)
class LayerScore:
    """Cross-validated score of one layer alone on the training rows; `std` is the standard error of `score`."""

    layer: str
    score: float
    std: float


@dataclass(frozen=True)
class CandidateScore:
    """One of the choices that were compared on the training rows.

    Attributes
    ----------
    name : str
    layer : str or None
        The one layer that it reads, where it is one.
    score, std : float
        Out-of-fold accuracy or R2 and its standard error.
    loss : float
        Out-of-fold log loss in nats, or squared error over the variance of the target.
    behind, behind_std : float
        Mean paired difference in loss to the best one, and its standard error.
    seconds : float
    note : str
        ``"chosen"`` or nothing.
    """

    name: str
    layer: str | None = None
    score: float = 0.0
    std: float = 0.0
    loss: float = 0.0
    behind: float = 0.0
    behind_std: float = 0.0
    seconds: float = 0.0
    note: str = ""


class Share(NamedTuple):
    """A share of rows, between its 95 % bounds; NaN where there is nothing to divide by."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class ClassScore:
    """How one class fares on the test rows.

    Attributes
    ----------
    label : str
    n_train, n_test, n_predicted : int
        Training rows and test rows of the class, and test rows that were predicted as it.
    precision, recall, f1 : Share
    """

    label: str
    n_train: int
    n_test: int
    n_predicted: int
    precision: Share
    recall: Share
    f1: Share


@dataclass(frozen=True)
class Mistake:
    """A test row that was predicted wrongly.

    Attributes
    ----------
    true, predicted : str
    confidence : float
        Probability of the predicted class; NaN of a head without probabilities.
    text : str
        What the model read, cut to its beginning.
    """

    true: str
    predicted: str
    confidence: float
    text: str


@dataclass(frozen=True)
class ComparedArm:
    """One of several ways to learn from the same training rows, judged on the same test rows.

    Attributes
    ----------
    name : str
        ``"frozen"``, ``"finetune-full"`` or ``"finetune-lora"``.
    metric : str
        What `score` is: accuracy or R2.
    score : Share
        With its 95 % interval: Wilson's of an accuracy, Student's of R2.
    difference : Share or None
        To the frozen arm's score, row by row, with Student's 95 % interval; None of the frozen arm itself.
    metrics : dict
        On all test rows together; keys as in :class:`FitReport`.
    seconds : float
        From texts to a trained model, choices included.
    n_trained, n_total : int or None
        Numbers that training moved, and all that a prediction needs; None where a head does not say.
    joules : float or None
        None where they cannot be measured; `energy` says how, or that they cannot.
    energy : str
    settings : dict
        What was chosen for this arm on held-out training rows: rate, epochs.
    """

    name: str
    metric: str
    score: Share
    difference: Share | None
    metrics: dict[str, float]
    seconds: float
    n_trained: int | None
    n_total: int | None
    joules: float | None = None
    energy: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FitReport:
    """All that a report on a trained predictor shows; plain values, so that text, JSON and HTML say the same.

    Attributes
    ----------
    task : {"classification", "multilabel", "regression"}
    title, target, split : str
        Name of the data, of the target column, and a sentence on how test rows were chosen.
    n_train, n_test : int
    metrics : dict
        Score on the test rows (with cross-validation: the mean over folds), keys as in CONTRACTS: accuracy, macro_f1,
        log_loss, ece; or kendall_tau, spearman, r2, mae, rmse, coverage, width; of label sets subset_accuracy, micro_f1,
        macro_f1, hamming_loss, average_precision, log_loss.
    metrics_std : dict or None
        With cross-validation: standard deviation over folds.
    baselines : dict of dict
        The same metrics for `dummy`, `text` and, where they apply, `raw_columns`.
    chosen : dict
        backbone, layers, pooling, fusion, head, its strength, input.
    embed : EmbedStats
    overlap : int
        Test rows whose exact input also stands among the training rows.
    n_unlabeled : int
        Rows without a target, which were left out.
    metrics_without_overlap : dict or None
        Metrics without those rows, where there are any.
    seconds : dict
        embed, fit, total.
    layer_scores : list of LayerScore
        Score of each layer alone, by cross-validation on training rows; `layer_metric` names the score.
    candidates : list of CandidateScore
        What was compared to choose layers, fusion and features.
    targets : dict of str to FitReport
        Of several targets a report on each; `metrics` and `baselines` are then means over them.
    labels, confusion
        Class labels as text, and counts of shape (n_classes, n_classes), rows = true class; classification only.
    classes : list of ClassScore
        Classification only.
    mistakes : list of Mistake
        The most confident ones of the pairs of classes that are confused most often; classification only.
    decision : dict
        How labels are decided where it is not the most probable class: class_weight, cost, threshold, thresholds (of label
        sets), abstention (what was asked, the out-of-fold rows it rests on, and under ``test`` coverage and precision with
        intervals).
    reliability
        (mean confidence, accuracy, number of rows) for each bin; classification only.
    scatter
        Arrays ``y_true``, ``y_pred``, ``lower``, ``upper`` (the last two may be absent); regression only.
    comparisons : list of ComparedArm
        The frozen arm and the same backbone fine-tuned, where that was asked for.
    notes : list of str
        Plain sentences the reader must know: truncated rows, dropped rows, overlap.
    """

    task: Task
    title: str
    target: str
    split: str
    n_train: int
    n_test: int
    metrics: dict[str, float]
    baselines: dict[str, dict[str, float]]
    chosen: dict[str, Any]
    embed: EmbedStats
    overlap: int = 0
    n_unlabeled: int = 0
    metrics_without_overlap: dict[str, float] | None = None
    metrics_std: dict[str, float] | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    layer_scores: list[LayerScore] = field(default_factory=list)
    layer_metric: str = ""
    candidates: list[CandidateScore] = field(default_factory=list)
    targets: dict[str, FitReport] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    confusion: IntArray | None = None
    classes: list[ClassScore] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)
    decision: dict[str, Any] = field(default_factory=dict)
    reliability: list[tuple[float, float, int]] = field(default_factory=list)
    scatter: dict[str, FloatArray] = field(default_factory=dict)
    comparisons: list[ComparedArm] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    created: str = ""
    version: str = ""
