"""A teacher: a language model that writes targets. What it will cost is known before it is asked, and nothing is asked twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frostline._progress import progress_bar
from frostline.lms import AnswerCache, LanguageModel, Sampling, open_lm

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

    Parameters
    ----------
    name : str
        As :func:`frostline.lms.open_lm` takes it: a local model, or ``api:MODEL``.
    cache : path
        A file that keeps the answers.
    max_tokens : int, default=120
        Of one answer.
    progress : "auto" or bool, default="auto"
    """

    def __init__(self, name: str, cache: str | Path, *, max_tokens: int = 120, progress: Any = "auto") -> None:
        self.model: LanguageModel = open_lm(name)
        self.cache = AnswerCache(cache)
        self.sampling = Sampling(max_tokens=max_tokens)
        self.progress = progress

    def cost(self, instructions: Sequence[str]) -> Teaching:
        """What the instructions that are not in the cache would cost."""
        new = [text for text in dict.fromkeys(instructions) if self.cache.get(self._key(text)) is None]
        n_tokens = int(self.model.count_tokens(new).sum()) if new else 0
        return Teaching(len(new), n_tokens, len(new) * self.sampling.max_tokens)

    def __call__(self, instructions: Sequence[str]) -> list[str]:
        """Answers in the order of the instructions; empty where the teacher failed."""
        distinct = list(dict.fromkeys(instructions))
        new = [text for text in distinct if self.cache.get(self._key(text)) is None]
        with progress_bar(self.progress, len(new), "Asking the teacher", "answers") as advance:
            for start in range(0, len(new), CHUNK):
                part = new[start : start + CHUNK]
                for text, answer in zip(part, self.model.generate(part, self.sampling), strict=True):
                    if not answer.error:
                        self.cache.put(self._key(text), {"text": answer.text})
                advance(len(part))
        answers = {text: self.cache.get(self._key(text)) or {"text": ""} for text in distinct}
        return [str(answers[text]["text"]).strip() for text in instructions]

    def _key(self, text: str) -> dict[str, Any]:
        return {"teacher": dict(self.model.identity), "max_tokens": self.sampling.max_tokens, "instruction": text}
