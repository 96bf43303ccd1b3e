"""Real services on a loopback port, of embeddings and of chat, and misbehaviour on demand."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

import numpy as np

Reply = tuple[int, dict[str, str], Any]


def vector_of(text: str, dim: int = 8, model: str = "m") -> np.ndarray:
    """The vector of a text: normal, and the same for ever."""
    seed = int.from_bytes(hashlib.sha256(f"{model}|{text}".encode()).digest()[:8])
    return np.random.default_rng(seed).normal(size=dim).astype(np.float32)


def letters_of(text: str) -> np.ndarray:
    """A vector that says something about the text: how often it holds each of some letters."""
    return np.array([1 + text.count(c) for c in "abcdvwxy"], dtype=np.float32)


@dataclass
class EmbeddingsService:
    """What runs behind the port.

    `misbehave` may change each reply: it gets the number of the request, the request and the regular reply.
    """

    url: str = ""
    key: str | None = None
    embed: Callable[[str], np.ndarray] = vector_of
    misbehave: Callable[[int, dict[str, Any], Reply], Reply | None] = lambda number, request, reply: reply
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def inputs(self) -> list[list[str]]:
        return [request["input"] for request in self.requests]

    @property
    def texts(self) -> list[str]:
        return [text for texts in self.inputs for text in texts]

    def reply(self, path: str, headers: dict[str, str], request: dict[str, Any]) -> Reply | None:
        self.requests.append(request)
        self.headers.append(headers)
        if path != "/v1/embeddings":
            return 404, {}, {"error": {"message": f"no {path}"}}
        if self.key and headers.get("Authorization") != f"Bearer {self.key}":
            echoed = headers.get("Authorization", "nothing")
            return 401, {}, {"error": {"message": f"Incorrect API key provided: {echoed}"}}
        vectors = [self.embed(text)[: request.get("dimensions")] for text in request["input"]]
        base64_wanted = request["encoding_format"] == "base64"
        data = [
            {
                "object": "embedding",
                "index": i,
                "embedding": base64.b64encode(v.tobytes()).decode() if base64_wanted else v.tolist(),
            }
            for i, v in enumerate(vectors)
        ]
        good: Reply = (
            200,
            {},
            {"object": "list", "model": request["model"], "data": data, "usage": {"prompt_tokens": 1}},
        )
        return self.misbehave(len(self.requests) - 1, request, good)


@dataclass
class ChatService:
    """A language model that says every prompt again in capitals."""

    url: str = ""
    key: str | None = None
    finish: str = "stop"
    answer: Callable[[str], str] = str.upper
    misbehave: Callable[[int, dict[str, Any], Reply], Reply | None] = lambda number, request, reply: reply
    requests: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def reply(self, path: str, headers: dict[str, str], request: dict[str, Any]) -> Reply | None:
        number = len(self.requests)
        self.requests.append(request)
        self.paths.append(path)
        if self.key and headers.get("Authorization") != f"Bearer {self.key}":
            return 401, {}, {"error": {"message": f"Incorrect API key provided: {headers.get('Authorization')}"}}
        prompt = request["messages"][-1]["content"]
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": self.answer(prompt)},
            "finish_reason": self.finish,
        }
        usage = {"prompt_tokens": len(prompt), "completion_tokens": len(self.answer(prompt))}
        return self.misbehave(number, request, (200, {}, {"choices": [choice], "usage": usage}))


AnyService = TypeVar("AnyService", EmbeddingsService, ChatService)


@contextmanager
def serving(service: AnyService) -> Iterator[AnyService]:
    """Run the service on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            reply = service.reply(self.path, dict(self.headers), request)
            if reply is None:  # hang up without a word
                return
            status, headers, answer = reply
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
