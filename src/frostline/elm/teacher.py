"""A teacher: a language model that writes targets. What it will cost is known before it is asked, and nothing is asked twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frostline._progress import progress_bar, say
from frostline.backbones.wire import RefusedError
from frostline.elm.facts import sentences
from frostline.lms import AnswerCache, Completion, EndpointModel, LanguageModel, Sampling, open_lm

__all__ = ["TeacherModel", "Teaching"]

CHUNK = 64


@dataclass(frozen=True)
class Teaching:
    """What a teacher is to be asked.

    Attributes
    ----------
    n_instructions : int
    n_tokens : int
        To read; estimated where the teacher runs elsewhere.
    n_new_tokens : int
        To write, at most.
    """

    n_instructions: int
    n_tokens: int
    n_new_tokens: int


class TeacherModel:
    """Answers instructions by a language model, from a cache where it can.

    An endpoint's answers are kept one by one as they come, a local model's in chunks.

    Parameters
    ----------
    name : str
        As :func:`frostline.lms.open_lm` takes it: a local model, or ``api:MODEL``.
    cache : path
        A file that keeps the answers.
    max_tokens : int, default=120
        Of one answer. One that is longer ends with its last whole sentence.
    progress : "auto" or bool, default="auto"

    Attributes
    ----------
    failed : dict of str to str
        Instructions without an answer, and why; the next call asks them again.
    n_cut : int
        Answers that were longer than `max_tokens`.
    """

    def __init__(self, name: str, cache: str | Path, *, max_tokens: int = 120, progress: Any = "auto") -> None:
        self.cache = AnswerCache(cache)
        self.model: LanguageModel = open_lm(name, cache=cache)
        self.sampling = Sampling(max_tokens=max_tokens)
        self.progress = progress
        self.failed: dict[str, str] = {}
        self.n_cut = 0

    def cost(self, instructions: Sequence[str]) -> Teaching:
        """What the instructions that are not in the cache would cost."""
        distinct = list(dict.fromkeys(instructions))
        known = self._known(distinct)
        new = [text for text in distinct if text not in known]
        n_tokens = int(self.model.count_tokens(new).sum()) if new else 0
        return Teaching(len(new), n_tokens, len(new) * self.sampling.max_tokens)

    def __call__(self, instructions: Sequence[str]) -> list[str]:
        """Answers in the order of the instructions; empty where the teacher gave none.

        Raises
        ------
        UserError
            The teacher cannot be used, or refuses all that it is asked; finished answers are kept.
        """
        distinct = list(dict.fromkeys(instructions))
        answers = self._known(distinct)
        new = [text for text in distinct if text not in answers]
        with progress_bar(self.progress, len(new), "Asking the teacher", "answers") as advance:
            for start in range(0, len(new), CHUNK):
                part = new[start : start + CHUNK]
                answers |= zip(part, self._ask(part, any(not one.error for one in answers.values())), strict=True)
                advance(len(part))
        self._tell(answers)
        return [_whole(answers[text]) for text in instructions]

    def _known(self, texts: Sequence[str]) -> dict[str, Completion]:
        if isinstance(self.model, EndpointModel):
            found = self.model.recall(texts, self.sampling)
        else:
            kept = [self.cache.get(self._key(text)) for text in texts]
            found = [None if one is None else Completion(**one) for one in kept]
        return {text: one for text, one in zip(texts, found, strict=True) if one is not None}

    def _ask(self, part: Sequence[str], answers_others: bool) -> list[Completion]:
        """Ask, and keep what comes; a teacher that answers others may refuse all of these."""
        try:
            found = self.model.generate(part, self.sampling)
        except RefusedError as error:
            if not answers_others:
                raise
            return [Completion("", 0, 0, False, error.message)] * len(part)
        if not isinstance(self.model, EndpointModel):
            for text, one in zip(part, found, strict=True):
                if not one.error:
                    self.cache.put(self._key(text), vars(one))
        return found

    def _tell(self, answers: Mapping[str, Completion]) -> None:
        """Count what is missing or too long, and say so."""
        failed = {text: one.error or "it wrote nothing" for text, one in answers.items() if not one.text.strip()}
        n_cut = sum(not one.ended for text, one in answers.items() if text not in failed)
        self.failed |= failed
        self.n_cut += n_cut
        if failed:
            why = next(iter(failed.values()))
            say(self.progress, f"The teacher gave no answer to {len(failed)} of {len(answers)} instructions: {why}")
        if n_cut:
            limit = self.sampling.max_tokens
            say(
                self.progress,
                f"{n_cut} of {len(answers)} answers have more than {limit} tokens: cut to whole sentences.",
            )

    def _key(self, text: str) -> dict[str, Any]:
        return {"teacher": dict(self.model.identity), "max_tokens": self.sampling.max_tokens, "instruction": text}


def _whole(answer: Completion) -> str:
    """An answer; where it was cut, to its last whole sentence if it has one."""
    parts = sentences(answer.text)
    if not answer.ended and len(parts) > 1:
        return " ".join(parts[:-1])
    return answer.text.strip()
