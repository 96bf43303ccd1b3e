"""The scores of the arms, and the paper's two tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from frostline.reports.study import Estimate, StudyPlot, StudySection, StudyTable
from frostline.studies.regression.encodings import RAW, Encoding
from frostline.studies.regression.heads import HEADS
from frostline.studies.regression.published import BAND, TABLE_1, TABLE_2
from frostline.studies.regression.results import Place, correlation, mean_over, share
from frostline.studies.regression.view import TITLES, View, arm_name, place_name
from frostline.studies.tally import student

__all__ = ["data_section", "scores_section", "table_1", "table_2", "tables_section"]

_OVER = (
    "Means over problems of their means over draws; in brackets 95 % bootstrap intervals over problems, from three on. The MLP on "
    "random weights and on token embeddings has the first draw only."
)


def data_section(view: View) -> StudySection:
    """What is predicted."""
    plan = view.plan
    tables = []
    if plan.functions:
        o = plan.options
        rows: list[list[Any]] = [[f"DOF {dof}", len(plan.functions), o.n_seeds, o.n_points] for dof in o.every_dof]
        note = f"{', '.join(plan.functions)}. Inputs are drawn once for each DOF and draw; all functions share them."
        tables.append(StudyTable("Functions", ["", "functions", "draws", "points each"], rows, note))
    if plan.tables:
        rows = [
            [t.name, len(t.y), t.table.num_columns, min(plan.options.n_points, len(t.y)), t.n_missing]
            for t in plan.tables
        ]
        columns = ["table", "rows there are", "columns", "rows of a draw, at most", "rows without a target, left out"]
        tables.append(StudyTable("Real tables", columns, rows))
    return StudySection("Data", "One row in ten is a test row, the rest is to learn from.", tables)


def scores_section(view: View) -> StudySection | None:
    """Kendall tau by number of parameters, arm by arm, and function by function."""
    places = view.function_places
    if not places:
        return None
    arms = view.arms("functions")
    rows = [(arm_name(arm), lambda place, arm=arm: view.tau(place, *arm)) for arm in arms]
    tables = [view.grid("Kendall tau, mean over functions", "vectors + head", places, rows, _OVER)]
    main = view.plan.main("functions")[0]
    shown = [(RAW, "mlp"), (RAW, "boosting"), (main, "mlp"), (main, "ridge"), (main, "kernel")]
    each: list[tuple[str, Callable[[Place], Any]]] = [
        (f"{function}: {arm_name(arm)}", lambda place, arm=arm, f=function: view.results.scores(place, *arm).get(f))  # type: ignore[misc]
        for function in view.plan.functions
        for arm in shown
    ]
    tables.append(view.grid("Kendall tau of each function, mean over draws", "function: vectors + head", places, each))
    lines = {
        arm_name(arm): [(place[1], e) for place in places if (e := view.tau(place, *arm)) is not None] for arm in shown
    }
    lines = {name: line for name, line in lines.items() if len(line) > 1}
    title = "Kendall tau as parameters are added (the paper's figure 2)"
    plots = [StudyPlot(title, "parameters (DOF)", "Kendall tau", lines, log=True)] if lines else []
    return StudySection("Scores by number of parameters", tables=tables, plots=plots)


def tables_section(view: View) -> StudySection | None:
    """Kendall tau on the real tables, and the smoothness gap of each."""
    if not view.plan.tables:
        return None
    place = ("tables", 0)
    names = [table.name for table in view.plan.tables]
    rows: list[list[Any]] = []
    for arm in view.arms("tables"):
        found = view.results.scores(place, *arm)
        values = [_with_spread(view, name, place, arm) if name in found else None for name in names]
        rows.append([arm_name(arm), *values, mean_over(found) if len(names) > 1 else None])
    columns = ["vectors + head", *names, *(["mean"] if len(names) > 1 else [])]
    if len(names) == 1:
        rows = [row[:-1] for row in rows]
    note = (
        "In brackets Student's 95 % interval over the draws, whose rows overlap: of the mean over tables the bootstrap."
    )
    tables = [StudyTable("Kendall tau on real tables", columns, rows, note)]
    gaps = [
        [one.name, *(view.results.table_gaps(place, one).get(name) for name in names)]
        for one in [*view.plan.main("tables"), *view.plan.controls("tables")]
        if one.reads
    ]
    note = "Five neighbors of each row; above 0 the target is smoother over the vectors than over the columns. Bootstrap over rows."
    tables.append(StudyTable("Z, of the first draw", ["vectors", *names], gaps, note))
    return StudySection("Real tables", tables=tables)


def _with_spread(view: View, name: str, place: Place, arm: tuple[Encoding, str]) -> Estimate:
    found = student(np.array(list(view.results.draws(name, place, *arm).values())), signed=True)
    return replace(found, percent=False, signed=False)


def table_1(view: View) -> StudySection:
    """How often the embedding beats the columns: the paper's table 1."""
    rows: list[list[Any]] = []
    families = [view.plan.main, view.plan.controls]
    encodings = [one for family in families for one in family("functions")]
    for place in view.places:
        same = [one for family in families for one in family(place[0])]  # of one order for both families
        for head, opponent in (("mlp", "mlp"), ("mlp", "boosting"), ("ridge", "ridge")):
            shares = [share(view.gain(place, (one, head), (RAW, opponent))) for one in same]
            if any(one is not None for one in shares):
                what = f"{place_name(place)}: {TITLES[head]}, columns + {TITLES[opponent]}"
                rows.append([what, len(view.results.scores(place, RAW, opponent)), *shares])
    note = "Percent of problems with a higher Kendall tau than the columns; in brackets Wilson's 95 % interval."
    columns = ["problems: head, opponent", "problems", *(one.name for one in encodings)]
    tables = [StudyTable("Share of problems on which the vectors win", columns, rows, note)]
    models = list(next(iter(TABLE_1.values()))[1])
    theirs: list[list[Any]] = [
        [f"{name}, DOF {dof}", *map(Estimate, own.values())] for name, (dof, own) in TABLE_1.items()
    ]
    note = "At second hand. Its families are not public. Which regressor the columns had was not recovered."
    tables.append(StudyTable("The paper's", ["family", *models], theirs, note))
    return StudySection("Table 1: how often do embeddings win?", tables=tables)


def table_2(view: View) -> StudySection | None:
    """Correlation of the smoothness gap with the gain in score: the paper's table 2."""
    places = [*view.function_places, *([("tables", 0)] if len(view.plan.tables) > 3 else [])]
    if not places:
        return None
    rows = [
        (f"{one.name} + {TITLES[head]}", lambda place, i=i, head=head: z_correlation(view, place, i, head))
        for i, one in enumerate(_encodings(view, "functions"))
        for head in HEADS
    ]
    literal = [
        (f"{name}, divided", lambda place, cell=cell, i=i, head=head: z_correlation(view, place, i, head, "divide"))
        for (name, cell), (i, head) in zip(rows, _pairs(view), strict=True)
        if head == "mlp"
    ]
    note = (
        "Pearson's r over problems between Z and the gain in Kendall tau over the columns with the same head; in brackets "
        "Fisher's 95 % interval. Factors multiplied by the root of the width, and as the paper's words have it, divided. "
        f"Band of the paper: {BAND[0]:.2f} to {BAND[1]:.2f}."
    )
    tables = [view.grid("Z against the gain in score", "vectors + head", places, [*rows, *literal], note)]
    dofs = list(next(iter(TABLE_2.values())))
    theirs: list[list[Any]] = [[name, *(own[dof] for dof in dofs)] for name, own in TABLE_2.items()]
    note = "At second hand; MLP on both sides, 23 functions."
    tables.append(StudyTable("The paper's", ["model", *(f"DOF {dof}" for dof in dofs)], theirs, note))
    return StudySection("Table 2: does smoothness foretell the gain?", _in_band(view, places), tables)


def _in_band(view: View, places: Sequence[Place]) -> str:
    """Which of the two scalings gives the paper's correlations, where."""
    found = []
    for scaling, called in (("multiply", "multiplied"), ("divide", "divided")):
        r = {place_name(place): z_correlation(view, place, 0, "mlp", scaling) for place in places}
        within = [name for name, one in r.items() if one is not None and BAND[0] <= one.value <= BAND[1]]
        found.append(f"{called} at {', '.join(within) or 'none'}")
    return f"With the first backbone and the MLP, r lies in the paper's band, factors {'; '.join(found)}."


def z_correlation(view: View, place: Place, i: int, head: str, scaling: str = "multiply") -> Estimate | None:
    """Pearson's r over the problems of a place between Z of the i-th encoding and its gain over the columns."""
    one = _encodings(view, place[0])[i]
    found = [*view.results.gaps_and_gains(place, (one, head), (RAW, head), scaling).values()]
    return correlation([gap for gap, _ in found], [gain for _, gain in found])


def _encodings(view: View, family: str) -> Sequence[Encoding]:
    return [*view.plan.main(family), *view.plan.controls(family)]


def _pairs(view: View) -> list[tuple[int, str]]:
    return [(i, head) for i, _ in enumerate(_encodings(view, "functions")) for head in HEADS]
