"""Class weights, costs, thresholds and abstention of a whole classifier: probabilities stay true, artifacts keep it all."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC

from fakes import tiny_bert
from frostline import ArtifactError, Decision, TextClassifier, TextEmbedder, UserError, load


def mail(n=600, seed=0):
    """Words that overlap, so that no classifier is sure; one message in ten is spam."""
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(n) < 0.1, "spam", "ham")
    words = {"spam": ["win", "prize", "you", "day"], "ham": ["lunch", "you", "day", "win"]}
    return [" ".join(rng.choice(words[label], 3)) + f" {i}" for i, label in enumerate(y)], y


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    home = tmp_path_factory.mktemp("m")
    return TextEmbedder(str(tiny_bert(home / "m")), layers="all", store=home / "store", progress=False)


@pytest.fixture(scope="module")
def weighted():
    return TextClassifier(features="tfidf", class_weight="balanced").fit(*mail())


@pytest.fixture(scope="module")
def plain():
    return TextClassifier(features="tfidf").fit(*mail())


def test_weights_find_more_of_the_rare_class_and_keep_probabilities_true(plain, weighted):
    texts, y = mail(2000, seed=1)
    recall = [(clf.predict(texts) == y)[y == "spam"].mean() for clf in (plain, weighted)]
    assert recall[1] > recall[0] + 0.1
    for clf in (plain, weighted):
        assert clf.predict_proba(texts)[:, 1].mean() == pytest.approx(np.mean(y == "spam"), abs=0.03)
    assert weighted.class_weight_[1] > 5
    np.testing.assert_array_equal(
        weighted.predict(texts), weighted.classes_[(weighted.predict_proba(texts) * weighted.class_weight_).argmax(1)]
    )


@pytest.mark.parametrize("head", ["linear", LogisticRegression(max_iter=1000)])
def test_weights_of_heads_on_vectors(embedder, head):
    texts, y = mail(300)
    clf = TextClassifier(embedder=embedder, features="embedding", head=head, class_weight={"spam": 20})
    clf.fit(texts, y)
    plain = clone(clf).set_params(class_weight=None).fit(texts, y)
    assert (clf.predict(texts) == "spam").mean() > (plain.predict(texts) == "spam").mean()
    assert clf.predict_proba(texts)[:, 1].mean() == pytest.approx(np.mean(y == "spam"), abs=0.04)
    assert clf.head_.class_weight[1] == pytest.approx(20 * clf.head_.class_weight[0])
    assert set(clf.cv_metrics_) == {"accuracy", "macro_f1", "log_loss", "ece"}


def test_weights_of_a_head_without_probabilities_decide_by_themselves(embedder):
    texts, y = mail(300)
    clf = TextClassifier(embedder=embedder, features="embedding", head=LinearSVC(), class_weight={"spam": 50})
    assert (clf.fit(texts, y).predict(texts) == "spam").mean() > 0.2
    assert clf.decide(texts).confidence is None


def test_two_rows_are_led_back_by_the_weights_themselves():
    clf = TextClassifier(features="tfidf", class_weight={"b": 9}).fit(["x y", "z w"], ["a", "b"])
    plain = TextClassifier(features="tfidf").fit(["x y", "z w"], ["a", "b"])
    assert clf.pool_.shift[0] - clf.pool_.shift[1] == pytest.approx(np.log(9))
    assert plain.pool_ is None


def test_a_cost_decides_and_leaves_probabilities_alone(plain):
    texts, _ = mail(300, seed=2)
    clf = TextClassifier(features="tfidf", decision=Decision(cost={"spam": {"ham": 20}})).fit(*mail())
    np.testing.assert_array_equal(clf.predict_proba(texts), plain.predict_proba(texts))
    np.testing.assert_array_equal(clf.predict(texts) == "spam", clf.predict_proba(texts)[:, 1] > 1 / 21)


def test_abstention_reaches_its_precision_and_answers_nothing_below():
    clf = TextClassifier(features="tfidf", decision=Decision(precision=0.93)).fit(*mail())
    texts, y = mail(2000, seed=3)
    found, answers = clf.decide(texts), clf.predict(texts)
    assert 0.3 < (~found.abstained).mean() < 1
    assert (found.labels == y)[~found.abstained].mean() > 0.93
    assert (
        found.confidence[~found.abstained].min()
        >= clf.rule_.cutoff.confidence
        > found.confidence[found.abstained].max()
    )
    assert [a is None for a in answers] == found.abstained.tolist()
    assert set(found.labels) <= {"ham", "spam"}


@pytest.mark.parametrize(
    "settings",
    [
        {"class_weight": "balanced"},
        {"class_weight": {3: 2.5}, "decision": Decision(precision=0.5, level=0.8)},
        {"decision": Decision(cost=[[0, 1], [7, 0]])},
        {"decision": Decision(threshold={3: "f1"})},
        {"class_weight": "balanced", "decision": Decision(threshold={"3": 0.2}, precision=0.3)},
    ],
)
def test_saved_and_loaded(tmp_path, settings):
    texts, y = mail(300)
    y = np.where(y == "spam", 3, 1)
    clf = TextClassifier(features="tfidf", **settings).fit(texts, y)
    clf.save(tmp_path / "m")
    again = load(tmp_path / "m", store=None, progress=False)
    assert again.predict(texts).tolist() == clf.predict(texts).tolist()
    np.testing.assert_array_equal(again.predict_proba(texts), clf.predict_proba(texts))
    assert again.get_params()["class_weight"] == clf.get_params()["class_weight"]
    refitted = clone(again).fit(texts, y)
    assert refitted.predict(texts).tolist() == clf.predict(texts).tolist()


def test_an_artifact_with_an_unknown_decision_is_refused(tmp_path, weighted):
    from frostline.estimators.deciding import decision_state, restore_decision

    with pytest.raises(ArtifactError, match="unknown keys: mood"):
        restore_decision(weighted, {**decision_state(weighted), "mood": 1})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"class_weight": "fair"}, "None, 'balanced' or a weight for each label"),
        ({"class_weight": {"spma": 2}}, "Did you mean 'spam'"),
        ({"class_weight": {"spam": -1}}, "positive number"),
        ({"class_weight": "balanced", "head": KNeighborsClassifier()}, "takes no class weights"),
        ({"decision": Decision(precision=0.9), "head": LinearSVC()}, "gives no probabilities"),
        ({"decision": Decision(precision=0.9999)}, "No confidence reaches precision"),
        ({"decision": Decision(threshold={"eggs": 0.3})}, "label 'eggs'"),
        ({"decision": 0.95}, "must be a frostline.Decision"),
    ],
)
def test_what_cannot_be_done_is_said(embedder, settings, message):
    with pytest.raises(UserError) as error:
        TextClassifier(embedder=embedder, **settings).fit(*mail(60))
    assert message in str(error.value)


def test_weights_reach_every_arm_of_a_table(embedder):
    rng = np.random.default_rng(0)
    texts, y = mail(400)
    rows = [{"title": t.split()[0], "body": t, "size": int(rng.integers(9))} for t in texts]
    clf = TextClassifier(embedder=clone(embedder).set_params(layers="final"), class_weight="balanced").fit(rows, y)
    assert clf.predict_proba(rows)[:, 1].mean() == pytest.approx(np.mean(y == "spam"), abs=0.04)
    assert all(arm.head.class_weight is not None for arm in clf.arms_)
