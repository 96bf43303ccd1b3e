"""What a job on a table is told: which columns, which backbone, how to judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from frostline.decisions import Decision

__all__ = ["EmbedOptions", "FitOptions", "InputOptions"]


@dataclass(frozen=True)
class InputOptions:
    """Which columns become the string that a backbone reads.

    Parameters
    ----------
    text : str, optional
        One text column, read as it is.
    template : str, optional
        A template over columns, such as ``"{title}: {body}"``.
    columns : sequence of str
        Columns to write as JSON with names.
    id : str, optional
        Column of row ids: kept out of the input, carried to the output, never split between training and test.
    number_format : str, default="plain"
        How numbers are written.

    Notes
    -----
    With none of `text`, `template` and `columns`, all columns but the target, id, group and time are used: the text itself where
    only one is left, else JSON with names.
    """

    text: str | None = None
    template: str | None = None
    columns: Sequence[str] = ()
    id: str | None = None
    number_format: str = "plain"


@dataclass(frozen=True)
class EmbedOptions:
    """Which backbone, which layers, which store.

    Parameters
    ----------
    backbone
        As for :class:`frostline.TextEmbedder`.
    layers, pooling, fusion : optional
        None = what the job does by default: a fit chooses (``"auto"``), embedding takes the final layer, the model's own
        recipe and concatenation.
    max_length, overflow, precision, device, store, progress, trust_remote_code
        As for :class:`frostline.TextEmbedder`, with its defaults.
    """

    backbone: Any = "minilm"
    layers: Any = None
    pooling: str | None = None
    fusion: str | None = None
    max_length: int | None = None
    overflow: str = "truncate"
    precision: str = "exact"
    device: str = "auto"
    store: Any = "default"
    progress: Any = "auto"
    trust_remote_code: str | None = None


@dataclass(frozen=True)
class FitOptions:
    """How a predictor is trained and judged.

    Parameters
    ----------
    target : str or sequence of str
        Column to predict; of numbers also several. A name that is no column is read as names with commas between them.
    test : str, optional
        File of test rows, used as given.
    test_size : float, optional
        Share of rows held out where neither a test file nor folds are given; None = 0.2.
    cv : int, optional
        Number of folds; instead of a test part.
    refit : bool, default=False
        Train the saved model on the test part as well, after it was judged.
    group : str, optional
        Column whose values are never split between training and test.
    task : {"auto", "classification", "multilabel", "regression"}, default="auto"
    head : str or estimator, default="auto"
    features : {"auto", "embedding", "tfidf", "raw", "both"}, default="auto"
    seed : int, default=0
    on_overlap : {"report", "error"}, default="report"
        What happens when rows of the test file also stand in the training file.
    target_transform : str, default="auto"
        As for :class:`frostline.TextRegressor`; for numbers only.
    class_weight : None, "balanced" or mapping of label to weight, default=None
    decision : Decision, default=None
        Costs, a threshold, or a precision below which no answer is given.
    show_texts : bool, default=True
        Whether the report quotes the beginning of test rows that were predicted wrongly; in the folder it does so only with
        `keep_texts`.
    label_separator : str, optional
        What parts the labels of a row in the target's text, such as ``"|"``; lists are sets of labels without it.
    time : str, optional
        Column of dates, times or numbers: the latest rows are the test part, folds are expanding windows.
    unlabeled : {"skip", "error"}, default="skip"
        What happens to rows without a target: left out and counted, or refused.
    keep_rows : bool, default=True
        Whether the folder keeps vectors of the training rows, for neighbors and further training.
    keep_texts : bool, default=False
        Whether it keeps their texts as well, and the quotes of its report.
    intervals : {"auto", "cv+", "oof"}, default="auto"
        As for :class:`frostline.TextRegressor`.
    compare : str, optional
        ``"finetune"``: the same backbone is fine-tuned on the same rows and judged beside the frozen one, all weights and LoRA;
        ``"finetune-full"`` and ``"finetune-lora"`` one of them.
    compare_minutes : float, default=60
        What would take longer is refused before anything runs.
    """

    target: str | Sequence[str]
    test: str | None = None
    test_size: float | None = None
    cv: int | None = None
    refit: bool = False
    group: str | None = None
    task: str = "auto"
    head: Any = "auto"
    features: str = "auto"
    seed: int = 0
    on_overlap: str = "report"
    target_transform: str = "auto"
    class_weight: Any = None
    decision: Decision | None = None
    show_texts: bool = True
    label_separator: str | None = None
    time: str | None = None
    unlabeled: str = "skip"
    keep_rows: bool = True
    keep_texts: bool = False
    intervals: str = "auto"
    compare: str | None = None
    compare_minutes: float = 60
