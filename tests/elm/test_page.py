"""The page of an explainer: well-formed, whole, and silent about what is not there."""

from __future__ import annotations

from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from frostline.elm.page import elm_page
from frostline.elm.tasks import load_pack

LOOKS = [("stage 1: adapter", 0, None, 3.0, -3.0), ("stage 1: adapter", 9, 2.5, 2.0, -2.0), ("stage 2: both", 0, None, 2.0, -2.0),
         ("stage 2: both", 5, float("nan"), 1.5, -1.5), ("stage 2: both", 10, 1.0, 1.75, -1.75)]  # fmt: skip
KEYS = ("stage", "step", "train_loss", "loss", "score")
HOSTILE = "</dd><script>alert(1)</script> & \x00"


@pytest.fixture
def report():
    return {
        "n_train": 1200, "n_val": 30, "n_examples": 2460, "n_truncated": 7, "seconds": 61.0, "start": "cold: as asked",
        "loss": 1.5, "log": {"evaluations": [dict(zip(KEYS, look, strict=True)) for look in LOOKS], "n_steps": 19},
        "scores": {"films": {"consistency": 0.625, "shuffled": 0.125, "n": 30.0}},
        "probes": {"films": {"genre": {"text": 0.5, "probe": 0.75, "majority": 0.25}, "decade": {}}},
        "skipped": {"pairs": "no neighbors"}, "empty": {"short": 3}, "counts": {"rows_without_vector": 11},
        "tasks": {"describe": [1200, 30], "short": [1197, 30]}, "n_generalized": 421,
        "examples": {"films": [{"id": "7", "written": "A comedy.", "target": "A tale of someone.", "text": HOSTILE,
                                "scores": {"consistency": 0.5, "true_text": 0.75}}]},
    }  # fmt: skip


def parsed(report):
    llm = SimpleNamespace(name="tiny", identity={"weights": "0123"})
    space = SimpleNamespace(name="films", dim=4, reader=SimpleNamespace(kind="encoder"))
    page = elm_page(
        SimpleNamespace(spaces={"films": space}, model=SimpleNamespace(llm=llm)), load_pack("generic"), report
    )
    return ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))


def words(element):
    return " ".join("".join(element.itertext()).split())


def test_what_the_report_says_stands_on_the_page(report):
    page = parsed(report)
    assert not {e.tag for e in page.iter()} & {"script", "link", "img", "a"}
    text = words(page)
    for said in ("1,200 ids learnt, 30 held out. Start: cold: as asked.", "cosine of vector and text0.625",
                 "genre0.5000.750–0.250", "A comedy.", "</dd><script>alert(1)</script> &", "consistency 0.500, true text 0.750",
                 "Kept: stage 2: both, step 5, by the lowest held-out loss; its held-out loss is 1.500",
                 "describeDescribe {vector}.1,200300", "one sentence.1,197303", "pairs: no neighbors",
                 "rows without vector11", "names or titles were taken421"):  # fmt: skip
        assert said in text, said
    ring = [e for e in page.iter("circle") if e.get("class") == "hollow"]
    dots = [e for e in page.iter("circle") if e.get("class") == "dot-l l0"]
    assert [(e.get("cx"), e.get("cy")) for e in ring] == [(dots[3].get("cx"), dots[3].get("cy"))]
    assert dots[1].get("cx") == dots[2].get("cx")  # the second stage begins where the first ended
    assert "nan" not in ElementTree.tostring(page, encoding="unicode")


def test_a_choice_by_consistency_is_named(report):
    for look in report["log"]["evaluations"]:
        look["score"] = 1 / look["loss"]
    assert "by the highest consistency" in words(parsed(report))


def test_the_report_of_an_older_folder_has_a_page_too(report):
    for name in ("tasks", "n_generalized", "examples"):
        del report[name]
    text = words(parsed(report))
    assert "Held-out rows" not in text
    assert "were taken" not in text
