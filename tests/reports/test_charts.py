from __future__ import annotations

import math
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from frostline.reports import charts
from frostline.reports.markup import Markup
from frostline.reports.model import LayerScore

from .examples import EXAMPLES, bare, binary, regression


def marks(chart: Markup, tag: str, class_: str) -> list[ElementTree.Element]:
    return [e for e in ElementTree.fromstring(chart).iter(tag) if e.get("class") == class_]


def numbers(elements: list[ElementTree.Element], name: str) -> list[float]:
    return [float(e.get(name, "")) for e in elements]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_drawing_has_finite_places_a_title_and_a_description(name: str) -> None:
    report = EXAMPLES[name]()
    drawn = [charts.score_chart(report), charts.layer_chart(report), charts.reliability_chart(report.reliability)]
    if report.scatter:
        drawn.append(charts.scatter_chart(report.scatter))
    for chart in drawn:
        root = ElementTree.fromstring(chart)
        assert root.get("role") == "img"
        assert root.findtext("title")
        ids = [root.find("title").get("id"), root.find("desc").get("id")]  # type: ignore[union-attr]
        assert root.get("aria-labelledby") == " ".join(map(str, ids))
        places = " ".join(v for e in root.iter() for k, v in e.attrib.items() if k not in ("id", "class", "style"))
        assert "nan" not in places
        assert "inf" not in places


def test_bars_are_as_long_as_their_scores() -> None:
    report = binary()
    chart = charts.score_chart(report)
    widths = numbers(marks(chart, "rect", "mark") + marks(chart, "rect", "base"), "width")
    scores = [report.metrics["accuracy"], report.baselines["text"]["accuracy"], report.baselines["dummy"]["accuracy"]]
    assert widths == pytest.approx([370 * s for s in scores], abs=0.01)


def test_a_negative_score_points_to_the_left_of_zero() -> None:
    report = replace(regression(), metrics={"kendall_tau": -0.2}, baselines={"text": {"kendall_tau": 0.4}})
    chart = charts.score_chart(report)
    mine, other = marks(chart, "rect", "mark")[0], marks(chart, "rect", "base")[0]
    assert float(mine.get("x", "")) + float(mine.get("width", "")) == pytest.approx(float(other.get("x", "")), abs=0.02)


def test_layers_rise_with_their_score_and_the_chosen_ones_are_filled() -> None:
    chart = charts.layer_chart(binary())
    assert len(marks(chart, "circle", "mark")) == 3  # 2, 4, final
    heights = numbers(list(ElementTree.fromstring(chart).iter("circle")), "cy")
    assert heights == sorted(heights, reverse=True)  # scores rise from layer to layer, pixels count downwards


@pytest.mark.parametrize(
    "layers", ["2,4,final", "2, 4, final", ["2", "4", "final"], (2, 4, "final"), np.array(["2", "4", "final"])]
)
def test_chosen_layers_are_read_in_any_form(layers: object) -> None:
    assert charts.chosen_layers(replace(binary(), chosen={"layers": layers})) == {"2", "4", "final"}


def test_one_chosen_layer_and_none() -> None:
    assert charts.chosen_layers(replace(binary(), chosen={"layers": 3})) == {"3"}
    assert charts.chosen_layers(bare()) == set()


def test_a_layer_without_a_score_is_left_out_of_the_line() -> None:
    scores = [LayerScore("0", math.nan, math.nan), LayerScore("1", 0.5, math.nan), LayerScore("2", 0.6, 0.1)]
    chart = charts.layer_chart(replace(binary(), layer_scores=scores))
    assert len(list(ElementTree.fromstring(chart).iter("circle"))) == 2


def test_reliability_puts_accuracy_on_the_diagonal_where_it_equals_confidence() -> None:
    bins = [(0.6, 0.6, 100), (0.9, 0.9, 300), (0.7, math.nan, 0)]
    chart = charts.reliability_chart(bins)
    ideal = marks(chart, "line", "ideal")[0]
    x1, x2, y1, y2 = (float(ideal.get(k, "")) for k in ("x1", "x2", "y1", "y2"))
    dots = marks(chart, "circle", "mark")
    assert len(dots) == 2
    for x, y in zip(numbers(dots, "cx"), numbers(dots, "cy"), strict=True):
        assert y - y1 == pytest.approx((x - x1) * (y2 - y1) / (x2 - x1), abs=0.02)
    bars = numbers(marks(chart, "rect", "base"), "height")
    assert bars[1] / bars[0] == pytest.approx(3, abs=0.01)
    assert [e.text for e in marks(chart, "text", "small")] == ["100", "300"]


def test_counts_that_would_overlap_are_not_written_over_each_other() -> None:
    bins = [(0.9 + i / 1000, 0.9, 1000 + i) for i in range(100)]
    places = numbers(marks(charts.reliability_chart(bins), "text", "small"), "x")
    assert 2 <= len(places) < 50
    assert min(np.diff(places)) >= 30


def test_scatter_marks_the_rows_outside_their_interval() -> None:
    scatter = {
        "y_true": np.array([1.0, 2.0, 9.0, math.nan]),
        "y_pred": np.array([1.0, 2.0, 3.0, 4.0]),
        "lower": np.array([0.0, -math.inf, 2.0, 3.0]),
        "upper": np.array([2.0, math.inf, 4.0, 5.0]),
    }
    chart = charts.scatter_chart(scatter)
    assert [len(g) for g in marks(chart, "g", "dot")] == [2]
    assert [len(g) for g in marks(chart, "g", "dot outside")] == [1]
    assert marks(chart, "path", "interval")[0].get("d", "").count("M") == 2  # the endless one has no bar
    assert "3 points" in ElementTree.fromstring(chart).findtext("desc", "")


def test_scatter_without_intervals_and_without_spread() -> None:
    chart = charts.scatter_chart({"y_true": np.array([5.0]), "y_pred": np.array([5.0])})
    assert not marks(chart, "path", "interval")
    assert "interval" not in ElementTree.fromstring(chart).findtext("desc", "")
