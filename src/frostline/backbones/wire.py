"""One POST to a service with OpenAI's wire format, retried where that helps; no key in any message.

Waiting between tries is exponential backoff with full jitter (Brooker, "Exponential Backoff And Jitter", AWS Architecture
Blog, 2015): uniform between nothing and a bound that doubles, on top of what the service asks for by ``Retry-After``.
"""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import http.client
import ipaddress
import json
import math
import os
import random
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from frostline._version import __version__
from frostline.errors import UserError

__all__ = [
    "CHAT",
    "EMBEDDINGS",
    "KEY_VARIABLE",
    "TRIES",
    "Client",
    "RefusedError",
    "Route",
    "TooLargeError",
    "holds_key",
    "redact",
]

KEY_VARIABLE = "OPENAI_API_KEY"
TRIES = 6
BACKOFF, LONGEST_BACKOFF, LONGEST_RETRY_AFTER = 0.5, 20.0, 120.0
"""Seconds: bound of the first wait, of any wait, and the longest ``Retry-After`` that is waited for."""

_PASSING = (408, 409, 429)
_TOO_LARGE = re.compile(r"too (many|long|large|big)|maximum|context length|exceed|batch size|at most|token limit", re.I)
_KEY_LIKE = re.compile(r"bearer\s+\S+|\b(sk|pk|rk|gsk)[-_][\w*.-]+|\b(hf|key|api)[-_][\w*.-]{8,}|[\w*-]{40,}", re.I)


class RefusedError(UserError):
    """The service refuses this request for what it holds; another may pass."""


class TooLargeError(RefusedError):
    """The service says that a request holds too much: fewer texts may do."""


@dataclass(frozen=True)
class Route:
    """What is asked for.

    Parameters
    ----------
    path : str
        Behind the base URL.
    what : str
        The service, for messages.
    resume : str
        What becomes of the work that is done, for hints.
    """

    path: str
    what: str
    resume: str


EMBEDDINGS = Route("embeddings", "embeddings service", "finished batches are in the store")
CHAT = Route("chat/completions", "language model service", "with a cache, finished answers are kept")


def redact(text: str) -> str:
    """Strip from `text` whatever stands in the key or looks like one, and put it on one short line."""
    if key := _key():
        text = text.replace(key, "[key]")
        text = re.sub(r"[\w-]{5,}", lambda word: "[key]" if word[0] in key else word[0], text)
    line = " ".join(_KEY_LIKE.sub("[key]", text).split())
    return "".join(c for c in line if c.isprintable())[:300]


def holds_key(name: str) -> bool:
    """Whether the key, or what is certainly one, stands in a name that reports and addresses would show."""
    key = _key()
    return bool(re.search(r"\bsk-[\w-]{16,}", name)) or (len(key) >= 16 and key in name)


@dataclass(frozen=True)
class _Reply:
    """What came back; status 0 = nothing did."""

    status: int
    retry_after: str | None = None
    body: bytes = b""
    trouble: str = ""
    hopeless: bool = False

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later."""
        if self.hopeless or b"insufficient_quota" in self.body:
            return False
        return self.status in _PASSING or self.status == 0 or self.status >= 500

    @property
    def said(self) -> str:
        """The service's own words, safe to show."""
        if not self.status:
            return redact(self.trouble)
        text = self.body.decode("utf-8", errors="replace")
        with contextlib.suppress(ValueError, TypeError, KeyError):
            error = json.loads(text)["error"]
            text = error["message"] if isinstance(error, dict) else str(error)
        return f"HTTP {self.status}: {redact(str(text))}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key and the texts to another place."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Client:
    """Speaks to one service.

    Parameters
    ----------
    url : str
        Base, such as ``https://api.openai.com/v1``.
    sleep : callable
        Waits some seconds.
    rng : random.Random
        Draws the waits.
    timeout : float
        Seconds that a connection may stay silent.
    route : Route
        What is asked for.

    Notes
    -----
    The key is read from the environment for each request and never kept.
    """

    def __init__(
        self,
        url: str,
        *,
        sleep: Callable[[float], None],
        rng: random.Random,
        timeout: float = 60.0,
        route: Route = EMBEDDINGS,
    ) -> None:
        self.url = url
        self.route = route
        self._sleep = sleep
        self._rng = rng
        self._timeout = timeout
        # A proxy of the environment is for hosts elsewhere; to it, a key on plain http would be readable.
        direct = [urllib.request.ProxyHandler({})] if _is_loopback(url) else []
        self._opener = urllib.request.build_opener(_NoRedirect, *direct)

    def post(self, body: Mapping[str, Any]) -> Any:
        """Send one request.

        Parameters
        ----------
        body : mapping
            JSON-able.

        Returns
        -------
        object
            The parsed answer.

        Raises
        ------
        TooLargeError
            The service says that the request holds too much.
        RefusedError
            The service refuses what the request holds.
        UserError
            The service refuses every request, or stays away over :data:`TRIES` tries.
        """
        data = json.dumps(body).encode()
        for attempt in range(TRIES):
            reply = self._send(data)
            if reply.status == 200:
                return self._parsed(reply)
            asked = _seconds(reply.retry_after)
            if not reply.passing or asked > LONGEST_RETRY_AFTER or attempt + 1 == TRIES:
                break
            self._sleep(asked + self._rng.uniform(0, min(LONGEST_BACKOFF, BACKOFF * 2**attempt)))
        raise self._refusal(reply, attempt + 1, asked)

    def _send(self, data: bytes) -> _Reply:
        request = urllib.request.Request(f"{self.url}/{self.route.path}", data, self._headers(), method="POST")
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                return _Reply(response.status, body=response.read())
        except urllib.error.HTTPError as error:
            body = b""
            with error, contextlib.suppress(OSError, http.client.HTTPException):
                body = error.read(65_536)
            return _Reply(error.code, error.headers.get("Retry-After"), body)
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            hopeless = isinstance(reason, ssl.SSLCertVerificationError | http.client.InvalidURL | UnicodeError)
            return _Reply(0, trouble=f"{type(reason).__name__}: {reason}", hopeless=hopeless)

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "User-Agent": f"frostline/{__version__}"}
        key = _key()
        if not key:
            return headers
        if not re.fullmatch(r"[!-~]+", key):
            raise UserError(f"{KEY_VARIABLE} holds spaces, line breaks or characters beyond ASCII, so it is no key.")
        if self.url.startswith("http:") and not _is_loopback(self.url):
            raise UserError(
                f"The key of {KEY_VARIABLE} would go to {self.url} unencrypted, readable on the way; it was not sent.",
                hint=f"use https, or unset {KEY_VARIABLE} for a service that needs no key",
            )
        return {**headers, "Authorization": f"Bearer {key}"}

    def _parsed(self, reply: _Reply) -> Any:
        try:
            return json.loads(reply.body)
        except (ValueError, RecursionError):
            said = redact(reply.body[:200].decode("utf-8", errors="replace"))
        raise UserError(
            f"The {self.route.what} {self.url} did not answer with JSON but with: {said}",
            hint="check the URL: it is the base, such as https://api.openai.com/v1",
        )

    def _refusal(self, reply: _Reply, tries: int, asked: float) -> UserError:
        if reply.passing:
            waits = f" and asks to wait {asked:.0f} s" if asked > LONGEST_RETRY_AFTER else ""
            return UserError(
                f"The {self.route.what} {self.url} cannot be used now: {tries} tries, the last with {reply.said}{waits}",
                hint=f"run the same again when it is back: {self.route.resume}",
            )
        too_large = reply.status == 413 or (reply.status in (400, 422) and _TOO_LARGE.search(reply.said))
        kind = TooLargeError if too_large else RefusedError if reply.status in (400, 422) else UserError
        return kind(f"The {self.route.what} {self.url} refuses: {reply.said}", hint=_advice(reply.status))


def _advice(status: int) -> str | None:
    if status in (401, 403):
        state = "holds a key that this service does not accept" if _key() else "is not set"
        return f"{KEY_VARIABLE} {state}; set it to a key of this service that may use this model"
    if status == 404:
        return "check the model's name, and the URL: it is the base, such as https://api.openai.com/v1"
    if status == 429:
        return "the account has no quota left; more tries would not help"
    return "redirects are not followed: give the URL that it leads to" if 300 <= status < 400 else None


def _key() -> str:
    return os.environ.get(KEY_VARIABLE, "").strip()


def _is_loopback(url: str) -> bool:
    host = urllib.parse.urlsplit(url).hostname or ""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _seconds(retry_after: str | None) -> float:
    """What ``Retry-After`` asks for, in seconds or as a date (RFC 9110, 10.2.3); 0 where it says nothing."""
    if not retry_after:
        return 0.0
    with contextlib.suppress(ValueError):
        seconds = float(retry_after)
        return max(0.0, seconds) if math.isfinite(seconds) else 0.0
    with contextlib.suppress(ValueError):
        date = email.utils.parsedate_to_datetime(retry_after)
        date = date if date.tzinfo else date.replace(tzinfo=datetime.UTC)
        return max(0.0, (date - datetime.datetime.now(datetime.UTC)).total_seconds())
    return 0.0
