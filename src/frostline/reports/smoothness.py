"""Plots of smoothness: Lipschitz factors as histograms, neighbors' differences by layer, gaps against gains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from frostline.reports.markup import Markup, element
from frostline.reports.svg import Scale, canvas, label, padded, polyline, shorten, tick_text, x_axis, y_axis

__all__ = ["cloud_chart", "gap_chart", "nlfd_chart", "ratio_chart"]

_BINS = 40


def nlfd_chart(series: Mapping[str, ArrayLike], name: str = "nlfd") -> Markup:
    """Draw the share of Lipschitz factors in equal bins, a line for each embedding; the last bin holds all larger ones.

    Parameters
    ----------
    series : mapping of str to arrays of factors
        Not empty.
    name : str
        Distinct within the page.

    Returns
    -------
    Markup
    """
    factors = {key: np.asarray(values, dtype=np.float64) for key, values in series.items()}
    top = max(float(np.quantile(values, 0.98)) for values in factors.values()) or 1.0
    edges = np.linspace(0, top, _BINS + 1)
    shares = {
        key: np.bincount(np.minimum((values / top * _BINS).astype(int), _BINS - 1), minlength=_BINS) / len(values)
        for key, values in factors.items()
    }
    x, y = Scale(0, top, 76, 560), Scale(0, max(float(v.max()) for v in shares.values()) * 1.05, 250, 16)
    parts = [
        x_axis(x, 250, 16, "Lipschitz factor between nearest neighbors", tick_text),
        y_axis(y, 76, 560, "share of rows", lambda t, ts: tick_text(t, ts, percent=True)),
    ]
    labels: list[tuple[float, float]] = []
    for i, (key, share) in enumerate(shares.items()):
        steps = [(x(edge), y(height)) for j, height in enumerate(share) for edge in edges[j : j + 2]]
        parts.append(polyline(steps, "line" if i == 0 else "whisker"))
        at = int(np.argmax(share))
        across, height = x(edges[at + 1]) + 6, y(share[at]) + 4
        while any(abs(across - a) < 160 and abs(height - b) < 15 for a, b in labels):
            height += 15  # below the label that stands there
        labels.append((across, height))
        parts.append(label(across, height, key, anchor="start", class_="strong" if i == 0 else "name"))
    spoken = "; ".join(f"{key}: mean {values.mean():.3g}" for key, values in factors.items())
    return canvas(name, 640, 300, "Lipschitz factors", spoken, *parts)


def ratio_chart(ratios: Mapping[str, float], name: str = "ratio") -> Markup:
    """Draw by layer how far neighbors are apart in the target; at 1 they are as far apart as any two rows.

    Parameters
    ----------
    ratios : mapping of layer to ratio
        See :func:`frostline.numerics.smoothness.neighbor_ratio`; not empty.
    name : str
        Distinct within the page.

    Returns
    -------
    Markup
    """
    x = Scale(-0.5, len(ratios) - 0.5, 76, 580)
    y = Scale(*padded([*ratios.values(), 1.0]), 250, 16)
    points = [(x(i), y(value)) for i, value in enumerate(ratios.values())]
    parts = [
        y_axis(y, 76, 580, "neighbors' difference in the target", tick_text),
        element("line", x1=76, x2=580, y1=y(1), y2=y(1), class_="ideal"),
        *(label(at, 270, shorten(layer, 12), class_="tick") for (at, _), layer in zip(points, ratios, strict=True)),
        label(328, 294, "layer", class_="axis"),
        polyline(points, "line"),
        *(element("circle", cx=at, cy=height, r=4.0, class_="mark") for at, height in points),
    ]
    spoken = "; ".join(f"{layer}: {value:.2f}" for layer, value in ratios.items())
    return canvas(name, 600, 304, "Difference between neighbors, over that between any two rows", spoken, *parts)


def gap_chart(gaps: ArrayLike, gains: ArrayLike, labels: Sequence[str], name: str = "gap") -> Markup:
    """Draw the smoothness gap Z of tasks against the gain in score of one embedding over another.

    Parameters
    ----------
    gaps : array of shape (m,)
    gains : array of shape (m,)
    labels : sequence of m str
        What a task is called.
    name : str
        Distinct within the page.

    Returns
    -------
    Markup
    """
    across, up = np.asarray(gaps, dtype=np.float64), np.asarray(gains, dtype=np.float64)
    x, y = Scale(*padded(across.tolist()), 76, 560), Scale(*padded(up.tolist()), 250, 16)
    dots = [
        element("g", element("title", text), element("circle", cx=x(a), cy=y(b), r=4.0, class_="mark"))
        for a, b, text in zip(across, up, labels, strict=True)
    ]
    r = float(np.corrcoef(across, up)[0, 1]) if len(across) > 2 and np.ptp(across) > 0 and np.ptp(up) > 0 else None
    title = "Gain against smoothness gap" + ("" if r is None else f" (Pearson r = {r:.2f})")
    axes = x_axis(x, 250, 16, "smoothness gap Z", tick_text), y_axis(y, 76, 560, "gain in score", tick_text)
    return canvas(name, 640, 300, title, f"{len(across)} tasks", *axes, *dots)


def cloud_chart(
    clouds: Mapping[str, ArrayLike], axes: tuple[str, str], title: str, name: str, *, ideal: bool = False
) -> Markup:
    """Draw points of several kinds, each kind in a color of its own.

    Parameters
    ----------
    clouds : mapping of str to arrays of shape (m, 2)
        At most six; an empty name stands in no legend; with a third column from 0 to 1, paler points have smaller values there.
    axes : (str, str)
    title : str
    name : str
        Distinct within the page.
    ideal : bool, default=False
        Whether the diagonal is drawn.

    Returns
    -------
    Markup
    """
    points = {key: np.asarray(cloud, dtype=np.float64) for key, cloud in clouds.items()}
    every = np.concatenate([cloud[:, :2] for cloud in points.values()])
    x, y = Scale(*padded(every[:, 0].tolist()), 76, 460), Scale(*padded(every[:, 1].tolist()), 250, 16)
    parts = [x_axis(x, 250, 16, axes[0], tick_text), y_axis(y, 76, 460, axes[1], tick_text)]
    low, high = max(x.low, y.low), min(x.high, y.high)
    if ideal and low < high:
        parts.append(element("line", x1=x(low), y1=y(low), x2=x(high), y2=y(high), class_="ideal"))
    for i, (key, cloud) in enumerate(points.items()):
        inks = 0.15 + 0.85 * cloud[:, 2] if cloud.shape[1] > 2 else np.full(len(cloud), 0.6)
        dots = [
            element("circle", cx=x(a), cy=y(b), r=2.6, fill_opacity=float(ink))
            for (a, b), ink in zip(cloud[:, :2], inks, strict=True)
        ]
        parts.append(element("g", *dots, class_=f"dot-l l{i}"))
        if key:
            parts.append(element("circle", cx=478.0, cy=24.0 + 18 * i, r=4.0, class_=f"dot-l l{i}"))
            parts.append(label(490, 28 + 18 * i, shorten(key, 34), anchor="start", class_="small"))
    return canvas(
        name, 720, 300, title, "; ".join(f"{key}: {len(cloud)} points" for key, cloud in points.items()), *parts
    )
