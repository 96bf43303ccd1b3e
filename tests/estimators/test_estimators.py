from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from fakes import tiny_bert
from frostline import ArtifactError, TextClassifier, TextEmbedder, TextRegressor, UserError
from frostline.heads import CooccurrenceClassifier


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(tiny_bert(tmp_path_factory.mktemp("backbone") / "m"))


@pytest.fixture
def embedder(folder, store_path):
    return TextEmbedder(folder, layers="all", store=store_path, progress=False)


def reviews(n=80, seed=0):
    rng = np.random.default_rng(seed)
    y = np.array(["good", "bad"])[np.arange(n) % 2]
    letters = {"good": list("abcde "), "bad": list("vwxyz ")}
    return ["".join(rng.choice(letters[label], 12)) + f"{i}" for i, label in enumerate(y)], y


def prices(n=80, seed=0):
    counts = np.random.default_rng(seed).integers(1, 12, n)
    return [f"{'a' * c}{'z' * (12 - c)} {i}" for i, c in enumerate(counts)], counts * 10.0


def test_classifier_learns_and_says_what_it_took(embedder):
    texts, y = reviews()
    clf = TextClassifier(embedder=embedder).fit(texts, y)
    assert clf.classes_.tolist() == ["bad", "good"]
    assert clf.score(*reviews(seed=1)) > 0.9
    proba = clf.predict_proba(texts[:5])
    np.testing.assert_allclose(proba.sum(1), 1, atol=1e-6)
    assert (clf.classes_[proba.argmax(1)] == clf.predict(texts[:5])).all()
    assert clf.layers_ == [0, 1, "final"]
    assert clf.embed(texts).shape == (80, 48)
    assert set(clf.cv_metrics_) == {"accuracy", "macro_f1", "log_loss", "ece"}
    assert clf.cv_metrics_["accuracy"] > 0.9


def test_regressor_learns_with_intervals(embedder):
    texts, y = prices()
    reg = TextRegressor(embedder=embedder).fit(texts, y)
    test, truth = prices(seed=1)
    assert reg.score(test, truth) > 0.8
    lower, upper = reg.predict_interval(test, 0.9)
    assert 0.75 <= np.mean((lower <= truth) & (truth <= upper)) <= 1.0
    narrow = reg.predict_interval(test, 0.5)
    assert (narrow[1] - narrow[0] < upper - lower).all()


@pytest.mark.parametrize("labels", [["a", "b"], [0, 1], [True, False], [3, -7]])
def test_labels_of_any_type_round_trip(embedder, tmp_path, labels):
    from frostline import load

    texts, y = reviews(40)
    y = [labels[int(label == "good")] for label in y]
    clf = TextClassifier(embedder=embedder).fit(texts, y)
    found = clf.predict(texts)
    assert set(found.tolist()) == set(labels)
    clf.save(tmp_path / "m")
    again = load(tmp_path / "m", store=None, progress=False).predict(texts)
    assert again.tolist() == found.tolist()
    assert {type(v) for v in again.tolist()} == {type(v) for v in labels}


def test_scikit_learn_tools(embedder):
    texts, y = reviews(60)
    clf = TextClassifier(embedder=embedder)
    assert cross_val_score(clf, texts, y, cv=3).mean() > 0.9
    grid = GridSearchCV(clf, {"embedder__layers": ["final", "all"], "head": ["linear", GaussianNB()]}, cv=3)
    assert grid.fit(texts, y).best_score_ > 0.9
    assert make_pipeline(clf).fit(texts, y).score(texts, y) > 0.9
    frame = pd.Series(texts, name="text")
    assert (clone(clf).fit(frame, y).predict(frame) == clf.fit(texts, y).predict(texts)).all()


def test_cross_validation_embeds_each_text_once(embedder, store_path):
    from frostline import Store

    texts, y = reviews(30)
    cross_val_score(TextClassifier(embedder=embedder, head=GaussianNB()), texts, y, cv=3)
    with Store(store_path, read_only=True) as store:
        assert store.info()["n_vectors"] == 30 * 3


def test_set_params_then_refit_uses_the_new_backbone(folder, tmp_path, store_path):
    texts, y = reviews(40)
    other = str(tiny_bert(tmp_path / "other", seed=5))
    clf = TextClassifier(folder, embedder=TextEmbedder(folder, store=store_path, progress=False)).fit(texts, y)
    before = clf.embed(texts)
    clf.set_params(embedder__backbone=other).fit(texts, y)
    assert np.abs(before - clf.embed(texts)).max() > 0.1
    assert (
        clf.backbones_[0]["weights"]
        != TextClassifier(embedder=TextEmbedder(folder, store=None)).fit(texts, y).backbones_[0]["weights"]
    )


def test_equal_texts_never_stand_on_both_sides_of_a_fold(folder):
    rng = np.random.default_rng(0)
    texts = [f"text {i % 60}" for i in range(300)]
    y = rng.integers(0, 2, 60)[np.arange(300) % 60]  # learnable by heart only
    clf = TextClassifier(embedder=TextEmbedder(folder, store=None, progress=False)).fit(texts, y)
    assert clf.cv_metrics_["accuracy"] < 0.75


@pytest.mark.parametrize("head", ["linear", "mlp", LogisticRegression(max_iter=500), GaussianNB()], ids=str)
def test_classifier_saved_and_loaded_gives_the_same_numbers(embedder, tmp_path, head):
    from frostline import load

    texts, y = reviews(40)
    clf = TextClassifier(embedder=embedder, head=head).fit(texts, y)
    clf.save(tmp_path / "m")
    again = load(tmp_path / "m", store=embedder.store, progress=False)
    np.testing.assert_array_equal(again.predict_proba(texts), clf.predict_proba(texts))
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == [
        "card.md", "frostline.json", "head.safetensors", "report.html", "report.json", "rows.safetensors",
    ]  # fmt: skip
    assert again.fit(texts, y).score(texts, y) > 0.9


@pytest.mark.parametrize("head", ["linear", "mlp", Ridge()], ids=str)
def test_regressor_saved_and_loaded_gives_the_same_numbers(embedder, tmp_path, head):
    from frostline import load

    texts, y = prices(60)
    reg = TextRegressor(embedder=embedder, head=head).fit(texts, y)
    reg.save(tmp_path / "m")
    again = load(tmp_path / "m", store=embedder.store, progress=False)
    np.testing.assert_array_equal(again.predict_interval(texts), reg.predict_interval(texts))


def test_cooccurrence_reads_the_layers_side_by_side(embedder, tmp_path):
    from frostline import load

    texts, y = reviews(40)
    head = CooccurrenceClassifier(hidden=(16,), sigma=0.1, epochs=2)
    clf = TextClassifier(embedder=embedder, head=head, features="embedding").fit(texts, y)
    assert clf.head_.n_layers == len(clf.layers_) == 3
    assert head.n_layers is None
    assert set(clf.cv_metrics_) == {"accuracy", "macro_f1", "log_loss", "ece"}
    clf.save(tmp_path / "m")
    again = load(tmp_path / "m", store=embedder.store, progress=False)
    np.testing.assert_array_equal(again.predict_proba(texts), clf.predict_proba(texts))
    with pytest.raises(UserError, match="leaves one vector"):
        clf.set_params(embedder__fusion="mean").fit(texts, y)
    with pytest.raises(UserError, match="at least two; got 1"):
        clf.set_params(embedder__fusion="concat", embedder__layers="final").fit(texts, y)


def test_head_without_probabilities(embedder, tmp_path):
    texts, y = reviews(40)
    clf = TextClassifier(embedder=embedder, head=LinearSVC()).fit(texts, y)
    assert not hasattr(clf, "predict_proba")
    assert clf.score(texts, y) > 0.9
    clf.save(tmp_path / "m")


def test_drifted_backbone_is_refused(tmp_path):
    from frostline import load

    folder = tiny_bert(tmp_path / "backbone", seed=0)
    texts, y = reviews(40)
    TextClassifier(embedder=TextEmbedder(str(folder), store=None, progress=False)).fit(texts, y).save(tmp_path / "m")
    tiny_bert(folder, seed=1)
    with pytest.raises(ArtifactError, match="drifted since the fit .weights"):
        load(tmp_path / "m", store=None).predict(texts)


def test_frame_columns_are_kept(embedder, tmp_path):
    from frostline import load

    texts, y = prices(40)
    frame = pd.DataFrame({"a": texts, "b": np.arange(40)})
    reg = TextRegressor(embedder=embedder).fit(frame, y)
    reg.save(tmp_path / "m")
    again = load(tmp_path / "m", store=None, progress=False)
    np.testing.assert_allclose(again.predict(frame[["b", "a"]]), reg.predict(frame), rtol=1e-5)
    with pytest.raises(UserError, match="b"):
        again.predict(frame[["a"]])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a"] * 40, "one class only"),
        (["a", None] * 20, "20 of 40 targets are missing"),
        ([1.0, float("nan")] * 20, "20 of 40 targets are missing"),
        (["a", 1] * 20, "several types"),
        (["a"] * 39, "inconsistent"),
        (np.zeros((40, 2)), "one value a row"),
    ],
)
def test_targets_of_a_classifier_are_checked_before_anything_runs(embedder, y, message):
    texts, _ = reviews(40)
    embedder.set_params(backbone="minilm")  # would take seconds to load
    with pytest.raises(UserError, match=message):
        TextClassifier(embedder=embedder).fit(texts, np.array(y, dtype=object) if isinstance(y, list) else y)


@pytest.mark.parametrize(("y", "message"), [(["a", "b"] * 20, "not numbers"), ([1.0, np.inf] * 20, "infinity")])
def test_targets_of_a_regressor(embedder, y, message):
    with pytest.raises(UserError, match=message):
        TextRegressor(embedder=embedder).fit(prices(40)[0], y)


@pytest.mark.parametrize(
    "params",
    [
        {"head": "liner"},
        {"head": Ridge()},
        {"head": Ridge},
        {"features": "vectors"},
        {"seed": -1},
        {"embedder": "minilm"},
    ],
)
def test_wrong_parameters(embedder, params):
    texts, y = reviews(40)
    with pytest.raises(UserError):
        TextClassifier(**{"embedder": embedder, **params}).fit(texts, y)
