"""The study on a small set with a tiny backbone: every table, resumed, and its mistakes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fakes import tiny_writer
from frostline.cli import main
from frostline.errors import UserError
from frostline.heads import CooccurrenceClassifier, LinearClassifier, MLPClassifier
from frostline.splits import group_ids
from frostline.studies.arms import HEADS, Arm, run_arm, unpack
from frostline.studies.llmembed import LlmembedOptions, study_llmembed
from frostline.studies.readings import Readings
from frostline.studies.sets import read_sets


@pytest.fixture
def small_heads(monkeypatch):
    """The same heads, but of a few units and epochs."""
    for name in HEADS:
        if name.startswith("mlp"):
            monkeypatch.setitem(HEADS, name, lambda seed: MLPClassifier(hidden=(4,), epochs=2, seed=seed))
        elif name != "linear":
            published = "published" in name
            monkeypatch.setitem(HEADS, name, lambda seed, published=published: CooccurrenceClassifier(
                hidden=(4,), sigma=0.1, epochs=2, as_published=published, seed=seed))  # fmt: skip


@pytest.fixture(scope="module")
def reading(sets_folder, backbone):
    (data,) = read_sets(sets_folder)
    return data, Readings(None, False).of(data, backbone)


def test_an_arm_is_its_head_on_its_layers(reading):
    data, own = reading
    rows = np.arange(0, 60, 2)
    labels = data.train.labels.copy()
    labels[::4] = 1 - labels[::4]
    noisy = type(data.train)(data.train.texts, labels)
    found = run_arm(Arm(n_layers=2, fusion="mean"), [own], noisy, data.test, rows, 3)
    X, T = (states.mean(axis=1) for states in own.states(2))
    groups = group_ids([noisy.texts[i] for i in rows])
    head = LinearClassifier(seed=3).fit(X[rows], labels[rows], groups)
    hits = head.predict(T) == data.test.labels
    assert np.array_equal(unpack(found["hits"]), hits)
    assert found["accuracy"] == hits.mean()
    assert found["n_parameters"] == head.coef_.size + 1


def test_the_last_layers_are_the_last(reading):
    _, own = reading
    train, _ = own.states(2)
    assert np.array_equal(train[:, -1], own.train.vectors[:, -1])
    assert own.train.taps[-1].layer == "final"


def test_several_backbones_enter_beside_each_other(reading, small_heads):
    data, own = reading
    rows = np.arange(60)
    linear = run_arm(Arm(), [own, own], data.train, data.test, rows, 0)
    assert linear["n_parameters"] == 2 * 16 + 1
    network = run_arm(Arm(head="cooccurrence", n_layers=3), [own, own], data.train, data.test, rows, 0)
    alone = run_arm(Arm(head="cooccurrence", n_layers=3), [own], data.train, data.test, rows, 0)
    assert network["n_parameters"] > alone["n_parameters"]


def test_the_most_frequent_class_is_a_floor(reading):
    data, _ = reading
    assert run_arm(Arm("majority"), [], data.train, data.test, np.arange(60), 0)["accuracy"] == 0.5


@pytest.fixture
def options(sets_folder, backbone):
    return LlmembedOptions(str(sets_folder), backbones=(backbone,), quick=True, seeds=1, store=None, progress=False)


def test_the_study_fills_every_table_and_goes_on_where_it_stopped(options, small_heads, tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr("frostline.studies.llmembed.run_arm", lambda *a: ran.append(a[0]) or run_arm(*a))
    monkeypatch.setattr("frostline.studies.llmembed.LlmembedOptions.few", (2, 8))
    monkeypatch.setattr("frostline.studies.llmembed.LlmembedOptions.n_draws", 2)
    report = study_llmembed(tmp_path, options)
    assert report.n_failed == 0
    assert len(ran) == report.n_run == report.n_cells
    titles = [part.title for part in report.sections]
    assert len(titles) == 7
    assert all(table.rows for part in report.sections for table in part.tables)
    assert {line[0] for line in report.sections[1].tables[0].rows} >= {"auto", "words (TF-IDF)", "final layer, linear"}
    names = [line[0] for line in report.sections[2].tables[0].rows]
    assert any(name.startswith("random:") for name in names)
    assert any(name.startswith("vocabulary:") for name in names)
    text, page = report.to_text(), (tmp_path / "study.html").read_text()
    assert "mean minus max (paper: +0.1 to +0.2)" in text
    assert page.count("<svg") >= 4
    found = json.loads((tmp_path / "study.json").read_text())
    assert found["n_cells"] == len(found["cells"])
    again = study_llmembed(tmp_path, options)
    assert again.n_run == 0
    assert len(ran) == report.n_cells
    assert [t.rows for s in again.sections for t in s.tables] == [t.rows for s in report.sections for t in s.tables]
    next((tmp_path / "cells").glob("*.json")).unlink()
    assert study_llmembed(tmp_path, options).n_run == 1


def test_a_language_model_is_asked_on_the_same_rows(options, small_heads, tmp_path, monkeypatch):
    lm = str(tiny_writer(tmp_path / "lm", window=400))
    monkeypatch.setattr(
        "frostline.studies.llmembed._Plan.cells", lambda plan: [c for d in plan.sets for c in plan._prompts(d)]
    )
    report = study_llmembed(tmp_path / "out", LlmembedOptions(**{**vars(options), "llm": lm, "llm_rows": 4}))
    assert report.n_cells == report.n_run == 7
    (section,) = [part for part in report.sections if part.title.startswith("Asking")]
    assert len(section.tables[0].rows) == 7


def test_the_command_prints_one_object(options, small_heads, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("frostline.studies.llmembed._Plan._of", lambda plan, data: iter(
        [plan._cell(data, [plan.backbones[0]], Arm(), np.arange(60), 0, 0)]))  # fmt: skip
    with pytest.raises(SystemExit) as stop:
        main(["study", "llmembed", "--data", options.data, "--backbone", options.backbones[0], "--quick", "--no-store",
              "--out", str(tmp_path / "out"), "--json", "--quiet"])  # fmt: skip
    assert stop.value.code == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found["study"], found["n_cells"], found["n_failed"]) == ("llmembed", 1, 0)
    assert found["out"] == str(tmp_path / "out")


@pytest.mark.parametrize(
    ("changed", "word"),
    [({"seeds": 0}, "1 or more"), ({"backbones": ()}, "at least one backbone"), ({"sets": ("nope",)}, "no set 'nope'"),
     ({"backbones": ("no-such",)}, "Unknown backbone")],
)  # fmt: skip
def test_mistakes_stop_it_before_anything_runs(options, tmp_path, changed, word):
    with pytest.raises(UserError, match=word):
        study_llmembed(tmp_path / "out", LlmembedOptions(**{**vars(options), **changed}))
    assert not (tmp_path / "out").exists()
