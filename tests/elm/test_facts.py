"""Names: what is common stays, what no vector can hold goes, what was invented is counted."""

from __future__ import annotations

import pytest

from frostline.elm.facts import Names, first_sentence, sentences, without_idle_words

CORPUS = [f"A {kind} film set in New York City by someone. It was American." for kind in "abcdefghij"] + [
    f"The plot follows John {letter}xyz to Paris." for letter in "ABCDEFGHIJ"
]
NAMES = Names.learn(CORPUS, "film")


def test_runs_that_many_rows_have_are_common_but_first_names_never():
    assert {"New York City", "American", "Paris"} <= NAMES.common
    assert not any("John" in run for run in NAMES.common)


def test_places_and_peoples_stay_where_people_who_are_as_common_go():
    rows = [f"A 19{i} Norwegian film about a Bergen family, starring Zelda Quux as Yorick." for i in range(10, 22)]
    names = Names.learn(rows, "film")
    assert {"Norwegian", "Bergen"} <= names.common
    assert not {"Zelda Quux", "Yorick"} & names.common
    many = Names.learn([f"A film by Zelda Quux, released by Acme Pictures, {i}." for i in range(100)])
    assert many.common == {"Acme Pictures"}  # of two that every row has the one that makes films is a person


@pytest.mark.parametrize(
    ("text", "title", "said"),
    [
        ("A Bengali man reads the novel Emma in Kolkata.", "", "A man reads the novel in a place."),
        (
            "The Joker, who is the Joker of Gotham, meets J.R.R. Tolkien.",
            "",
            "Someone, who is someone, meets someone.",
        ),
        ('George "Gabby" Hayes hunts many ghosts.', "", "Someone hunts many ghosts."),
        ("A fan of the Saw film series dies.", "Saw", "A fan of the film series dies."),
        ("Heat – Part Two is a film.", "Heat - Part Two", "The film is a film."),
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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The film is a 1995 comedy by someone. The film is a success.", "A 1995 comedy. The film is a success."),
        ("The film was an old one.", "An old one."),
        ("The film is a comedy and was a success.", "The film is a comedy and was a success."),
        ("The book is a comedy.", "The book is a comedy."),
        ("It stars someone as someone, a spy, with several people.", "It stars someone as someone, a spy."),
        ("A film.\n- Produced by someone, it is long.", "A film.\n- Produced by someone, it is long."),
        ("A film. Produced and shot by someone, it is long.", "A film. It is long."),
        ("A film by someone of the north.", "A film by someone of the north."),
        ("", ""),
    ],
)
def test_words_that_would_stand_in_any_text_are_left_out(text, said):
    assert without_idle_words(text, "film") == said
    assert without_idle_words(said, "film") == said
