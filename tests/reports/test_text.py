from __future__ import annotations

import re
from dataclasses import replace

import pytest

from frostline.reports import to_text

from .examples import EXAMPLES, binary, folds, hostile, many_classes, saved, worse


def cells(text: str, start: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.strip().startswith(start))
    return re.split(r"\s{2,}", line.strip())


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_fits_a_terminal(name: str) -> None:
    lines = to_text(EXAMPLES[name](), "runs/model").splitlines()
    assert len(lines) <= (28 if name != "decided" else 40)
    assert max(map(len, lines)) <= 100
    assert all(line == line.rstrip() for line in lines)


def test_the_table_holds_the_scores_of_the_report() -> None:
    report = many_classes()
    text = to_text(report)
    assert cells(text, "accuracy") == ["accuracy", "macro F1", "log loss", "ECE"]
    rows = {"frostline  ": report.metrics, "text (": report.baselines["text"], "dummy (": report.baselines["dummy"]}
    for start, values in (rows | {"raw_columns (": report.baselines["raw_columns"]}).items():
        percents = [f"{100 * values[key]:.1f} %" for key in ("accuracy", "macro_f1")]
        assert cells(text, start)[1:] == [*percents, f"{values['log_loss']:.3f}", f"{values['ece']:.3f}"]


def test_columns_are_aligned_to_the_right() -> None:
    lines = to_text(binary()).splitlines()
    first = next(i for i, line in enumerate(lines) if line.strip().startswith("accuracy"))
    assert len({len(line) for line in lines[first : first + 5]}) == 1


def test_extra_rows_stand_under_frostline() -> None:
    text = to_text(folds())
    assert cells(text, "std over folds")[1:] == ["± 0.7", "± 0.7", "± 0.012", "± 0.004"]
    assert cells(text, "without overlap")[1:] == ["80.0 %", "80.0 %", "0.442", "0.021"]
    assert "std over folds" not in to_text(binary())


def test_cost_cuts_overlap_notes_and_folder_are_named() -> None:
    text = " ".join(to_text(binary(), "runs/my  model").split("\n"))
    flat = re.sub(r"\s+", " ", text)
    assert "9,581 distinct texts, 9,581 run through the backbone, 251,310 tokens" in flat
    assert "embed 41.7 s, fit 6.31 s, total 49.2 s" in flat
    assert "12 of 9,596 rows did not fit the window" in flat
    assert "3 of 1,066 test rows also stand among the training rows" in flat
    assert all(note in flat for note in binary().notes)
    assert text.endswith("runs/my  model")  # a path is not re-spaced


def test_what_is_not_known_is_not_stated() -> None:
    text = to_text(saved())
    assert not re.search("^(cost|truncated|overlap)", text, re.MULTILINE)
    assert "not set" not in text
    assert "2026-08-11 14:02 UTC" in text


def test_a_lost_comparison_is_said_plainly() -> None:
    assert "TF-IDF is better by 1.2 points of accuracy: the language model is not worth its cost here." in to_text(
        worse()
    )


def test_no_name_in_the_data_can_steer_the_terminal() -> None:
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", to_text(hostile(), "run\x1b[2J"))


def test_a_long_template_is_cut_and_says_so() -> None:
    report = replace(binary(), chosen={"input": "{a} " * 200})
    assert "… (cut here; whole in report.html)" in re.sub(r"\s+", " ", to_text(report))
