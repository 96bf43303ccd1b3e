"""Nodes of a graph in a space where linked ones are near: a spectral embedding, scored on held-out links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh
from scipy.stats import rankdata

from frostline.contracts import FloatArray
from frostline.errors import UserError
from frostline.spaces.pairs import Pairs, id_type
from frostline.splits import check_seed

__all__ = ["GraphSpace", "graph_space"]

_ZERO = 1e-12


@dataclass(frozen=True)
class GraphSpace:
    """What a spectral embedding found.

    Attributes
    ----------
    ids : array of shape (n,)
        Nodes, ascending.
    vectors : float32 array of shape (n, dim)
    n_components : int
        Connected parts; nodes of different parts are not comparable beyond that.
    scores : dict
        `auc`: the chance that a held-out link has a higher cosine than a random pair without a link; `degree_auc`: the
        same by the product of the degrees; `n_held_out`. None where nothing was held out.
    """

    ids: NDArray[Any]
    vectors: FloatArray
    n_components: int
    scores: dict[str, Any]


def graph_space(
    sources: ArrayLike,
    targets: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    dim: int = 32,
    test_size: float = 0.1,
    seed: int = 0,
) -> GraphSpace:
    """Embed the nodes of an undirected graph by eigenvectors of its normalized adjacency matrix.

    The vectors are the leading eigenvectors of (I + D^-1/2 A D^-1/2) / 2, each times the root of its eigenvalue; the
    first, which holds nothing but the degrees, is left out, and each eigenvector's largest entry is positive. As for
    behavioral spaces, scores come from a fit without the held-out links, the vectors from one with all.

    Parameters
    ----------
    sources, targets : arrays of shape (n,)
        Links; direction does not count, several links of one pair add up, links of a node to itself are refused.
    weights : array of shape (n,), optional
        Numbers of at least 0.
    dim : int, default=32
        Width of the vectors, at most the number of nodes less 2.
    test_size : float, default=0.1
        Share of the links to hold out for the scores, by a hash of both ids; 0: no scores.
    seed : int, default=0
        Of the solver's first vector and of the random pairs.

    Returns
    -------
    GraphSpace

    Raises
    ------
    UserError
        Bad ids or weights, self-links, or too few nodes.

    References
    ----------
    Ng, Jordan and Weiss, 2001; von Luxburg, 2007, arXiv 0711.0189 (normalized spectral embedding).
    """
    check_seed(seed)
    left, right = np.asarray(sources), np.asarray(targets)
    if left.shape != right.shape or left.ndim != 1:
        raise UserError(f"Links need two columns of one length; got {left.shape} and {right.shape}.")
    id_type(left.tolist() + right.tolist(), "source and target")
    if (loops := np.flatnonzero(left == right)).size:
        raise UserError(
            f"{loops.size} links lead from a node to itself, the first in row {loops[0]} (counting from 0).",
            hint="drop them",
        )
    low, high = (np.where(left <= right, *order) for order in ((left, right), (right, left)))
    links = Pairs.of(low, high, weights, names=("source", "target"))
    nodes = np.unique(np.concatenate(links.ids))
    if not 0 < dim <= len(nodes) - 2:
        raise UserError(
            f"Vectors of width {dim} need at least {dim + 2} nodes; got {len(nodes)}.",
            hint="ask for a smaller width (--dim)",
        )
    train, test = links.split(test_size)
    scores: dict[str, Any] = {"auc": None, "degree_auc": None, "n_held_out": len(test)}
    if len(train) and len(test):
        graph = _adjacency(train, nodes)
        scores |= _link_scores(_spectral(graph, dim, seed), graph, _adjacency(test, nodes), seed)
    whole = _adjacency(links, nodes)
    return GraphSpace(nodes, _spectral(whole, dim, seed), int(connected_components(whole, directed=False)[0]), scores)


def _adjacency(links: Pairs, nodes: NDArray[Any]) -> sparse.csr_matrix:
    """Write links as a symmetric matrix over all nodes."""
    a, b = (np.searchsorted(nodes, ids)[ends] for ids, ends in zip(links.ids, links.ends, strict=True))
    half = sparse.csr_matrix((links.weights, (a, b)), shape=(len(nodes), len(nodes)))
    return half + half.T


def _spectral(graph: sparse.csr_matrix, dim: int, seed: int) -> FloatArray:
    """Eigenvectors after the first, each times the root of its eigenvalue."""
    degrees = np.asarray(graph.sum(axis=1)).ravel()
    scale = sparse.diags_array(1 / np.sqrt(np.maximum(degrees, _ZERO)))
    lazy = (sparse.identity(graph.shape[0]) + scale @ graph @ scale) / 2
    start = np.random.default_rng(seed).standard_normal(graph.shape[0])
    values, vectors = eigsh(lazy, k=dim + 1, which="LA", v0=start)
    order = np.argsort(-values, kind="stable")[1:]
    vectors = vectors[:, order] * np.sqrt(np.maximum(values[order], 0))
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(dim)]
    return np.ascontiguousarray(vectors * np.where(largest < 0, -1, 1), dtype=np.float32)


def _link_scores(
    vectors: FloatArray, train: sparse.csr_matrix, test: sparse.csr_matrix, seed: int
) -> dict[str, float | None]:
    """Compare held-out links with as many random pairs that have no link; None where all pairs have one."""
    rng = np.random.default_rng(seed)
    held_out = np.array(sparse.triu(test).nonzero())
    random = rng.integers(0, len(vectors), size=(2, 20 * held_out.shape[1]))
    unlinked = (random[0] != random[1]) & (np.asarray((train + test)[random[0], random[1]]).ravel() == 0)
    random = random[:, unlinked][:, : held_out.shape[1]]
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _ZERO)
    degrees = np.asarray(train.sum(axis=1)).ravel()
    cosine = [(unit[pairs[0]] * unit[pairs[1]]).sum(axis=1) for pairs in (held_out, random)]
    product = [degrees[pairs[0]] * degrees[pairs[1]] for pairs in (held_out, random)]
    return {"auc": _auc(*cosine), "degree_auc": _auc(*product)}


def _auc(positive: NDArray[Any], negative: NDArray[Any]) -> float | None:
    """Return the chance that a positive stands above a negative, ties counted half."""
    n, m = len(positive), len(negative)
    if not m:
        return None
    ranks = rankdata(np.concatenate([positive, negative]))
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))
