"""What the default predictor learns on: the backbone, words, or both, by evidence on training rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import frostline
from fakes import tiny_bert
from frostline.embedder import TextEmbedder
from frostline.errors import UserError

WORDS = ["frost", "line", "deep", "cold", "warm", "sun", "ice", "snow"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(tiny_bert(tmp_path_factory.mktemp("bert")))


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, size=6)) for _ in range(240)]
    y = np.array(["cold" if "ice" in text or "snow" in text else "warm" for text in texts])
    return texts, y


@pytest.mark.parametrize("features", ["embedding", "tfidf", "both", "auto"])
def test_every_kind_learns_saves_and_loads(folder, rows, tmp_path, features):
    texts, y = rows
    clf = frostline.TextClassifier(folder, features=features).fit(texts[:200], y[:200])
    proba = clf.predict_proba(texts[200:])
    np.testing.assert_allclose(proba.sum(1), 1)
    assert set(clf.predict(texts[200:])) <= {"cold", "warm"}
    clf.save(tmp_path / "artifact")
    again = frostline.load(tmp_path / "artifact")
    np.testing.assert_array_equal(again.predict_proba(texts[200:]), proba)
    assert [arm.kind for arm in again.arms_] == [arm.kind for arm in clf.arms_]
    assert again.layers_ == clf.layers_


def test_words_are_chosen_where_the_class_is_a_word(folder, rows):
    texts, y = rows
    clf = frostline.TextClassifier(folder).fit(texts, y)
    assert "tfidf" in [arm.kind for arm in clf.arms_]
    assert {c.name for c in clf.selection_ if c.note == "chosen"} & {"features tfidf", "features both"}
    assert clf.cv_metrics_["accuracy"] > 0.9


def test_the_backbone_alone_is_kept_where_words_say_nothing(folder):
    rng = np.random.default_rng(1)
    texts = ["".join(rng.choice(list("abcdefgh"), size=rng.integers(5, 50))) for _ in range(200)]  # no word twice
    y = [len(text) > 25 for text in texts]
    clf = frostline.TextClassifier(folder).fit(texts, y)
    assert clf.arms_[0].kind == "embedding"
    assert clf.score(texts, y) > 0.8


def test_words_alone_never_load_the_backbone(rows, monkeypatch):
    texts, y = rows
    monkeypatch.setattr("frostline.embedder.resolve", lambda spec: pytest.fail("the backbone was asked for"))
    clf = frostline.TextClassifier("no/such-model", features="tfidf").fit(texts, y)
    assert clf.layers_ == []
    assert not clf.reads_backbone_
    assert clf.score(texts, y) > 0.95
    assert clf.embed(texts).shape == (240, 0)


def test_numbers_from_words_and_backbone(folder, tmp_path):
    rng = np.random.default_rng(2)
    texts = [" ".join(rng.choice(WORDS, size=6)) for _ in range(300)]
    y = np.array([2.0 * t.count("ice") - t.count("sun") for t in texts])
    reg = frostline.TextRegressor(folder).fit(texts[:250], y[:250])
    assert len(reg.arms_) > 1
    assert (reg.pool_.weights > 0).all()  # what has no weight is not kept
    assert reg.score(texts[250:], y[250:]) > 0.6
    lower, upper = reg.predict_interval(texts[250:], 0.9)
    assert 0.7 < ((lower <= y[250:]) & (y[250:] <= upper)).mean() <= 1
    reg.save(tmp_path / "artifact")
    np.testing.assert_array_equal(frostline.load(tmp_path / "artifact").predict(texts), reg.predict(texts))


def test_only_what_was_chosen_is_read_afterwards(folder, rows):
    texts, y = rows
    clf = frostline.TextClassifier(folder, features="embedding", layers="auto").fit(texts, y)
    assert [tap.layer for tap in clf.embedder_.extractor().taps] == clf.layers_
    assert clf.embed(texts[:3]).shape == (3, 16 * (len(clf.layers_) if clf.embedder_.fusion == "concat" else 1))


def test_what_is_fixed_stays_fixed(folder, rows):
    texts, y = rows
    clf = frostline.TextClassifier(folder, layers=[0, 1], pooling="max", fusion="mean", features="embedding").fit(
        texts, y
    )
    assert (clf.layers_, clf.embedder_.pooling, clf.embedder_.fusion) == ([0, 1], "max", "mean")
    assert clf.selection_ == []
    embedder = TextEmbedder(folder, layers=1)
    assert frostline.TextClassifier(embedder=embedder, features="embedding").fit(texts, y).layers_ == [1]


def test_a_handful_of_rows_stays_with_the_backbone(folder, rows):
    texts, y = rows
    few = [*np.flatnonzero(y == "cold")[:4], *np.flatnonzero(y == "warm")[:4]]
    clf = frostline.TextClassifier(folder).fit([texts[i] for i in few], y[few])
    assert clf.arms_[0].kind == "embedding"
    assert len(clf.predict(texts)) == 240


def test_words_of_a_few_rows_count_as_far_as_they_tell(folder, rows, tmp_path):
    texts, y = rows
    clf = frostline.TextClassifier(folder).fit(texts[:100], y[:100])
    assert [arm.kind for arm in clf.arms_] == ["embedding", "tfidf"]
    assert clf.score(texts[100:], y[100:]) > 0.8
    clf.save(tmp_path / "artifact")
    np.testing.assert_array_equal(frostline.load(tmp_path / "artifact").predict_proba(texts), clf.predict_proba(texts))


def test_both_needs_probabilities(folder, rows):
    from sklearn.svm import LinearSVC

    texts, y = rows
    with pytest.raises(UserError, match="cannot be weighed"):
        frostline.TextClassifier(folder, layers=1, features="both", head=LinearSVC()).fit(texts, y)
    clf = frostline.TextClassifier(folder, layers=1, head=LinearSVC()).fit(texts, y)  # auto: the backbone alone
    assert [arm.kind for arm in clf.arms_] == ["embedding"]
    assert not hasattr(clf, "predict_proba")


def test_auto_is_no_layer_of_an_embedder(folder):
    with pytest.raises(UserError, match="'auto' is not a layer"):
        TextEmbedder(folder, layers="auto").fit_transform(["a"])


def test_unknown_features():
    with pytest.raises(UserError, match="auto.*embedding.*tfidf.*raw.*both"):
        frostline.TextClassifier(features="words").fit(["a", "b"], [0, 1])


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(3)
    size, color = rng.normal(size=300), rng.choice(["red", "blue"], 300)
    y = 3 * size + (color == "red") + rng.normal(0, 0.1, 300)
    return pa.table({"size": size.round(3), "color": color}), y


@pytest.mark.parametrize("features", ["raw", "both", "auto"])
def test_numbers_from_columns(folder, table, tmp_path, features):
    rows, y = table
    reg = frostline.TextRegressor(folder, layers="final", features=features).fit(rows.slice(0, 240), y[:240])
    assert "raw" in [arm.kind for arm in reg.arms_]
    assert reg.score(rows.slice(240), y[240:]) > 0.8
    reg.save(tmp_path / "artifact")
    again = frostline.load(tmp_path / "artifact")
    np.testing.assert_array_equal(again.predict(rows), reg.predict(rows))
    np.testing.assert_array_equal(again.predict_interval(rows), reg.predict_interval(rows))


def test_columns_alone_never_load_the_backbone(table, monkeypatch):
    rows, y = table
    monkeypatch.setattr("frostline.embedder.resolve", lambda spec: pytest.fail("the backbone was asked for"))
    reg = frostline.TextRegressor("no/such-model", features="raw").fit(rows, y)
    assert not reg.reads_backbone_
    clf = frostline.TextClassifier("no/such-model", features="raw").fit(rows, y > 0)
    assert clf.score(rows, y > 0) > 0.9


def test_auto_says_what_it_saw(folder, table):
    rows, y = table
    reg = frostline.TextRegressor(folder, layers="final").fit(rows, y)
    seen = {score.name: score for score in reg.selection_}
    assert {"features raw", "features both", "features embedding", "features embedding+raw+tfidf"} <= set(seen)
    assert seen["features raw"].score > seen["features embedding"].score
    assert all(score.std > 0 for score in seen.values())
    assert [score.note for score in seen.values()].count("chosen") == 1


def test_targets_on_a_logarithmic_scale(table, tmp_path):
    rows, y = table
    skewed = np.exp(y)
    reg = frostline.TextRegressor(features="raw").fit(rows, skewed)
    assert reg.scale_.kind != "none"
    lower, upper = reg.predict_interval(rows)
    assert (lower > 0).all()
    assert ((lower <= skewed) & (skewed <= upper)).mean() > 0.85
    plain = frostline.TextRegressor(features="raw", target_transform="none").fit(rows, skewed)
    assert reg.cv_metrics_["mae"] < plain.cv_metrics_["mae"]
    with pytest.raises(UserError, match="target_transform"):
        frostline.TextRegressor(features="raw", target_transform="root").fit(rows, skewed)
