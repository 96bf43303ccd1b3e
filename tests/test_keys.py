"""One key decides: titles as catalogues write them, links over texts, and a split by the hash of the key alone."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline.errors import UserError
from frostline.keys import key_split, linked_keys, plain_text, title_key

PARTS = {"train": 0.8, "valid": 0.05, "test": 0.15}


@pytest.mark.parametrize(
    ("title", "year", "key"),
    [
        ("Matrix, The (1999)", None, "matrix|1999"),
        ("The Matrix", 1999, "matrix|1999"),
        ("Matrix, The", 1999, "matrix|1999"),
        ("City of Lost Children, The (Cité des enfants perdus, La) (1995)", None, "city of lost children|1995"),
        ("Amélie", 2001, "amelie|2001"),
        ("Seven (a.k.a. Se7en) (1995)", 1996, "seven|1996"),
        ("(500) Days of Summer (2009)", None, "500 days of summer|2009"),
        ("A", 1964, "a|1964"),
        ("Anaconda", None, "anaconda|"),
        ("???", 2010, "???|2010"),
        ("2001: A Space Odyssey", 1968, "2001 a space odyssey|1968"),
    ],
)
def test_titles_of_one_film_have_one_key(title: str, year: int | None, key: str) -> None:
    assert title_key(title, year) == key


def test_remakes_have_keys_of_their_own() -> None:
    assert title_key("Lolita (1962)") != title_key("Lolita (1997)")


def test_plain_text_drops_what_copies_differ_in() -> None:
    assert plain_text("  “Café”,\nSTRASSE & co_op ") == plain_text("cafe strasse co op")
    assert plain_text("—!") == ""


def test_rows_linked_by_text_or_name_take_the_first_name() -> None:
    names = ["mask|1994", "heat|1995", "pulp fiction|1994", "heat|1995", "the mask|1993"]
    texts = ["a bank clerk", "a thief", None, None, "a bank clerk"]
    assert linked_keys(names, texts) == ["mask|1994", "heat|1995", "pulp fiction|1994", "heat|1995", "mask|1994"]


def test_rows_appended_later_change_no_key() -> None:
    names, texts = ["a|1", "b|2"], ["x", "y"]
    assert linked_keys([*names, "0|0"], [*texts, "y"])[:2] == linked_keys(names, texts)


@given(st.lists(st.text(min_size=1), min_size=1, max_size=30, unique=True))
def test_a_part_depends_on_the_key_alone(keys: list[str]) -> None:
    together = dict(zip(keys, key_split(keys, PARTS, "s").tolist(), strict=True))
    shuffled = sorted(keys, key=lambda key: key[::-1])[: len(keys) // 2 + 1]
    assert key_split(shuffled, PARTS, "s").tolist() == [together[key] for key in shuffled]


def test_parts_follow_the_documented_hash() -> None:
    number = int.from_bytes(blake2b(b"7", digest_size=8, key=b"salt").digest(), "big") / 2**64
    for edge, part in ((number + 1e-9, "low"), (number - 1e-9, "high")):
        assert key_split([7], {"low": edge, "high": 1 - edge}, "salt").tolist() == [part]


def test_ids_count_as_text_whatever_the_file_made_of_them() -> None:
    forms = [["7", "8"], [7, 8], np.array([7, 8]), np.array([7.0, 8.0])]
    assert len({tuple(key_split(keys, {"a": 0.5, "b": 0.5}, "x").tolist()) for keys in forms}) == 1


def test_shares_are_met_in_expectation_and_salts_are_unrelated() -> None:
    n = 20_000
    one, other = (key_split(range(n), PARTS, salt) for salt in ("one", "other"))
    for part, share in PARTS.items():
        sigma = (share * (1 - share) / n) ** 0.5
        assert abs((one == part).mean() - share) < 4 * sigma
    both = ((one == "test") & (other == "test")).mean()
    assert abs(both - 0.15**2) < 4 * (0.15**2 / n) ** 0.5


@pytest.mark.parametrize("parts", [{}, {"a": 0.5}, {"a": 1.5, "b": -0.5}])
def test_shares_that_are_no_split_are_refused(parts: dict[str, float]) -> None:
    with pytest.raises(UserError, match="sum to 1"):
        key_split(["x"], parts, "s")


@pytest.mark.parametrize("key", [None, float("nan"), 1.5, True, ("a",)])
def test_a_key_that_is_none_is_refused_with_its_row(key: object) -> None:
    with pytest.raises(UserError, match="row 1"):
        key_split(["x", key], PARTS, "s")


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(UserError, match="one length"):
        linked_keys(["a", "b"], ["x"])
