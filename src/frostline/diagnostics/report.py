"""The findings of a run as a terminal's text, JSON and one self-contained page."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from frostline.diagnostics.model import OUTCOMES, Finding
from frostline.diagnostics.perturb import Change
from frostline.errors import UserError, nearest
from frostline.reports.markup import Markup, element
from frostline.reports.page import document, figure, section, table

__all__ = ["Report"]

_BADGES = {"issue": "worse", "tip": "unknown", "passed": "better", "not applicable": "level"}


@dataclass(frozen=True)
class Report:
    """What :func:`frostline.diagnose` found.

    Attributes
    ----------
    title : str
    task : str
    n_rows : int
        Rows that data and vectors were judged on.
    findings : list of Finding
        One for each check, by code.
    perturbations : list of Change
    gradients : dict of dict
        ``head``: norm of the prediction's gradient over each layer that is read, its coordinates in standard deviations;
        ``embedding``: relative change of each layer's vector for a relative change of the token embeddings.
    figures : list of str
        Plots of the page.
    """

    title: str
    task: str
    n_rows: int
    findings: list[Finding]
    perturbations: list[Change] = field(default_factory=list)
    gradients: dict[str, dict[str, float]] = field(default_factory=dict)
    figures: list[Markup] = field(default_factory=list)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __getitem__(self, code: str) -> Finding:
        known = {finding.code: finding for finding in self.findings}
        if code not in known:
            raise UserError(f"There is no check {code!r}.", hint=nearest(code, known) or f"known: {', '.join(known)}")
        return known[code]

    def __str__(self) -> str:
        return self.to_text()

    def of(self, outcome: str) -> list[Finding]:
        """The findings of one outcome."""
        if outcome not in OUTCOMES:
            raise UserError(f"Unknown outcome {outcome!r}. Allowed: {', '.join(OUTCOMES)}.")
        return [finding for finding in self.findings if finding.outcome == outcome]

    @property
    def summary(self) -> str:
        """How many checks ended how."""
        counts = Counter(finding.outcome for finding in self.findings)
        return ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if counts[outcome])

    def to_text(self) -> str:
        """A line for each check, issues first."""
        ranked = sorted(self.findings, key=lambda finding: (OUTCOMES.index(finding.outcome), finding.code))
        lines = [f"{self.title}: {self.n_rows:,} rows, {self.task}; {self.summary}"]
        lines += [
            f"{f.code}  {f.outcome.upper() if f.outcome == 'issue' else f.outcome:14s}  {f.title}: {f.message}"
            for f in ranked
        ]
        if self.perturbations:
            lines += ["", *_grid(_rows_of(self.perturbations))]
        for name, norms in self.gradients.items():
            lines += ["", f"{_GRADIENTS[name]} " + ", ".join(f"{layer} {norm:.3g}" for layer, norm in norms.items())]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            **{name: getattr(self, name) for name in ("title", "task", "n_rows")},
            "findings": [_finite(asdict(finding)) for finding in self.findings],
            "counts": {outcome: len(self.of(outcome)) for outcome in OUTCOMES},
            "perturbations": [asdict(change) for change in self.perturbations],
            "gradients": self.gradients,
        }

    def to_html(self) -> str:
        """One page that holds everything it shows."""
        cards = []
        for outcome in OUTCOMES:
            for finding in self.of(outcome):
                badge = element("span", finding.outcome, class_="badge")
                head = element("p", f"{finding.code} · {finding.title}", class_="headline")
                cards.append(
                    element("div", badge, head, element("p", finding.message), class_=f"verdict {_BADGES[outcome]}")
                )
        parts = [*cards, *(element("section", figure(chart)) for chart in self.figures)]
        if self.perturbations:
            header, *rows = _rows_of(self.perturbations)
            parts.append(section("What small changes do", table(_LEGEND, header, rows)))
        for name, norms in self.gradients.items():
            rows = [[layer, f"{norm:.3g}"] for layer, norm in norms.items()]
            parts.append(section(f"Gradients of the {name}", table(_GRADIENTS[name], ["layer", "norm"], rows)))
        name = f"Diagnosis of {self.title}"
        lead = f"{self.n_rows:,} rows, {self.task}; {self.summary}."
        top = element("header", element("h1", name), element("p", lead, class_="lead"))
        return document(name, top, *parts)


_GRADIENTS = {
    "head": "Gradient of the prediction over each layer that is read, coordinates in standard deviations:",
    "embedding": "Relative change of each layer's vector for a relative change of the token embeddings:",
}
_LEGEND = (
    "Embedding and raw columns: distance moved, as a share of the distance between two rows. Prediction: standard deviations, or "
    "probability moved."
)


def _finite(value: Any) -> Any:
    """JSON has no infinity: what is not finite is None."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _rows_of(changes: list[Change]) -> list[list[str]]:
    rows = [["change", "column", "raw columns", "embedding", "prediction"]]
    for c in changes:
        cells = ("–" if value is None else f"{value:.3f}" for value in (c.raw, c.embedding, c.prediction))
        rows.append([c.change, c.column or "(writing only)", *cells])
    return rows


def _grid(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
