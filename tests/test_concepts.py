"""Concept directions: found where they are, worthless where they are not."""

from __future__ import annotations

import numpy as np
import pytest

import frostline
from fakes import tiny_bert
from frostline.concepts import CAV
from frostline.errors import UserError


@pytest.fixture
def planted():
    rng = np.random.default_rng(0)
    direction = rng.normal(size=12)
    direction /= np.linalg.norm(direction)
    y = rng.random(2000) < 0.4
    return rng.normal(size=(2000, 12)) + 2 * y[:, None] * direction, y, direction


def test_finds_the_planted_direction(planted):
    X, y, direction = planted
    cav = CAV.fit(X, y, label="planted")
    assert np.linalg.norm(cav.direction) == pytest.approx(1)
    assert cav.direction @ direction > 0.98
    # Two normal clouds two standard deviations apart: the best accuracy is that of a cut one standard deviation away.
    assert cav.accuracy == pytest.approx(0.84, abs=0.03)
    assert cav.null == pytest.approx(0.5, abs=0.06)


def test_noise_is_no_concept():
    rng = np.random.default_rng(1)
    cav = CAV.fit(rng.normal(size=(600, 8)), rng.random(600) < 0.5)
    assert abs(cav.accuracy - cav.null) < 0.1


def test_moves_and_orders(planted):
    X, y, _ = planted
    cav = CAV.fit(X, y)
    np.testing.assert_allclose(cav.score(cav.move(X, 3.0)) - cav.score(X), 3.0)
    against, toward = cav.along(X, [str(i) for i in range(len(X))], n=3)
    assert [int(i) for i in toward] == list(np.argsort(-cav.score(X))[:3])
    assert [int(i) for i in against] == list(np.argsort(cav.score(X))[:3])


def test_scale_of_columns_does_not_bend_it():
    rng = np.random.default_rng(2)
    y = rng.random(3000) < 0.5
    X = rng.normal(size=(3000, 3)) + np.array([2.0, 0, 0]) * y[:, None]
    narrow = CAV.fit(X, y).direction
    assert abs(narrow[0]) > 0.99


@pytest.mark.parametrize(
    ("vectors", "labels", "word"),
    [
        (np.eye(3), np.array([True, True, True]), "All 3 rows have"),
        (np.eye(3), np.array([0, 1, 0]), "truth values"),
        (np.ones((2, 2, 2)), np.array([True, False]), "shape"),
        (np.array([[np.nan], [1.0]]), np.array([True, False]), "finite"),
    ],
)
def test_refused(vectors, labels, word):
    with pytest.raises(UserError, match=word):
        CAV.fit(vectors, labels)


def test_wrong_width_and_count(planted):
    X, y, _ = planted
    cav = CAV.fit(X, y)
    with pytest.raises(UserError, match="12 dimensions"):
        cav.score(X[:, :3])
    with pytest.raises(UserError, match="2000 vectors and 1 texts"):
        cav.along(X, ["one"])


def test_concept_of_a_classifier(tmp_path):
    folder = tiny_bert(tmp_path / "bert")
    rng = np.random.default_rng(3)
    texts = ["".join(rng.choice(list("abcdefgh"), size=rng.integers(5, 50))) for _ in range(150)]
    y = np.array(["long" if len(text) > 25 else "short" for text in texts])
    clf = frostline.TextClassifier(str(folder), features="embedding").fit(texts, y)
    cav = clf.concept("long")
    vectors = clf.embed(texts)
    assert cav.score(vectors)[y == "long"].mean() > cav.score(vectors)[y == "short"].mean()
    np.testing.assert_allclose(cav.direction, -clf.concept("short").direction)
    against, toward = cav.along(vectors, texts)
    assert min(map(len, toward)) > max(map(len, against))
    assert (list(cav.toward), list(cav.against)) == (toward, against)
    assert len(clf.concept("long", n_texts=2).toward) == 2
    clf.save(tmp_path / "with", keep_texts=True)
    clf.save(tmp_path / "without")
    again = frostline.load(tmp_path / "with", progress=False).concept("long")
    np.testing.assert_allclose(again.direction, cav.direction)
    assert again.toward == cav.toward
    assert frostline.load(tmp_path / "without", progress=False).concept("long").toward == ()
    with pytest.raises(UserError, match="'long', 'short'"):
        clf.concept("longer")
    three = np.where(np.char.str_len(texts) > 40, "huge", y)
    clf = frostline.TextClassifier(str(folder), features="embedding").fit(texts, three)
    scores = clf.concept("huge").score(clf.embed(texts))
    assert scores[three == "huge"].mean() > scores[three != "huge"].mean()
    words = frostline.TextClassifier(str(folder), features="tfidf").fit(texts, y)
    with pytest.raises(UserError, match="does not read vectors"):
        words.concept("long")
