"""Classification by asking a language model: zero-shot, with examples, with the nearest examples, with reasons first."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline._energy import EnergyMeter
from frostline.contracts import FloatArray
from frostline.lms import LanguageModel, Sampling
from frostline.numerics.neighbors import nearest
from frostline.studies.sets import Part, StudySet

__all__ = ["PROMPT_ARMS", "PromptArm", "parse_answer", "run_prompts"]

_MANY_CLASSES = 20
"""Above this an example of every class would not fit a prompt, so random examples are drawn from all rows."""

_REASON_TOKENS, _ANSWER_TOKENS = 160, 16


@dataclass(frozen=True)
class PromptArm:
    """One way to ask.

    Attributes
    ----------
    shots : int
        Labelled training rows in the prompt.
    nearest : bool
        Whether they are the row's nearest neighbors among the training vectors, the nearest last; else the same random
        ones for all rows.
    reasons : bool
        Whether the model is to reason before it answers (chain of thought).
    scored : bool
        Whether the answer is the label that the model finds likeliest, length-normalized by tokens; else what it writes.
    """

    shots: int = 0
    nearest: bool = False
    reasons: bool = False
    scored: bool = False

    @property
    def name(self) -> str:
        """For tables."""
        shots = f"{self.shots} {'nearest' if self.nearest else 'random'} examples" if self.shots else "zero-shot"
        return (
            f"{shots}{', chain of thought' if self.reasons else ''}, {'options scored' if self.scored else 'written'}"
        )

    @property
    def key(self) -> dict[str, Any]:
        """What of it decides a result."""
        return asdict(self)


PROMPT_ARMS = (
    PromptArm(),
    PromptArm(shots=8),
    PromptArm(shots=8, nearest=True),
    PromptArm(reasons=True),
    PromptArm(scored=True),
    PromptArm(shots=8, scored=True),
    PromptArm(shots=8, nearest=True, scored=True),
)


def run_prompts(
    lm: LanguageModel,
    arm: PromptArm,
    data: StudySet,
    rows: NDArray[np.intp],
    vectors: tuple[FloatArray, FloatArray] | None,
    seed: int,
) -> dict[str, Any]:
    """Ask for the class of some test rows.

    Parameters
    ----------
    lm : LanguageModel
    arm : PromptArm
    data : StudySet
    rows : int array of shape (m,)
        Test rows.
    vectors : pair of arrays of shape (rows, D), or None
        Of all training and test rows; needed for the nearest examples.
    seed : int
        Of the random examples.

    Returns
    -------
    dict
        ``answers`` (class number, -1 = none that is a label), ``invalid`` and ``failed`` (shares of rows), ``n_cut``
        (rows whose text or examples were cut to fit the window), ``n_prompt_tokens``, ``n_tokens``, ``asking_seconds``,
        ``joules`` (None where not measurable), ``energy`` (how measured).
    """
    shown = _examples(arm, data, rows, vectors, seed)
    test = data.test.take(rows)
    writer = _Writer(lm, arm, data.classes)
    prompts = [writer.prompt(text, [(data.train.texts[i], int(data.train.labels[i])) for i in own])
               for text, own in zip(test.texts, shown, strict=True)]  # fmt: skip
    began = time.perf_counter()
    with EnergyMeter() as meter:
        answers, counts = _scored(lm, prompts, data.classes) if arm.scored else _written(lm, prompts, arm, data.classes)
    return {
        "answers": answers,
        "invalid": float(np.mean([answer < 0 for answer in answers])),
        **counts,
        "n_cut": writer.n_cut,
        "asking_seconds": round(time.perf_counter() - began, 3),
        "joules": meter.joules,
        "energy": meter.method,
    }


def parse_answer(text: str, classes: Sequence[str], *, reasons: bool = False) -> int:
    """Read an answer strictly: its first line is a label and nothing else, but for case, quotes and a full stop.

    Parameters
    ----------
    text : str
    classes : sequence of str
    reasons : bool, default=False
        Whether the answer stands behind the last ``Answer:``; without that there is none.

    Returns
    -------
    int
        Number of the class, -1 = no label.
    """
    if reasons:
        _, found, text = text.rpartition("Answer:")
        if not found:
            return -1
    lines = text.strip().splitlines()
    said = _plain(lines[0]) if lines else ""
    known = [_plain(name) for name in classes]
    return known.index(said) if known.count(said) == 1 else -1


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.strip().strip("\"'`*.").strip()).casefold()


class _Writer:
    """Writes prompts that fit the model's window; what had to be cut is counted."""

    def __init__(self, lm: LanguageModel, arm: PromptArm, classes: Sequence[str]) -> None:
        self._lm, self._arm, self._classes = lm, arm, classes
        longest = int(lm.count_tokens([f" {name}" for name in classes]).max())
        answer = _REASON_TOKENS if arm.reasons else max(longest, _ANSWER_TOKENS)
        self._room = None if lm.window is None else lm.window - answer - 16  # for what a chat template adds
        self.n_cut = 0

    def prompt(self, text: str, shots: Sequence[tuple[str, int]]) -> str:
        """Instruction, examples, the row; with too little room the first examples go, then the text's end."""
        written, kept = self._whole(text, shots), list(shots)
        is_cut = False
        while not self._fits(written) and (kept or len(text) > 1):
            is_cut = True
            if kept:
                kept = kept[1:]
            else:
                text = text[: len(text) * 3 // 4]
            written = self._whole(text, kept)
        self.n_cut += is_cut
        return written

    def _fits(self, prompt: str) -> bool:
        return self._room is None or int(self._lm.count_tokens([prompt])[0]) <= self._room

    def _whole(self, text: str, shots: Sequence[tuple[str, int]]) -> str:
        ask = (
            "Think step by step, then write the label on a line of its own that begins with 'Answer:'."
            if self._arm.reasons
            else "Answer with the label only."
        )
        head = f"Classify the text. The labels are: {', '.join(self._classes)}. {ask}"
        blocks = [f"Text: {' '.join(shot.split())}\nLabel: {self._classes[label]}" for shot, label in shots]
        last = f"Text: {' '.join(text.split())}\n" + ("Reasons:" if self._arm.reasons else "Label:")
        return "\n\n".join([head, *blocks, last])


def _examples(
    arm: PromptArm, data: StudySet, rows: NDArray[np.intp], vectors: tuple[FloatArray, FloatArray] | None, seed: int
) -> list[list[int]]:
    """Training rows to show for each test row."""
    if not arm.shots:
        return [[] for _ in rows]
    if arm.nearest and vectors is not None:
        found, _ = nearest(vectors[1][rows], vectors[0], min(arm.shots, len(vectors[0])), "cosine")
        return [own[::-1].tolist() for own in found]
    rng = np.random.default_rng([seed, arm.shots])
    return [_balanced(data.train, arm.shots, rng)] * len(rows)


def _balanced(train: Part, n: int, rng: np.random.Generator) -> list[int]:
    """Random rows, of each class about equally many where there are not too many classes."""
    order = rng.permutation(len(train.labels))
    if int(train.labels.max()) >= _MANY_CLASSES:
        return [int(i) for i in order[:n]]
    turn = np.zeros(len(order), dtype=int)
    seen: dict[int, int] = {}
    for place, row in enumerate(order):
        label = int(train.labels[row])
        turn[place] = seen[label] = seen.get(label, -1) + 1
    return [int(i) for i in rng.permutation(order[np.argsort(turn, kind="stable")][:n])]


def _written(
    lm: LanguageModel, prompts: list[str], arm: PromptArm, classes: Sequence[str]
) -> tuple[list[int], dict[str, Any]]:
    longest = int(lm.count_tokens([f" {name}" for name in classes]).max())
    limit = _REASON_TOKENS if arm.reasons else max(longest, _ANSWER_TOKENS)
    found = lm.generate(prompts, Sampling(limit))
    answers = [parse_answer(one.text, classes, reasons=arm.reasons) for one in found]
    counts = {
        "failed": float(np.mean([bool(one.error) for one in found])),
        "n_prompt_tokens": sum(one.n_prompt_tokens for one in found),
        "n_tokens": sum(one.n_tokens for one in found),
    }
    return answers, counts


def _scored(lm: LanguageModel, prompts: list[str], classes: Sequence[str]) -> tuple[list[int], dict[str, Any]]:
    options = [f" {name}" for name in classes]
    scores = lm.score(prompts, [options] * len(prompts))
    answers = [int(np.argmax([one.logprob / max(1, one.n_tokens) for one in own])) for own in scores]
    n_read = int(lm.count_tokens(prompts).sum()) + sum(one.n_tokens for own in scores for one in own)
    return answers, {"failed": 0.0, "n_prompt_tokens": n_read, "n_tokens": 0}
