"""Items and users in one space, from ratings or clicks: matrix factorization, scored on held-out rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from frostline._optional import require
from frostline.contracts import FloatArray
from frostline.errors import UserError
from frostline.numerics.metrics import paired_difference
from frostline.numerics.ranking import ranking_scores, top_k
from frostline.spaces.pairs import Pairs
from frostline.splits import check_seed

__all__ = ["BehavioralSpace", "behavioral_space"]

_BLOCK = 512
"""Users ranked at a time: scores over all items need 8 bytes each."""


@dataclass(frozen=True)
class BehavioralSpace:
    """What a matrix factorization found.

    Attributes
    ----------
    item_ids, user_ids : arrays of shape (n_items,) and (n_users,)
        Ascending.
    items, users : float32 arrays of shape (n_items, dim) and (n_users, dim)
        A user's preference for an item is the dot product. Users and items are equally long (root mean square).
    scores : dict
        Held-out ranking quality, of the factorization and of popularity; see :func:`behavioral_space`.
    cold_items, cold_users : lists
        Ids with fewer rows than `cold_below`: their vectors say little.
    """

    item_ids: NDArray[Any]
    items: FloatArray
    user_ids: NDArray[Any]
    users: FloatArray
    scores: dict[str, Any]
    cold_items: list[Any]
    cold_users: list[Any]


def behavioral_space(
    users: ArrayLike,
    items: ArrayLike,
    ratings: ArrayLike | None = None,
    *,
    dim: int = 32,
    iterations: int = 15,
    regularization: float = 0.05,
    test_size: float = 0.1,
    k: int = 10,
    cold_below: int = 5,
    seed: int = 0,
) -> BehavioralSpace:
    """Factorize who did what, by weighted alternating least squares.

    Every user-item pair of the table counts as a preference of 1, every other as 0 with the weight 1; a pair of the
    table weighs 1 + its rating over the mean rating (1 + its number of rows, without ratings). So a low rating is a
    weak preference, not a dislike: who rates a thing at all says most. This is the space that ELM used (WALS). Twice:
    first without a held-out share of the pairs, which gives the scores, then with all of them, which gives the vectors.

    Parameters
    ----------
    users, items : arrays of shape (n,)
        Who and what; text or whole numbers. A pair may come several times: its weights add up.
    ratings : array of shape (n,), optional
        Numbers of at least 0, not all 0.
    dim : int, default=32
        Width of the vectors, smaller than the number of items and of users.
    iterations : int, default=15
        Rounds over both sides.
    regularization : float, default=0.05
        Weight of the squared norms.
    test_size : float, default=0.1
        Share of the pairs to hold out, by a hash of user and item; 0: no scores.
    k : int, default=10
        Length of the scored rankings.
    cold_below : int, default=5
        Ids with fewer pairs than this are named cold.
    seed : int, default=0
        Of the initial vectors.

    Returns
    -------
    BehavioralSpace
        Its scores: `recall` and `ndcg` at k (`k`), the mean over the `n_users` that have held-out pairs, of all items
        that the user has no other pair with; `popularity`, the same two of ranking by number of pairs; `better`, the
        mean difference in NDCG to popularity with a 95 % interval over users; `n_held_out` pairs; `n_unrankable`, those
        of them that are relevant but whose item has no other pair. With ratings the relevant ones are those of at least
        the mean of the user's other ratings. Scores are None where there was nothing to rank.

    Raises
    ------
    UserError
        Columns of different lengths, missing ids, ratings out of range, or fewer ids than `dim`.
    MissingExtraError
        `implicit` is not installed.

    References
    ----------
    Hu, Koren and Volinsky, 2008, "Collaborative filtering for implicit feedback datasets" (the loss). Tennenholtz et
    al., 2023, arXiv 2310.04475, section 5 (its use). Takács, Pilászy and Tikk, 2011 (the solver, in `implicit`).
    """
    check_seed(seed)
    pairs = Pairs.of(users, items, ratings, names=("user", "item"))
    if dim < 1:
        raise UserError(f"The width of vectors must be 1 or more, got {dim}.")
    if not dim < min(pairs.shape):
        raise UserError(
            f"Vectors of width {dim} need more users and items than that; got {pairs.shape[0]} users and {pairs.shape[1]} items.",
            hint=f"ask for a width below {min(pairs.shape)} (--dim)",
        )
    solver = _Solver(dim, iterations, regularization, seed)
    scores = _held_out_scores(pairs, solver, test_size, k, rated=ratings is not None)
    user_vectors, item_vectors = solver.fit(pairs)
    n_of_user, n_of_item = (np.bincount(side, minlength=n) for side, n in zip(pairs.ends, pairs.shape, strict=True))
    return BehavioralSpace(
        item_ids=pairs.ids[1],
        items=item_vectors,
        user_ids=pairs.ids[0],
        users=user_vectors,
        scores=scores,
        cold_items=pairs.ids[1][n_of_item < cold_below].tolist(),
        cold_users=pairs.ids[0][n_of_user < cold_below].tolist(),
    )


@dataclass(frozen=True)
class _Solver:
    dim: int
    iterations: int
    regularization: float
    seed: int

    def fit(self, pairs: Pairs) -> tuple[FloatArray, FloatArray]:
        """Return the vectors of users and items."""
        als = require("implicit.als", extra="behavioral", needed_for="a behavioral space")
        # `implicit` runs rows in parallel itself, each solved alone, and warns of BLAS threads beside its own.
        with threadpool_limits(1, "blas"):
            model = als.AlternatingLeastSquares(
                factors=self.dim, iterations=self.iterations, regularization=self.regularization,
                alpha=1.0, random_state=self.seed, use_gpu=False,
            )  # fmt: skip
            weights = sparse.csr_matrix((1 + pairs.weights / pairs.weights.mean(), pairs.ends), shape=pairs.shape)
            model.fit(weights.astype(np.float32), show_progress=False)
        return _balanced(np.asarray(model.user_factors), np.asarray(model.item_factors))


def _balanced(users: FloatArray, items: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Move length from one side to the other until both have the same; their dot products stay.

    The loss leaves that open, and the solver leaves users many times as long as items: then a user lies far from every item,
    and nothing that was learnt of items can be said of users.
    """
    lengths = [float(np.sqrt(np.square(side, dtype=np.float64).sum(axis=1).mean())) for side in (users, items)]
    if min(lengths) == 0:
        return users, items
    share = np.float32(np.sqrt(lengths[1] / lengths[0]))
    return users * share, items / share


def _held_out_scores(pairs: Pairs, solver: _Solver, test_size: float, k: int, *, rated: bool) -> dict[str, Any]:
    """Fit without the held-out pairs and rank what each user left."""
    train, test = pairs.split(test_size)
    liked = test.where(test.weights >= train.row_means()[test.ends[0]]) if rated else test
    n_of_item = np.bincount(train.ends[1], minlength=train.shape[1])
    rankable = liked.where(n_of_item[liked.ends[1]] > 0)
    counts = {"k": k, "n_held_out": len(test), "n_unrankable": len(liked) - len(rankable)}
    relevant = rankable.by_row()
    if not relevant:
        return {**counts, "n_users": 0, "recall": None, "ndcg": None, "popularity": None, "better": None}
    vectors = solver.fit(train)
    found = _rank(train, list(relevant), vectors, k)
    popular = _rank(train, list(relevant), (np.ones((train.shape[0], 1)), n_of_item[:, None].astype(np.float64)), k)
    wanted = list(relevant.values())
    recall, ndcg = ranking_scores(found, wanted, k)
    popular_recall, popular_ndcg = ranking_scores(popular, wanted, k)
    return {
        **counts,
        "n_users": len(wanted),
        "recall": float(recall.mean()),
        "ndcg": float(ndcg.mean()),
        "popularity": {"recall": float(popular_recall.mean()), "ndcg": float(popular_ndcg.mean())},
        "better": paired_difference(ndcg, popular_ndcg) if len(wanted) > 1 else None,
    }


def _rank(train: Pairs, rows: list[int], vectors: tuple[FloatArray, FloatArray], k: int) -> NDArray[np.intp]:
    """List the k best items of some users, without those they have in training."""
    known = sparse.csr_matrix((np.ones(len(train)), train.ends), shape=train.shape)

    def blocks() -> Iterator[NDArray[np.intp]]:
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK]
            scores = vectors[0][block].astype(np.float64) @ vectors[1].T.astype(np.float64)
            scores[known[block].nonzero()] = -np.inf
            yield top_k(scores, k)

    return np.concatenate(list(blocks()))
