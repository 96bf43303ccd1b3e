"""A behavioral space of two tastes: near within, apart across, better than popularity on held-out pairs."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from frostline.errors import MissingExtraError, UserError
from frostline.spaces import behavioral_space

N_USERS, N_ITEMS = 60, 40


@pytest.fixture(scope="module")
def clicks() -> tuple[list[str], list[int]]:
    rng = np.random.default_rng(0)
    same_taste = (np.arange(N_USERS)[:, None] % 2) == (np.arange(N_ITEMS) % 2)
    users, items = np.nonzero(rng.random((N_USERS, N_ITEMS)) < np.where(same_taste, 0.6, 0.02))
    return [f"u{user:02d}" for user in users], (items + 100).tolist()


@pytest.fixture(scope="module")
def space(clicks):
    return behavioral_space(*clicks, dim=4, iterations=8)


def test_a_vector_for_every_id(space) -> None:
    assert space.item_ids.tolist() == list(range(100, 100 + N_ITEMS))
    assert space.user_ids.tolist() == [f"u{user:02d}" for user in range(N_USERS)]
    assert space.items.shape == (N_ITEMS, 4)
    assert space.users.dtype == np.float32


def test_users_like_the_items_of_their_taste(space) -> None:
    preference = space.users @ space.items.T
    even, odd = preference[:, ::2].mean(axis=1), preference[:, 1::2].mean(axis=1)
    assert ((even > odd + 0.3) == (np.arange(N_USERS) % 2 == 0)).all()
    assert ((odd > even + 0.3) == (np.arange(N_USERS) % 2 == 1)).all()


def test_users_and_items_are_equally_long(space) -> None:
    users, items = (np.sqrt(np.square(side).sum(axis=1).mean()) for side in (space.users, space.items))
    assert users == pytest.approx(items, rel=1e-5)


def test_scores_beat_popularity_with_an_interval(space) -> None:
    scores = space.scores
    assert scores["recall"] > scores["popularity"]["recall"]
    assert scores["better"]["lower"] > 0
    assert scores["better"]["difference"] == pytest.approx(scores["ndcg"] - scores["popularity"]["ndcg"])
    assert 0 < scores["n_users"] <= N_USERS


def test_the_same_seed_gives_the_same_vectors(clicks, space) -> None:
    again = behavioral_space(*clicks, dim=4, iterations=8)
    assert again.items.tobytes() == space.items.tobytes()
    assert again.scores == space.scores


def test_low_ratings_are_not_what_users_should_find(clicks) -> None:
    users, items = clicks
    taste = np.array([int(user[1:]) % 2 == item % 2 for user, item in zip(users, items, strict=True)])
    rated = behavioral_space(users, items, np.where(taste, 5, 1), dim=4, iterations=8).scores
    alike = behavioral_space(users, items, dim=4, iterations=8).scores
    assert rated["n_held_out"] == alike["n_held_out"]
    assert rated["recall"] > alike["recall"]


def test_cold_ids_are_told(clicks) -> None:
    users, items = clicks
    space = behavioral_space([*users, "new"], [*items, 999], dim=4, iterations=2, test_size=0)
    assert (space.cold_users, space.cold_items) == (["new"], [999])
    assert space.scores["recall"] is None
    assert space.scores["n_held_out"] == 0


def test_items_seen_only_in_held_out_pairs_are_counted() -> None:
    users, items = np.divmod(np.arange(400), 20)
    unique = np.where(users == 3, items + 1000, items)  # user 3's items are nobody else's
    scores = behavioral_space(users, unique, dim=2, iterations=1, test_size=0.3).scores
    assert scores["n_unrankable"] > 0
    assert scores["n_users"] <= 19


def test_a_width_that_the_table_cannot_fill_is_refused() -> None:
    with pytest.raises(UserError, match="2 users and 3 items"):
        behavioral_space(["a", "a", "b"], [1, 2, 3], dim=2)


def test_a_missing_solver_names_the_extra(clicks, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "implicit.als", None)
    with pytest.raises(MissingExtraError, match="implicit") as error:
        behavioral_space(*clicks, dim=4)
    assert "frostline[behavioral]" in (error.value.hint or "")
