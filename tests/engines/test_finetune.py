"""``fit --compare finetune``: the arms in the report, what is refused, and what is said before it begins."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import frostline
from fakes import tiny_bert
from frostline.cli import main
from frostline.errors import MissingExtraError, UserError
from frostline.heads.finetune import training
from frostline.numerics.proportions import wilson
from frostline.reports import load_report, to_html, to_json, to_text


@pytest.fixture
def folder(tmp_path):
    return str(tiny_bert(tmp_path / "bert"))


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abcdef"), size=rng.integers(4, 30))) for _ in range(60)]
    lines = [f"{text},{'long' if len(text) > 16 else 'short'},{len(text) + 0.5}" for text in texts]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label,y", *lines]) + "\n")
    return tmp_path / "rows.csv"


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(training, "RATES", {"full": (3e-3,), "lora": (1e-2,)})
    monkeypatch.setattr(training, "MOST_EPOCHS", 2)


def job(folder, target="label", **options):
    options = {"compare": "finetune", "features": "embedding", **options}
    return {
        "options": frostline.FitOptions(target, **options),
        "inputs": frostline.InputOptions("text"),
        "embedding": frostline.EmbedOptions(folder, progress=False, store=None),
    }


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as left:
        main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return left.value.code, captured.out, captured.err


def test_three_arms_on_the_same_rows_in_every_face_of_the_report(table, folder, tmp_path, capsys):
    command = ["fit", table, "--target", "label", "--text", "text", "--backbone", folder, "--features", "embedding"]
    code, out, err = run(capsys, *command, "--compare", "finetune", "--out", tmp_path / "a", "--json", "--no-store")
    assert code == 0
    found = json.loads(out.splitlines()[-1])
    frozen, full, lora = found["comparisons"]
    assert [arm["name"] for arm in found["comparisons"]] == ["frozen", "finetune-full", "finetune-lora"]
    assert frozen["score"] == found["metrics"]["accuracy"]
    assert frozen["difference"] is frozen["difference_interval"] is None
    for arm in (frozen, full, lora):
        n_right = round(arm["score"] * found["n_test"])
        assert arm["interval"] == pytest.approx(wilson(n_right, found["n_test"]))
        assert arm["score"] == pytest.approx(arm["metrics"]["accuracy"])
        assert arm["seconds"] > 0
        assert arm["joules"] is None or arm["joules"] > 0
    for arm in (full, lora):
        assert arm["difference"] == pytest.approx(arm["score"] - frozen["score"])
        assert arm["difference_interval"][0] <= arm["difference"] <= arm["difference_interval"][1]
        assert arm["settings"]["epochs"] in (1, 2)
    assert frozen["n_trained"] < lora["n_trained"] < full["n_trained"] == full["n_total"] < lora["n_total"]
    assert found["seconds"]["compare"] == pytest.approx(full["seconds"] + lora["seconds"])
    assert found["seconds"]["fit"] < found["seconds"]["total"] - found["seconds"]["compare"]
    assert "fine-tuning will take at most about" in err
    assert "fine-tuned, LoRA: accuracy" in " ".join(out.split())
    assert "Beside fine-tuning" in (tmp_path / "a" / "report.html").read_text()
    report = load_report(json.loads((tmp_path / "a" / "report.json").read_text()))
    assert to_json(report)["comparisons"] == found["comparisons"]
    assert "points (" in to_text(report)
    assert "LoRA" not in to_html(dataclasses.replace(report, comparisons=[]))


def test_numbers_over_folds(table, folder, tmp_path):
    report = frostline.fit_table(
        table, out=tmp_path / "a", **job(folder, "y", compare="finetune-full", cv=2, task="regression")
    ).report
    frozen, full = report.comparisons
    assert frozen.metric == full.metric == "r2"
    y, predicted = report.scatter["y_true"], report.scatter["y_pred"]
    assert frozen.score.value == pytest.approx(1 - ((y - predicted) ** 2).mean() / y.var())
    assert full.difference.value == pytest.approx(full.score.value - frozen.score.value)
    assert full.score.lower < full.score.value < full.score.upper
    assert len(full.settings["rate"]) == 2  # one for each fold
    assert np.isfinite(full.metrics["mae"])


def test_without_it_nothing_is_compared_and_a_dry_run_says_what_it_would_take(table, folder, tmp_path, capsys):
    report = frostline.fit_table(table, out=tmp_path / "a", **job(folder, compare=None)).report
    assert report.comparisons == []
    assert "compare" not in report.seconds
    command = ["fit", table, "--target", "label", "--text", "text", "--backbone", folder, "--dry-run", "--json"]
    _, out, _ = run(capsys, *command, "--compare", "finetune-lora")
    assert json.loads(out.splitlines()[-1])["comparisons"]["lora"] > 0
    assert "Fine-tuning (lora): at most about" in out
    _, out, _ = run(capsys, *command)
    assert json.loads(out.splitlines()[-1])["comparisons"] == {}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"compare": "finetunes"}, "Did you mean 'finetune'"),
        ({"compare_minutes": 0.0}, "above 0"),
        ({"compare_minutes": 1e-9}, "would take up to about"),
        ({"features": "tfidf"}, "does not read"),
        ({"class_weight": "balanced"}, "most probable class"),
        ({"decision": frostline.Decision(precision=0.9)}, "most probable class"),
    ],
)
def test_options_that_it_does_not_go_with(table, folder, tmp_path, options, words):
    with pytest.raises(UserError, match=words):
        frostline.fit_table(table, out=tmp_path / "a", **job(folder, **options))
    assert not (tmp_path / "a").exists()


def test_several_targets_are_refused(table, folder, tmp_path):
    table.write_text(table.read_text().replace("label,y", "z,y").replace("long", "1.5").replace("short", "0.5"))
    with pytest.raises(UserError, match="compared on one target"):
        frostline.fit_table(table, out=tmp_path / "a", **job(folder, ["z", "y"]))


@pytest.mark.parametrize(
    ("backbone", "how", "words"),
    [
        ("vocabulary:{}", {}, "table of token embeddings"),
        (["{}", "random:{}"], {}, "several are named"),
        ("{}", {"overflow": "chunk"}, "one window"),
        ("{}", {"pooling": "padded_mean"}, "padding in the mean"),
    ],
)
def test_backbones_that_it_cannot_train(table, folder, tmp_path, backbone, how, words):
    names = [name.format(folder) for name in ([backbone] if isinstance(backbone, str) else backbone)]
    own = job(folder)
    own["embedding"] = dataclasses.replace(own["embedding"], backbone=names if len(names) > 1 else names[0], **how)
    with pytest.raises(UserError, match=words):
        frostline.fit_table(table, out=tmp_path / "a", **own)


def test_a_service_cannot_be_trained_and_is_not_asked(table, folder, tmp_path):
    own = job("api:m@http://127.0.0.1:9")  # nobody listens there: whoever asked would say so
    with pytest.raises(UserError, match="a service cannot be trained from here"):
        frostline.fit_table(table, out=tmp_path / "a", **own)


def test_a_missing_peft_is_named_and_full_tuning_does_without(table, folder, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    with pytest.raises(MissingExtraError, match="peft") as raised:
        frostline.fit_table(table, out=tmp_path / "a", **job(folder))
    assert "frostline[lora]" in raised.value.hint
    result = frostline.fit_table(table, out=tmp_path / "a", **job(folder, compare="finetune-full"))
    assert len(result.report.comparisons) == 2


def test_an_interruption_says_what_it_interrupted(table, folder, tmp_path, monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(training._Run, "train", stop)
    code, _, err = run(
        capsys, "fit", table, "--target", "label", "--text", "text", "--backbone", folder, "--features", "embedding",
        "--compare", "finetune-full", "--out", tmp_path / "a", "--no-store", "--quiet",
    )  # fmt: skip
    assert code == 130
    assert "Interrupted while fine-tuning (full), of which nothing is kept." in err
