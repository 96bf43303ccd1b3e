"""Plots of smoothness: every mark at a finite place, and what a screen reader says."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from frostline.reports.markup import Markup
from frostline.reports.smoothness import cloud_chart, gap_chart, nlfd_chart, ratio_chart

rng = np.random.default_rng(0)


def drawn(chart: Markup) -> ElementTree.Element:
    root = ElementTree.fromstring(chart)
    places = " ".join(v for e in root.iter() for k, v in e.attrib.items() if k not in ("id", "class", "style"))
    assert "nan" not in places
    assert "inf" not in places
    assert root.get("role") == "img"
    return root


@pytest.mark.parametrize("factors", [rng.exponential(2, 200), np.ones(5), np.zeros(3), np.array([0.0, 1e9])])
def test_histogram(factors: np.ndarray) -> None:
    root = drawn(nlfd_chart({"embedding": factors, "raw <columns>": rng.exponential(1, 50)}))
    lines = [e for e in root.iter("path") if e.get("class") in ("line", "whisker")]
    assert len(lines) == 2
    assert root.findtext("desc", "").startswith(f"embedding: mean {factors.mean():.3g}; raw <columns>: mean ")


def test_shares_of_a_histogram_add_up() -> None:
    root = drawn(nlfd_chart({"only": np.array([0.0] * 30 + [1.0] * 10)}))
    line = next(e for e in root.iter("path") if e.get("class") == "line").get("d", "")
    heights = [250 - float(point.split()[1]) for point in line.removeprefix("M").split("L")][::2]
    assert len(heights) == 40
    assert heights[0] == pytest.approx(3 * heights[-1], abs=0.2)
    assert not any(heights[1:-1])


def test_ratio_by_layer() -> None:
    root = drawn(ratio_chart({"0": 0.9, "final": 0.5}))
    dots = [float(e.get("cy", "")) for e in root.iter("circle")]
    ideal = float(next(e for e in root.iter("line") if e.get("class") == "ideal").get("y1", ""))
    assert ideal < dots[0] < dots[1]  # the axis points up: smaller ratios lie lower
    assert root.findtext("desc") == "0: 0.90; final: 0.50"
    drawn(ratio_chart({"final": 1.0}))


def test_gap_against_gain() -> None:
    root = drawn(gap_chart([0.1, 0.2, 0.3], [1.0, 2.0, 3.0], ["a", "b", "c"]))
    assert "r = 1.00" in root.findtext("title", "")
    assert len(list(root.iter("circle"))) == 3
    assert "r =" not in drawn(gap_chart([0.1, 0.1, 0.1], [1, 2, 3], list("abc"))).findtext("title", "")


def test_clouds_have_a_color_each_and_shades() -> None:
    root = drawn(
        cloud_chart(
            {"a": rng.normal(size=(20, 2)), "b": np.c_[rng.normal(size=(5, 2)), np.linspace(0, 1, 5)]},
            ("x", "y"),
            "T",
            "c",
        )
    )
    groups = [e for e in root.iter("g") if e.get("class") in ("dot-l l0", "dot-l l1")]
    assert [len(list(group)) for group in groups] == [20, 5]
    assert [circle.get("fill-opacity") for circle in groups[1]] == ["0.15", "0.36", "0.57", "0.79", "1"]
    assert root.findtext("desc") == "a: 20 points; b: 5 points"


def test_a_diagonal_only_where_it_is_asked_for() -> None:
    points = {"a": rng.uniform(size=(20, 2))}
    assert [
        len(list(drawn(cloud_chart(points, ("x", "y"), "T", "c", ideal=asked)).iter("line"))) for asked in (False, True)
    ] in ([n, n + 1] for n in range(30))


def test_labels_of_like_histograms_stand_apart() -> None:
    factors = rng.exponential(2, 200)
    root = drawn(nlfd_chart({"one": factors, "two": factors, "three": factors}))
    heights = [float(text.get("y", "")) for text in root.iter("text") if text.text in ("one", "two", "three")]
    assert np.diff(heights).tolist() == pytest.approx([15, 15])
