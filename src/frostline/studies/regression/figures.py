"""Distributions of Lipschitz factors, gaps against gains, warped distances, projections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy.stats import rankdata

from frostline.reports.smoothness import cloud_chart, gap_chart, nlfd_chart
from frostline.reports.study import StudyFigure, StudySection, StudyTable
from frostline.studies.cells import Outcome
from frostline.studies.regression.encodings import RAW
from frostline.studies.regression.results import Place
from frostline.studies.regression.view import View, place_name

__all__ = ["geometry_section", "smoothness_section"]


def smoothness_section(view: View) -> StudySection | None:
    """The paper's figures 3 and 4: factors where the vectors win and where the columns win; Z against the gain."""
    figures, rows = [], []
    for place in view.places:
        main = view.plan.main(place[0])[0]
        gains = view.gain(place, (main, "mlp"), (RAW, "mlp"))
        for who, names in (
            ("the vectors win", [name for name, gain in gains.items() if gain > 0]),
            ("the columns win", [name for name, gain in gains.items() if gain <= 0]),
        ):
            factors = {one.name: view.results.factors(place, one, names) for one in (RAW, main)}
            if not names or not all(own.size for own in factors.values()):
                continue
            title = f"Lipschitz factors where {who}, {place_name(place)} (MLP; problems: {len(names)})"
            figures.append(StudyFigure(title, partial(nlfd_chart, factors)))
            rows.append(
                [f"{place_name(place)}: {who}", len(names), *(float(np.median(own)) for own in factors.values())]
            )
        figures += _gap_figure(view, place)
    if not figures:
        return None
    columns = ["problems", "how many", "median, columns", "median, vectors"]
    note = "Of y with variance 1 and factors times the root of the width; smaller is smoother. Winners by the MLP's Kendall tau."
    return StudySection("Smoothness", tables=[StudyTable("Lipschitz factors", columns, rows, note)], plots=figures)


def _gap_figure(view: View, place: Place) -> list[StudyFigure]:
    main = view.plan.main(place[0])[0]
    found = view.results.gaps_and_gains(place, (main, "mlp"), (RAW, "mlp"))
    if len(found) < 2:
        return []
    title = f"Z against the gain in Kendall tau, MLP, {place_name(place)}"
    gaps, gains = zip(*found.values(), strict=True)
    return [StudyFigure(title, partial(gap_chart, gaps, gains, list(found)))]


def geometry_section(outcomes: Sequence[Outcome]) -> StudySection | None:
    """The paper's figures 5 and 1: how distances are warped, and what a simple function looks like on two axes."""
    warps = [one for one in outcomes if one.key["kind"] == "warp" and one.result]
    planes = [one for one in outcomes if one.key["kind"] == "projection" and one.result]
    figures, tables = [], []
    if warps:
        dof = warps[0].key["dof"]
        clouds = {_named(one): np.column_stack([one.result["radii"], one.result["distances"]]) for one in warps}
        axes = "distance of the points", "distance of their vectors"
        title = f"Distances to a reference point, DOF {dof}, each as a share of the largest"
        figures.append(StudyFigure(title, partial(_cloud, clouds, axes, title, True)))
        rows: list[list[Any]] = [[_named(one), one.result["spearman"], one.result["linear_r2"]] for one in warps]
        columns = ["vectors", "Spearman's rank correlation", "explained by a straight line"]
        tables.append(StudyTable(f"Warped distances, DOF {dof}", columns, rows))
    for one in warps[:1]:
        shades = np.array([0.0, *one.result["radii"]])
        figures.append(_plane(one, shades, f"The same points on two principal axes: {_named(one)}; darker is farther"))
    for one in planes:
        problem = one.key["problem"]
        y = np.asarray(one.result["y"])
        title = f"{problem['name']}, DOF {problem['dof']}, on two principal axes: {_named(one)}; darker is larger"
        figures.append(_plane(one, (rankdata(y) - 1) / max(len(y) - 1, 1), title))
    return StudySection("Geometry", tables=tables, plots=figures) if figures else None


def _plane(outcome: Outcome, shades: Any, title: str) -> StudyFigure:
    points = np.column_stack([outcome.result["plane"], shades])
    held = f"{100 * outcome.result['share']:.0f} % of the variance"
    title = f"{title} ({held})"
    return StudyFigure(title, partial(_cloud, {"": points}, ("first axis", "second axis"), title, False))


def _cloud(clouds: Mapping[str, Any], axes: tuple[str, str], title: str, ideal: bool, name: str) -> Any:
    return cloud_chart(clouds, axes, title, name, ideal=ideal)


def _named(outcome: Outcome) -> str:
    return str(outcome.key["encoding"]["source"])
