"""Class weights, costs, thresholds, abstention and the per-class report through the command line."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from frostline.cli import main


@pytest.fixture
def run(capsys, tmp_path):
    def run(command, *args):
        with pytest.raises(SystemExit) as stop:
            main([command, *map(str, args), "--store", str(tmp_path / "store"), "--json"])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return stop.value.code, json.loads(out.strip().splitlines()[-1]), out if stop.value.code == 0 else err

    return run


@pytest.fixture
def mail(tmp_path):
    rng = np.random.default_rng(0)
    words = {"spam": ["win", "prize", "you", "day"], "ham": ["lunch", "you", "day", "win"]}
    with (tmp_path / "mail.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for i in range(600):
            label = "spam" if rng.random() < 0.2 else "ham"
            writer.writerow([" ".join(rng.choice(words[label], 2)) + f" {i}", label])
    return tmp_path / "mail.csv"


@pytest.fixture
def fit(run, mail, tmp_path):
    def fit(*args):
        return run("fit", mail, "--target", "label", "--features", "tfidf", "--out", tmp_path / "m", *args)

    return fit


def test_each_class_is_scored_and_mistakes_are_quoted(fit, tmp_path):
    code, found, out = fit()
    assert code == 0
    classes = {c["label"]: c for c in found["classes"]}
    assert classes["ham"]["n_train"] + classes["spam"]["n_train"] == found["n_train"]
    assert np.mean([c["f1"] for c in classes.values()]) == pytest.approx(found["metrics"]["macro_f1"])
    for c in classes.values():
        for name in ("precision", "recall", "f1"):
            assert c[f"{name}_interval"][0] <= c[name] <= c[f"{name}_interval"][1]
    assert found["mistakes"]
    assert all({m["true"], m["predicted"]} == {"ham", "spam"} for m in found["mistakes"])
    text = found["mistakes"][0]["text"]
    page = (tmp_path / "m" / "report.html").read_text()
    assert "Score of each class" in page
    assert not any(text in file.read_text("utf-8", "replace") for file in (tmp_path / "m").iterdir())
    assert "spam: F1" in out.replace("\n          ", " ")
    assert found["decision"] == {}


def test_the_folder_quotes_texts_only_where_it_may_keep_them(fit, tmp_path):
    code, found, _ = fit("--keep-texts")
    assert code == 0
    for name in ("report.html", "report.json"):
        assert found["mistakes"][0]["text"] in (tmp_path / "m" / name).read_text()


def test_no_text_is_quoted_where_none_is_wanted(fit, tmp_path):
    code, found, out = fit("--no-texts", "--keep-texts")
    assert (code, found["mistakes"]) == (0, [])
    assert "such as" not in out
    assert "most confident mistakes" not in (tmp_path / "m" / "report.html").read_text()


def test_class_weights_from_a_word_and_from_json(fit):
    recall = {}
    for given in (None, "balanced", '{"spam": 9}'):
        code, found, _ = fit(*(["--class-weight", given] if given else []))
        assert code == 0
        recall[given] = {c["label"]: c["recall"] for c in found["classes"]}["spam"]
    assert recall[None] < recall["balanced"] <= recall['{"spam": 9}']
    weights = found["decision"]["class_weight"]
    assert weights["spam"] == pytest.approx(9 * weights["ham"], rel=1e-4)


def test_costs_from_a_file(fit, run, mail, tmp_path):
    (tmp_path / "cost.json").write_text('{"ham": {"spam": 5}}')
    code, found, _ = fit("--cost", tmp_path / "cost.json")
    assert code == 0
    assert found["decision"]["cost"] == [[0, 5], [1, 0]]
    wrong = {(m["true"], m["predicted"]): n for m, n in zip(found["mistakes"], [0] * 9, strict=False)}
    assert ("spam", "ham") in wrong
    counts = np.array(found["confusion"])
    assert found["metrics"]["cost"] == pytest.approx((5 * counts[0, 1] + counts[1, 0]) / found["n_test"])
    assert run("evaluate", tmp_path / "m", mail)[1]["metrics"]["cost"] < 0.3


def test_a_threshold_of_one_label(fit):
    code, found, out = fit("--threshold", "spam=0.05")
    assert (code, found["decision"]) == (0, {"threshold": {"spam": 0.05}})
    assert "spam is predicted wherever its probability is at least 0.050" in out.replace("\n          ", " ")
    assert 0 < fit("--threshold", "spam=f1")[1]["decision"]["threshold"]["spam"] < 1


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_abstention(fit, run, mail, tmp_path, ending):
    import pyarrow.parquet as pq

    code, found, out = fit("--min-precision", "0.9")
    assert code == 0
    about = found["decision"]["abstention"]
    assert about["bound"] >= about["precision"] == 0.9
    test = about["test"]
    assert test["n_rows"] == found["n_test"]
    assert test["coverage"][0] == test["n_answered"] / test["n_rows"] < 1
    assert test["precision"][1] <= test["precision"][0] <= test["precision"][2]
    assert "of the answers" in out
    place = tmp_path / f"p.{ending}"
    assert run("predict", tmp_path / "m", mail, "--out", place)[0] == 0
    if ending == "csv":
        rows = list(csv.DictReader(place.read_text().splitlines()))
        assert {(row["abstained"], row["prediction"] == "") for row in rows} == {("true", True), ("false", False)}
    elif ending == "jsonl":
        rows = [json.loads(line) for line in place.read_text().splitlines()]
        assert {(row["abstained"], row["prediction"] is None) for row in rows} == {(True, True), (False, False)}
    else:
        table = pq.read_table(place)
        assert str(table.schema.field("prediction").type) == "string"
        assert table["prediction"].is_null().to_pylist() == table["abstained"].to_pylist()
    judged = run("evaluate", tmp_path / "m", mail)[1]["decision"]["abstention"]["test"]
    assert judged["n_rows"] == 600


def test_folds_are_counted_together(fit):
    code, found, _ = fit("--min-precision", "0.8", "--cv", "3", "--class-weight", "balanced")
    assert code == 0
    assert found["decision"]["abstention"]["test"]["n_rows"] == 600
    assert sum(c["n_test"] for c in found["classes"]) == 600


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--min-precision", "0.9999"], "No confidence reaches precision 0.9999"),
        (["--precision", "0.95"], "--min-precision 0.95"),
        (["--cost", "nowhere.json"], "nowhere.json cannot be read"),
        (["--cost", "{"], "--cost is not JSON"),
        (["--class-weight", "{}x"], "--class-weight is not JSON"),
        (["--threshold", "0.3"], "must name one label"),
        (["--threshold", "spam=most"], "'most' is neither a number nor f1"),
        (["--cost", "[[0, 1], [1, 0]]", "--threshold", "spam=0.3"], "Both a cost and a threshold"),
        (["--task", "regression", "--class-weight", "balanced"], "cannot be regressed"),
    ],
)
def test_mistakes_get_one_message_and_leave_nothing(fit, tmp_path, args, message):
    code, _, err = fit(*args)
    assert code == 2
    assert message in err
    assert not (tmp_path / "m").exists()


def test_numbers_have_no_classes(run, tmp_path):
    (data := tmp_path / "d.csv").write_text("text,y\n" + "".join(f"t{i},{i / 3}\n" for i in range(40)))
    code, _, err = run("fit", data, "--target", "y", "--out", tmp_path / "m", "--min-precision", "0.9")
    assert code == 2
    assert "are for classes; the target is a number" in err
