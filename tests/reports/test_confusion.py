from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from frostline.reports import confusion

from .examples import many_classes

LABELS = ["a", "b", "c"]
COUNTS = np.array([[30, 4, 1], [2, 40, 0], [9, 0, 14]])


def test_up_to_twenty_classes_are_drawn_whole() -> None:
    shown = confusion.shown_classes(LABELS, COUNTS)
    assert (shown.labels, shown.n_left_out) == (LABELS, 0)
    assert confusion.shown_classes([str(i) for i in range(20)], np.eye(20, dtype=int)).n_left_out == 0


@pytest.mark.parametrize("n", [21, 52, 77])
def test_of_many_classes_the_most_confused_are_drawn_and_no_count_is_lost(n: int) -> None:
    report = many_classes(n)
    counts = report.confusion
    assert counts is not None
    shown = confusion.shown_classes(report.labels, counts)
    assert (len(shown.labels), shown.n_left_out) == (16, n - 15)
    assert shown.labels[-1] == f"{n - 15} others"
    assert shown.counts.sum() == counts.sum()
    kept = [report.labels.index(name) for name in shown.labels[:-1]]
    assert kept == sorted(kept)
    np.testing.assert_array_equal(shown.counts[:-1, :-1], counts[np.ix_(kept, kept)])
    np.testing.assert_array_equal(shown.counts.sum(axis=1)[:-1], counts.sum(axis=1)[kept])
    errors = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    left_out = np.setdiff1d(np.arange(n), kept)
    assert errors[kept].min() >= errors[left_out].max()


def test_without_any_error_the_most_frequent_classes_are_drawn() -> None:
    sizes = np.arange(1, 31)
    shown = confusion.shown_classes([str(n) for n in sizes], np.diag(sizes))
    assert shown.labels[:-1] == [str(n) for n in range(16, 31)]


def test_top_confusions_fall_and_name_true_before_predicted() -> None:
    top = confusion.top_confusions(LABELS, COUNTS)
    assert [(c.true, c.predicted, c.n) for c in top] == [("c", "a", 9), ("a", "b", 4), ("b", "a", 2), ("a", "c", 1)]
    assert top[0].share == pytest.approx(9 / 23)
    assert confusion.top_confusions(LABELS, COUNTS, limit=1) == top[:1]


def test_large_counts_are_written_small_enough_for_their_cell() -> None:
    counts = np.diag(np.full(16, 123456))
    root = ElementTree.fromstring(confusion.confusion_chart(confusion.shown_classes(list(map(str, range(16))), counts)))
    filled = [g for g in root.iter("g") if g.findtext("text") == "123,456"]
    assert len(filled) == 16
    for g in filled:
        assert float(g.get("font-size", "13")) * 0.58 * len("123,456") < float(g.findall("rect")[0].get("width", ""))


def test_the_drawing_shows_each_count_once_with_its_share_of_the_row() -> None:
    root = ElementTree.fromstring(confusion.confusion_chart(confusion.shown_classes(LABELS, COUNTS)))
    cells = [g for g in root.iter("g") if g.get("class", "").startswith("cell")]
    assert [int(g.findtext("text", "")) for g in cells] == COUNTS.ravel().tolist()
    opacities = [float(g.findall("rect")[1].get("fill-opacity", "")) for g in cells]
    assert opacities == pytest.approx((COUNTS / COUNTS.sum(axis=1, keepdims=True)).ravel(), abs=0.006)
    assert cells[6].findtext("title") == "true c, predicted a: 9 (39.1 %)"
