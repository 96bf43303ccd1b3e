from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from frostline.reports import to_card

from .examples import EXAMPLES, bare, binary, hostile, many_classes, regression


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_has_every_part(name: str) -> None:
    card = to_card(EXAMPLES[name](), "model")
    assert card.startswith("# ")
    headings = [line for line in card.splitlines() if line.startswith("## ")]
    names = ["Score", "Data", "Use", "Settings", "Limits", "Backbone and license"]
    assert headings == [f"## {name}" for name in names]
    assert card.endswith("\n")


def table(card: str, heading: str) -> list[list[str]]:
    part = card.split(f"## {heading}\n")[1].split("\n## ")[0]
    return [[c.strip() for c in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("|")]


def test_the_scores_stand_beside_the_baselines() -> None:
    head, _, *rows = table(to_card(many_classes(), "m"), "Score")
    assert head == ["model", "accuracy", "macro F1", "log loss", "ECE"]
    assert [row[0] for row in rows] == [
        "frostline",
        "text (TF-IDF + linear)",
        "raw\\_columns (boosting)",
        "dummy (ignores the input)",
    ]
    assert rows[3][1:] == ["42.0 %", "1.0 %", "2.900", "0.000"]


def test_seed_and_version_are_named_or_said_to_be_absent() -> None:
    settings = dict(row for row in table(to_card(binary(), "m"), "Settings"))
    assert (settings["seed"], settings["frostline"]) == ("0", "0.1.0")
    settings = dict(row for row in table(to_card(bare(), "m"), "Settings"))
    assert (settings["seed"], settings["frostline"]) == ("not recorded", "not recorded")


def test_commands_survive_any_folder_name() -> None:
    card = to_card(binary(), "my model's; rm")
    assert 'frostline.load("my model\'s; rm")' in card
    command = next(line for line in card.splitlines() if line.startswith("$ "))
    assert shlex.split(command)[1:4] == ["frostline", "predict", "my model's; rm"]
    assert "--proba" in command
    assert "--interval 0.9" in to_card(regression(), "m")


def test_the_backbone_and_its_license_are_named() -> None:
    assert "all-MiniLM-L6-v2, under Apache-2.0" in to_card(binary(), "m")
    card = to_card(replace(binary(), chosen={"backbone": "org/some_name"}), "m")
    assert "org/some\\_name" in card
    assert "Apache" not in card


def test_a_predictor_without_a_language_model_names_none() -> None:
    card = to_card(replace(binary(), chosen={"features": "tfidf", "backbone": "minilm"}), "m")
    assert "needs no language model" in card
    assert "MiniLM" not in card
    assert "frozen language model" not in card


def test_limits_name_the_truncation_and_the_task() -> None:
    assert "12 of 9,596 rows did not fit the window" in to_card(binary(), "m")
    assert "one of its 2 classes" in to_card(binary(), "m")
    assert "extrapolations" in to_card(regression(), "m")


def test_hostile_names_are_neither_html_nor_markdown() -> None:
    card = to_card(hostile(), "m")
    assert "<script" not in card
    assert "&lt;script&gt;" in card
    assert "\\[link\\](javascript:alert) \\| pipe" in card
    assert all(len(row) == 2 for row in table(card, "Settings"))
