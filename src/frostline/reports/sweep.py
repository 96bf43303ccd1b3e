"""What a sweep has to show: a table, a recommendation, score against layer and score against cost."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from frostline.contracts import EmbedStats, Task
from frostline.reports.markup import Markup, element
from frostline.reports.page import document
from frostline.reports.scores import MISSING, Metric, metric_named, show, show_spread
from frostline.reports.svg import Scale, canvas, label, padded, polyline, tick_text, x_axis, y_axis

__all__ = ["SweepReport", "SweepRow"]

_SHOWN = 15
"""Rows of the table in a terminal; the files hold all."""


@dataclass(frozen=True)
class SweepRow:
    """One reading of the backbone with one head.

    Attributes
    ----------
    layers : list of str
    pooling, fusion, head : str
        `fusion` is empty for one layer.
    blocks, width : int
        Blocks of the backbone that run, and width of the vector that the head reads.
    score, std : float
        Out-of-fold accuracy or R2 and its standard error.
    loss, behind, behind_std : float
        Out-of-fold loss, its mean paired difference to the best and the standard error of that.
    seconds : float
        Of the cross-validation.
    chosen : bool
        The recommendation.
    backbones : list of str
        Where several were named: those that this row reads, each with its layers and pooling, as the command line takes
        them.
    n_tokens : int
        What its backbones read of all texts.
    n_trained, n_total : int or None
        Numbers that the head learns, and all that a prediction needs: embeddings, the blocks that run, the head. None where a
        head does not say, or a backbone runs elsewhere.
    multiplications : int or None
        Of a prediction, about: the blocks' numbers for each token of an average text, then the head's.
    joules : float or None
        Of the cross-validation.
    """

    layers: list[str]
    pooling: str
    fusion: str
    head: str
    blocks: int
    width: int
    score: float
    std: float
    loss: float
    behind: float
    behind_std: float
    seconds: float
    chosen: bool
    backbones: list[str] = field(default_factory=list)
    n_tokens: int = 0
    n_trained: int | None = None
    n_total: int | None = None
    multiplications: int | None = None
    joules: float | None = None

    @property
    def name(self) -> str:
        """For tables."""
        if self.backbones:
            return f"{' beside '.join(self.backbones)}{', ' * bool(self.fusion)}{self.fusion}, {self.head}"
        layers = f"{self.fusion} of {'+'.join(self.layers)}" if self.fusion else f"layer {self.layers[0]}"
        return f"{layers}, {self.pooling}, {self.head}"

    @property
    def line(self) -> str:
        """Which line of the plot against layers a single layer belongs to."""
        backbone = self.backbones[0].partition("::")[0].rpartition("/")[2] + ", " if self.backbones else ""
        return backbone + self.pooling

    @property
    def flags(self) -> str:
        """What `frostline fit` is told to do the same."""
        fusion = f" --fusion {self.fusion}" if self.fusion else ""
        if self.backbones:
            return f"{' '.join(f'--backbone {one}' for one in self.backbones)}{fusion} --head {self.head}"
        return f"--layers {','.join(self.layers)} --pooling {self.pooling}{fusion} --head {self.head}"


@dataclass(frozen=True)
class SweepReport:
    """The result of a sweep.

    Attributes
    ----------
    task : {"classification", "regression"}
    title, target, metric : str
    n_rows : int
    rows : list of SweepRow
        From the cheapest to the dearest.
    chosen : SweepRow
    embed : EmbedStats
    seconds : dict
        embed, compare.
    joules : float or None
        Of the embedding pass; `energy` says how it was measured, or that it was not.
    n_unlabeled : int
        Rows without a target, which were left out.
    split : str
        A sentence on how rows were held out.
    """

    task: Task
    title: str
    target: str
    metric: str
    n_rows: int
    rows: list[SweepRow]
    chosen: SweepRow
    embed: EmbedStats
    seconds: dict[str, float] = field(default_factory=dict)
    joules: float | None = None
    energy: str = ""
    n_unlabeled: int = 0
    split: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            **{
                name: getattr(self, name)
                for name in ("task", "title", "target", "metric", "n_rows", "n_unlabeled", "split")
            },
            "recommendation": {**asdict(self.chosen), "flags": self.chosen.flags},
            "candidates": [asdict(row) for row in self.rows],
            **{name: getattr(self.embed, name) for name in ("n_texts", "n_embedded", "n_truncated", "n_tokens")},
            "backbones": {name: asdict(stats) for name, stats in self.embed.backbones.items()},
            "seconds": self.seconds,
            "joules": self.joules,
            "energy": self.energy,
        }

    def to_text(self) -> str:
        """The best fifteen and the recommendation, for a terminal."""
        metric = metric_named(self.metric)
        best = sorted(self.rows, key=lambda row: row.loss)[:_SHOWN]
        shown = best if self.chosen in best else [*best[:-1], self.chosen]
        width = max(len(row.name) for row in shown)
        top = f"{'':{width}}  {metric.name:>16}  {'behind the best':>18}  {'blocks':>6}  {'width':>5}"
        lines = [f"{top}  {'trained':>9}  {'all numbers':>12}"]
        for row in shown:
            score = f"{show(metric, row.score)} {show_spread(metric, row.std)}"
            behind = f"{row.behind:.4f} ± {row.behind_std:.4f}"
            mark = "  <- recommended" if row is self.chosen else ""
            size = f"{row.blocks:>6}  {row.width:>5}  {_count(row.n_trained):>9}  {_count(row.n_total):>12}"
            lines.append(f"{row.name:{width}}  {score:>16}  {behind:>18}  {size}{mark}")
        more = len(self.rows) - len(shown)
        lines += [f"and {more} more, all in --json and --html"] if more else []
        cost = f"{self.embed.n_texts:,} texts, {self.embed.n_tokens:,} tokens, {self.embed.n_embedded:,} embedded in "
        cost += f"{self.seconds['embed']:.0f} s, compared in {self.seconds['compare']:.0f} s; energy "
        cost += self.energy if self.joules is None else f"{self.joules:.0f} J ({self.energy})"
        cost += f"; {self.n_unlabeled:,} rows without a target were left out" if self.n_unlabeled else ""
        return "\n".join(
            [*lines, "", *filter(None, [self.split]), cost, f"to use it: frostline fit ... {self.chosen.flags}"]
        )

    def to_html(self) -> str:
        """One self-contained page: table and plots."""
        metric = metric_named(self.metric)
        title = f"Sweep of {self.target} in {self.title}"
        lead = f"{len(self.rows)} candidates compared on {self.n_rows:,} rows. {self.split} Bars: one standard error."
        return document(
            title,
            element("header", element("h1", title), element("p", lead, class_="lead")),
            element("p", "Recommended: ", element("code", self.chosen.flags)),
            *(
                element("figure", element("div", c, class_="chart"))
                for c in (self._by_layer(metric), self._by_cost(metric))
            ),
            self._table(metric),
        )

    def _table(self, metric: Metric) -> Markup:
        header = (
            *("reading and head", metric.name, "std error", "loss", "behind", "std error", "blocks", "width"),
            *("trained numbers", "all numbers", "tokens", "s", "J"),
        )
        rows = [
            (
                row.name + (" (recommended)" if row is self.chosen else ""),
                show(metric, row.score),
                show_spread(metric, row.std),
                *(f"{value:.4f}" for value in (row.loss, row.behind, row.behind_std)),
                str(row.blocks),
                str(row.width),
                _count(row.n_trained),
                _count(row.n_total),
                _count(row.n_tokens),
                f"{row.seconds:.1f}",
                MISSING if row.joules is None else f"{row.joules:.0f}",
            )
            for row in sorted(self.rows, key=lambda row: row.loss)
        ]
        top = element("thead", element("tr", *(element("th", name, scope="col") for name in header)))
        lines = (element("tr", *(element("td", cell) for cell in row)) for row in rows)
        return element("div", element("table", top, element("tbody", *lines)), class_="scroll")

    def _by_layer(self, metric: Metric) -> Markup:
        """Score of each single layer, a line for each pooling, with the first head."""
        singles = [row for row in self.rows if not row.fusion and row.head == self.rows[0].head]
        layers = sorted(dict.fromkeys(row.layers[0] for row in singles), key=_depth)
        x, y = Scale(-0.5, len(layers) - 0.5, 76, 500), _scale(singles)
        parts = [y_axis(y, 76, 500, metric.name, lambda t, ts: tick_text(t, ts, percent=metric.style == "percent"))]
        parts += [label(x(i), 270, layer, class_="tick") for i, layer in enumerate(layers)]
        for line in dict.fromkeys(row.line for row in singles):
            of_line = sorted((row for row in singles if row.line == line), key=lambda row: _depth(row.layers[0]))
            own = [(x(layers.index(row.layers[0])), row) for row in of_line]
            parts.append(polyline([(at, y(row.score)) for at, row in own], "line"))
            parts += [_mark(at, y, row, self.chosen) for at, row in own]
            parts.append(label(506, y(own[-1][1].score) + 4, line, anchor="start", class_="name"))
        parts.append(label(288, 294, "layer", class_="axis"))
        return canvas("by-layer", 600, 304, f"{metric.name} against layer", "", *parts)

    def _by_cost(self, metric: Metric) -> Markup:
        """Score against what a prediction multiplies, on a logarithmic scale; where that is not known, against a stand-in."""
        name, costs = (
            "log10 of multiplications a prediction",
            {id(row): math.log10(row.multiplications) for row in self.rows if row.multiplications},
        )
        if len(costs) < len(self.rows):
            name = "log10 of blocks that run times width that is read"
            costs = {id(row): math.log10(max(1, row.blocks) * row.width) for row in self.rows}
        x = Scale(*padded(costs.values()), 76, 580)
        y = _scale(self.rows)
        write = lambda t, ts: tick_text(t, ts, percent=metric.style == "percent")  # noqa: E731
        parts = [
            y_axis(y, 76, 580, metric.name, write),
            x_axis(x, 250, 16, name, lambda t, ts: tick_text(t, ts)),
        ]
        parts += [_mark(x(costs[id(row)]), y, row, self.chosen) for row in self.rows]
        return canvas("by-cost", 600, 304, f"{metric.name} against cost", "", *parts)


def _count(n: int | None) -> str:
    return MISSING if n is None else f"{n:,}"


def _depth(layer: str) -> float:
    return math.inf if layer == "final" else float(layer)


def _scale(rows: Iterable[SweepRow]) -> Scale:
    return Scale(*padded(row.score + sign * row.std for row in rows for sign in (-1, 1)), 250, 16)


def _mark(x: float, y: Scale, row: SweepRow, chosen: SweepRow) -> Markup:
    tip = element("title", f"{row.name}: {row.score:.4f} ± {row.std:.4f}")
    bar = element("path", d=f"M{x:.1f} {y(row.score - row.std):.1f}V{y(row.score + row.std):.1f}", class_="whisker")
    dot = element(
        "circle", cx=x, cy=y(row.score), r=6.0 if row is chosen else 4.0, class_="mark" if row is chosen else "hollow"
    )
    return element("g", tip, bar, dot)
