"""A small drawing layer: linear scales with round ticks, axes, and a canvas that a screen reader can name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from frostline.reports.markup import Markup, element, join

__all__ = ["Scale", "canvas", "label", "nice_ticks", "padded", "polyline", "shorten", "tick_text", "x_axis", "y_axis"]


_STEPS = (
    (1, math.sqrt(2)),
    (2, math.sqrt(10)),
    (5, math.sqrt(50)),
    (10, math.inf),
)  # each up to the middle, on a log scale


@dataclass(frozen=True)
class Scale:
    """Data to pixels, linearly: `low` lands on `start`, `high` on `stop`."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """Find the pixel of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.stop - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """About `count` round values within the scale."""
        return nice_ticks(self.low, self.high, count)


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Find round values (1, 2 or 5 times a power of ten apart) from `low` to `high`.

    Parameters
    ----------
    low, high : float
        Finite, `low` smaller than `high`.
    count : int
        About how many.

    Returns
    -------
    list of float
        Rising, all within [low, high].
    """
    rough = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(m for m, limit in _STEPS if rough < limit * power)
    slack = 1e-9 * step
    first, last = math.ceil((low - slack) / step), math.floor((high + slack) / step)
    return [i * step for i in range(first, last + 1)]


def padded(values: Iterable[float], share: float = 0.05) -> tuple[float, float]:
    """Find the range of the values with some room on both sides; one value alone gets room by its own size."""
    finite = [v for v in values if math.isfinite(v)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    room = (high - low) * share or abs(high) * share or share
    return low - room, high + room


def tick_text(value: float, ticks: list[float], *, percent: bool = False) -> str:
    """Write a tick with as many decimals as the distance between ticks asks for."""
    factor = 100 if percent else 1
    step = factor * (ticks[1] - ticks[0]) if len(ticks) > 1 else abs(factor * value) or 1.0
    largest = factor * max(abs(t) for t in ticks)
    if largest >= 1e6 or step < 1e-4:
        text = f"{factor * value:.{max(1, 1 + math.ceil(math.log10(largest / step)))}g}"
    else:
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        text = f"{factor * value + 0.0:,.{decimals}f}"
    return (text if float(text.replace(",", "")) else text.removeprefix("-")) + (" %" if percent else "")


def shorten(text: str, limit: int) -> str:
    """Cut the middle out of a long text, leaving an ellipsis; both ends stay, where names differ."""
    if len(text) <= limit:
        return text
    tail = limit // 3
    return f"{text[: limit - tail - 1]}…{text[-tail:]}"


def label(x: float, y: float, content: str, *, class_: str = "", anchor: str = "middle", rotate: float = 0) -> Markup:
    """Write text at a place, turned by `rotate` degrees about it; `anchor` says which end of it stands there."""
    turn = f"rotate({rotate:g} {x:.1f} {y:.1f})" if rotate else None
    return element("text", content, x=x, y=y, text_anchor=anchor, class_=class_ or None, transform=turn)


def polyline(points: Iterable[tuple[float, float]], class_: str) -> Markup:
    """Draw an open line through points given in pixels."""
    return element("path", d="M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points), class_=class_)


def x_axis(scale: Scale, y: float, top: float, name: str, write: Callable[[float, list[float]], str]) -> Markup:
    """Draw ticks, faint lines up to `top`, and the name of an axis that lies at height `y`."""
    ticks = scale.ticks()
    parts = [element("line", x1=scale(t), x2=scale(t), y1=top, y2=y, class_="grid") for t in ticks]
    parts += [label(scale(t), y + 18, write(t, ticks), class_="tick") for t in ticks]
    return join(*parts, label((scale.start + scale.stop) / 2, y + 40, name, class_="axis"))


def y_axis(scale: Scale, x: float, right: float, name: str, write: Callable[[float, list[float]], str]) -> Markup:
    """Draw ticks, faint lines as far as `right`, and the name of an axis that stands at `x`."""
    ticks = scale.ticks()
    parts = [element("line", x1=x, x2=right, y1=scale(t), y2=scale(t), class_="grid") for t in ticks]
    parts += [label(x - 8, scale(t) + 4, write(t, ticks), class_="tick", anchor="end") for t in ticks]
    return join(*parts, label(14, (scale.start + scale.stop) / 2, name, class_="axis", rotate=-90))


def canvas(name: str, width: float, height: float, title: str, description: str, *marks: str) -> Markup:
    """Wrap marks into an SVG that scales down with the page.

    Parameters
    ----------
    name : str
        Distinct within the page; the ids of title and description are made of it.
    width, height : float
        Size in pixels at full width.
    title, description : str
        What a screen reader says instead of the picture.
    *marks : str
        The content.

    Returns
    -------
    Markup
    """
    return element(
        "svg",
        element("title", title, id=f"{name}-title"),
        element("desc", description, id=f"{name}-desc"),
        *marks,
        viewBox=f"0 0 {width:g} {height:g}",
        style=f"max-width:{width:g}px;min-width:{min(width, 440):g}px",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )
