from __future__ import annotations

import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from frostline.reports import confusion, to_html

from .examples import EXAMPLES, bare, binary, decided, folds, hostile, many_classes, regression, saved, worse


def parse(page: str) -> ElementTree.Element:
    return ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n").encode())


def words(element: ElementTree.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def score_table(page: str) -> list[list[str]]:
    table = next(t for t in parse(page).iter("table") if t.get("class") == "scores")
    return [[words(cell) for cell in row] for row in table.iter("tr")]


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_is_one_well_formed_page_that_fetches_nothing(name: str) -> None:
    page = to_html(EXAMPLES[name]())
    root = parse(page)
    tags = {e.tag for e in root.iter()}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "use", "image", "a", "base", "form"}
    attributes = {name for e in root.iter() for name in e.attrib}
    assert not attributes & {"src", "href", "srcset", "action", "onload", "onclick"}
    assert not re.search(r"https?://|url\(|@import|//[a-z]", page)
    assert root.get("lang") == "en"
    assert len(list(root.iter("h1"))) == 1


class Strict(HTMLParser):
    """What a browser's tokenizer sees: open elements, and whether each is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.add(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_hostile_names_are_text_and_nothing_else() -> None:
    page = to_html(hostile())
    parser = Strict()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    assert "script" not in parser.tags
    assert "<script>" not in page
    text = words(parse(page))
    assert hostile().labels[0] in text
    assert hostile().labels[1] in text  # whole somewhere, though cut in the drawing
    assert "nul \ufffd and escape \ufffd[31m" in text


@pytest.mark.parametrize("name", ["binary", "worse", "many_classes", "folds"])
def test_the_numbers_of_the_table_are_those_of_the_report(name: str) -> None:
    report = EXAMPLES[name]()
    header, *rows = score_table(to_html(report))
    assert header == ["model", "accuracy ↑", "macro F1 ↑", "log loss ↓", "ECE ↓"]
    shown = {row[0]: row[1:] for row in rows}
    keys = {"frostline": report.metrics, "text (TF-IDF + linear)": report.baselines["text"]}
    for row, values in (keys | {"dummy (ignores the input)": report.baselines["dummy"]}).items():
        percents = [f"{100 * values[key]:.1f} %" for key in ("accuracy", "macro_f1")]
        assert shown[row] == [*percents, f"{values['log_loss']:.3f}", f"{values['ece']:.3f}"]
    assert ("std over folds" in shown) == (report.metrics_std is not None)


def test_the_numbers_of_a_regression_have_three_digits() -> None:
    rows = {row[0]: row[1:] for row in score_table(to_html(regression()))}
    assert rows["frostline"] == ["0.612", "0.801", "0.735", "21.2", "1,028", "0.901", "98.8"]
    assert rows["dummy (ignores the input)"] == ["–", "–", "0.000", "53.1", "1,969", "–", "–"]
    assert rows["raw_columns (boosting)"][:2] == ["0.572", "0.746"]


def test_the_best_of_each_column_is_bold() -> None:
    table = next(t for t in parse(to_html(worse())).iter("table") if t.get("class") == "scores")
    assert [words(b) for b in table.iter("b")] == [
        "80.0 %",
        "0.441",
        "81.2 %",
    ]  # macro F1, log loss, then TF-IDF's accuracy


def test_the_verdict_stands_on_top_with_its_tone() -> None:
    for example, tone in ((binary, "better"), (worse, "worse"), (bare, "unknown")):
        box = next(e for e in parse(to_html(example())).iter("div") if e.get("class", "").startswith("verdict"))
        assert box.get("class") == f"verdict {tone}"
    assert "TF-IDF is better by 1.2 points of accuracy: the language model is not worth its cost here." in to_html(
        worse()
    )


def test_what_is_left_out_of_many_classes_is_said() -> None:
    text = words(parse(to_html(many_classes(77))))
    assert "Of 77 classes the 15 with the most errors are drawn; the other 62 are summed" in text
    assert re.search(r"Most frequent confusions \(10 of \d+ pairs\)", text)
    assert "Of 2 classes" not in to_html(binary())


def test_every_class_is_scored_the_worst_first_and_mistakes_are_quoted() -> None:
    report = decided()
    tables = {words(t.find("caption")): t for t in parse(to_html(report)).iter("table")}
    rows = list(tables["Score of each class (52, the worst first; 95 % intervals)"].find("tbody"))
    worst = min(report.classes, key=lambda c: c.f1.value)
    assert words(rows[0][0]) == worst.label
    assert {words(row[0]) for row in rows} == set(report.labels)
    texts = [[words(cell) for cell in row] for row in tables["The most confident mistakes (2)"].find("tbody")]
    assert texts[0] == ["topic-01 as topic-00", "97.0 %", "shares fell <b>sharply</b> & nobody knew why"]
    assert texts[1][1] == "–"


def test_how_labels_are_decided_is_said() -> None:
    text = words(parse(to_html(decided())))
    assert "How labels are decided" in text
    assert "On the test rows it answers 83.0 % (71 to 91), and of the answers 98.0 % (89 to 100) are right." in text
    assert "How labels are decided" not in to_html(binary())


def test_two_classes_need_no_table_of_pairs() -> None:
    assert "Most frequent confusions" not in to_html(binary())


def test_one_layer_says_how_to_see_them_all() -> None:
    assert "--layers all" in to_html(regression())
    assert "--layers all" not in to_html(binary())
    assert "Filled: the layers that the predictor reads (2, 4, final)." in to_html(binary())


def test_a_thinned_scatter_says_so() -> None:
    assert "2,000 of 9,000 test rows, evenly spaced." in to_html(regression(9000))
    page = to_html(regression())
    assert "1,500 test rows." in page
    assert "The intervals hold 90.1 % of the true values." in page
    assert "not finite" not in page


def test_rows_that_cannot_be_drawn_are_counted() -> None:
    report = regression()
    true, upper = report.scatter["y_true"].copy(), report.scatter["upper"].copy()
    true[:2], upper[:3] = math.nan, math.inf
    page = to_html(replace(report, scatter=report.scatter | {"y_true": true, "upper": upper}))
    assert "2 rows hold a number that is not finite and are not drawn." in page
    assert "3 rows have no finite interval." in page


def test_settings_cost_split_notes_and_version_are_there() -> None:
    text = words(parse(to_html(folds())))
    for part in ("backbone", "minilm", "251,310", "41.7 s", "12 of 9,596 rows", folds().split, *folds().notes):
        assert part in text
    assert "Frostline 0.1.0 · 2026-08-11 14:02" in text


def test_an_almost_empty_report_has_no_empty_section() -> None:
    root = parse(to_html(bare()))
    assert all(len(section) > 1 for section in root.iter("section"))
    titles = [words(h) for h in root.iter("h2")]
    assert titles == ["Score beside its baselines", "Which layer holds it?", "How it was tested"]


def test_without_a_test_set_nothing_is_claimed_of_it() -> None:
    root = parse(to_html(saved()))
    text = words(root)
    assert "with no test rows set aside" in text
    assert "No test row stands" not in text
    assert "truncated" not in text
    assert [words(h) for h in root.iter("h2")] == [
        "Score",
        "Which layer holds it?",
        "What was chosen",
        "How it was tested",
    ]


def test_tables_name_their_columns_and_rows() -> None:
    for table in parse(to_html(many_classes())).iter("table"):
        assert table.findtext("caption")
        assert all(th.get("scope") == "col" for th in table.find("thead").iter("th"))  # type: ignore[union-attr]
        assert all(tr[0].get("scope") == "row" for tr in table.find("tbody"))  # type: ignore[union-attr]


def test_without_a_language_model_no_layer_is_asked_for() -> None:
    report = replace(bare(), chosen={"features": "tfidf"})
    assert "--layers all" not in to_html(report)


def test_ids_are_distinct() -> None:
    for name in ("binary", "regression"):
        ids = [e.get("id") for e in parse(to_html(EXAMPLES[name]())).iter() if e.get("id")]
        assert len(ids) == len(set(ids)) > 0


def palettes() -> list[dict[str, np.ndarray]]:
    """Colors of the light page and of the dark one, as RGB in 0..1."""
    blocks = re.findall(r":root \{(.*?)\}", to_html(bare()), re.DOTALL)
    return [
        {
            name: np.array([int(h[i : i + 2], 16) for i in (0, 2, 4)]) / 255
            for name, h in re.findall(r"--([\w-]+): #(\w{6})", b)
        }
        for b in blocks
    ]


def luminance(rgb: np.ndarray) -> float:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(a: np.ndarray, b: np.ndarray) -> float:
    """WCAG 2.2, contrast ratio."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_text_can_be_read_on_every_ground(dark: bool) -> None:
    colors = palettes()[dark]
    grounds = {"ink": ("page", "card", "good-tint", "plain-tint", "bad-tint"), "soft": ("page", "card")}
    grounds |= {"accent": ("card",), "good": ("good-tint",), "plain": ("plain-tint",), "bad": ("bad-tint",)}
    for text, names in grounds.items():
        for ground in names:
            assert contrast(colors[text], colors[ground]) >= 4.5, (text, ground)
    for mark in ("accent", "base", "outside"):
        assert contrast(colors[mark], colors["card"]) >= 3, mark


@pytest.mark.parametrize("dark", [False, True])
def test_counts_can_be_read_on_every_shade_of_the_heat_map(dark: bool) -> None:
    colors = palettes()[dark]
    for share in np.linspace(0, 1, 201):
        name = "cell-deep" if share >= confusion.DEEP else "cell-mid" if share >= confusion.MIDDLE else "cell"
        ground = share * colors["accent"] + (1 - share) * colors["card"]
        assert contrast(colors[name], ground) >= 4.5, share
