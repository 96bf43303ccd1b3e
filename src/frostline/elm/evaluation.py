"""A fitted explainer on ids that it never saw: loss, consistency and controls, identification, claims, invention."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.elm.explaining import Explainer
from frostline.elm.facts import Names
from frostline.elm.scores import cosines, identification, spearman_of_rankings
from frostline.elm.space import SpaceState
from frostline.keys import plain_text

__all__ = ["attribute_scores", "evaluate_space"]


def evaluate_space(
    explainer: Explainer,
    space: SpaceState,
    vectors: NDArray[np.float32],
    written: Sequence[str],
    own: Sequence[str],
    names: Names,
    *,
    ids: Sequence[str | None],
    targets: Collection[str] = (),
    seed: int,
) -> dict[str, float]:
    """Score what was written about held-out rows.

    Parameters
    ----------
    explainer : Explainer
    space : SpaceState
    vectors : array of shape (n, D)
        Held out.
    written : sequence of n str
        Greedy descriptions from them.
    own : sequence of n str
        The rows' own texts, names and all.
    names : Names
    ids : sequence of n str or None
        None = a row that the explainer does not know.
    targets : collection of str, default=()
        What was learnt to write, plain, beside the training rows' texts.
    seed : int

    Returns
    -------
    dict of str to float
        ``invented``: share of texts with a name that the row does not have; ``copied``: share of texts that are a training
        row's; where texts can be read back: ``consistency`` beside ``shuffled``, ``neighbor`` and ``true_text``, ``ranking``
        (Spearman of the catalog's two rankings), and ``top1`` of 100 beside that of the true text and of the neighbor's.
    """
    training = {plain_text(explainer.texts[name]) for name in space.ids[: space.n_train] if name in explainer.texts}
    training |= set(targets)
    found = {
        "invented": _mean([bool(names.invented(text, [true])) for text, true in zip(written, own, strict=True)]),
        "copied": _mean([plain_text(text) in training for text in written]),
        "empty": _mean([not text for text in written]),
    }
    if space.reader is None:
        return found
    near = [n[0] for n in space.neighbors(vectors, list(ids), explainer.texts, k=1)]
    centered = space.reader.center(vectors)
    read = space.reader.read(written, list(ids))
    near_read = space.reader.read([n.text for n in near], [n.id for n in near])
    shift = np.roll(np.arange(len(ids)), 1)
    found |= {
        "consistency": _mean(cosines(read, centered)),
        "shuffled": _mean(cosines(read[shift], centered)),
        "neighbor": _mean(cosines(near_read, centered)),
        "true_text": _mean(cosines(true_read := space.reader.read(own, list(ids)), centered)),
        "top1": identification(read, centered, seed=seed),
        "top1_shuffled": identification(read[shift], centered, seed=seed),
        "top1_neighbor": identification(near_read, centered, seed=seed),
        "top1_true_text": identification(true_read, centered, seed=seed),
    }
    catalog = space.reader.center(space.training_vectors[:2000])
    return found | {"ranking": _mean(spearman_of_rankings(read, centered, catalog))} | {"n": float(len(ids))}


def attribute_scores(
    space: SpaceState, vectors: NDArray[Any], written: Sequence[str], said: Mapping[str, Sequence[tuple[str, ...]]]
) -> dict[str, dict[str, float]]:
    """Which share of the values of an attribute that a text names are the row's, beside the probe and the majority.

    A text that names none counts as wrong.

    Parameters
    ----------
    space : SpaceState
    vectors : array of shape (n, D)
    written : sequence of n str
    said : mapping of attribute to the rows' own values
    """
    found = {}
    for probe in space.probes:
        rows = [i for i, values in enumerate(said[probe.attribute]) if values]
        if not rows:
            continue
        best = probe.probabilities(space.standardized(vectors[rows])).argmax(axis=1)
        true = [said[probe.attribute][i] for i in rows]
        named = [probe.named(written[i]) for i in rows]
        found[probe.attribute] = {
            "text": _mean([_mean([v in t for v in n]) for n, t in zip(named, true, strict=True)]),
            "probe": _mean([probe.values[b] in t for b, t in zip(best, true, strict=True)]),
            "majority": probe.scores.get("majority", float("nan")),
            "n": float(len(rows)),
        }
    return found


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else 0.0
