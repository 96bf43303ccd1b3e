"""FRL1xx: each planted fault is found, and a clean table has none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import frostline
from fakes import tiny_bert
from frostline.diagnostics.evidence import Evidence
from frostline.diagnostics.readers import EmbedderReader

from .cases import WORDS, Layers, look, part, separable, texts


def two(train, test, y=None):
    labels = lambda rows: np.arange(len(rows)) % 2  # noqa: E731
    return Evidence("classification", train=part(train, labels(train)), test=part(test, labels(test)))


def test_rows_in_both():
    train, test = texts(40, 1), texts(20, 2)
    assert look("FRL101", two(train, test)).outcome == "passed"
    found = look("FRL101", two(train, [*test[:18], train[3], train[5]]))
    assert (found.outcome, found.value) == ("issue", pytest.approx(0.1))
    assert "test row 18" in found.message
    assert look("FRL101", Evidence("classification", train=part(train, np.zeros(40)))).outcome == "not applicable"


def test_near_duplicates_of_texts():
    train, test = texts(60, 1), texts(30, 2)
    assert look("FRL102", two(train, test)).outcome == "passed"
    shouted = train[4].upper().replace(" ", "  ") + "!"
    assert look("FRL102", two(train, [*test, shouted])).outcome == "issue"
    one_word_more = train[7] + " indeed"
    found = look("FRL102", two(train, [*test, one_word_more]))
    assert found.outcome == "issue"
    assert "test row 30" in found.message
    # The same text is FRL101's, and half of a text is another text.
    assert look("FRL102", two(train, [*test, train[0]])).outcome == "passed"
    assert look("FRL102", two(train, [*test, " ".join(train[0].split()[:7])])).outcome == "passed"


def test_near_duplicates_of_rows():
    rng = np.random.default_rng(0)
    rows = [dict(zip("abcd", map(float, row), strict=True)) for row in rng.normal(size=(90, 4))]
    assert look("FRL102", two(rows[:60], rows[60:])).outcome == "passed"
    twin = {name: value * 1.00001 for name, value in rows[3].items()}
    assert look("FRL102", two(rows[:60], [*rows[60:], twin])).outcome == "issue"
    narrow = [{"a": row["a"], "b": row["b"]} for row in rows]
    assert look("FRL102", two(narrow[:60], narrow[60:])).outcome == "not applicable"


def test_truncated():
    rows, Z = part(texts(40), np.arange(40) % 2), np.zeros((40, 1, 3))
    cut = np.arange(40) < 6
    outcome = lambda truncated: look(  # noqa: E731
        "FRL103",
        Evidence("classification", train=rows, reader=Layers(Z, tokenize=lambda w: [1], truncated=truncated)),
    )
    assert outcome(cut).outcome == "issue"
    assert outcome(cut).value == pytest.approx(0.15)
    assert outcome(np.arange(40) < 1).outcome == "tip"
    assert outcome(np.zeros(40, dtype=bool)).outcome == "passed"


def test_a_cut_names_the_columns_that_lost_text(tmp_path):
    embedder = frostline.TextEmbedder(str(tiny_bert(tmp_path / "m")), store=None, progress=False)
    rows = part([{"id": "a", "note": "long " * 40 if i % 2 else "short", "last": "b"} for i in range(8)], np.arange(8))
    found = look("FRL103", Evidence("regression", train=rows, reader=EmbedderReader(embedder)))
    assert (found.outcome, found.value) == ("issue", 0.5)
    assert "4 of 8 rows outgrow the window and are cut (note in 4, last in 4)." in found.message


def test_label_in_the_text():
    y = np.array(["good", "bad"] * 50)
    clean = texts(100)
    assert look("FRL104", Evidence("classification", train=part(clean, y))).outcome == "passed"
    leaky = [f"{text} verdict: {label}" for text, label in zip(clean, y, strict=True)]
    found = look("FRL104", Evidence("classification", train=part(leaky, y)))
    assert (found.outcome, found.value) == ("issue", 1.0)
    # A word that happens to be a label says nothing.
    by_chance = [f"{text} good" for text in clean]
    assert look("FRL104", Evidence("classification", train=part(by_chance, y))).outcome == "passed"


def test_number_in_the_text():
    rng = np.random.default_rng(0)
    y = rng.normal(size=80).round(3)
    rows = [{"a": float(a), "b": float(b)} for a, b in rng.normal(size=(80, 2))]
    assert look("FRL104", Evidence("regression", train=part(rows, y))).outcome == "passed"
    leaky = [{**row, "note": f"sold at {value}"} for row, value in zip(rows, y.tolist(), strict=True)]
    assert look("FRL104", Evidence("regression", train=part(leaky, y))).outcome == "issue"
    # Small whole numbers occur everywhere.
    few = rng.integers(1, 5, 80)
    counted = [{"a": int(a), "b": int(b)} for a, b in rng.integers(1, 5, (80, 2))]
    assert look("FRL104", Evidence("regression", train=part(counted, few))).outcome == "passed"


def test_column_that_gives_the_target_away():
    rng = np.random.default_rng(0)
    y = rng.normal(size=80)
    rows = [{"a": float(a), "in_cents": 100 * b + 7} for a, b in zip(rng.normal(size=80), y.tolist(), strict=True)]
    found = look("FRL104", Evidence("regression", train=part(rows, y)))
    assert (found.outcome, found.value) == ("issue", "in_cents")
    labels = rng.integers(0, 3, 80)
    coded = [{"a": float(a), "code": "xyz"[label]} for a, label in zip(y, labels, strict=True)]
    found = look("FRL104", Evidence("classification", train=part(coded, labels)))
    assert (found.outcome, found.value) == ("issue", "code")
    names = [{"a": float(a), "id": f"row {i}"} for i, a in enumerate(y)]  # each value has one class, being one row
    assert look("FRL104", Evidence("classification", train=part(names, labels))).outcome == "passed"


def test_constant_columns():
    rows = [{"a": i, "b": 1, "c": None, "d": float(i == 3)} for i in range(200)]
    found = look("FRL105", Evidence("regression", train=part(rows, np.arange(200.0))))
    assert (found.outcome, found.value) == ("issue", ["b", "c"])
    rows = [{"a": row["a"], "d": row["d"]} for row in rows]
    assert look("FRL105", Evidence("regression", train=part(rows, np.arange(200.0)))).value == ["d"]
    rows = [{"a": row["a"], "d": row["a"] % 5} for row in rows]
    assert look("FRL105", Evidence("regression", train=part(rows, np.arange(200.0)))).outcome == "passed"


@pytest.mark.parametrize("noise", [0.1, 1.5])
def test_labels_of_easy_and_of_hard_rows_are_no_issue(noise):
    X, y = separable(600, noise=noise)
    evidence = Evidence("classification", train=part(X, y), reader=Layers(X[:, None]))
    assert look("FRL106", evidence).outcome in ("passed", "tip")


def test_wrong_labels():
    X, y = separable(600, noise=0.1)
    wrong = np.random.default_rng(1).permutation(600)[:48]
    y[wrong] = 1 - y[wrong]
    found = look("FRL106", Evidence("classification", train=part(X, y), reader=Layers(X[:, None])))
    assert found.outcome == "issue"
    assert 0.04 < found.value < 0.12
    named = {int(word) for word in found.message.replace("(", " ").split() if word.isdigit()}
    assert len(named & set(wrong.tolist())) >= 4


def test_wrong_labels_of_texts_without_vectors():
    rng = np.random.default_rng(0)
    y = np.array(["a", "b"] * 200)
    rows = [" ".join(rng.choice(WORDS[:9] if label == "a" else WORDS[9:], 8)) for label in y]
    wrong = rng.permutation(400)[:32]
    flipped = y.copy()
    flipped[wrong] = np.where(y[wrong] == "a", "b", "a")
    assert look("FRL106", Evidence("classification", train=part(rows, y))).outcome == "passed"
    assert look("FRL106", Evidence("classification", train=part(rows, flipped))).outcome == "issue"


def test_numbers_that_are_far_off_are_a_tip():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    y = X @ [1, 2, 3, 4] + 0.1 * rng.normal(size=200)
    evidence = lambda y: Evidence("regression", train=part(X, y), reader=Layers(X[:, None]))  # noqa: E731
    assert look("FRL106", evidence(y)).outcome == "passed"
    y[17] += 60
    found = look("FRL106", evidence(y))
    assert found.outcome == "tip"
    assert "row 17" in found.message


def characters(word):
    return [0, *map(ord, word), 1]


def whole_words(word):
    return [0, sum(ord(c) * 31**i for i, c in enumerate(word)) % 2**31, 1]


def only_ascii(word):
    return [0, *(ord(c) if c.isascii() else 3 for c in word[:1]), 1] if not word.isascii() else whole_words(word)


def test_language_that_the_tokenizer_does_not_know():
    def outcome(tokenize, rows):
        reader = Layers(np.zeros((len(rows), 1, 2)), tokenize=tokenize)
        return look("FRL107", Evidence("classification", train=part(rows, np.arange(len(rows)) % 2), reader=reader))

    known = texts(30, words=[w * k for w in WORDS for k in (1, 2) if len(w) > 3])
    assert outcome(whole_words, known).outcome == "passed"
    assert outcome(characters, known).outcome == "issue"
    russian = texts(
        30,
        words=[
            "мороз",
            "линия",
            "глубоко",
            "холодно",
            "тепло",
            "солнце",
            "снег",
            "река",
            "камень",
            "лист",
            "облако",
            "буря",
            "поле",
            "ночь",
            "свет",
            "стекло",
            "бумага",
            "дерево",
            "трава",
            "птица",
            "рыба",
        ],
    )
    assert outcome(whole_words, russian).outcome == "passed"
    found = outcome(only_ascii, russian)
    assert found.outcome == "issue"
    assert found.value["confused"] == 1
    assert outcome(whole_words, ["1 2 3", "4 5 6"]).outcome == "not applicable"


def test_without_a_tokenizer():
    rows = part(texts(30), np.arange(30) % 2)
    found = look("FRL107", Evidence("classification", train=replace(rows)))
    assert found.outcome == "not applicable"


def test_of_many_rows_some_are_looked_at(monkeypatch):
    monkeypatch.setattr("frostline.diagnostics.evidence.LABELED", 200)
    X, y = separable(600, noise=0.1)
    y[::11] = 1 - y[::11]
    found = look("FRL106", Evidence("classification", train=part(X, y), reader=Layers(X[:, None])))
    assert " of 200 labels" in found.message
    named = {int(word) for word in found.message.replace("(", " ").split() if word.isdigit() and int(word) > 100}
    assert max(named) > 200  # rows keep their numbers
