"""Claims: attributes that a linear probe reads from a vector, and whether a text says the same."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.elm.tasks import Attribute

__all__ = ["Claim", "Probe", "fit_probe", "judge_claims"]

FEWEST = 10
"""Training rows that must have a value before a probe is made for it."""

SURE = 0.5
"""A probe claims a value from this probability on, ..."""

UNLIKELY = 0.1
"""... and contradicts a text that names a value below this one."""


@dataclass(frozen=True)
class Claim:
    """One attribute of a vector beside what the text says.

    Attributes
    ----------
    attribute, value : str
    probability : float
        By the probe.
    text : {"confirmed", "absent", "contradicted"}
        Whether the text names the value; contradicted: the text names it and the probe finds it unlikely.
    """

    attribute: str
    value: str
    probability: float
    text: str


@dataclass
class Probe:
    """Logistic regressions of one attribute, one for each value.

    Attributes
    ----------
    attribute : str
    values : list of str
    weights : array of shape (len(values), D + 1)
        On standardized vectors; the intercept last.
    words : mapping of str to list of str
        What a text may say for each value.
    scores : dict
        Held-out accuracy of the most probable value, and that of always naming the most frequent one.
    """

    attribute: str
    values: list[str]
    weights: NDArray[np.float64]
    words: dict[str, list[str]]
    scores: dict[str, float] = field(default_factory=dict)

    def probabilities(self, vectors: NDArray[Any]) -> NDArray[np.float64]:
        """Probability of each value, shape (n, len(values)), of standardized vectors."""
        logits = np.column_stack([vectors, np.ones(len(vectors))]) @ self.weights.T
        return np.asarray((1 + np.tanh(logits / 2)) / 2)

    def named(self, text: str) -> list[str]:
        """Values that a text names."""
        low = text.lower()
        return [
            value
            for value in self.values
            if any(re.search(rf"(?<!\w){re.escape(word.lower())}(?!\w)", low) for word in self.words[value])
        ]


def fit_probe(
    name: str,
    attribute: Attribute,
    train: tuple[NDArray[Any], Sequence[tuple[str, ...]]],
    held_out: tuple[NDArray[Any], Sequence[tuple[str, ...]]],
) -> Probe | None:
    """Fit the probe of an attribute on training rows, and score it on held-out ones.

    Parameters
    ----------
    name : str
    attribute : Attribute
    train, held_out : (vectors, values)
        Standardized vectors (n, D), and the values of each row.

    Returns
    -------
    Probe or None
        None where fewer than two values have enough rows.
    """
    from sklearn.linear_model import LogisticRegression

    X, said = train
    counts: dict[str, int] = {}
    for values in said:
        for value in values:
            counts[value] = counts.get(value, 0) + 1
    known = sorted(value for value, n in counts.items() if FEWEST <= n < len(said))
    if len(known) < 2:
        return None
    weights = []
    for value in known:
        head = LogisticRegression(C=1.0 / max(1.0, X.shape[1] ** 0.5), max_iter=500)
        head.fit(X, [value in values for values in said])
        weights.append(np.append(head.coef_[0], head.intercept_[0]))
    words = {value: _words(value, attribute) for value in known}
    probe = Probe(name, known, np.array(weights), words)
    probe.scores = _scores(probe, counts, *held_out)
    return probe


def _scores(
    probe: Probe, counts: Mapping[str, int], X: NDArray[Any], said: Sequence[tuple[str, ...]]
) -> dict[str, float]:
    rows = [i for i, values in enumerate(said) if values]
    if not rows:
        return {}
    best = probe.probabilities(X[rows]).argmax(axis=1)
    majority = max(probe.values, key=lambda value: counts[value])
    return {
        "probe": float(np.mean([probe.values[b] in said[i] for i, b in zip(rows, best, strict=True)])),
        "majority": float(np.mean([majority in said[i] for i in rows])),
        "n": float(len(rows)),
    }


def _words(value: str, attribute: Attribute) -> list[str]:
    if attribute.kind == "decade":
        return [value, *(value[:3] + str(year) for year in range(10))]
    return [str(word) for word in attribute.words.get(value, [value])]


def judge_claims(probes: Sequence[Probe], vector: NDArray[Any], text: str) -> list[Claim]:
    """What the probes read from one standardized vector, beside what the text says.

    Parameters
    ----------
    probes : sequence of Probe
    vector : array of shape (D,)
    text : str

    Returns
    -------
    list of Claim
        The most probable first, those that the text alone makes last.
    """
    claims = []
    for probe in probes:
        p = probe.probabilities(np.asarray(vector)[None])[0]
        named = set(probe.named(text))
        order = np.argsort(-p, kind="stable")
        sure = [i for i in order if p[i] >= SURE] or list(order[:1])
        for i in sure:
            word = "confirmed" if probe.values[i] in named else "absent"
            claims.append(Claim(probe.attribute, probe.values[i], float(p[i]), word))
        claims += [
            Claim(probe.attribute, probe.values[i], float(p[i]), "contradicted")
            for i in order
            if probe.values[i] in named and p[i] < UNLIKELY and i not in sure
        ]
    return claims
