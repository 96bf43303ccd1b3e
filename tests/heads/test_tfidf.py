"""Heads on words: equal to scikit-learn's TF-IDF where buckets do not collide, calibrated, saved without a vocabulary."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from frostline.errors import UserError
from frostline.heads._terms import Terms
from frostline.heads.tfidf import TfidfClassifier, TfidfRegressor

WORDS = ["frost", "line", "deep", "model", "cold", "warm", "sun", "ice", "snow", "rain"]


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, size=rng.integers(3, 9))) for _ in range(400)]
    return texts, np.array(
        [text.count("cold") + text.count("ice") > text.count("warm") + text.count("sun") for text in texts]
    )


def test_weights_are_those_of_scikit_learn(rows):
    texts, _ = rows
    terms, X = Terms.learn(texts)
    oracle = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
    expected = oracle.fit_transform(texts)
    assert X.shape == expected.shape
    np.testing.assert_allclose(  # columns stand in another order, dot products of rows do not know it
        (X @ X.T).toarray(), (expected @ expected.T).toarray(), atol=1e-5
    )
    new = ["frost in the deep", "never seen words", ""]
    np.testing.assert_allclose((terms(new) @ X.T).toarray(), (oracle.transform(new) @ expected.T).toarray(), atol=1e-5)


def test_texts_without_spaces_are_read_as_characters():
    assert Terms.learn(["冷たい水が流れている山の奥の川", "温かい日差しの中で眠る大きな猫"])[0].analyzer == "char"
    assert Terms.learn(["cold water", "warm sun"])[0].analyzer == "word"
    assert Terms.learn(["!!!", "???"])[1].shape[1] > 0


def test_learns_and_knows_how_sure_it_is(rows):
    texts, y = rows
    head = TfidfClassifier().fit(texts[:300], y[:300])
    proba = head.predict_proba(texts[300:])
    np.testing.assert_allclose(proba.sum(1), 1)
    assert (head.predict(texts[300:]) == y[300:]).mean() > 0.9
    assert head.oof_proba_.shape == (300, 2)
    assert (head.oof_proba_.argmax(1) == y[:300]).mean() > 0.85


def test_labels_of_any_type_and_a_class_with_one_row(rows):
    texts, y = rows
    labels = np.where(y, "yes", "no").astype(object)
    labels[0] = "rare"
    head = TfidfClassifier().fit(texts, labels)
    assert list(head.classes_) == ["no", "rare", "yes"]
    assert head.oof_proba_.shape == (400, 3)
    assert np.isfinite(head.oof_proba_).all()


def test_saved_state_gives_the_same_and_holds_no_word(rows):
    texts, y = rows
    head = TfidfClassifier(seed=3).fit(texts, np.where(y, "b", "a"))
    params, tensors = head.get_state()
    assert not any(word in json.dumps(params) for word in WORDS)
    again = TfidfClassifier.from_state(json.loads(json.dumps(params)), tensors)
    np.testing.assert_array_equal(again.predict_proba(texts), head.predict_proba(texts))
    np.testing.assert_array_equal(again.predict(texts), head.predict(texts))


def test_too_few_rows_for_folds():
    head = TfidfClassifier().fit(["cold ice", "warm sun"], [0, 1])
    assert not hasattr(head, "oof_proba_")
    assert list(head.predict(["ice", "sun"])) == [0, 1]


def test_refused():
    with pytest.raises(UserError, match="one class"):
        TfidfClassifier().fit(["a", "b"], [1, 1])
    with pytest.raises(UserError, match="single character"):
        TfidfClassifier().fit(["", ""], [0, 1])


def test_numbers(rows):
    texts, _ = rows
    y = np.array([3.0 * text.count("ice") - 2.0 * text.count("sun") + 10 for text in texts])
    head = TfidfRegressor().fit(texts[:300], y[:300])
    error = head.predict(texts[300:]) - y[300:]
    assert 1 - error.var() / y[300:].var() > 0.8
    assert np.corrcoef(head.oof_pred_, y[:300])[0, 1] > 0.85
    params, tensors = head.get_state()
    np.testing.assert_array_equal(TfidfRegressor.from_state(params, tensors).predict(texts), head.predict(texts))


def test_groups_are_never_split():
    texts = [f"word{i // 2} {'ice' if i % 4 < 2 else 'sun'}" for i in range(40)]
    y = np.array([i % 4 < 2 for i in range(40)])
    head = TfidfClassifier().fit(texts, y, groups=[i // 2 for i in range(40)])
    assert head.oof_proba_.shape == (40, 2)
