"""``frostline.diagnose``: any predictor, every check once, and one report in three forms."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

import frostline
from fakes import tiny_bert
from frostline.diagnostics import CHECKS
from frostline.errors import UserError

from .cases import WORDS, separable, texts

DOCS = Path(__file__).parents[2] / "docs" / "checks.md"


def test_a_clean_table_of_numbers_has_no_issue():
    X, y = separable(500, d=8)
    fitted = LogisticRegression().fit(X[:350], y[:350])
    report = frostline.diagnose(
        fitted, X[:350], y[:350], X[350:], y[350:], against=np.random.default_rng(5).normal(size=(100, 8))
    )
    assert report.of("issue") == []
    assert [finding.code for finding in report] == [check.code for check in CHECKS]
    assert report["FRL301"].outcome == "passed"


def test_a_pipeline_on_texts():
    rng = np.random.default_rng(0)
    y = np.array(["warm", "cold"])[rng.integers(0, 2, 240)]
    rows = [" ".join(rng.choice(WORDS[4:12] if label == "warm" else WORDS[10:], 8)) for label in y]
    rows = [re.sub("warm|cold", "mild", row) for row in rows]
    fitted = make_pipeline(CountVectorizer(), LogisticRegression()).fit(rows[:160], y[:160])
    report = frostline.diagnose(fitted, rows[:160], y[:160], rows[160:], y[160:])
    assert report.of("issue") == []
    assert report["FRL301"].outcome == "passed"
    assert report["FRL202"].outcome == "not applicable"  # there are no vectors
    leaky = frostline.diagnose(fitted, rows[:160], y[:160], [*rows[160:239], rows[0]], y[160:])
    assert leaky["FRL101"].outcome == "issue"


def test_an_embedder_in_a_pipeline_is_found(tmp_path):
    embedder = frostline.TextEmbedder(str(tiny_bert(tmp_path / "m")), store=None, progress=False)
    rows, y = texts(60, length=4), np.arange(60) % 2
    fitted = make_pipeline(embedder, LogisticRegression(max_iter=500)).fit(rows, y)
    report = frostline.diagnose(fitted, rows, y)
    assert report["FRL201"].outcome == "passed"
    assert report["FRL107"].outcome == "issue"  # its tokenizer knows characters only
    assert set(report["FRL205"].value["cka"]) == {"0-1", "1-final"}
    without = frostline.diagnose(None, rows, y, embedder=embedder)
    assert without["FRL201"].outcome == "passed"
    assert without["FRL301"].outcome == "not applicable"


def test_report_in_three_forms():
    X, _ = separable(200)
    target = X[:, 0] + 0.1 * X[:, 1]
    report = frostline.diagnose(
        Ridge().fit(X, target), X[:120], target[:120], X[120:], target[120:], perturb=True, title="<b>"
    )
    plain = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert [set(finding) for finding in plain["findings"]] == [{"code", "title", "outcome", "message", "value"}] * (
        len(CHECKS) + 1
    )
    assert sum(plain["counts"].values()) == len(plain["findings"])
    assert len(plain["perturbations"]) == 18
    page = report.to_html()
    assert "<b>" not in page
    assert page.count("<svg") == 2
    assert "http" not in page.replace("http://www.w3.org", "")
    said = str(report)
    assert all(finding.code in said and finding.code in page for finding in report)
    with pytest.raises(UserError, match="FRL999"):
        report["FRL999"]
    with pytest.raises(UserError, match="Unknown outcome"):
        report.of("isue")


def test_refused():
    X, y = separable(40)
    fitted = LogisticRegression().fit(X, y)
    for arguments, word in [
        ((fitted, None, None), "no rows"),
        ((fitted, X, None), "come together"),
        ((fitted, X, y, X), "come together"),
        ((fitted, X, y[:9]), "40 rows"),
        ((CountVectorizer(), X, y), "neither"),
    ]:
        with pytest.raises(UserError, match=word):
            frostline.diagnose(*arguments)


def test_every_check_has_its_place_in_the_docs():
    told = re.findall(r"^## (FRL\d+) (.+)$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert told == [*((check.code, check.title) for check in CHECKS), ("FRL309", "Sensitivity to the writing of a row")]
