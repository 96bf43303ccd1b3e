"""From vectors to explanations: text, candidates, scores and controls."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from frostline.elm.decoding import Decoding, row_seed
from frostline.elm.explanation import Explanation
from frostline.elm.facts import without_idle_words
from frostline.elm.model import ElmModel, Placed
from frostline.elm.probes import judge_claims
from frostline.elm.prompts import Prompt, PromptEncoder
from frostline.elm.scores import cosines
from frostline.elm.space import SpaceState
from frostline.errors import UserError

__all__ = ["Explainer", "Question", "best_of"]

N_BANK = 16
"""Other rows that are asked the same, as a control."""

DRAWS = 0.8
"""Temperature of candidates after the first, which is greedy."""

_ORDINALS = ("first", "second", "third", "fourth")

Vectors = tuple[NDArray[np.float32], ...]


@dataclass(frozen=True)
class Question:
    """Vectors to put into a prompt, and the rows that they are, where they are rows."""

    vectors: Vectors
    ids: tuple[str | None, ...]

    @property
    def name(self) -> str:
        """Of the rows."""
        return " + ".join(name for name in self.ids if name)


def best_of(values: NDArray[np.float64], n: int) -> float:
    """Expected best of `n` of these values, drawn without replacement: what choosing alone is worth."""
    ordered = np.sort(values)
    total = math.comb(len(ordered), n)
    return float(sum(math.comb(i, n - 1) / total * value for i, value in enumerate(ordered)))


@dataclass
class Explainer:
    """A trained model with all that its scores need.

    Attributes
    ----------
    model : ElmModel
    encoder : PromptEncoder
    spaces : mapping of str to SpaceState
    texts : mapping of str to str
        Target texts of training rows.
    seed : int
    noun : str
        What a row is.
    opening : int, default=0
        Of texts whose :class:`Decoding` names none.
    """

    model: ElmModel
    encoder: PromptEncoder
    spaces: Mapping[str, SpaceState]
    texts: Mapping[str, str]
    seed: int
    noun: str
    opening: int = 0
    _banks: dict[tuple[Prompt, Decoding], tuple[list[str], list[str]]] = field(default_factory=dict)

    def write(self, prompt: Prompt, vectors: Sequence[Vectors], decoding: Decoding, number: int = 0) -> list[str]:
        """Answers to one prompt about each tuple of vectors, without idle words; `number` 0 is greedy unless `decoding` draws."""
        encoded = self.encoder.prompt(prompt)
        items = [Placed(encoded, own) for own in vectors]
        return self._written(items, decoding, [row_seed(own, self.seed, number) for own in vectors])

    def _written(self, items: Sequence[Placed], decoding: Decoding, seeds: Sequence[int]) -> list[str]:
        if decoding.opening is None:
            decoding = replace(decoding, opening=self.opening)
        return [without_idle_words(text, self.noun) for text in self.model.generate(items, decoding, seeds)]

    def explain(
        self, prompt: Prompt, questions: Sequence[Question], decoding: Decoding, n_candidates: int = 1
    ) -> list[Explanation]:
        """Answer, score, and set the controls beside.

        Raises
        ------
        UserError
            More candidates than can be controlled, or candidates where nothing reads texts.
        """
        if not 1 <= n_candidates <= N_BANK:
            raise UserError(f"n_candidates must be from 1 to {N_BANK}, got {n_candidates}.")
        space = self.spaces[prompt.spaces[0]]
        if n_candidates > 1 and space.reader is None:
            raise UserError("Candidates are chosen by consistency, and nothing reads texts back into this space.")
        if not questions:
            return []
        answers = self._candidates(prompt, [q.vectors for q in questions], decoding, n_candidates)
        chosen = self._choose(prompt, questions, answers)
        controls = self._controls(prompt, space, questions, decoding, n_candidates)
        firsts = np.stack([q.vectors[0] for q in questions])
        near = space.neighbors(firsts, [q.ids[0] for q in questions], self.texts)
        outliers = space.outliers(firsts)
        found = []
        for i, question in enumerate(questions):
            text, scores = chosen[i]
            own = dict(controls[i])
            if space.reader is not None:
                own["neighbor"] = self._neighbor(space, question, near[i][0].id if near[i] else None)
            claims = (
                judge_claims(space.probes, space.standardized(firsts[i]), text) if len(question.vectors) == 1 else []
            )
            note = "" if space.reader is None else space.reader.kind
            found.append(Explanation(text, scores, own, near[i], claims, outliers[i], question.name, note))
        return found

    def _candidates(self, prompt: Prompt, vectors: Sequence[Vectors], decoding: Decoding, n: int) -> list[list[str]]:
        drawn = replace(decoding, temperature=decoding.temperature or DRAWS)
        rounds = [self.write(prompt, vectors, drawn if number else decoding, number) for number in range(n)]
        return [list(row) for row in zip(*rounds, strict=True)]

    def _choose(
        self, prompt: Prompt, questions: Sequence[Question], answers: Sequence[Sequence[str]]
    ) -> list[tuple[str, dict[str, float]]]:
        """The most consistent answer of each row, and its scores."""
        n, m = len(answers[0]), len(prompt.spaces)
        flat = [text for own in answers for text in own]
        names = (
            ["consistency"] if m == 1 else [_ORDINALS[k] if k < len(_ORDINALS) else f"vector {k + 1}" for k in range(m)]
        )
        values: dict[str, NDArray[np.float64]] = {}
        for k, space in enumerate(self.spaces[name] for name in prompt.spaces):
            if space.reader is None:
                continue
            read = space.reader.read(flat, [q.ids[k] for q in questions for _ in range(n)])
            own = np.repeat(np.stack([q.vectors[k] for q in questions]), n, axis=0)
            values[names[k]] = cosines(read, space.reader.center(own)).reshape(len(questions), n)
        if not values:
            return [(own[0], {}) for own in answers]
        best = np.mean(list(values.values()), axis=0).argmax(axis=1)
        return [
            (own[b], {name: float(found[i, b]) for name, found in values.items()})
            for i, (own, b) in enumerate(zip(answers, best.tolist(), strict=True))
        ]

    def _consistency(
        self, space: SpaceState, read: NDArray[np.float32], vector: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        if space.reader is None:
            return np.zeros(len(read))
        return cosines(read, np.repeat(space.reader.center(vector[None]), len(read), axis=0))

    def _neighbor(self, space: SpaceState, question: Question, near: str | None) -> float | None:
        """The score of the nearest training row's own text."""
        text = self.texts.get(near or "", "")
        if space.reader is None or not text:
            return None
        return float(self._consistency(space, space.reader.read([text], [near]), question.vectors[0])[0])

    def _controls(
        self, prompt: Prompt, space: SpaceState, questions: Sequence[Question], decoding: Decoding, n: int
    ) -> list[dict[str, float | None]]:
        if space.reader is None:
            return [{} for _ in questions]
        texts, ids = self._bank(prompt, space, decoding)
        read = space.reader.read(texts, [None] * len(texts))
        found = []
        for question in questions:
            values = self._consistency(space, read, question.vectors[0])
            others = np.array([v for v, own in zip(values[:-2], ids, strict=True) if own not in question.ids])
            shuffled = best_of(others, min(n, len(others))) if len(others) else None
            found.append({"shuffled": shuffled, "mean": float(values[-2]), "none": float(values[-1])})
        return found

    def _bank(self, prompt: Prompt, space: SpaceState, decoding: Decoding) -> tuple[list[str], list[str]]:
        """Answers to the same prompt about other rows, the mean vector and no vector; written once."""
        key = (prompt, decoding)
        if key not in self._banks:
            places = [self.spaces[name] for name in prompt.spaces]
            n = min(N_BANK, *(place.n_train for place in places))
            rows = np.random.default_rng(self.seed).permutation(space.n_train)[:n]
            columns = [space.training_vectors[rows]]
            for k, place in enumerate(places[1:], start=1):
                drawn = np.random.default_rng([self.seed, k]).permutation(place.n_train)[:n]
                columns.append(place.training_vectors[drawn])
            vectors = [tuple(column[i] for column in columns) for i in range(n)]
            texts = self.write(prompt, [*vectors, tuple(place.mean for place in places)], decoding)
            texts += self._written([Placed(self.encoder.prompt(prompt, empty=True), ())], decoding, [self.seed])
            self._banks[key] = texts, [space.ids[i] for i in rows]
        return self._banks[key]
