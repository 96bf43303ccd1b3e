"""TextClassifier on sets of labels: calibrated labels, thresholds, artifacts, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from fakes import tiny_bert
from frostline import Decision, TextClassifier, TextEmbedder, UserError, load
from frostline.labelsets import truth_table

WORDS = {"ice": ["cold", "snow"], "money": ["bank", "cash"], "sport": ["ball", "goal"]}


def rows(n=240, seed=0):
    """One word of each label and three of any: no label is certain."""
    rng = np.random.default_rng(seed)
    texts, sets = [], []
    every = [word for words in WORDS.values() for word in words] + ["the", "a", "of"] * 4
    for i in range(n):
        own = [label for label, share in (("sport", 0.5), ("money", 0.3), ("ice", 0.1)) if rng.random() < share]
        words = [str(rng.choice(WORDS[label])) for label in own] + list(map(str, rng.choice(every, 3)))
        texts.append(" ".join([*words, str(i)]))
        sets.append(own)
    return texts, sets


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    home = tmp_path_factory.mktemp("m")
    return TextEmbedder(
        str(tiny_bert(home / "m")), layers="auto", pooling="auto", fusion="auto", store=home / "s", progress=False
    )


@pytest.mark.parametrize("features", ["tfidf", "embedding", "auto", "both"])
def test_sets_are_learnt_saved_and_loaded(embedder, tmp_path, features):
    texts, sets = rows()
    clf = TextClassifier(embedder=embedder, features=features).fit(texts, sets)
    assert clf.classes_.tolist() == ["ice", "money", "sport"]
    new, truth = rows(200, seed=1)
    found, p = clf.predict(new), clf.predict_proba(new)
    assert all(isinstance(row, tuple) for row in found)
    assert () in set(found)
    assert np.mean(truth_table(found, clf.classes_.tolist()) == truth_table(truth, clf.classes_.tolist())) > 0.75
    np.testing.assert_array_equal(truth_table(found, clf.classes_.tolist()), p >= clf.rule_.thresholds)
    np.testing.assert_allclose(p.mean(0), truth_table(truth, clf.classes_.tolist()).mean(0), atol=0.1)
    assert set(clf.cv_metrics_) >= {"micro_f1", "subset_accuracy"}
    clf.save(tmp_path / "m")
    again = load(tmp_path / "m", store=embedder.store, progress=False)
    assert again.predict(new).tolist() == found.tolist()
    np.testing.assert_array_equal(again.predict_proba(new), p)
    assert "exact sets" in (tmp_path / "m" / "card.md").read_text()


def test_refitted_from_an_artifact_with_thresholds(tmp_path):
    texts, sets = rows()
    clf = TextClassifier(features="tfidf", decision=Decision(threshold={"ice": 0.9})).fit(texts, sets)
    clf.save(tmp_path / "m")
    again = load(tmp_path / "m", store=None, progress=False)
    assert again.decision == Decision(threshold={"ice": 0.9})
    assert clone(again).fit(texts, sets).predict(texts).tolist() == clf.predict(texts).tolist()


def test_one_label_in_every_row_is_still_a_set():
    texts, sets = rows()
    single = [row[:1] or ["none"] for row in sets]
    clf = TextClassifier(features="tfidf").fit(texts, single)
    assert clf.predict(texts).shape == (240,)
    assert clf.fit(texts, [row[0] for row in single]).predict(texts)[0] in {"ice", "money", "sport", "none"}


def test_rows_without_a_target_are_left_out():
    texts, sets = rows()
    sets[3] = sets[9] = None
    with pytest.raises(UserError, match="not in 2, the first of them row 3"):
        TextClassifier(features="tfidf").fit(texts, sets)
    clf = TextClassifier(features="tfidf").fit(texts, sets, unlabeled="skip")
    assert (clf.n_train_, clf.n_unlabeled_) == (238, 2)


def test_a_concept_for_each_label(embedder):
    texts, sets = rows()
    clf = TextClassifier(embedder=embedder, features="embedding").fit(texts, sets)
    score = clf.embed(texts) @ clf.concept("sport").direction
    has = np.array(["sport" in row for row in sets])
    assert score[has].mean() > score[~has].mean()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"class_weight": "balanced"}, "Class weights are for rows of one label"),
        ({"decision": Decision(precision=0.9)}, "are for rows of one label"),
        ({"head": "mlp"}, "'mlp' is for"),
        ({"head": LogisticRegression()}, "not by a LogisticRegression"),
    ],
)
def test_what_sets_do_not_allow(embedder, settings, message):
    with pytest.raises(UserError) as error:
        TextClassifier(embedder=embedder, **settings).fit(*rows(40))
    assert message in str(error.value)
