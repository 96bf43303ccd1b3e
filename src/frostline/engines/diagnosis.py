"""Diagnosis of tables: train and look, or look at a saved predictor on other rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from frostline.diagnostics import Report, diagnose
from frostline.engines.fit import FitJob
from frostline.engines.inputs import target_values
from frostline.engines.options import EmbedOptions, FitOptions, InputOptions
from frostline.errors import ArtifactError, UserError
from frostline.estimators import load
from frostline.tables import check_output, read_table, replacing

__all__ = ["diagnose_artifact", "diagnose_table"]


def diagnose_table(
    train: str | Path,
    *,
    target: str,
    against: str | Path | None = None,
    perturb: bool = False,
    html: str | Path | None = None,
    options: FitOptions | None = None,
    inputs: InputOptions | None = None,
    embedding: EmbedOptions | None = None,
) -> Report:
    """Hold rows out, train a predictor on the others and run every check on rows, vectors and predictions.

    Parameters
    ----------
    train : path
        CSV, JSONL or Parquet.
    target : str
        Column to predict.
    against : path, optional
        Rows of another time or place, to be tested for drift.
    perturb : bool, default=False
        Change rows a little and measure what moves.
    html : path, optional
        Write findings and plots to this page.
    options : FitOptions, optional
        As for :func:`frostline.fit_table`; `cv` and `refit` must be left out.
    inputs : InputOptions, optional
    embedding : EmbedOptions, optional

    Returns
    -------
    Report

    Raises
    ------
    UserError
        Anything in the files or options that cannot be used; checked before the backbone runs.
    """
    options = replace(options or FitOptions(target), target=target)
    if options.cv is not None or options.refit:
        raise UserError(
            "A diagnosis looks at one predictor and rows that it has not seen; --cv and --refit leave none."
        )
    _check_html(html)
    others = None if against is None else read_table(against)
    job = FitJob.prepare(train, options, inputs or InputOptions(), embedding or EmbedOptions())
    kept, held = job.folds[0]
    if len(job.rows.targets) > 1:
        raise UserError("A diagnosis looks at one target.", hint="name one of them")
    estimator = job.fitted(job.extract(), kept)
    table, y = job.rows.table, job.rows.y
    report = diagnose(
        estimator,
        table.take(kept),
        y[kept],
        table.take(held),
        y[held],
        against=others,
        groups=job.groups[kept].tolist(),
        embedder=None if options.features in ("tfidf", "raw") else job.vectors_of(estimator),
        perturb=perturb,
        title=f"{target} in {job.rows.title}",
        seed=options.seed,
    )
    return _written(report, html)


def diagnose_artifact(
    folder: str | Path,
    data: str | Path,
    *,
    against: str | Path | None = None,
    perturb: bool = False,
    html: str | Path | None = None,
    store: Any = "default",
    device: str = "auto",
    progress: Any = "auto",
    trust_remote_code: str | None = None,
) -> Report:
    """Run the checks that need no training rows on a saved predictor and labeled rows that it has not seen.

    Parameters
    ----------
    folder : path
        Artifact of a fit.
    data : path
        Rows with the columns of the fit and its target.
    against, perturb, html
        As for :func:`diagnose_table`.
    store, device, progress, trust_remote_code
        As in :func:`frostline.load`.

    Returns
    -------
    Report

    Raises
    ------
    UserError
        Missing columns.
    """
    _check_html(html)
    estimator = load(folder, store=store, device=device, progress=progress, trust_remote_code=trust_remote_code)
    if estimator.target_ is None:
        raise ArtifactError(
            f"{folder} was saved from Python and does not know its target column.",
            hint="use frostline.load and frostline.diagnose in Python",
        )
    if not isinstance(estimator.target_, str):
        raise UserError(f"{folder} has several targets; a diagnosis looks at one.", hint="fit a model of one of them")
    table = read_table(data)
    report = diagnose(
        estimator,
        None,
        None,
        table,
        target_values(table, estimator.target_, str(data)),
        against=None if against is None else read_table(against),
        perturb=perturb,
        title=f"{Path(folder).name} on {Path(data).name}",
    )
    return _written(report, html)


def _check_html(html: str | Path | None) -> None:
    if html is not None:
        check_output(html, (".html",))


def _written(report: Report, html: str | Path | None) -> Report:
    if html is not None:
        with replacing(Path(html)) as file:
            file.write(report.to_html().encode())
    return report
