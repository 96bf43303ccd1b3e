"""Recall and NDCG at k against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from frostline.errors import UserError
from frostline.numerics.ranking import ranking_scores, top_k


def test_top_k_lists_the_best_first_and_ties_by_number() -> None:
    assert top_k([[1, 3, 2, 3], [0, -np.inf, 0, 0]], 3).tolist() == [[1, 3, 2], [0, 2, 3]]
    assert top_k([[1.0, 2.0]], 9).tolist() == [[1, 0]]


def test_scores_by_hand() -> None:
    recall, ndcg = ranking_scores([[7, 1, 2], [3, 4, 5]], [{7, 2, 9, 8}, {6}], 3)
    ideal = 1 + 1 / np.log2(3) + 1 / 2
    assert recall.tolist() == pytest.approx([2 / 3, 0])
    assert ndcg.tolist() == pytest.approx([(1 + 1 / 2) / ideal, 0])


def test_a_perfect_ranking_scores_one_with_fewer_relevant_items_than_places() -> None:
    recall, ndcg = ranking_scores([[4, 0, 1, 2]], [{4, 0}], 4)
    assert (recall.tolist(), ndcg.tolist()) == ([1.0], [1.0])


def test_items_after_the_kth_do_not_count() -> None:
    assert ranking_scores([[0, 1, 2]], [{2}], 2)[0].tolist() == [0.0]


@pytest.mark.parametrize("scores", [[1.0, 2.0], [[np.nan, 1.0]]])
def test_scores_that_cannot_be_ranked_are_refused(scores: list[object]) -> None:
    with pytest.raises(UserError, match="Ranking needs"):
        top_k(scores, 1)


@pytest.mark.parametrize("relevant", [[{1}, {2}], [set()]])
def test_rankings_without_relevant_items_are_refused(relevant: list[set[int]]) -> None:
    with pytest.raises(UserError, match="relevant"):
        ranking_scores([[0, 1]], relevant, 2)
