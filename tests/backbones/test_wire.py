"""Retries, refusals and the key, against a real server on a loopback port."""

from __future__ import annotations

import datetime
import email.utils
import random
import ssl
import traceback
import urllib.error

import pytest

from frostline.backbones.wire import BACKOFF, LONGEST_BACKOFF, TRIES, Client, TooLargeError, holds_key, redact
from frostline.errors import UserError
from service import EmbeddingsService, serving

KEY = "sk-proj-Zq81LkPq77vv0TTm"
BODY = {"model": "m", "encoding_format": "float", "input": ["a"]}


@pytest.fixture
def service():
    with serving(EmbeddingsService()) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


class Bounds:
    """Draws the upper bound and remembers it: the longest that jitter may make of a wait."""

    def __init__(self):
        self.asked = []

    def uniform(self, low, high):
        self.asked.append((low, high))
        return high


def client_of(service, rng=None):
    slept = []
    return Client(service.url, sleep=slept.append, rng=rng or random.Random(0), timeout=10), slept


def failing(status, n, headers=None, message="busy"):
    return lambda i, request, good: (status, headers or {}, {"error": {"message": message}}) if i < n else good


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(service, status):
    service.misbehave = failing(status, 2)
    client, slept = client_of(service)
    assert len(client.post(BODY)["data"]) == 1
    assert len(service.requests) == 3
    assert len(slept) == 2


def test_waits_are_uniform_below_a_bound_that_doubles(service):
    service.misbehave = failing(503, 99)
    rng = Bounds()
    client, slept = client_of(service, rng)
    with pytest.raises(UserError, match=f"{TRIES} tries, the last with HTTP 503: busy"):
        client.post(BODY)
    assert len(service.requests) == TRIES
    assert rng.asked == [(0, min(LONGEST_BACKOFF, BACKOFF * 2**i)) for i in range(TRIES - 1)]
    assert slept == [high for _, high in rng.asked]
    client, drawn = client_of(service, random.Random(1))
    with pytest.raises(UserError):
        client.post(BODY)
    client, again = client_of(service, random.Random(2))
    with pytest.raises(UserError):
        client.post(BODY)
    assert drawn != again
    assert all(0 <= wait <= bound for waits in (drawn, again) for wait, bound in zip(waits, slept, strict=True))


def test_retry_after_in_seconds_and_as_a_date_is_waited_for(service):
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=60)
    past = later - datetime.timedelta(days=1)
    asked = ["7", email.utils.format_datetime(later, usegmt=True), email.utils.format_datetime(past), "soon"]
    service.misbehave = lambda i, request, good: (429, {"Retry-After": asked[i]}, {}) if i < 4 else good
    client, slept = client_of(service, Bounds())
    client.post(BODY)
    assert slept[0] == 7 + BACKOFF
    assert 50 + 2 * BACKOFF < slept[1] <= 60 + 2 * BACKOFF
    assert slept[2:] == [4 * BACKOFF, 8 * BACKOFF]


def test_a_service_that_asks_for_an_hour_is_not_waited_for(service):
    service.misbehave = failing(429, 99, {"Retry-After": "3600"})
    client, slept = client_of(service)
    with pytest.raises(UserError, match="asks to wait 3600 s"):
        client.post(BODY)
    assert slept == []


def test_hanging_up_is_tried_again(service):
    service.misbehave = lambda i, request, good: None if i < 2 else good
    client, slept = client_of(service)
    assert len(client.post(BODY)["data"]) == 1
    assert len(slept) == 2


def test_an_answer_that_breaks_off_is_tried_again(service):
    service.misbehave = lambda i, request, good: (200, {"Content-Length": "9999"}, b"{") if i < 1 else good
    client, slept = client_of(service)
    assert len(client.post(BODY)["data"]) == 1
    assert len(slept) == 1


def test_a_service_that_is_down(service):
    with serving(EmbeddingsService()) as gone:
        pass
    client, slept = client_of(gone)
    with pytest.raises(
        UserError, match=f"cannot be used now: {TRIES} tries, the last with ConnectionRefusedError"
    ) as e:
        client.post(BODY)
    assert len(slept) == TRIES - 1
    assert "finished batches are in the store" in e.value.hint
    assert e.value.exit_code == 2


def test_a_certificate_that_is_not_trusted_is_not_tried_again(service, monkeypatch):
    def distrust(*_, **__):
        raise urllib.error.URLError(ssl.SSLCertVerificationError("self-signed certificate"))

    client, slept = client_of(service)
    monkeypatch.setattr(client._opener, "open", distrust)
    with pytest.raises(UserError, match="refuses: SSLCertVerificationError: .*self-signed certificate"):
        client.post(BODY)
    assert slept == []


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (401, "OPENAI_API_KEY is not set"),
        (403, "OPENAI_API_KEY"),
        (404, "model's name"),
        (400, None),
        (302, "redirect"),
        (307, "redirect"),
    ],
)
def test_refusals_fail_at_once(service, status, hint):
    service.misbehave = failing(status, 99, {"Location": "http://127.0.0.1:1/v1/embeddings"}, message="no such thing")
    client, slept = client_of(service)
    with pytest.raises(UserError, match=f"refuses: HTTP {status}: no such thing") as e:
        client.post(BODY)
    assert slept == []
    assert len(service.requests) == 1
    assert (hint is None) == (e.value.hint is None)
    assert hint is None or hint in e.value.hint


def test_an_empty_account_is_not_tried_again(service):
    reply = 429, {}, {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}
    service.misbehave = lambda i, request, good: reply
    client, slept = client_of(service)
    with pytest.raises(UserError, match="exceeded your quota") as e:
        client.post(BODY)
    assert slept == []
    assert "no quota left" in e.value.hint


@pytest.mark.parametrize("answer", [b"<html>hello</html>", b"\xff\xfe", b"{}{}", b"[" * 100_000])
def test_what_is_not_json_is_refused(service, answer):
    service.misbehave = lambda i, request, good: (200, {}, answer)
    with pytest.raises(UserError, match="did not answer with JSON"):
        client_of(service)[0].post(BODY)


@pytest.mark.parametrize(
    ("status", "message", "too_large"),
    [
        (413, "Payload", True),
        (400, "too many inputs: at most 16", True),
        (400, "This model's maximum context length is 8192 tokens", True),
        (422, "batch size 128 > 32", True),
        (400, "unknown parameter", False),
        (404, "too many models", False),
    ],
)
def test_what_counts_as_too_large(service, status, message, too_large):
    service.misbehave = failing(status, 99, message=message)
    with pytest.raises(UserError) as e:
        client_of(service)[0].post(BODY)
    assert isinstance(e.value, TooLargeError) == too_large


def test_the_key_is_sent_and_never_shown(service, monkeypatch, capsys, caplog):
    monkeypatch.setenv("OPENAI_API_KEY", KEY + "\n")
    service.key = KEY
    client, _ = client_of(service)
    client.post(BODY)
    assert service.headers[0]["Authorization"] == f"Bearer {KEY}"
    service.key = "another"
    shown = [repr(client), str(vars(client))]
    for said in ({"message": f"bad key {KEY}"}, {"message": f"bad {KEY[:9]}***{KEY[-4:]}"}, f"Bearer {KEY[:-2]}", KEY):
        service.misbehave = lambda i, request, good, said=said: (403, {}, {"error": said})
        service.key = None
        with pytest.raises(UserError) as e:
            client.post(BODY)
        shown += [*traceback.format_exception(e.value), repr(e.value), str(e.value)]
    service.misbehave = lambda i, request, good: (200, {}, f"<p>{KEY}</p>".encode())
    with pytest.raises(UserError) as e:
        client.post(BODY)
    shown += traceback.format_exception(e.value)
    everything = "".join([*shown, *capsys.readouterr(), caplog.text])
    assert KEY[8:] not in everything
    assert KEY[:12] not in everything
    assert "[key]" in everything


@pytest.mark.parametrize("key", ["sk-a b", "sk-\x07", "sk-ü", "a\nb: c"])
def test_a_key_that_cannot_be_one(service, monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(UserError, match="so it is no key") as e:
        client_of(service)[0].post(BODY)
    assert key not in "".join(traceback.format_exception(e.value))
    assert service.requests == []


@pytest.mark.parametrize("url", ["http://example.com/v1", "http://10.0.0.1:80/v1", "http://localhost.example.com/v1"])
def test_no_key_over_plain_http(monkeypatch, url):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(UserError, match="unencrypted.*it was not sent") as e:
        Client(url, sleep=pytest.fail, rng=random.Random(0)).post(BODY)
    assert KEY not in str(e.value)


def test_a_proxy_of_the_environment_never_sees_a_loopback_request(service, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert client_of(service)[0].post(BODY)["data"]


def test_redact_leaves_ordinary_words(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    said = "The model text-embedding-3-small does not exist or you do not have access to it."
    assert redact(said) == said
    assert redact("a\n\x1b[31mred  b") == "a [31mred b"
    assert len(redact("word " * 1000)) == 300
    monkeypatch.setenv("OPENAI_API_KEY", "Zq8.kPq+77/vv=")
    assert redact("no Zq8.kPq+77/vv= here") == "no [key] here"
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert redact("Bearer abc.def") == redact("gsk_1234567890") == "[key]"
    assert holds_key(f"api:m@https://h/{KEY}")
    assert not holds_key("api:text-embedding-3-small")
