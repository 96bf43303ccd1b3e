"""Rows to label next: unsure ones, unlike each other, never known ones; and that labels bought so are worth more."""

from __future__ import annotations

import numpy as np
import pytest

from fakes import tiny_bert
from frostline import TextClassifier, TextEmbedder, TextRegressor, UserError
from frostline.estimators.suggest import _spread, suggest


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(tiny_bert(tmp_path_factory.mktemp("backbone") / "m"))


@pytest.fixture
def embedder(folder, store_path):
    return TextEmbedder(folder, layers="all", store=store_path, progress=False)


LETTERS = {"a": "abcd", "b": "efgh", "rare": "ijkl", "rarer": "mnop"}


def pool(n=500, seed=0):
    """Two common classes and two that random labels seldom meet."""
    rng = np.random.default_rng(seed)
    y = rng.choice(list(LETTERS), n, p=[0.46, 0.46, 0.04, 0.04])
    return np.array(["".join(rng.choice(list(LETTERS[label] + "xyz"), 14)) + str(i) for i, label in enumerate(y)]), y


def test_labels_bought_this_way_beat_random_ones(embedder):
    texts, y = pool()
    test, truth = pool(300, seed=1)
    gains = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        start = np.concatenate([rng.choice(np.flatnonzero(y == label), 4, replace=False) for label in ("a", "b")])
        bought = {"random": start, "suggested": start}
        for _ in range(2):
            left = np.setdiff1d(np.arange(len(y)), bought["random"])
            bought["random"] = np.concatenate([bought["random"], rng.choice(left, 12, replace=False)])
            own = bought["suggested"]
            clf = TextClassifier(embedder=embedder, features="embedding").fit(texts[own], y[own])
            bought["suggested"] = np.concatenate([own, clf.suggest(texts, 12).rows])
        score = {
            name: TextClassifier(embedder=embedder, features="embedding").fit(texts[own], y[own]).score(test, truth)
            for name, own in bought.items()
        }
        assert len(set(bought["suggested"].tolist())) == 8 + 24
        gains.append(score["suggested"] - score["random"])
    assert np.mean(gains) > 0


def test_known_and_labeled_rows_are_never_chosen(embedder):
    texts, y = pool(40)
    two = np.isin(y, ["a", "b"])
    texts, y = texts[two], y[two]
    clf = TextClassifier(embedder=embedder, features="embedding").fit(texts[:20], y[:20])
    labeled = np.arange(len(y)) == 25
    found = suggest(clf, clf.extract([*texts, texts[-1]]), 99, np.append(labeled, False))
    assert sorted(found.rows.tolist()) == [i for i in range(20, len(y)) if i != 25]
    assert found.n_candidates == len(y) - 21
    assert len(found.predictions) == len(found.margins) == len(found.rows)
    proba = np.sort(clf.predict_proba(texts[found.rows]), axis=1)
    np.testing.assert_allclose(found.margins, proba[:, -1] - proba[:, -2])
    assert found.rows[0] == 20 + int(np.argmin([*proba[np.argsort(found.rows), -1]])) + (int(found.rows[0] > 25))
    with pytest.raises(UserError, match="labeled already"):
        clf.suggest(texts[:20])


def test_words_alone_by_margin(embedder):
    texts, y = pool(120)
    clf = TextClassifier(embedder=embedder, features="tfidf").fit(texts[:60], y[:60])
    found = clf.suggest(texts, 5)
    assert (np.diff(found.margins) >= 0).all()
    assert found.rows.min() >= 60


def test_texts_are_known_whatever_read_them_at_the_fit(embedder):
    texts, y = pool(60)
    clf = TextClassifier(embedder=embedder, features="tfidf")
    clf.prepare(texts)
    clf.fit_features(embedder.features(texts), y)  # as where vectors were compared with words, and words taken
    with pytest.raises(UserError, match="labeled already"):
        clf.suggest(texts)


def test_numbers_spread_over_vectors_and_targets(embedder):
    counts = np.arange(60) % 12
    texts = [f"{'a' * c}{'z' * (12 - c)} {i}" for i, c in enumerate(counts)]
    low = [i for i in range(60) if counts[i] < 4]
    reg = TextRegressor(embedder=embedder, features="embedding").fit([texts[i] for i in low], counts[low] * 1.0)
    found = reg.suggest(texts, 4)
    assert found.margins is None
    assert (counts[found.rows] >= 4).all()
    assert len(set(found.rows.tolist())) == 4


@pytest.mark.parametrize("n", [0, -1, 2.0, True])
def test_number_of_rows(embedder, n):
    texts, y = pool(60)
    clf = TextClassifier(embedder=embedder, features="embedding").fit(texts[:30], y[:30])
    with pytest.raises(UserError, match="1 or more"):
        clf.suggest(texts, n)


def test_without_probabilities(embedder):
    from sklearn.svm import LinearSVC

    texts, y = pool(60)
    clf = TextClassifier(embedder=embedder, features="embedding", head=LinearSVC()).fit(texts[:30], y[:30])
    with pytest.raises(UserError, match="no probabilities"):
        clf.suggest(texts)


def test_equal_rows_run_out_without_a_repeat():
    G = np.repeat([[1.0, 0.0], [0.0, 2.0]], 3, axis=0)
    taken = _spread(G, 6, np.random.default_rng(0))
    assert sorted(taken.tolist()) == list(range(6))
    assert taken[0] == 3
    assert taken[1] < 3
