"""After the fit: which rows to label next, learning from more rows, and the texts along a label's direction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from frostline.artifacts import check_place
from frostline.contracts import EmbedStats
from frostline.engines.fit import FitResult
from frostline.engines.inputs import column_values, missing_targets, read_labeled, unlabeled_note
from frostline.engines.loading import target_of
from frostline.engines.scores import judge
from frostline.engines.sets import write_sets
from frostline.errors import UserError
from frostline.estimators import TextClassifier, load
from frostline.estimators.saving import own_report
from frostline.estimators.suggest import suggest
from frostline.estimators.update import check_update, learn_more
from frostline.labelsets import LabelRule
from frostline.reports.model import FitReport
from frostline.tables import PREDICTION_ENDINGS, check_output, prediction_writer, read_table

__all__ = ["UpdateResult", "concept_texts", "suggest_table", "update_table"]


def suggest_table(
    folder: str | Path,
    data: str | Path,
    *,
    n: int = 20,
    out: str | Path | None = None,
    id: str | None = None,
    store: Any = "default",
    device: str = "auto",
    progress: Any = "auto",
    trust_remote_code: str | None = None,
) -> dict[str, Any]:
    """Choose the rows of a file that are most worth a label.

    Parameters
    ----------
    folder : path
        Artifact of a fit.
    data : path
        Rows with the columns of the fit. Where the target column is among them, rows that have a target are left out; texts
        that were trained on always are.
    n : int, default=20
    out : path, optional
        ``.csv``, ``.parquet`` or ``.jsonl``: `row`, `prediction`, for classes `margin`, and `text`, the most useful row
        first.
    id : str, optional
        Column of ids to name rows by; else by their number, from 1.
    store, device, progress, trust_remote_code
        As in :func:`frostline.load`.

    Returns
    -------
    dict
        ``n_rows``, ``n_candidates`` (distinct rows without a label), ``n_embedded``, ``out`` and ``suggestions``, a list of
        dicts with `row`, `prediction`, `margin` and `text`.

    Raises
    ------
    UserError
        Missing columns, nothing kept of the training rows, or no row left to label.
    """
    if out is not None:
        check_output(out, PREDICTION_ENDINGS, [data])
    estimator = load(folder, store=store, device=device, progress=progress, trust_remote_code=trust_remote_code)
    table = read_table(data)
    names = list(range(1, table.num_rows + 1)) if id is None else column_values(table, id)
    labeled = None
    if estimator.target_ in table.column_names:
        parted = getattr(estimator, "label_separator_", None) is not None
        labeled = ~missing_targets(column_values(table, str(estimator.target_)), empty=not parted)
    features = estimator.extract(table)
    found = suggest(estimator, features, n, labeled)
    predictions: Any = found.predictions
    if isinstance(estimator, TextClassifier) and isinstance(estimator.rule_, LabelRule):
        predictions = write_sets(estimator, predictions)
    chosen = [names[row] for row in found.rows]
    columns: dict[str, Any] = {"row": chosen, "prediction": predictions}
    if found.margins is not None:
        columns["margin"] = found.margins
    columns["text"] = [features.texts[row] for row in found.rows]
    if out is not None:
        with prediction_writer(out) as write:
            write(columns)
    plain = {name: values.tolist() if hasattr(values, "tolist") else values for name, values in columns.items()}
    plain["row"] = [name if isinstance(name, str | int | float) else str(name) for name in chosen]  # dates have no JSON
    return {
        "n_rows": table.num_rows,
        "n_candidates": found.n_candidates,
        "n_embedded": features.stats.n_embedded,
        "out": None if out is None else str(out),
        "suggestions": [dict(zip(plain, values, strict=True)) for values in zip(*plain.values(), strict=True)],
    }


def concept_texts(folder: str | Path, label: str, *, n: int = 5) -> dict[str, Any]:
    """Say what a saved classifier takes for the essence of a label: training texts at either end of its direction.

    Parameters
    ----------
    folder : path
        Artifact of a fit with ``--keep-texts``. No backbone runs.
    label : str
        As it is written.
    n : int, default=5

    Returns
    -------
    dict
        ``label``, ``toward`` and ``against``, each at most `n` texts, the most extreme first.

    Raises
    ------
    UserError
        No classifier, an unknown label, a predictor that is not linear in vectors, or no texts.
    """
    estimator = load(folder, progress=False)
    if not isinstance(estimator, TextClassifier):
        raise UserError(f"{folder} predicts numbers; concepts are those of labels.", hint="give a classifier")
    written = {str(known): known for known in estimator.classes_.tolist()}
    found = estimator.concept(written.get(label, label), n_texts=n)
    if not found.toward:
        raise UserError(f"{folder} keeps no texts of its training rows.", hint="fit again with --keep-texts")
    return {"label": label, "toward": list(found.toward), "against": list(found.against)}


@dataclass(frozen=True)
class UpdateResult(FitResult):
    """A predictor that has learnt from more rows; `estimator`, `report` and `folder` as of a fit.

    Attributes
    ----------
    n_added, n_unlabeled : int
        New rows learnt from, and those without a target, which were left out.
    new_classes : list of str
    before : dict or None
        Metrics of the earlier predictor on those new rows whose text it had not seen, before it learnt from them; None
        where there are none.
    n_embedded : int
        Texts that the backbone ran on.
    """

    n_added: int
    n_unlabeled: int
    new_classes: list[str]
    before: dict[str, float] | None
    n_embedded: int

    def to_json(self) -> dict[str, Any]:
        """The report as a JSON-able dict, with the other attributes, `artifact` and `report` (the HTML file)."""
        return super().to_json() | {
            name: getattr(self, name) for name in ("n_added", "new_classes", "before", "n_embedded")
        }


def update_table(
    folder: str | Path,
    data: str | Path,
    *,
    out: str | Path,
    id: str | None = None,
    strength: str = "keep",
    unlabeled: str = "skip",
    store: Any = "default",
    device: str = "auto",
    progress: Any = "auto",
    trust_remote_code: str | None = None,
) -> UpdateResult:
    """Let a saved predictor learn from more rows, its choices kept; see :meth:`frostline.TextClassifier.update`.

    Parameters
    ----------
    folder : path
        Artifact of a fit, with what it keeps of the training rows.
    data : path
        The new rows only, with the columns and the target of the fit.
    out : path
        Folder of the new artifact; may be `folder`. It keeps texts where the old one did.
    id : str, optional
        Column of ids to name the new rows by; else ``"more.csv:1"``.
    strength : {"keep", "auto"}
    unlabeled : {"skip", "error"}
    store, device, progress, trust_remote_code
        As in :func:`frostline.load`.

    Returns
    -------
    UpdateResult

    Raises
    ------
    UserError
        Missing columns, targets of another type, or too little kept of the training rows.
    """
    check_place(Path(out).expanduser())
    estimator = load(folder, store=store, device=device, progress=progress, trust_remote_code=trust_remote_code)
    target = target_of(estimator, folder, hint="use est.update in Python")
    rows = check_update(estimator, strength)
    more = read_labeled(data, target, unlabeled, getattr(estimator, "label_separator_", None))
    names = column_values(more.table, id) if id else [f"{Path(data).name}:{row + 1}" for row in more.rows]
    features = estimator.extract(more.table)
    classes = set(estimator.classes_.tolist()) if isinstance(estimator, TextClassifier) else set()
    earlier = {key.tobytes() for key in rows.keys}
    unseen = np.array([key.tobytes() not in earlier for key in features.keys], dtype=bool)
    before = None
    if unseen.any():
        at = np.flatnonzero(unseen)
        before = judge(estimator, features.take(at), more.y[at], np.zeros(len(at), dtype=bool), {}).metrics
    stats = learn_more(estimator, features, more.y, strength=strength, names=names)
    new = [str(label) for label in getattr(estimator, "classes_", np.empty(0)).tolist() if label not in classes]
    report = _report(
        estimator, str(data), more.n_unlabeled, len(more.y), int(unseen.sum()), before, [stats, features.stats]
    )
    estimator.save(out, report, keep_texts=rows.texts is not None)
    n_embedded = stats.n_embedded + features.stats.n_embedded
    return UpdateResult(estimator, report, Path(out), len(more.y), more.n_unlabeled, new, before, n_embedded)


def _report(
    estimator: Any,
    data: str,
    n_unlabeled: int,
    n_added: int,
    n_unseen: int,
    before: dict[str, float] | None,
    stats: list[EmbedStats],
) -> FitReport:
    """The report of a predictor that was not judged on rows of its own, and what the earlier one scored on the new rows."""
    embed = EmbedStats()
    for part in stats:
        embed.add(part)
    notes = [f"{n_added} rows of {Path(data).name} were added; layers, fusion and features stayed what they were."]
    if before is not None:
        scores = ", ".join(f"{name} {value:.4f}" for name, value in before.items())
        notes.append(f"On {n_unseen} of these rows, none of them seen before, the earlier predictor had: {scores}.")
    notes += unlabeled_note(n_unlabeled)
    return replace(own_report(estimator), embed=embed, n_unlabeled=n_unlabeled, notes=notes)
