"""The ELM study: explainers of one table that differ in one thing each, judged on rows that nothing was chosen on.

References
----------
Tennenholtz et al., 2023, Demystifying Embedding Spaces using Large Language Models, arXiv 2310.04475.
"""

from __future__ import annotations

import time
from pathlib import Path

from frostline._optional import require
from frostline.elm.llm import llm_identity
from frostline.elm.stages import LOW_RANK
from frostline.reports.study import StudyReport
from frostline.studies.cells import run_cells, write_report
from frostline.studies.elm.data import read_data
from frostline.studies.elm.options import ElmStudyOptions
from frostline.studies.elm.plan import Plan
from frostline.studies.elm.report import make_report

__all__ = ["study_elm"]


def study_elm(out: str | Path, options: ElmStudyOptions | None = None) -> StudyReport:
    """Run the study, or what of it has no result yet, and write its tables, plots and numbers.

    Parameters
    ----------
    out : path
        Folder: ``cells/`` with a file for each result, ``study.json`` and ``study.html``. Run again, it goes on where it was
        killed.
    options : ElmStudyOptions, optional

    Returns
    -------
    StudyReport

    Raises
    ------
    UserError
        A table, vectors, language models or options that cannot be used; checked before anything trains.
    MissingExtraError
        ``tune="lora"`` needs peft.
    """
    options, folder = options or ElmStudyOptions(), Path(out).expanduser()
    options.check()
    if options.tune == "lora":
        require("peft", extra="lora", needed_for=LOW_RANK)
    began = time.perf_counter()
    stamps = {name: llm_identity(name) for name in options.llms}
    plan = Plan(options, read_data(options), stamps)
    outcomes = run_cells(plan.cells(), folder / "cells", progress=options.progress)
    return write_report(make_report(plan, outcomes), folder, began)
