"""``frostline.diagnose``: every check on one predictor and its rows."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor

from frostline.baselines.text import Task
from frostline.contracts import FloatArray
from frostline.diagnostics import data, predictions, vectors
from frostline.diagnostics import perturb as changes
from frostline.diagnostics.evidence import Evidence
from frostline.diagnostics.model import Check, Finding, NotApplicable
from frostline.diagnostics.readers import find_embedder, make_part, make_reader
from frostline.diagnostics.report import Report
from frostline.embedder import TextEmbedder
from frostline.errors import UserError
from frostline.labelsets import LabelRule, are_sets
from frostline.numerics.smoothness import nlfd
from frostline.reports.markup import Markup
from frostline.reports.smoothness import nlfd_chart, ratio_chart

__all__ = ["CHECKS", "diagnose"]

CHECKS: tuple[Check, ...] = (*data.CHECKS, *vectors.CHECKS, *predictions.CHECKS)
"""All checks, in the order of their codes; FRL309 joins with ``perturb=True``."""


def diagnose(
    estimator: Any,
    X_train: Any,
    y_train: Any,
    X_test: Any = None,
    y_test: Any = None,
    *,
    against: Any = None,
    groups: Sequence[Any] | None = None,
    embedder: TextEmbedder | None = None,
    perturb: bool = False,
    title: str = "diagnosis",
    seed: int = 0,
) -> Report:
    """Look for what is wrong with rows, vectors and predictions.

    Parameters
    ----------
    estimator : fitted estimator, or None
        Anything with ``predict`` (and ``predict_proba``, ``predict_interval`` where it has them): a Frostline predictor, or a
        scikit-learn pipeline. None leaves out the checks of predictions.
    X_train : rows, or None
        What the estimator was trained on. None where it is not at hand: then the test rows are looked at in its place, and
        checks that need training rows are not applicable.
    y_train : array of shape (n_train,), or None
    X_test : rows, optional
        Labeled rows that the estimator has not seen.
    y_test : array of shape (n_test,), optional
    against : rows, optional
        Rows of another time or place, to be tested for drift; no labels are needed.
    groups : sequence, optional
        Of the rows looked at: rows that are never parted when some are held out.
    embedder : TextEmbedder, optional
        Where vectors come from; None = the predictor's own, the first step of a pipeline, or the rows where they are numbers.
    perturb : bool, default=False
        Change rows a little and measure what moves; also the gradient norms of the head.
    title : str, default="diagnosis"
    seed : int, default=0
        Of folds, draws and permutations.

    Returns
    -------
    Report

    Raises
    ------
    UserError
        No rows, rows without targets, or an estimator that is neither a classifier nor a regressor.
    """
    if (X_train is None) and (X_test is None):
        raise UserError("There are no rows to look at.", hint="pass training rows, test rows, or both")
    if (X_train is None) != (y_train is None) or (X_test is None) != (y_test is None):
        raise UserError("Rows and targets come together: X_train with y_train, X_test with y_test.")
    task = _task(estimator, y_train if y_train is not None else y_test)
    embedder = embedder or find_embedder(estimator)
    train, test = make_part(X_train, y_train, estimator, embedder), make_part(X_test, y_test, estimator, embedder)
    for part, name in ((train, "train"), (test, "test")):
        if part is not None and (part.y is None or part.y.shape != (len(part),)):
            shape = None if part.y is None else part.y.shape
            raise UserError(f"y_{name} needs one value for each of {len(part)} rows; got shape {shape}.")
    given = X_train if X_train is not None else X_test
    evidence = Evidence(
        task,
        train=train,
        test=test,
        against=make_part(against, None, estimator, embedder),
        estimator=estimator,
        reader=make_reader(embedder, given),
        groups=groups,
        seed=seed,
    )
    findings = [check(evidence) for check in CHECKS]
    extra = _perturbed(evidence, findings) if perturb else {}
    return Report(title, evidence.task, len(evidence.rows), findings, figures=_figures(evidence, findings), **extra)


def _task(estimator: Any, y: Any) -> Task:
    if are_sets(y) or isinstance(getattr(estimator, "rule_", None), LabelRule):
        raise UserError(
            "The checks look at rows of one label or one number; these rows have sets of labels.",
            hint="diagnose one label at a time: a target that says whether a row has it",
        )
    if estimator is None:
        numbers = np.asarray(y)
        return "regression" if numbers.dtype.kind == "f" else "classification"
    if hasattr(estimator, "classes_") or is_classifier(estimator):
        return "classification"
    if is_regressor(estimator):
        return "regression"
    raise UserError(
        f"{type(estimator).__name__} is neither a classifier nor a regressor, so there is nothing to judge."
    )


def _perturbed(evidence: Evidence, findings: list[Finding]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    try:
        found["perturbations"] = changes.perturb(evidence)
        findings.append(changes.writing_matters(found["perturbations"]))
    except NotApplicable as error:
        findings.append(Finding("FRL309", "Sensitivity to the writing of a row", "not applicable", error.message))
    found["gradients"] = {}
    for name, measure in (("head", changes.head_gradients), ("embedding", changes.embedding_gradients)):
        with contextlib.suppress(UserError):  # what has no gradients shows none
            found["gradients"][name] = measure(evidence)
    return found


def _figures(evidence: Evidence, findings: list[Finding]) -> list[Markup]:
    """Plots of what was measured; none where it was not."""
    figures = []
    measured = {finding.code: finding.value for finding in findings}
    if measured.get("FRL206"):
        figures.append(ratio_chart(measured["FRL206"]["layers"]))
    if measured.get("FRL206") and evidence.task == "regression":
        y = evidence.sampled_target
        series: dict[str, FloatArray] = {"embedding": evidence.read.features(evidence.sampled)}
        if evidence.rows.table.num_columns > 1:
            series["raw columns"] = evidence.raw[evidence.sample]
        figures.append(nlfd_chart({name: nlfd(Z, y, standardize_y=True) for name, Z in series.items()}))
    return figures
