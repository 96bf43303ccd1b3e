"""A study's result: tables of estimates with their intervals, curves, notes; as text, JSON and one page."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from frostline.reports.markup import Markup, element
from frostline.reports.page import document, figure, section
from frostline.reports.page import table as html_table
from frostline.reports.scores import MISSING, digits, duration
from frostline.reports.svg import Scale, canvas, label, padded, polyline, shorten, tick_text, x_axis, y_axis

__all__ = ["Estimate", "StudyFigure", "StudyPlot", "StudyReport", "StudySection", "StudyTable"]


@dataclass(frozen=True)
class Estimate:
    """A number with its interval.

    Attributes
    ----------
    value : float
    lower, upper : float or None
        95 % interval, where there is one.
    percent : bool
        Whether it is shown times 100.
    signed : bool
        Whether it is a difference, shown with its sign.
    """

    value: float
    lower: float | None = None
    upper: float | None = None
    percent: bool = True
    signed: bool = False

    def __str__(self) -> str:
        shown = self._one(self.value)
        return (
            shown
            if self.lower is None or self.upper is None
            else f"{shown} [{self._one(self.lower)}, {self._one(self.upper)}]"
        )

    def _one(self, value: float) -> str:
        if not self.percent:
            return f"{'+' if self.signed and value > 0 else ''}{digits(value)}"
        return f"{100 * value:{'+' if self.signed else ''}.1f}"


@dataclass(frozen=True)
class StudyTable:
    """Rows of estimates.

    Attributes
    ----------
    title, note : str
    columns : list of str
        The first names the rows.
    rows : list of list
        Of str, int, float, Estimate or None (not measured).
    """

    title: str
    columns: list[str]
    rows: list[list[Any]]
    note: str = ""

    def cells(self) -> list[list[str]]:
        """What is shown."""
        return [[_shown(value) for value in row] for row in self.rows]

    def to_text(self) -> str:
        """Aligned columns."""
        lines = [self.columns, *self.cells()]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        aligned = (
            "  ".join(
                [
                    line[0].ljust(widths[0]),
                    *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
                ]
            )
            for line in lines
        )
        return "\n".join([self.title, *(line.rstrip() for line in aligned), *([self.note] if self.note else [])])


@dataclass(frozen=True)
class StudyPlot:
    """Curves with their intervals, or one mark a name where the x values are names.

    Attributes
    ----------
    title, x, y : str
        What it shows, and what the axes are.
    lines : dict of str to list of (x, Estimate)
        x is a number, or for marks a name.
    log : bool
        Whether x is spaced by its logarithm.
    """

    title: str
    x: str
    y: str
    lines: Mapping[str, Sequence[tuple[Any, Estimate]]]
    log: bool = False


@dataclass(frozen=True)
class StudyFigure:
    """Any other drawing.

    Attributes
    ----------
    title : str
    draw : callable
        Makes it, given a name that is distinct within the page.
    """

    title: str
    draw: Callable[[str], Markup]


@dataclass(frozen=True)
class StudySection:
    """A heading with what stands below it."""

    title: str
    text: str = ""
    tables: Sequence[StudyTable] = ()
    plots: Sequence[StudyPlot | StudyFigure] = ()


@dataclass(frozen=True)
class StudyReport:
    """The result of a study.

    Attributes
    ----------
    name, title, lead : str
    sections : list of StudySection
    cells : list of dict
        Every cell: what decides it under ``key``, and its result or its error.
    n_cells, n_run, n_failed : int
        All, those run now, those without a result.
    seconds : float
        Of this run.
    facts : mapping
        What else the JSON says.
    """

    name: str
    title: str
    lead: str
    sections: Sequence[StudySection]
    cells: Sequence[Mapping[str, Any]] = ()
    n_cells: int = 0
    n_run: int = 0
    n_failed: int = 0
    seconds: float = 0.0
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def _done(self) -> str:
        failed = f"; {self.n_failed} have no result" if self.n_failed else ""
        return f"{self.n_cells} cells, {self.n_run} run now in {duration(self.seconds)}{failed}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        tables = [table for part in self.sections for table in part.tables]
        return {
            "study": self.name,
            **self.facts,
            "tables": [
                {
                    "title": t.title,
                    "columns": t.columns,
                    "rows": [[_plain(v) for v in row] for row in t.rows],
                    "note": t.note,
                }
                for t in tables
            ],
            "cells": [dict(cell) for cell in self.cells],
            "n_cells": self.n_cells,
            "n_run": self.n_run,
            "n_failed": self.n_failed,
            "seconds": round(self.seconds, 3),
        }

    def to_text(self) -> str:
        """All tables, for a terminal."""
        parts = [self.title, self.lead]
        for part in self.sections:
            parts += [f"{part.title}\n{'-' * len(part.title)}" + (f"\n{part.text}" if part.text else "")]
            parts += [table.to_text() for table in part.tables]
        return "\n\n".join([*parts, self._done])

    def to_html(self) -> str:
        """One self-contained page: tables and plots."""
        top = element("header", element("h1", self.title), element("p", self.lead, class_="lead"))
        sections = []
        for i, part in enumerate(self.sections):
            text = [element("p", line) for line in part.text.splitlines()]
            plots = [figure(_chart(plot, f"plot-{i}-{k}"), plot.title) for k, plot in enumerate(part.plots)]
            tables = [_html(table) for table in part.tables]
            sections.append(section(part.title, *text, *plots, *tables))
        return document(f"{self.title} – Frostline", top, *sections, element("footer", self._done))


def _html(table: StudyTable) -> Markup:
    note = [element("p", table.note, class_="lead")] if table.note else []
    return element("div", html_table(table.title, table.columns, table.cells()), *note)


def _shown(value: Any) -> str:
    if value is None:
        return MISSING
    if isinstance(value, float):
        return digits(value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _plain(value: Any) -> Any:
    return (
        {k: v for k, v in asdict(value).items() if k in ("value", "lower", "upper")}
        if isinstance(value, Estimate)
        else value
    )


def _chart(plot: StudyPlot | StudyFigure, name: str) -> Markup:
    """Curves over numbers, marks over names."""
    if isinstance(plot, StudyFigure):
        return plot.draw(name)
    points = [(x, estimate) for line in plot.lines.values() for x, estimate in line]
    is_named = any(isinstance(x, str) for x, _ in points)
    return _marks(plot, name) if is_named else _curves(plot, name)


def _ends(estimate: Estimate) -> tuple[float, float]:
    value = estimate.value
    return (value if estimate.lower is None else estimate.lower), (value if estimate.upper is None else estimate.upper)


def _tip(name: str, estimate: Estimate) -> Markup:
    return element("title", f"{name}: {estimate}")


def _write(estimates: Sequence[Estimate]) -> Any:
    percent = all(e.percent for e in estimates)
    return lambda t, ts: tick_text(t, ts, percent=percent)


def _curves(plot: StudyPlot, name: str) -> Markup:
    place = (lambda v: math.log10(v)) if plot.log else float
    estimates = [e for line in plot.lines.values() for _, e in line]
    xs = sorted({place(x) for line in plot.lines.values() for x, _ in line})
    x = Scale(*padded(xs), 76, 460)
    y = Scale(*padded(end for e in estimates for end in _ends(e)), 250, 16)
    parts = [y_axis(y, 76, 460, plot.y, _write(estimates))]
    numbers = sorted({v for line in plot.lines.values() for v, _ in line})
    parts += [label(x(place(v)), 268, f"{v:g}", class_="tick") for v in numbers]
    parts.append(label(268, 290, plot.x, class_="axis"))
    for i, (title, line) in enumerate(plot.lines.items()):
        parts.append(polyline([(x(place(v)), y(e.value)) for v, e in line], f"line l{i % 6}"))
        for v, e in line:
            low, high = _ends(e)
            at = x(place(v))
            bar = element("path", d=f"M{at:.1f} {y(low):.1f}V{y(high):.1f}", class_=f"line thin l{i % 6}")
            dot = element("circle", cx=at, cy=y(e.value), r=3.5, class_=f"dot-l l{i % 6}")
            parts.append(element("g", _tip(f"{title}, {v:g}", e), bar, dot))
        parts.append(element("path", d=f"M470 {24 + 18 * i:.1f}H488", class_=f"line l{i % 6}"))
        parts.append(label(494, 28 + 18 * i, shorten(title, 34), anchor="start", class_="small"))
    return canvas(name, 720, 300, plot.title, "", *parts)


def _marks(plot: StudyPlot, name: str) -> Markup:
    rows = [(str(x), line, e) for line, points in plot.lines.items() for x, e in points]
    names = list(dict.fromkeys(x for x, _, _ in rows))
    lines = list(plot.lines)
    estimates = [e for _, _, e in rows]
    height = 22 * len(names)
    x = Scale(*padded(end for e in estimates for end in _ends(e)), 250, 640)
    parts = [x_axis(x, height + 20, 8, plot.y, _write(estimates))]
    parts += [label(242, 24 + 22 * i, shorten(one, 38), anchor="end", class_="small") for i, one in enumerate(names)]
    for one, line, e in rows:
        low, high = _ends(e)
        at = 20 + 22 * names.index(one) + (6 * (lines.index(line) - (len(lines) - 1) / 2) if len(lines) > 1 else 0)
        mark = f"l{lines.index(line) % 6}"
        bar = element("path", d=f"M{x(low):.1f} {at:.1f}H{x(high):.1f}", class_=f"line thin {mark}")
        dot = element("circle", cx=x(e.value), cy=float(at), r=4.0, class_=f"dot-l {mark}")
        parts.append(element("g", _tip(f"{one}, {line}", e), bar, dot))
    return canvas(name, 680, height + 72, plot.title, "", *parts)
