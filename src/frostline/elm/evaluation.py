"""A fitted explainer on ids that it never saw: loss, consistency and controls, identification, claims, invention."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.elm.explaining import Explainer
from frostline.elm.facts import Names, sentences, without_idle_words
from frostline.elm.probes import Probe
from frostline.elm.scores import cosines, identification_rows, spearman_of_rankings
from frostline.elm.space import SpaceState
from frostline.keys import plain_text

__all__ = ["attribute_rows", "attribute_scores", "evaluate_space", "means"]


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
) -> dict[str, NDArray[Any]]:
    """Score what was written about held-out rows, row by row.

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
        What was learnt to write, beside the training rows' texts.
    seed : int

    Returns
    -------
    dict of str to array of shape (n,)
        ``invented``: whether a text has a name that the row does not have; ``copied``: whether it is a training row's; where
        texts can be read back: ``consistency`` beside ``shuffled``, ``neighbor`` and ``true_text``, ``ranking`` (Spearman of the
        catalog's two rankings), and ``top1`` of 100 beside that of the true text and of the neighbor's, the nearest training row
        that has a text. NaN stands for the true text of a row without one; means leave it out.
    """
    training = {plain_text(explainer.texts[name]) for name in space.ids[: space.n_train] if name in explainer.texts}
    training |= {plain_text(form) for text in targets for form in (text, without_idle_words(text, explainer.noun))}
    found = {
        "invented": np.array([bool(names.invented(text, [true])) for text, true in zip(written, own, strict=True)]),
        "copied": np.array([plain_text(text) in training for text in written]),
        "empty": np.array([not text for text in written]),
    }
    if space.reader is None:
        return found
    told = np.array([bool(text.strip()) for text in own])
    near = [n[0] for n in space.neighbors(vectors, list(ids), explainer.texts, k=1, with_text=True)]
    centered = space.reader.center(vectors)
    read = space.reader.read(written, list(ids))
    near_read = space.reader.read([n.text for n in near], [n.id for n in near])
    true_read = space.reader.read(own, list(ids))
    others = {"shuffled": np.roll(read, 1, axis=0), "neighbor": near_read, "true_text": true_read}
    found |= {"consistency": cosines(read, centered)} | {name: cosines(own, centered) for name, own in others.items()}
    found |= {"top1": identification_rows(read, centered, seed=seed)}
    found |= {f"top1_{name}": identification_rows(own, centered, seed=seed) for name, own in others.items()}
    for name in ("true_text", "top1_true_text"):
        found[name] = np.where(told, found[name], np.nan)
    catalog = space.reader.center(space.training_vectors[:2000])
    return found | {"ranking": spearman_of_rankings(read, centered, catalog)}


def means(rows: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    """The scores of :func:`evaluate_space` over all rows that have them, if any, and ``n``, how many rows there are."""
    told = {
        name: values for name, values in rows.items() if not len(values) or not np.isnan(values.astype(float)).all()
    }
    return {name: _mean(values) for name, values in told.items()} | {
        "n": float(max(map(len, rows.values()), default=0))
    }


def attribute_scores(
    space: SpaceState, vectors: NDArray[Any], written: Sequence[str], said: Mapping[str, Sequence[tuple[str, ...]]]
) -> dict[str, dict[str, float]]:
    """Which share of the values of an attribute that a text names are the row's, beside the probe and the majority.

    What counts is the first sentence that names any: an action film of which a later sentence says that a war breaks out is no war
    film. A text that names none counts as wrong.

    Parameters
    ----------
    space : SpaceState
    vectors : array of shape (n, D)
    written : sequence of n str
    said : mapping of attribute to the rows' own values
    """
    found = attribute_rows(space, vectors, written, said)
    return {
        name: {
            **{key: _mean(rows[key]) for key in ("text", "probe", "probe_as_many")},
            "majority": rows["majority"],
            "n": float(len(rows["text"])),
        }
        for name, rows in found.items()
    }


def attribute_rows(
    space: SpaceState, vectors: NDArray[Any], written: Sequence[str], said: Mapping[str, Sequence[tuple[str, ...]]]
) -> dict[str, dict[str, Any]]:
    """:func:`attribute_scores` row by row, of the rows that have a value.

    ``text``; ``probe``: its most probable value; ``probe_as_many``: as many of its most probable values as the text names, one at
    least, since who names three genres is right less often in each than who names one; and ``majority``, one number.
    """
    found: dict[str, dict[str, Any]] = {}
    for probe in space.probes:
        rows = [i for i, values in enumerate(said[probe.attribute]) if values]
        if not rows:
            continue
        order = np.argsort(-probe.probabilities(space.standardized(vectors[rows])), axis=1, kind="stable")
        true = [said[probe.attribute][i] for i in rows]
        named = [_claimed(probe, written[i]) for i in rows]
        ranked = [[probe.values[b] for b in own] for own in order]
        found[probe.attribute] = {
            "text": np.array([_mean([v in t for v in n]) for n, t in zip(named, true, strict=True)]),
            "probe": np.array([float(best[0] in t) for best, t in zip(ranked, true, strict=True)]),
            "probe_as_many": np.array(
                [
                    _mean([v in t for v in best[: max(1, len(n))]])
                    for best, n, t in zip(ranked, named, true, strict=True)
                ]
            ),
            "majority": probe.scores.get("majority", float("nan")),
        }
    return found


def _claimed(probe: Probe, text: str) -> list[str]:
    return next((named for sentence in sentences(text) if (named := probe.named(sentence))), [])


def _mean(values: Any) -> float:
    known = np.asarray(values, dtype=float)
    known = known[~np.isnan(known)]
    return float(known.mean()) if len(known) else 0.0
