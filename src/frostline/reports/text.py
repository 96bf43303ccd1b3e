"""A report as a few lines for the terminal."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from frostline.reports.classes import class_rows, confusions, decision_sentences
from frostline.reports.comparison import arm_sentences
from frostline.reports.model import FitReport
from frostline.reports.scores import (
    data_sentence,
    duration,
    metrics_of,
    overlap_sentence,
    phrase,
    score_rows,
    show,
    show_spread,
    target_rows,
    truncation_sentence,
    when,
)
from frostline.reports.verdict import judge

__all__ = ["to_text"]

_WIDTH = 96
_MARGIN = 10
_LONG = 100
_LISTED = 3
_UNIT = re.compile(r"(?<=\d) (?=(%|s|min|h|points)(?!\w))")


def to_text(report: FitReport, artifact: str | None = None) -> str:
    """Render a report as plain text, 20 to 30 lines of at most 96 columns.

    Parameters
    ----------
    report : FitReport
    artifact : str, optional
        Folder that the predictor was saved to; the last line names it.

    Returns
    -------
    str
        Without a line feed at the end. Columns of the table grow with their numbers; names and paths without spaces
        are never broken.
    """
    source = f"{report.target} in {report.title}" if report.title else report.target
    about = " · ".join(filter(None, (f"Frostline {report.version}".strip(), report.task, source, when(report.created))))
    lines = [
        *_wrap(about),
        *_wrap(f"{data_sentence(report)} {report.split}"),
        "",
        *_table(report),
        "",
        *_wrap(str(judge(report))),
        "",
    ]
    for name, text in _facts(report):
        lines += _wrap(text, name)
    if artifact is not None:
        lines.append(f"{'folder':<{_MARGIN}}{_printable(artifact)}")
    return "\n".join(lines)


def _wrap(text: str, name: str | None = None) -> list[str]:
    """Break a paragraph into lines, the first with a name in the margin; white space is collapsed."""
    margin = "" if name is None else " " * _MARGIN
    start = "" if name is None else f"{name:<{_MARGIN}}"
    wrapper = textwrap.TextWrapper(_WIDTH, initial_indent=start, subsequent_indent=margin)
    wrapper.break_long_words = wrapper.break_on_hyphens = False
    glued = _UNIT.sub("\u00a0", " ".join(_printable(text).split()))  # a no-break space: a line never starts with a unit
    return [line.replace("\u00a0", " ") for line in wrapper.wrap(glued)]


def _printable(text: str) -> str:
    """Replace control characters, so that no name in the data can steer the terminal."""
    return "".join(c if c.isprintable() or c.isspace() else "\ufffd" for c in text)


def _table(report: FitReport) -> list[str]:
    metrics = metrics_of(report)
    grid = [["", *(m.name for m in metrics)]]
    for row in score_rows(report):
        name = row.name if row.kind in ("frostline", "baseline") else f"  {row.name}"
        write = show_spread if row.kind == "spread" else show
        grid.append([_printable(name), *(write(m, row.values.get(m.key)) for m in metrics)])
    if lines := target_rows(report):
        grid += [[""] * len(grid[0]), *([_printable(line[0]), *line[1:]] for line in lines)]
    widths = [max(len(line[i]) for line in grid) for i in range(len(grid[0]))]
    return [
        "  ".join(
            [f"{line[0]:<{widths[0]}}", *(f"{v:>{w}}" for v, w in zip(line[1:], widths[1:], strict=True))]
        ).rstrip()
        for line in grid
    ]


def _facts(report: FitReport) -> Iterator[tuple[str, str]]:
    embed, seconds = report.embed, {"embed": report.embed.seconds} | report.seconds
    chosen = {name: value for name, value in report.chosen.items() if value is not None}
    yield "chosen", " · ".join(f"{name} {_brief(phrase(value))}" for name, value in chosen.items())
    if embed.n_rows:
        cost = f"{embed.n_texts:,} distinct texts, {embed.n_embedded:,} run through the backbone, "
        cost += f"{embed.n_tokens:,} tokens; "
        yield "cost", cost + ", ".join(f"{name} {duration(value)}" for name, value in seconds.items())
    yield "truncated", truncation_sentence(report)
    yield "overlap", overlap_sentence(report)
    for i, sentence in enumerate(decision_sentences(report)):
        yield "" if i else "decision", sentence
    yield from _classes(report)
    for i, sentence in enumerate(arm_sentences(report)):
        yield "" if i else "compared", sentence
    for i, note in enumerate(report.notes):
        yield "" if i else "notes", f"- {note}"


def _classes(report: FitReport) -> Iterator[tuple[str, str]]:
    """The worst classes with their training rows, and the pairs most often confused with a text of each."""
    for i, (name, precision, recall, f1, n_test, n_train) in enumerate(class_rows(report)[:_LISTED]):
        about = (
            f"{_brief(name)}: F1 {f1}, precision {precision}, recall {recall}; {n_test} test, {n_train} training rows"
        )
        yield "" if i else "classes", about
    if (rest := len(report.classes) - _LISTED) > 0:
        yield "", f"and {rest} classes with a better F1 (all in report.html)"
    for i, (pair, mistakes) in enumerate(confusions(report, 2 if len(report.labels) > 2 or report.mistakes else 0)):
        about = f"{_brief(pair.true)} taken for {_brief(pair.predicted)}: {pair.n:,} rows ({100 * pair.share:.1f} %)"
        yield "" if i else "confused", about + "".join(f', such as "{_start(m.text)}"' for m in mistakes[:1])


def _start(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"


def _brief(text: str) -> str:
    return text if len(text) <= _LONG else f"{_start(text)} (cut here; whole in report.html)"
