"""Names: what is common stays, what no vector can hold goes, what was invented is counted."""

from __future__ import annotations

import pytest

from frostline.elm.facts import Names, first_sentence, sentences

CORPUS = [f"A {kind} film set in New York City by someone. It was American." for kind in "abcdefghij"] + [
    f"The plot follows John {letter}xyz to Paris." for letter in "ABCDEFGHIJ"
]
NAMES = Names.learn(CORPUS, "film")


def test_runs_that_many_rows_have_are_common_but_first_names_never():
    assert {"New York City", "American", "Paris"} <= NAMES.common
    assert not any("John" in run for run in NAMES.common)


@pytest.mark.parametrize(
    ("text", "title", "said"),
    [
        (
            "Heat is a 1995 American crime film written and directed by Michael Mann, starring Al Pacino and Robert De Niro.",
            "Heat",
            "The film is a 1995 American crime film.",
        ),
        ("In Paris, Zelda Quux meets Yorick.", "", "In Paris, someone meets someone."),
        (
            "Zelda and Yorick and Xavier hunt ghosts in New York City.",
            "",
            "Zelda and several people hunt ghosts in New York City.",
        ),
        ("It follows Zelda's brother.", "", "It follows someone's brother."),
        ("A plain text without names.", "", "A plain text without names."),
        ("two words", "", "two words"),
        ("The plot of Heat is simple. It stars Al Pacino.", "Heat", "The plot of the film is simple."),
    ],
)
def test_names_and_titles_are_generalized(text, title, said):
    assert NAMES.generalize(text, title) == said


def test_invented_names_are_those_that_the_row_does_not_have():
    text = "A man called Yorick goes to Paris with Zelda Quux."
    assert NAMES.invented(text) == ["Yorick", "Zelda Quux"]
    assert NAMES.invented(text, ["Yorick is here"]) == ["Zelda Quux"]
    assert NAMES.invented("Nothing here. Only sentences.") == []


def test_sentences_end_where_sentences_end():
    text = 'Mr. Smith went home. "Why?" he asked J. R. Jones! Then 3 men came.'
    assert sentences(text) == ["Mr. Smith went home.", '"Why?" he asked J. R. Jones!', "Then 3 men came."]
    assert first_sentence(text) == "Mr. Smith went home."
    assert first_sentence("") == ""
