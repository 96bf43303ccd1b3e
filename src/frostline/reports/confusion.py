"""Which classes are taken for which: the heat map, the pairs most often confused, and the score of each class."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from frostline.contracts import IntArray
from frostline.reports.markup import Markup, element
from frostline.reports.svg import canvas, label, shorten

__all__ = ["Confused", "Shown", "confusion_chart", "shown_classes", "top_confusions"]

MAX_WHOLE = 20
MAX_SHOWN = 15

# Where cell text must turn from black to white (light page) and from white to black (dark page) to stay readable.
MIDDLE, DEEP = 0.605, 0.775


class Shown(NamedTuple):
    """A confusion matrix small enough to draw: with many classes, all but the most confused are summed into one."""

    labels: list[str]
    counts: IntArray
    n_left_out: int


class Confused(NamedTuple):
    """Rows of one true class that were predicted as one other class; `share` is of the true class."""

    true: str
    predicted: str
    n: int
    share: float


def shown_classes(labels: list[str], confusion: IntArray) -> Shown:
    """Choose the classes to draw.

    Parameters
    ----------
    labels : list of str, length n_classes
    confusion : int array of shape (n_classes, n_classes)
        Rows are true classes.

    Returns
    -------
    Shown
        Everything up to 20 classes; else the 15 with the most errors (as true or as predicted class; then the most
        frequent), in their own order, and a last row and column that sum the others. No count is lost.
    """
    if len(labels) <= MAX_WHOLE:
        return Shown(labels, confusion, 0)
    right = confusion.diagonal()
    errors = confusion.sum(axis=0) + confusion.sum(axis=1) - 2 * right
    keep = np.sort(np.lexsort((-confusion.sum(axis=1), -errors))[:MAX_SHOWN])
    group = np.full(len(labels), MAX_SHOWN)
    group[keep] = np.arange(MAX_SHOWN)
    counts = np.zeros((MAX_SHOWN + 1, MAX_SHOWN + 1), dtype=np.int64)
    np.add.at(counts, (group[:, None], group[None, :]), confusion)
    left_out = len(labels) - MAX_SHOWN
    return Shown([*(labels[i] for i in keep), f"{left_out} others"], counts, left_out)


def top_confusions(labels: list[str], confusion: IntArray, limit: int = 10) -> list[Confused]:
    """List the pairs of classes that are confused most often, largest count first."""
    wrong = confusion - np.diag(confusion.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:limit]
    pairs = [(int(i), int(j)) for i, j in zip(*np.unravel_index(order, wrong.shape), strict=True) if wrong[i, j]]
    totals = confusion.sum(axis=1)
    return [Confused(labels[i], labels[j], int(wrong[i, j]), float(wrong[i, j] / totals[i])) for i, j in pairs]


def confusion_chart(shown: Shown) -> Markup:
    """Draw counts as a heat map; the darker a cell, the larger its share of its row."""
    n = len(shown.labels)
    cell = min(max(460 / n, 34), 88)
    names = [shorten(name, 22) for name in shown.labels]
    longest = max(len(name) for name in names)
    slanted = longest * 7 > cell
    left, top = 44 + 6.6 * longest, 40 + (4.9 * longest if slanted else 8)
    side = n * cell
    width = left + side + (4.9 * longest if slanted else 0) + 12
    parts = [
        label(left + side / 2, 14, "predicted", class_="axis"),
        label(14, top + side / 2, "true", class_="axis", rotate=-90),
    ]
    anchor, turn = ("start", -45) if slanted else ("middle", 0)
    for i, (name, whole) in enumerate(zip(names, shown.labels, strict=True)):
        tip, middle = element("title", whole), (i + 0.5) * cell
        row = label(left - 8, top + middle + 4, name, anchor="end", class_="name")
        column = label(left + middle + (4 if slanted else 0), top - 8, name, anchor=anchor, rotate=turn, class_="name")
        parts += [element("g", tip, row), element("g", tip, column)]
    totals = shown.counts.sum(axis=1)
    for i, j in np.ndindex(n, n):
        share = float(shown.counts[i, j] / totals[i]) if totals[i] else 0.0
        text = f"true {shown.labels[i]}, predicted {shown.labels[j]}: {shown.counts[i, j]:,} ({100 * share:.1f} %)"
        parts.append(_cell(left + j * cell, top + i * cell, cell, int(shown.counts[i, j]), share, text))
    right = int(shown.counts.diagonal().sum())
    description = f"{right:,} of {int(totals.sum()):,} rows lie on the diagonal of {n} by {n} cells."
    return canvas("confusion", width, top + side + 8, "Confusion matrix", description, *parts)


def _cell(x: float, y: float, size: float, n: int, share: float, tip: str) -> Markup:
    box = {"x": x + 1, "y": y + 1, "width": size - 2, "height": size - 2, "rx": 3}
    parts = [
        element("title", tip),
        element("rect", **box, class_="ground"),
        element("rect", **box, class_="heat", fill_opacity=round(share, 3)),
    ]
    text = f"{n:,}" if n or size > 60 else ""
    if text:
        parts.append(label(x + size / 2, y + size / 2 + 4, text))
    small = 13 * (size - 4) / (7.6 * len(text)) if 7.6 * len(text) > size - 4 else None
    tone = "cell deep" if share >= DEEP else "cell mid" if share >= MIDDLE else "cell"
    return element("g", *parts, class_=tone, font_size=small)
