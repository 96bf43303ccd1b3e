"""Scores: cosine, identification, rankings, the reconstructor, probes, and what choosing alone is worth."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
from scipy.stats import spearmanr

from fakes import tiny_bert
from frostline.elm import reconstructor
from frostline.elm.explaining import best_of
from frostline.elm.probes import Probe, fit_probe, judge_claims
from frostline.elm.reconstructor import Reconstructor
from frostline.elm.scores import EncoderReader, cosines, identification, spearman_of_rankings
from frostline.elm.tasks import Attribute, load_pack
from frostline.embedder import TextEmbedder
from frostline.errors import UserError

RNG = np.random.default_rng(0)


def test_cosine_of_zero_is_zero():
    assert cosines(np.array([[3, 4], [0, 0]]), np.array([[4, 3], [1, 0]])).tolist() == pytest.approx([0.96, 0])


def test_identification_finds_its_own_and_chance_does_not():
    X = RNG.normal(size=(150, 8))
    assert identification(X, X) == 1.0
    assert identification(np.roll(X, 1, axis=0), X) < 0.03
    assert identification(np.ones((60, 8)), np.ones((60, 8))) == 0.5


def test_rankings_are_spearmans():
    X, Y, catalog = (RNG.normal(size=(n, 5)) for n in (3, 3, 40))
    found = spearman_of_rankings(X, Y, catalog)
    unit = catalog / np.linalg.norm(catalog, axis=1, keepdims=True)
    for x, y, value in zip(X, Y, found, strict=True):
        assert value == pytest.approx(spearmanr(unit @ x, unit @ y).statistic)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_best_of_is_the_mean_over_all_choices(n):
    values = RNG.normal(size=6)
    assert best_of(values, n) == pytest.approx(np.mean([max(c) for c in itertools.combinations(values, n)]))


def words_and_vectors(n=120):
    concepts = RNG.normal(size=(6, 4))
    bags = RNG.integers(6, size=(n, 3))
    texts = [" ".join("abcdef"[b] * 3 for b in bag) for bag in bags]
    return texts, (concepts[bags].sum(axis=1) + 5).astype(np.float32), [f"r{i}" for i in range(n)]


def test_the_reconstructor_reads_words_and_never_its_own_rows():
    texts, Y, ids = words_and_vectors()
    reader = Reconstructor.fit(texts, Y, ids, features="words")
    assert cosines(reader.read(texts), reader.center(Y)).mean() > 0.95
    noise = RNG.normal(size=Y.shape).astype(np.float32)
    unlearnable = Reconstructor.fit([f"word{i}" for i in range(len(Y))], noise, ids, features="words")
    own = [f"word{i}" for i in range(len(Y))]
    out_of_fold = cosines(unlearnable.read(own, ids), unlearnable.center(noise))
    assert out_of_fold.mean() < 0.1  # a reader of its own rows would be near 1
    assert not reader.read([""]).any()


def test_the_reconstructor_survives_its_state():
    texts, Y, ids = words_and_vectors(60)
    reader = Reconstructor.fit(texts, Y, ids, features="words")
    state, arrays = reader.get_state()
    again = Reconstructor.from_state(state, arrays, ids)
    assert np.array_equal(again.read(texts, ids), reader.read(texts, ids))


def test_embedding_the_training_texts_shows_a_bar_and_reading_a_few_back_does_not(tmp_path, monkeypatch, capsys):
    own = functools.partial(TextEmbedder, str(tiny_bert(tmp_path / "m")))
    monkeypatch.setattr(reconstructor, "TextEmbedder", own)
    texts, Y, ids = words_and_vectors(30)
    reader = Reconstructor.fit(texts, Y, ids, features="minilm", store=None, progress=True)
    assert "embedding with" in capsys.readouterr().err
    reader.read(texts[:3])
    assert capsys.readouterr().err == ""
    Reconstructor.fit(texts, Y, ids, features="minilm", store=None, progress=False)
    assert capsys.readouterr().err == ""


class WordCounts:
    """Stands for a text embedder: counts of letters."""

    backbone = "letters"

    def fit_transform(self, texts):
        return np.array([[text.count(c) for c in "abc"] for text in texts], dtype=np.float32)


def test_an_encoder_reads_texts_and_an_empty_one_is_zero():
    reader = EncoderReader(WordCounts())
    assert reader.read(["ab", " ", "cc"]).tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 2]]
    reader.check(np.array([[1.0, 1, 0]]), ["ab"])
    assert reader.read(["", " "]).tolist() == [[0, 0, 0], [0, 0, 0]]
    with pytest.raises(UserError, match="yields vectors of width 3, the space has 2"):
        reader.check(np.ones((1, 2)), ["ab"])


def test_an_encoder_that_did_not_make_the_vectors_is_told_from_one_that_did():
    reader, words = EncoderReader(WordCounts()), ["a", "b", "c", "ab", "ac", "bc", "abc", "aab", "abb", "acc"]
    own = reader.read(words)
    reader.check(own, words)
    reader.check(own + 30, words)  # all vectors point about one way, as those of many language models do
    reader.check(own[:4] @ np.diag([1, -1, 1]), words[:4])  # too few to tell
    for seed in range(20):
        with pytest.raises(UserError, match="no nearer to their own vectors than to others"):
            reader.check(np.random.default_rng(seed).normal(size=(10, 3)), words)


def test_claims_are_confirmed_absent_or_contradicted():
    X = RNG.normal(size=(300, 4))
    said = [("sci-fi",) if x[0] > 0.3 else ("war",) if x[0] < -0.3 else () for x in X]
    attribute = Attribute("g", words={"sci-fi": ["science fiction"], "war": ["war", "battle"]})
    probe = fit_probe("g", attribute, (X[:200], said[:200]), (X[200:], said[200:]))
    assert probe.scores["probe"] > 0.9 > probe.scores["majority"]
    vector = np.array([3.0, 0, 0, 0])
    said_right = judge_claims([probe], vector, "A Science Fiction tale.")
    assert [(c.value, c.text) for c in said_right] == [("sci-fi", "confirmed")]
    wrong = judge_claims([probe], vector, "A great battle in the warm sun.")
    assert [(c.value, c.text) for c in wrong] == [("sci-fi", "absent"), ("war", "contradicted")]


@pytest.mark.parametrize(
    ("text", "genres"),
    [
        ("A 2010 superhero film based on the comic book.", ["action"]),
        ("A neo-noir crime film.", ["crime"]),
        ("A film noir of 1947.", ["film-noir"]),
        ("A supernatural martial arts film.", ["action", "horror"]),
        ("A biographical film about an actor.", ["drama"]),
        ("An epic.", []),
    ],
)
def test_kinds_of_films_are_read_as_genres(text, genres):
    words = load_pack("films").attributes["genre"].words
    assert sorted(Probe("genre", list(words), np.zeros((0, 1)), words).named(text)) == genres


def test_too_few_rows_make_no_probe():
    X = RNG.normal(size=(20, 3))
    said = [("a",)] * 19 + [("b",)]
    assert fit_probe("g", Attribute("g"), (X, said), (X, said)) is None
