"""Templates over columns, lists, pairs and neighbors."""

from __future__ import annotations

import pytest

from frostline.elm.templates import Row, Template, decade, joined
from frostline.errors import UserError

A = Row(
    {"text": "One. Two.", "year": "1994"},
    {"genres": ("drama", "war")},
    [{"genres": ("war",)}, {"genres": ("war", "x")}],
)
B = Row({"text": "Three.", "year": "1991.0"}, {"genres": ("war", "comedy", "crime")})


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("a {genres} film of the {year|decade}: {text|first_sentence}", "A drama and war film of the 1990s: One."),
        ("{a.genres} / {b.genres}", "Drama and war / war, comedy and crime"),
        ("{shared.genres}; {only_a.genres}; {only_b.genres}", "War; drama; comedy and crime"),
        ("{shared.year|decade}", "1990s"),
        ("{shared.year}", ""),
        ("{near.genres}", "War"),
        ("{genres|first}", "Drama"),
        ("{missing} x", ""),
    ],
)
def test_fields(template, said):
    assert Template.parse(template).render([A, B]) == said


def test_what_a_template_reads():
    template = Template.parse("{a.genres} {b.year|decade} {a.genres}")
    assert template.columns == ["genres", "year"]
    assert template.n_rows == 2
    assert Template.parse("{genres}").n_rows == 1


@pytest.mark.parametrize(
    ("text", "said"), [("{c.x}", "side 'c'"), ("{x|upper}", "filter 'upper'"), ("{", "braces"), ("{}", "braces")]
)
def test_templates_that_cannot_be_read(text, said):
    with pytest.raises(UserError, match=said):
        Template.parse(text)


@pytest.mark.parametrize(
    ("text", "said"), [("1994", "1990s"), ("2003-05-01", "2000s"), ("94", ""), ("19941", ""), ("", "")]
)
def test_decades(text, said):
    assert decade(text) == said


def test_lists_in_words():
    assert [joined(values) for values in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
