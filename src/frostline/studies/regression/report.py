"""The page of the regression study, from what its cells found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from frostline.reports.study import StudyReport, StudySection
from frostline.studies.cells import Outcome, failures
from frostline.studies.regression.ablations import ablations_section, sizes_section
from frostline.studies.regression.claims import claims_section
from frostline.studies.regression.figures import geometry_section, smoothness_section
from frostline.studies.regression.plan import Plan
from frostline.studies.regression.published import DIFFERENCES
from frostline.studies.regression.results import Results
from frostline.studies.regression.tables import data_section, scores_section, table_1, table_2, tables_section
from frostline.studies.regression.view import View

__all__ = ["make_report"]

_LONG = ("factors", "plane", "radii", "distances", "y")


def make_report(plan: Plan, outcomes: Sequence[Outcome]) -> StudyReport:
    """Lay the results out.

    Parameters
    ----------
    plan : Plan
    outcomes : sequence of Outcome

    Returns
    -------
    StudyReport
    """
    view = View(plan, Results(outcomes))
    parts = [
        claims_section(view), data_section(view), scores_section(view), tables_section(view), table_1(view), table_2(view),
        smoothness_section(view), ablations_section(view), sizes_section(view), geometry_section(outcomes), _differs(plan),
    ]  # fmt: skip
    parts.append(failures(outcomes, _name))
    options = plan.options
    return StudyReport(
        name="regression",
        title="Regression: do embeddings of strings predict numbers?",
        lead=f"{len(plan.functions)} functions and {len(plan.tables)} tables, backbone {options.backbones[0]}. Every figure is "
        "Kendall's tau on test rows that nothing was chosen on, from -1 to 1; no row that was cut enters one.",
        sections=[part for part in parts if part is not None],
        cells=[{"key": dict(outcome.key), **_brief(outcome)} for outcome in outcomes],
        n_cells=len(outcomes),
        n_run=sum(outcome.fresh for outcome in outcomes),
        n_failed=sum(bool(outcome.error) for outcome in outcomes),
        facts={
            "functions": list(plan.functions),
            "tables_studied": [table.name for table in plan.tables],
            "dofs": list(options.every_dof),
            "backbones": list(options.backbones),
            "quick": options.quick,
        },
    )


def _brief(outcome: Outcome) -> dict[str, Any]:
    if outcome.error:
        return {"error": outcome.error}
    return {"result": {name: value for name, value in outcome.result.items() if name not in _LONG}}


def _name(outcome: Outcome) -> str:
    encoding, problem = outcome.key["encoding"], outcome.key.get("problem", {})
    how = ", ".join(str(value) for value in encoding.values())
    return f"{problem.get('family', outcome.key['kind'])}, DOF {problem.get('dof', outcome.key.get('dof'))}: {how}"


def _differs(plan: Plan) -> StudySection:
    quick = (
        ("Quick: the MLP sweeps over 4 settings and up to 150 epochs, not 15 and 300.",) if plan.options.quick else ()
    )
    grown = (
        () if plan.grown else ("No random network of another width: the configuration does not say how to widen it.",)
    )
    return StudySection("What differs from the paper", "\n".join([*DIFFERENCES, *quick, *grown]))
