"""One thing changed at a time: pooling, depth, names, number formats, width, training rows."""

from __future__ import annotations

from typing import Any

from frostline.reports.study import Estimate, StudyPlot, StudySection, StudyTable
from frostline.studies.regression.encodings import RAW, Encoding
from frostline.studies.regression.results import Place, mean_over
from frostline.studies.regression.view import TITLES, View, place_name

__all__ = ["ablations_section", "reference", "size_gain", "sizes_section"]

_WHAT = {
    "pooling": "Pooling",
    "layer": "Depth: the first backbone cut after so many blocks",
    "names": "Names of the columns in the text",
    "numbers": "Number formats",
    "width": "Width of a network with random weights",
}


def ablations_section(view: View) -> StudySection | None:
    """Tables and curves of each change."""
    view = view.of_first_draw()
    tables, plots = [], []
    for what, title in _WHAT.items():
        table = _varied(view, what, title)
        tables += [table] if table.rows else []
    for place in view.ablated_places:
        lines = {TITLES[head]: _by_depth(view, place, head) for head in view.plan.options.ablation_heads}
        lines = {name: line for name, line in lines.items() if len(line) > 1}
        plots += (
            [StudyPlot(f"Kendall tau by depth, {place_name(place)}", "blocks", "Kendall tau", lines)] if lines else []
        )
    text = (
        "Cut after k blocks, a network is a smaller one of its family. Means over problems, first draw; the second figure is the "
        "difference to the unchanged reading, problem by problem."
    )
    return StudySection("Ablations", text, tables, plots) if tables else None


def _varied(view: View, what: str, title: str) -> StudyTable:
    rows: list[list[Any]] = []
    for place in view.ablated_places:
        own = view.plan.varied(place[0]).get(what, [])
        usual = reference(view, place, what)
        for head in view.plan.options.ablation_heads:
            for one in [usual, *own] if own else []:
                found = view.tau(place, one, head)
                if found is None:
                    continue
                change = None if one == usual else mean_over(view.gain(place, (one, head), (usual, head)), signed=True)
                rows.append([f"{place_name(place)}, {TITLES[head]}: {_called(one, what)}", found, change])
    return StudyTable(title, ["reading", "Kendall tau", "change"], rows)


def reference(view: View, place: Place, what: str) -> Encoding:
    """What a change is compared with: the usual reading, or for widths random weights of the usual width."""
    return (view.plan.controls if what == "width" else view.plan.main)(place[0])[0]


def _called(encoding: Encoding, what: str) -> str:
    shown = {
        "pooling": encoding.pooling,
        "layer": f"layer {encoding.layer}",
        "names": "with names" if encoding.names else "without names",
        "numbers": encoding.number_format,
        "width": encoding.name,
    }
    return shown[what]


def _by_depth(view: View, place: Place, head: str) -> list[tuple[int, Estimate]]:
    layers = view.plan.varied(place[0]).get("layer", [])
    if not layers:
        return []
    points = [(int(one.layer), one) for one in layers] + [(int(layers[-1].layer) + 1, view.plan.main(place[0])[0])]
    return [(depth, found) for depth, one in points if (found := view.tau(place, one, head)) is not None]


def sizes_section(view: View) -> StudySection | None:
    """Few training rows, more, all."""
    view = view.of_first_draw()
    rows: list[list[Any]] = []
    plots = []
    for place in view.ablated_places:
        for head in view.plan.options.size_heads:
            main = view.plan.main(place[0])[0]
            lines: dict[str, list[tuple[float, Estimate]]] = {}
            own: list[list[Any]] = []
            for share in (*view.plan.options.shares, 1.0):
                found = [(one, view.tau(place, one, head, share)) for one in (RAW, main)]
                gain = mean_over(size_gain(view, place, head, share), signed=True)
                if gain is not None:
                    own.append([f"{place_name(place)}, {TITLES[head]}, {share:.0%}", *(e for _, e in found), gain])
                for one, estimate in found:
                    if estimate is not None:
                        lines.setdefault(one.name, []).append((100 * share, estimate))
            if all(len(line) < 2 for line in lines.values()):
                continue
            rows += own
            title = f"Kendall tau by training rows, {place_name(place)}, {TITLES[head]}"
            plots.append(StudyPlot(title, "percent of the rows", "Kendall tau", lines, log=True))
    if not rows:
        return None
    columns = ["problems, head, training rows", "columns", "vectors", "vectors minus columns"]
    note = (
        f"The first backbone minus the columns, problem by problem, first draw. All rows of functions: {_n_fit(view)}."
    )
    return StudySection("Training rows", tables=[StudyTable("Kendall tau", columns, rows, note)], plots=plots)


def _n_fit(view: View) -> int:
    return view.plan.options.n_points - max(1, view.plan.options.n_points // 10)


def size_gain(view: View, place: Place, head: str, share: float) -> dict[str, float]:
    """The first backbone minus the columns, from this share of the training rows."""
    main = view.plan.main(place[0])[0]
    return view.gain(place, (main, head, share), (RAW, head, share))
