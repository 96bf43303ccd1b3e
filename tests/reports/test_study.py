"""A study's tables and plots as text, JSON and a page."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

from frostline.reports.markup import Markup
from frostline.reports.study import Estimate, StudyFigure, StudyPlot, StudyReport, StudySection, StudyTable

HALF = Estimate(0.5, 0.4, 0.6)
TABLE = StudyTable("T & Co", ["method", "score"], [["a <b>", HALF], ["c", None], ["d", 12345], ["e", 0.25]], "a note")
REPORT = StudyReport(
    "s",
    "A study",
    "lead",
    [
        StudySection(
            "One", "text", [TABLE], [StudyPlot("P", "n", "accuracy", {"l": [(8, HALF), (64, Estimate(0.7))]}, log=True)]
        ),
        StudySection(
            "Two", plots=[StudyPlot("Q", "", "points", {"": [("x", Estimate(0.01, -0.01, 0.03, signed=True))]})]
        ),
    ],
    cells=[{"key": {"i": 1}, "result": {"accuracy": 0.5}}],
    n_cells=3,
    n_run=1,
    n_failed=1,
    seconds=2.0,
)


def test_estimates_read_as_percent_with_their_interval():
    assert str(HALF) == "50.0 [40.0, 60.0]"
    assert str(Estimate(0.5)) == "50.0"
    assert str(Estimate(-0.012, -0.02, 0.001, signed=True)) == "-1.2 [-2.0, +0.1]"
    assert str(Estimate(1234.5, percent=False)) == "1,234" or str(Estimate(1234.5, percent=False)).startswith("123")


def test_text_is_aligned():
    lines = TABLE.to_text().splitlines()
    assert lines[0] == "T & Co"
    assert lines[1].endswith("score")
    assert lines[2].endswith("50.0 [40.0, 60.0]")
    assert len({len(line) for line in lines[1:6]}) == 1
    assert lines[-1] == "a note"
    assert "3 cells, 1 run now in 2.00 s; 1 have no result" in REPORT.to_text()


def test_json_holds_numbers():
    found = json.loads(json.dumps(REPORT.to_json(), allow_nan=False))
    assert found["tables"][0]["rows"][0] == ["a <b>", {"value": 0.5, "lower": 0.4, "upper": 0.6}]
    assert found["cells"] == [{"key": {"i": 1}, "result": {"accuracy": 0.5}}]
    assert (found["study"], found["n_failed"]) == ("s", 1)


def test_the_page_is_well_formed_and_escaped():
    page = REPORT.to_html()
    assert "a &lt;b&gt;" in page
    assert page.count("<svg") == 2
    ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    assert "http" not in page.replace("http://www.w3.org", "")


def test_any_drawing_gets_a_name_of_its_own():
    names = []
    draw = lambda name: names.append(name) or Markup("<svg></svg>")  # noqa: E731
    page = replace(
        REPORT, sections=[StudySection("One", plots=[StudyFigure("F", draw), StudyFigure("G", draw)])]
    ).to_html()
    assert page.count("<svg>") == 2
    assert len(set(names)) == 2


def test_differences_have_a_sign():
    assert str(Estimate(0.25, -0.1, 0.6, percent=False, signed=True)) == "+0.250 [-0.100, +0.600]"
    assert str(Estimate(0.25, percent=False)) == "0.250"
