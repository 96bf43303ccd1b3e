"""A language model behind an endpoint with OpenAI's chat format: several requests at once, retried, kept on disk."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import numpy as np

from frostline.backbones.remote import BYTES_PER_TOKEN, read_address
from frostline.backbones.wire import CHAT, Client, RefusedError, redact
from frostline.contracts import IntArray
from frostline.errors import UserError
from frostline.lms.cache import AnswerCache
from frostline.lms.contracts import Completion, OptionScore, Sampling
from frostline.lms.sampling import check_sampling

__all__ = ["EndpointModel"]

TIMEOUT = 300.0
"""Seconds of silence: a long answer comes whole."""


class Pace:
    """Requests at even distances.

    Parameters
    ----------
    per_minute : float or None
        None = as they come.
    clock, sleep : callable
    """

    def __init__(self, per_minute: float | None, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._distance = 0.0 if per_minute is None else 60 / per_minute
        self._clock, self._sleep = clock, sleep
        self._next = -np.inf
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Wait for the next place in the row."""
        with self._lock:
            now = self._clock()
            start = max(now, self._next)
            self._next = start + self._distance
        if start > now:
            self._sleep(start - now)


class EndpointModel:
    """A :class:`frostline.lms.LanguageModel` that runs elsewhere.

    The key is read from the environment (``OPENAI_API_KEY``) for each request and stands in no message, address or file.

    Parameters
    ----------
    name : str
        ``"api:MODEL"`` or ``"api:MODEL@URL"``; without a URL, ``OPENAI_BASE_URL``, else OpenAI's own.
    cache : AnswerCache, optional
        Where answers are kept.
    parallel : int, default=4
        Requests at the same time.
    requests_per_minute : float, optional
        No more than this.
    sleep, clock : callable, optional
        Wait some seconds; seconds that pass.
    rng : random.Random, optional
        Draws how long to wait between tries.

    Raises
    ------
    UserError
        A malformed name, or limits that cannot be.
    """

    scores = False
    window: int | None = None

    def __init__(
        self,
        name: str,
        *,
        cache: AnswerCache | None = None,
        parallel: int = 4,
        requests_per_minute: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        address = read_address(name)
        if address.dimensions is not None:
            raise UserError(
                f"{name!r}: ?dimensions= is for embeddings; a language model is api:MODEL or api:MODEL@URL."
            )
        if parallel < 1 or (requests_per_minute is not None and not requests_per_minute > 0):
            raise UserError(
                f"parallel={parallel!r} and requests_per_minute={requests_per_minute!r}: allowed are 1 or more, and a "
                "number above 0 or None."
            )
        self.name = name
        self.identity: Mapping[str, Any] = {"service": address.url, "model": address.model}
        self._model, self._cache, self._parallel = address.model, cache, parallel
        self._client = Client(address.url, sleep=sleep, rng=rng or random.Random(), timeout=TIMEOUT, route=CHAT)
        self._pace = Pace(requests_per_minute, clock, sleep)

    def generate(self, prompts: Sequence[str], sampling: Sampling | None = None) -> list[Completion]:
        """Ask for a completion of each prompt; equal prompts are asked once unless the temperature is above 0.

        Parameters
        ----------
        prompts : sequence of n str
        sampling : Sampling, optional
            The n-th time that a prompt occurs, its seed is larger by n where the temperature is above 0.

        Returns
        -------
        list of n Completion
            With an error for a prompt that the service refuses.

        Raises
        ------
        UserError
            The service cannot be used, refuses every prompt, or answers with something else.
        """
        bodies = self._bodies(prompts, check_sampling(sampling))
        jobs = {id_: body for body in bodies for id_ in [_identity(body)]}
        answers: dict[str, Completion] = {}
        refusals: list[RefusedError] = []
        with ThreadPoolExecutor(self._parallel) as pool:
            waiting = {pool.submit(self._ask, body): id_ for id_, body in jobs.items()}
            try:
                for done in as_completed(waiting):
                    try:
                        answers[waiting[done]] = done.result()
                    except RefusedError as error:
                        refusals.append(error)
                        answers[waiting[done]] = Completion("", 0, 0, False, error.message)
            finally:  # what has not begun is not asked for
                pool.shutdown(wait=True, cancel_futures=True)
        if refusals and len(refusals) == len(jobs):
            raise refusals[0]
        return [answers[_identity(body)] for body in bodies]

    def score(
        self, prompts: Sequence[str], options: Sequence[Sequence[str]], system: str = ""
    ) -> list[list[OptionScore]]:
        """Refused: the chat format does not say how likely a given continuation is.

        Raises
        ------
        UserError
        """
        raise UserError(f"{self.name!r} is an endpoint, which does not score given answers.", hint="let it generate")

    def count_tokens(self, texts: Sequence[str]) -> IntArray:
        """Estimate the tokens of each text from its bytes, shape (n,): a service counts its own."""
        return np.array([-(-len(text.encode()) // int(BYTES_PER_TOKEN)) for text in texts], dtype=np.int64)

    def recall(self, prompts: Sequence[str], sampling: Sampling | None = None) -> list[Completion | None]:
        """Completions that are kept on disk; nothing is asked.

        Parameters
        ----------
        prompts : sequence of n str
        sampling : Sampling, optional

        Returns
        -------
        list of n Completion or None
            None where :meth:`generate` would ask.
        """
        return [self._recall(body) for body in self._bodies(prompts, check_sampling(sampling))]

    def _bodies(self, prompts: Sequence[str], sampling: Sampling) -> list[dict[str, Any]]:
        return [_body(self._model, prompt, sampling, seed) for prompt, seed in _seeded(prompts, sampling)]

    def _recall(self, body: Mapping[str, Any]) -> Completion | None:
        answer = None if self._cache is None else self._cache.get(self._request(body))
        return None if answer is None else _read(answer)

    def _request(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"url": self._client.url, **body}

    def _ask(self, body: Mapping[str, Any]) -> Completion:
        found = self._recall(body)
        if found is None:
            self._pace.wait()
            answer = self._post(body)
            found = _read(answer)
            if self._cache is not None:
                self._cache.put(self._request(body), answer)
        return found

    def _post(self, body: Mapping[str, Any]) -> Any:
        try:
            return self._client.post(body)
        except RefusedError as error:
            if "max_completion_tokens" not in error.message:
                raise
        # Newer models of OpenAI know the limit by this name only.
        renamed = {"max_completion_tokens" if key == "max_tokens" else key: value for key, value in body.items()}
        return self._client.post(renamed)


def _seeded(prompts: Sequence[str], sampling: Sampling) -> list[tuple[str, int]]:
    seen: dict[str, int] = {}
    found = []
    for prompt in prompts:
        repeat = seen[prompt] = seen.get(prompt, -1) + 1
        found.append((prompt, sampling.seed + (repeat if sampling.temperature > 0 else 0)))
    return found


def _body(model: str, prompt: str, sampling: Sampling, seed: int) -> dict[str, Any]:
    turns = [("system", sampling.system)] if sampling.system else []
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": role, "content": text} for role, text in [*turns, ("user", prompt)]],
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "seed": seed,
    }
    if sampling.top_p < 1:
        body["top_p"] = sampling.top_p
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    return body


def _identity(body: Mapping[str, Any]) -> str:
    return f"{body['seed']}|{body['messages'][-1]['content']}"


def _read(answer: Any) -> Completion:
    """Take the completion out of an answer; whatever is not one is refused."""
    try:
        choice, usage = answer["choices"][0], answer.get("usage") or {}
        text = choice["message"]["content"]
        counts = [usage.get(name) or 0 for name in ("prompt_tokens", "completion_tokens")]
        sound = text is None or isinstance(text, str)
        if sound and all(isinstance(n, int) for n in counts):
            return Completion(text or "", counts[0], counts[1], choice.get("finish_reason") != "length")
    except (KeyError, IndexError, TypeError, AttributeError):
        pass
    raise UserError(
        f"The answer of the language model service cannot be used: {redact(str(answer))}",
        hint="check that the service speaks OpenAI's chat format",
    )
