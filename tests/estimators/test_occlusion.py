"""Taking words and columns away: what the class hangs on is found, order and names are kept."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import frostline
from fakes import tiny_bert
from frostline.estimators import occlusion

WORDS = ["frost", "line", "deep", "warm", "sun", "rain"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(tiny_bert(tmp_path_factory.mktemp("bert")))


@pytest.fixture(scope="module")
def words(folder):
    rng = np.random.default_rng(0)
    texts = [" ".join([*rng.choice(WORDS, size=4), *(["ice"] if i % 2 else [])]) for i in range(200)]
    return frostline.TextClassifier(folder, features="tfidf").fit(
        texts, ["cold" if i % 2 else "mild" for i in range(200)]
    )


def test_the_word_that_decides(words):
    (found,) = words.occlude(["deep rain  ice sun frost"])
    assert found.predicted == "cold"
    assert found.pieces == ["deep", "rain", "ice", "sun", "frost"]
    assert found.top(1)[0][0] == "ice"
    without = words.predict_proba(["deep rain sun frost"])[0, list(words.classes_).index("cold")]
    assert found.effects[2] == pytest.approx(found.value - without)
    assert "ice +" in str(found)


def test_long_texts_lose_several_words_at_a_time(words, monkeypatch):
    monkeypatch.setattr(occlusion, "MAX_PIECES", 3)
    (found,) = words.occlude(["deep rain ice sun frost"])
    assert found.pieces == ["deep rain", "ice sun", "frost"]


def test_one_word_or_none_leaves_nothing_to_compare(words):
    assert [len(found.pieces) for found in words.occlude(["ice", ""])] == [0, 0]


def test_columns(folder):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {"noise": rng.choice(WORDS, 150), "size": rng.integers(1, 9, 150), "kind": rng.choice(["a", "b"], 150)}
    )
    y = np.where(frame["kind"] == "a", 10.0, -10.0)
    reg = frostline.TextRegressor(folder, features="tfidf").fit(frame, y)
    found = reg.occlude(frame[:4])
    assert all(f.pieces == ["noise", "size", "kind"] for f in found)
    assert all(f.top(1)[0][0] == "kind" for f in found)
    np.testing.assert_allclose([f.predicted for f in found], reg.predict(frame[:4]))


def test_with_the_backbone(folder):
    texts = [f"{'long ' * (i % 7)}row {i}" for i in range(80)]
    clf = frostline.TextClassifier(folder, features="embedding", layers=1).fit(texts, [i % 7 > 3 for i in range(80)])
    (found,) = clf.occlude([texts[6]])
    assert len(found.effects) == 8
    assert np.abs(found.effects).max() > 0
