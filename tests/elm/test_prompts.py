"""Prompts: places, spaces, and what is refused."""

from __future__ import annotations

import pytest

from frostline.elm.prompts import Prompt, PromptEncoder
from frostline.errors import UserError
from tiny_llms import tokenizer

CHAT = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}<bot>{% endif %}"


def test_several_vectors_of_several_spaces():
    prompt = Prompt.parse("Would {vector:users} like {vector:items}?", ["items", "users"], n_vectors=2)
    assert prompt.pieces == ("Would ", " like ", "?")
    assert prompt.spaces == ("users", "items")


def test_room_for_soft_tokens():
    encoded = PromptEncoder(tokenizer(), 3, chat=False).prompt(Prompt.parse("a{vector}bc{vector}", ["v"]))
    a, b, c = tokenizer().encode("abc")
    assert encoded.ids == (a, 0, 0, 0, b, c, 0, 0, 0, tokenizer().unk_token_id)  # the line break
    assert encoded.starts == (1, 6)


def test_the_empty_prompt_has_no_vectors():
    encoded = PromptEncoder(tokenizer(), 3, chat=False).prompt(Prompt.parse("a{vector}b", ["v"]), empty=True)
    assert len(encoded.ids) == 3
    assert encoded.starts == encoded.spaces == ()


def test_a_first_token_where_the_tokenizer_has_one():
    encoded = PromptEncoder(tokenizer(bos_token="^"), 1, chat=False).prompt(Prompt.parse("{vector}", ["v"]))
    assert encoded.ids[0] == tokenizer().encode("^")[0]


def test_a_chat_template_goes_round_the_prompt():
    made = tokenizer()
    made.chat_template = CHAT
    encoded = PromptEncoder(made, 1, chat=True).prompt(Prompt.parse("x{vector}y", ["v"]))
    assert made.decode([i for at, i in enumerate(encoded.ids) if at != encoded.starts[0]]) == "<user>xy<bot>"


def test_targets_end_and_cuts_are_said():
    encoder = PromptEncoder(tokenizer(), 1, chat=False)
    ids, cut = encoder.target("abcdef", 4)
    assert (tokenizer().decode(ids), cut) == ("abc~", True)
    assert not encoder.target("abc", 4)[1]


@pytest.mark.parametrize(
    ("text", "spaces", "n", "said"),
    [
        ("no place", ["v"], None, "no place for a vector"),
        ("{vector} {vector}", ["v"], 1, "has 2 places for vectors; 1 vectors are given"),
        ("{vector}", ["v"], 2, "has 1 places"),
        ("{vektor}", ["v"], None, "holds {vektor}, which is no place"),
        ("{vector}", ["a", "b"], None, "does not say of which space"),
        ("{vector:user}", ["items", "users"], None, "unknown space 'user'.*items, users"),
    ],
)
def test_prompts_that_cannot_be_used(text, spaces, n, said):
    with pytest.raises(UserError, match=said):
        Prompt.parse(text, spaces, n_vectors=n)
