"""The regression study: black-box functions and real tables, read as text and as columns.

References
----------
Tang, Yang and Song, 2024, Understanding LLM Embeddings for Regression, arXiv 2411.14708.
"""

from __future__ import annotations

import time
from pathlib import Path

from frostline.errors import UserError
from frostline.reports.study import StudyReport
from frostline.studies.cells import run_cells, write_report
from frostline.studies.readings import stamp_of
from frostline.studies.regression.encodings import Encoding, random_of_width
from frostline.studies.regression.options import RegressionOptions
from frostline.studies.regression.plan import Plan
from frostline.studies.regression.problems import function_names, read_tables
from frostline.studies.regression.report import make_report

__all__ = ["study_regression"]


def study_regression(out: str | Path, options: RegressionOptions | None = None) -> StudyReport:
    """Run the study, or what of it has no result yet, and write its tables, plots and numbers.

    Parameters
    ----------
    out : path
        Folder: ``cells/`` with a file for each result, ``study.json`` and ``study.html``. Run again, it goes on where it was
        killed.
    options : RegressionOptions, optional

    Returns
    -------
    StudyReport

    Raises
    ------
    UserError
        Tables, functions, backbones or options that cannot be used; checked before anything runs.
    MissingExtraError
        ``ioh`` is not installed.
    """
    options, folder = options or RegressionOptions(), Path(out)
    options.check()
    began = time.perf_counter()
    functions = function_names(options.wanted_functions) if options.has_functions else []
    tables = read_tables(options.data, options.tables) if options.has_tables else []
    stamps = {name: stamp_of(name) for name in options.backbones}
    plan = Plan(options, functions, tables, _grown(options, folder), stamps)
    outcomes = run_cells(plan.cells(), folder / "cells", progress=options.progress)
    return write_report(make_report(plan, outcomes), folder, began)


def _grown(options: RegressionOptions, folder: Path) -> list[Encoding]:
    """Random networks of other widths; none where the first backbone's configuration does not tell how."""
    try:
        return [random_of_width(options.backbones[0], factor, folder / "models") for factor in options.width_factors]
    except UserError:
        return []
