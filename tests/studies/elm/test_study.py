"""The whole study on random language models: every table filled, resumed, shown, refused."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from fakes import tiny_bert
from frostline.cli import main
from frostline.elm.model import Placed, collate
from frostline.errors import UserError
from frostline.reports.study import Estimate
from frostline.studies.cells import Outcome
from frostline.studies.elm import ElmStudyOptions, study_elm
from frostline.studies.elm.arms import Arm, _losses, _some, _vectors, run_arm
from frostline.studies.elm.claims import _between
from frostline.studies.elm.data import Part, read_data
from frostline.studies.elm.plan import Plan
from frostline.studies.elm.results import Results
from frostline.tables import write_vectors


@pytest.fixture(scope="module")
def data(options):
    return read_data(options)


def test_the_study_fills_every_table_and_goes_on_where_it_stopped(options, short, tmp_path):
    report = study_elm(tmp_path, options)
    assert report.n_failed == 0, report.sections[-1].text
    assert report.n_run == report.n_cells == 10
    tables = {table.title: table for part in report.sections for table in part.tables}
    assert {
        "Statements", "Questions of our own", "The usual explainer", "Attributes", "Real, shuffled and random vectors",
        "Number of training pairs", "Number of soft tokens", "Adapter", "Stages", "Language models",
    } <= set(tables)  # fmt: skip
    assert [row[0] for row in tables["Stages"].rows] == ["1", "1+2", "joint"]
    assert [row[-3] for row in tables["Stages"].rows] == [4, 4, 4]  # as many steps for all
    assert [row[0] for row in tables["Number of training pairs"].rows] == ["5", "20", "all"]
    verdicts = {row[0]: row[1] for row in tables["Statements"].rows}
    assert verdicts["texts have a semantic consistency of 0.86 to 0.96"] == "does not reproduce"
    assert verdicts["human raters find the texts good"] == "not measured"
    assert set(verdicts.values()) <= {"reproduces", "does not reproduce", "not resolved", "not measured"}
    asked = {row[0]: row[1] for row in tables["Questions of our own"].rows}
    assert "does a text find its own vector among 23?" in asked
    assert set(asked.values()) <= {"yes", "no", "yes (one seed)", "no (one seed)", "not resolved"}
    probe = tables["Attributes"].rows[0]
    assert probe[2].value > 0.9 > probe[3].value
    page = (tmp_path / "study.html").read_text()
    ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    assert page.count("<svg") >= 10
    found = json.loads((tmp_path / "study.json").read_text())
    assert found["rows"] == {"train": 80, "valid": 22, "test": 23}
    assert {"loss", "loss_shuffled", "top1", "consistency", "copied", "invented"} <= set(
        found["cells"][0]["result"]["scores"]
    )
    again = study_elm(tmp_path, options)
    assert again.n_run == 0
    assert [t.rows for s in again.sections for t in s.tables] == [t.rows for s in report.sections for t in s.tables]
    next((tmp_path / "cells").glob("*.json")).unlink()
    assert study_elm(tmp_path, options).n_run == 1


def test_what_an_arm_learns_shows_in_its_scores(data, options, short):
    """An explainer of real vectors comes to use them; one of shuffled pairs does not."""
    found = {
        kind: run_arm(Arm(options.llms[0], vectors=kind), data, 0, steps=30, tune="full", device="cpu")["rows"]
        for kind in ("real", "shuffled")
    }
    used = {kind: np.mean(rows["loss_shuffled"]) - np.mean(rows["loss"]) for kind, rows in found.items()}
    assert used["real"] > 3 * abs(used["shuffled"])


@pytest.mark.parametrize("kind", ["shuffled", "random"])
def test_controls_are_trained_where_an_encoder_made_the_real_vectors(options, tmp_path, short, kind):
    own = replace(options, vectors=None, encoder=str(tiny_bert(tmp_path / "encoder")), progress=False)
    data = read_data(own)
    assert data.reader.kind == "encoder"
    found = run_arm(Arm(own.llms[0], vectors=kind), data, 0, steps=2, tune="full", device="cpu")
    assert len(found["rows"]["top1"]) == len(data.parts["test"].ids)


def test_losses_are_bits_a_byte_of_what_is_to_be_written(data, options, short):
    own = replace(data, parts={**data.parts, "test": Part(data.parts["test"].ids[:3], data.parts["test"].vectors[:3])})
    kept = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("frostline.studies.elm.arms._losses", lambda elm, data, given: kept.append((elm, given)) or {})
        run_arm(Arm(options.llms[0]), own, 0, steps=2, tune="full", device="cpu")
    ((elm, given),) = kept
    found = _losses(elm, own, given)
    model, encoder, prompt = elm.explainer_.model, elm.explainer_.encoder, elm.prompt_of()
    for i, text in enumerate(own.targets(elm.names_, own.parts["test"].ids)):
        target = encoder.target(text, 96)[0]
        own_batch, turned = (
            collate([Placed(encoder.prompt(prompt), (v,), tuple(target))], left=False, pad=0, device="cpu")
            for v in (given[i], given[i - 1])
        )
        n_bytes = len(text.encode()) if len(text) < 95 else 95  # its tokens are characters
        for name, batch in (("loss", own_batch), ("loss_shuffled", turned)):
            assert found[name][i] == pytest.approx(float(model.loss(batch).detach()) / np.log(2) / n_bytes, rel=1e-4)


def test_an_answer_on_two_trainings_holds_with_every_seed():
    sure, unsure = Estimate(0.2, 0.1, 0.3), Estimate(0.2, -0.1, 0.3)
    assert _between(sure, [1.0, 1.0, 1.0]) == "yes"
    assert _between(sure, [1.0, 1.0, -1.0]) == "not resolved"
    assert _between(sure, [1.0]) == "yes (one seed)"
    assert _between(Estimate(-0.2, -0.3, -0.1), [-1.0, -1.0]) == "no"
    assert _between(unsure, [1.0, 1.0]) == "not resolved"
    assert _between(None, []) == "not measured"


def test_results_are_paired_by_seed():
    arm, other = Arm("a"), Arm("a", n_soft_tokens=1)
    found = [(arm, 0, [1.0, 2.0]), (arm, 1, [0.0, 0.0]), (other, 1, [1.0, 3.0]), (other, 2, [9.0, 9.0])]
    results = Results([Outcome({"arm": a.key, "seed": seed}, {"rows": {"loss": rows}}) for a, seed, rows in found])
    assert results.signs(arm, other, "loss") == [-1.0]
    assert results.score(arm, "loss").value == 0.75
    assert results.minus((arm, "loss"), (other, "loss")).value == pytest.approx(0.75 - 5.5)


def test_vectors_of_the_controls(data):
    parts = data.parts
    shuffled, noise = (_vectors(kind, data, 0) for kind in ("shuffled", "random"))
    for name, part in parts.items():
        given = np.stack([shuffled[key] for key in part.ids])
        assert sorted(map(bytes, given)) == sorted(map(bytes, part.vectors))  # nothing leaves its side
        assert np.array_equal(given, part.vectors) == (name == "test")
    train = np.stack([noise[key] for key in parts["train"].ids])
    np.testing.assert_allclose(train.mean(axis=0), parts["train"].vectors.mean(axis=0), atol=1)
    assert not set(map(bytes, train)) & set(map(bytes, parts["train"].vectors))
    small, large = (set(_some(parts["train"], n, 3).ids) for n in (10, 30))
    assert (len(small), len(large)) == (10, 30)
    assert small < large


def test_the_parts_are_those_of_the_column_and_share_nothing(data, options, place, tmp_path):
    assert data.n_without == 0
    assert data.parts["test"].ids == [str(i) for i in range(102, 125)]
    rows = [json.loads(line) for line in (place / "films.jsonl").read_text().splitlines()]
    rows[110]["lead"] = rows[3]["lead"]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UserError, match="1 rows stand on both sides of the split.* 3, 110"):
        read_data(replace(options, data=str(tmp_path / "t.jsonl")))


def test_other_labels_or_another_reader_are_other_data(data, options, place, tmp_path):
    rows = [json.loads(line) for line in (place / "films.jsonl").read_text().splitlines()]
    again = read_data(options)
    assert again.digest == data.digest
    rows[110]["kind"] = "western"
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_data(replace(options, data=str(tmp_path / "t.jsonl"))).digest != data.digest
    again.reader.strength *= 2
    assert again.digest != data.digest


def test_without_a_column_the_hash_divides_and_copies_stay_together(options, tmp_path):
    rng = np.random.default_rng(0)
    rows = [{"id": i, "text": f"a tale of {i // 2}"} for i in range(700)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"id": 700, "text": None}]))
    write_vectors(tmp_path / "v.parquet", list(range(701)), rng.normal(size=(701, 4)).astype(np.float32))
    own = replace(
        options, data=str(tmp_path / "t.jsonl"), split=None, tasks="generic", vectors=str(tmp_path / "v.parquet")
    )
    found = read_data(own)
    where = {key: name for name, part in found.parts.items() for key in part.ids}
    assert all(where[str(i)] == where[str(i + 1)] for i in range(0, 700, 2) if {str(i), str(i + 1)} <= set(where))
    sizes = {name: len(part.ids) for name, part in found.parts.items()}
    assert (sizes["valid"], found.n_without) == (60, 1)
    assert sizes["train"] > 450
    vectors = rng.normal(size=(701, 4)).astype(np.float32)
    write_vectors(tmp_path / "v.npy", None, vectors)
    part = read_data(replace(own, vectors=str(tmp_path / "v.npy"), rows=600)).parts["train"]
    np.testing.assert_array_equal(
        part.vectors, vectors[[int(key) for key in part.ids]]
    )  # in the order of the whole table
    write_vectors(tmp_path / "w.parquet", ["x", "y"], rng.normal(size=(2, 4)).astype(np.float32))
    with pytest.raises(UserError, match="No id of .* stands in the table"):
        read_data(replace(own, vectors=str(tmp_path / "w.parquet")))


def test_arms_differ_in_one_thing_and_stand_once(options, data):
    plan = Plan(replace(options, quick=False, seeds=2), data, {name: {} for name in options.llms})
    assert len({cell.address for cell in plan.cells()}) == len(plan.cells())
    for arms in plan.groups().values():
        for arm in arms:
            assert sum(getattr(arm, name) != value for name, value in vars(plan.base).items()) <= 1
    assert [arm.name for arm in plan.groups()["pairs"]] == ["2 pairs", "5 pairs", "16 pairs", "40 pairs", "as usual"]
    assert "start" not in plan.groups()
    other = Plan(options, data, {name: {"weights": "changed"} for name in options.llms})
    assert not {cell.address for cell in other.cells()} & {cell.address for cell in plan.cells()}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"seeds": 0}, "seeds must be 1"),
        ({"steps": 1}, "steps must be 2"),
        ({"rows": 0}, "rows must be 1"),
        ({"rows": 30}, "rows 'train'; each of"),
        ({"tune": "ful"}, "Unknown tune 'ful'"),
        ({"llms": ()}, "at least one language model"),
        ({"vectors": None}, "embeds nothing"),
        ({"llms": ("/nowhere",)}, "nowhere"),
        ({"data": "/nowhere.csv"}, "nowhere"),
        ({"split": "kind"}, "calls 0 rows 'train'"),
        ({"id": "kind"}, "more than one row"),
    ],
)
def test_what_cannot_be_studied(options, tmp_path, changed, said):
    with pytest.raises(UserError, match=said):
        study_elm(tmp_path, replace(options, **changed))
    assert not (tmp_path / "study.html").exists()


def test_the_command(place, options, tmp_path, capsys, monkeypatch):
    seen = []

    def study(out, options):
        seen.append((out, options))
        raise UserError("seen")

    monkeypatch.setattr("frostline.study_elm", study, raising=False)
    args = ("study", "elm", "--data", place, "--id", "k", "--text", "lead", "--tasks", "t", "--split", "part", "--vectors", "v",
            "--encoder", "words", "--rows", 99, "--llm", "a,b", "--quick", "--seeds", 2, "--steps", 7, "--tune", "lora", "--device", "cpu",
            "--out", tmp_path, "--no-store", "--quiet")  # fmt: skip
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in args])
    assert stop.value.code == 2
    assert "seen" in capsys.readouterr().err
    assert seen == [
        (str(tmp_path), ElmStudyOptions(
            str(place), "k", "lead", "t", "part", "v", "words", 99, ("a", "b"), True, 2, 7, "lora", "cpu", None, False))
    ]  # fmt: skip
