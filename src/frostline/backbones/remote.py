"""A backbone that runs elsewhere: an embeddings service with OpenAI's wire format, asked over HTTP.

A service shows one vector a text, pooled its own way, and neither its weights nor its tokens. So the token ids here are
the text's UTF-8 bytes, which address it in the store as well as real ones; and the model is recognized by a canary, the
vector of a fixed text, since the name of a service's model says nothing about its weights.
"""

from __future__ import annotations

import os
import random
import re
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.backbones.answers import read_vectors
from frostline.backbones.wire import KEY_VARIABLE, Client, TooLargeError, holds_key
from frostline.contracts import IntArray, Recipe, Service, Tap, Tokens
from frostline.errors import UserError

__all__ = ["PREFIX", "Address", "RemoteBackbone", "read_address"]

PREFIX = "api:"
URL_VARIABLE = "OPENAI_BASE_URL"
CANARY = "The frost line is the depth to which the ground is frozen."
REQUEST_BYTES, REQUEST_TEXTS = 100_000, 128
"""Of one request: well below what services take, and as much as a killed job pays for twice."""

BYTES_PER_TOKEN = 4.0
ROUNDS = 4
"""How often texts are asked for that an answer left out."""

_NAME = re.compile(r"api:(?P<model>.+?)(\?(?P<query>.*?))?(@(?P<url>https?://.*))?", re.DOTALL)
_HINT = "for example api:text-embedding-3-small?dimensions=256, or api:bge-m3@http://localhost:11434/v1"


@dataclass(frozen=True)
class Address:
    """Which model of which service.

    Attributes
    ----------
    model : str
    url : str
        Base URL without a slash at its end.
    dimensions : int or None
        Width to ask for; None = the model's own.
    """

    model: str
    url: str
    dimensions: int | None


def read_address(name: str) -> Address:
    """Read a name such as ``"api:text-embedding-3-small?dimensions=256"`` or ``"api:bge-m3@http://localhost:11434/v1"``.

    Parameters
    ----------
    name : str
        Without a URL, the base is ``OPENAI_BASE_URL`` of the environment, else OpenAI's own.

    Returns
    -------
    Address

    Raises
    ------
    UserError
        The name is malformed, or holds a key.
    """
    if holds_key(name):
        raise UserError(
            "The name of the backbone holds what looks like a key, which would then stand in reports and addresses.",
            hint=f"put the key into the environment variable {KEY_VARIABLE}; the name is api:MODEL or api:MODEL@URL",
        )
    parts = _NAME.fullmatch(name)
    # Models of some services begin with an @; further on it means a URL that was not recognized as one.
    if parts is None or "@" in parts["model"][1:] or " " in name or not name.isprintable():
        raise UserError(f"{name!r} is not api:MODEL, api:MODEL?dimensions=N or either with @http(s)://URL.", hint=_HINT)
    dimensions = parts["query"]
    if dimensions is not None and not re.fullmatch(r"dimensions=[1-9][0-9]{0,5}", dimensions):
        raise UserError(f"{name!r}: after the ? only dimensions=N is allowed, N a whole number from 1.", hint=_HINT)
    url = parts["url"] or os.environ.get(URL_VARIABLE) or "https://api.openai.com/v1"
    return Address(parts["model"], _checked(url), int(dimensions.partition("=")[2]) if dimensions else None)


def _checked(url: str) -> str:
    """Refuse what is no plain base URL, without repeating it: a password may stand in it."""
    try:
        parts = urllib.parse.urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or not re.fullmatch(r"[!-~]+", url) or re.search(r"[@?#]", url) or holds_key(url):
        raise UserError(
            "The URL of a service must be a plain base, http(s)://HOST[:PORT]/PATH, without a user, a password, "
            "a query or a fragment.",
            hint=f"put the key into {KEY_VARIABLE}; {_HINT}",
        )
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


class RemoteBackbone:
    """An embeddings service as a :class:`frostline.contracts.Backbone`.

    Parameters
    ----------
    name : str
        See :func:`read_address`.
    sleep : callable, optional
        Waits some seconds between tries.
    rng : random.Random, optional
        Draws how long.

    Raises
    ------
    UserError
        The name is malformed, or the service does not embed the canary.
    """

    n_layers = 0
    max_length = 2**31 - 1  # the service counts its own tokens and refuses what is too long
    max_positions: int | None = None
    recipe = Recipe(pooling="service", source="service")

    def __init__(
        self, name: str, *, sleep: Callable[[float], None] = time.sleep, rng: random.Random | None = None
    ) -> None:
        self.name = name
        self._address = read_address(name)
        self._client = Client(self._address.url, sleep=sleep, rng=rng or random.Random())
        self.identity: Mapping[str, Any] = {
            "service": self._address.url,
            "model": self._address.model,
            "dimensions": self._address.dimensions,
        }
        canary = self._complete([CANARY], self._address.dimensions)[0]
        self.dim = len(canary)
        self.service: Service | None = Service(_bytes(CANARY), canary, REQUEST_BYTES, REQUEST_TEXTS, BYTES_PER_TOKEN)

    def tokenize(self, texts: Sequence[str], max_length: int, *, windows: bool = False) -> Tokens:
        """Turn texts into their UTF-8 bytes: what addresses them; nothing is cut.

        Parameters
        ----------
        texts : sequence of str
        max_length, windows
            Not used: the service counts its own tokens.

        Returns
        -------
        Tokens

        Raises
        ------
        UserError
            An empty text, or one that UTF-8 cannot write.
        """
        if empty := [i for i, text in enumerate(texts) if not text]:
            raise UserError(
                f"Text {empty[0]} is empty, so {self.name!r} has nothing to embed ({len(empty)} such texts).",
                hint="drop or fill empty texts before embedding",
            )
        ids = [_bytes(text) for text in texts]
        return Tokens(ids=ids, n_full=np.array([len(i) for i in ids], dtype=np.int64), owner=np.arange(len(ids)))

    def forward(self, token_ids: Sequence[IntArray], taps: Sequence[Tap]) -> NDArray[np.float32]:
        """Ask for one batch.

        Parameters
        ----------
        token_ids : sequence of int arrays
            The bytes of B texts.
        taps : sequence of Tap
            A service has one layer: every tap gets the same vector.

        Returns
        -------
        float32 array of shape (B, len(taps), D)

        Raises
        ------
        UserError
            The service refuses, stays away, or answers with something else than B vectors of width D.
        """
        vectors = self._ask([ids.astype(np.uint8).tobytes().decode() for ids in token_ids], self.dim)
        return np.repeat(vectors[:, None], len(taps), axis=1)

    def _ask(self, texts: list[str], dim: int | None) -> NDArray[np.float32]:
        """Ask, in halves where the service finds it too much at once; shape (B, D)."""
        try:
            return self._complete(texts, dim)
        except TooLargeError as error:
            said = error.message
        if len(texts) > 1:
            half = len(texts) // 2
            return np.concatenate([self._ask(texts[:half], dim), self._ask(texts[half:], dim)])
        raise UserError(
            f"A text of {len(texts[0].encode())} bytes outgrows the window of {self.name!r}. {said}",
            hint="shorten or split such texts before embedding: nothing is cut silently",
        )

    def _complete(self, texts: list[str], dim: int | None) -> NDArray[np.float32]:
        """Ask until each text has its vector."""
        body: dict[str, Any] = {"model": self._address.model, "encoding_format": "float"}
        if self._address.dimensions is not None:
            body["dimensions"] = self._address.dimensions
        found: dict[int, NDArray[np.float32]] = {}
        for _ in range(ROUNDS):
            lacking = [i for i in range(len(texts)) if i not in found]
            answer = self._client.post({**body, "input": [texts[i] for i in lacking]})
            found |= {lacking[i]: vector for i, vector in read_vectors(answer, len(lacking), dim).items()}
            if len(found) == len(texts):
                return np.stack([found[i] for i in range(len(texts))])
        raise UserError(
            f"{self.name!r} left out {len(texts) - len(found)} of {len(texts)} texts, asked {ROUNDS} times.",
            hint="run the same again: finished batches are in the store",
        )


def _bytes(text: str) -> NDArray[np.int32]:
    try:
        return np.frombuffer(text.encode(), dtype=np.uint8).astype(np.int32)
    except UnicodeEncodeError as error:
        raise UserError(
            f"A text holds an unpaired surrogate at character {error.start}, which cannot be sent.",
            hint="read the file with its right encoding, or remove the character",
        ) from None
