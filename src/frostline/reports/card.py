"""A report as a model card in Markdown, the page that travels with a saved predictor."""

from __future__ import annotations

import html
import re
import shlex
from collections.abc import Iterable, Sequence

from frostline.reports.model import FitReport
from frostline.reports.scores import (
    data_sentence,
    metrics_of,
    overlap_sentence,
    phrase,
    score_rows,
    show,
    show_spread,
    target_rows,
    truncation_sentence,
    uses_backbone,
    when,
)
from frostline.reports.verdict import judge

__all__ = ["to_card"]

_SHIFT = (
    "On input of another kind, time or language the score does not hold: measure it there with `frostline evaluate`."
)


def to_card(report: FitReport, folder_name: str) -> str:
    """Render a report as a model card.

    Parameters
    ----------
    report : FitReport
    folder_name : str
        Folder that the predictor is saved to, as the commands of the card name it.

    Returns
    -------
    str
        Markdown; text of the user's is escaped.
    """
    data = _plain(report.title) or "unnamed data"
    parts = [
        f"# {_plain(report.target)} from {data}",
        _lead(report),
        "## Score",
        _plain(str(judge(report))),
        _scores(report),
        _table([_plain(cell) for cell in lines[0]], [[_plain(c) for c in line] for line in lines[1:]], "---:")
        if (lines := target_rows(report))
        else "",
        "## Data",
        _bullets([f"{data_sentence(report)} Source: {data}.", *_tested(report)]),
        "## Use",
        _usage(report, folder_name),
        "## Settings",
        _table(("setting", "value"), [(_plain(k), _plain(phrase(v))) for k, v in _settings(report).items()]),
        "## Limits",
        _bullets(_limits(report)),
        "## Backbone and license",
        _license(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _lead(report: FitReport) -> str:
    how = "A frozen language model reads the input; only a small head on top of it was trained."
    if not uses_backbone(report):
        how = "It was trained on features that need no language model."
    return f"This {report.task} model, made with Frostline, predicts **{_plain(report.target)}**. {how}"


def _plain(text: str) -> str:
    """Write text so that Markdown shows it as it is, on one line."""
    return re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", html.escape(" ".join(text.split()), quote=False))


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines if line)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], align: str = "---") -> str:
    lines = [header, ("---", *[align] * (len(header) - 1)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _scores(report: FitReport) -> str:
    metrics = metrics_of(report)
    rows = []
    for row in score_rows(report):
        write = show_spread if row.kind == "spread" else show
        rows.append((_plain(row.name), *(write(m, row.values.get(m.key)) for m in metrics)))
    return _table(("model", *(_plain(m.name) for m in metrics)), rows, "---:")


def _tested(report: FitReport) -> list[str]:
    return [_plain(text) for text in (report.split, overlap_sentence(report), *report.notes)]


def _settings(report: FitReport) -> dict[str, object]:
    seed = {} if "seed" in report.chosen else {"seed": "not recorded"}
    return (
        report.chosen
        | seed
        | {"frostline": report.version or "not recorded", "created": when(report.created) or "not recorded"}
    )


def _usage(report: FitReport, folder_name: str) -> str:
    option = "--interval 0.9" if report.task == "regression" else "--proba"
    return (
        "```python\n"
        "import frostline\n\n"
        f"predictor = frostline.load({folder_name!r})\n"
        "predictor.predict(inputs)  # strings, or rows with the columns it was trained on\n"
        "```\n\n"
        "```console\n"
        f"$ frostline predict {shlex.quote(folder_name)} new.csv {option} --out predictions.csv\n"
        "```"
    )


def _limits(report: FitReport) -> list[str]:
    limits = [
        f"It has seen {report.n_train:,} rows of one source. {_SHIFT}",
        f"{_plain(truncation_sentence(report))} What lies beyond the window of the backbone is not read.".lstrip(),
    ]
    if report.task == "multilabel":
        return [
            *limits,
            f"It knows {len(report.labels)} labels and gives none of any other kind; it may give none at all.",
        ]
    if report.task == "classification":
        labels = (
            f"one of its {len(report.labels)} classes" if report.labels else "one of the classes of its training data"
        )
        return [*limits, f"It always answers with {labels}, also where none of them fits."]
    if "coverage" in report.metrics:
        limits.append(
            "Its intervals hold on average over rows like the training rows, not for every kind of row alike."
        )
    return [*limits, "Far outside the range of the training targets its numbers are extrapolations."]


def _license(report: FitReport) -> str:
    if not uses_backbone(report):
        return "None: the predictor needs no language model."
    name = phrase(report.chosen.get("backbone", "not recorded"))
    if name == "minilm":
        return (
            "`minilm` is sentence-transformers/all-MiniLM-L6-v2, under Apache-2.0. "
            "This folder holds the trained head, not the backbone; predicting needs both."
        )
    return (
        f"Backbone: {_plain(name)}. This folder holds the trained head, not the backbone; predicting needs both. "
        "The license of the backbone applies to its use: read it where the backbone comes from."
    )
