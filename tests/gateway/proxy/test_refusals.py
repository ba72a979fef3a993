"""What the gateway itself refuses: always in OpenAI's envelope, always with our headers."""

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.gateway.asking import HELLO, ask, connection
from tests.gateway.fake_upstream import Upstream


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"", 400, "not valid JSON"),
        (b"hello", 400, "not valid JSON"),
        (b"[]", 400, "JSON object"),
        (b'{"model": "auto"}', 400, "messages"),
        (b'{"messages": []}', 400, "model"),
        (b'{"model": "auto", "messages": {}}', 400, "must be an array"),
        (json.dumps({**HELLO, "x": "y" * 2_000_000}).encode(), 413, "larger than the limit of 2000000 bytes"),
    ],
)
def test_a_bad_body_is_refused(gateway: str, upstream: Upstream, body: bytes, status: int, told: str) -> None:
    response = ask(gateway, body=body)
    assert response.status == status
    assert told in response.error["message"]
    assert response.error["type"] == "invalid_request_error"
    assert response.ours("attempts") == "0"
    assert response.headers["x-request-id"]
    assert upstream.received == []


def test_a_chunked_body_has_the_same_limit(gateway: str) -> None:
    with connection(gateway) as made:
        made.request("POST", "/v1/chat/completions", (b"x" * 65_536 for _ in range(40)))
        assert made.getresponse().status == 413


def test_a_body_in_an_unknown_coding_is_refused(gateway: str) -> None:
    assert ask(gateway, body=HELLO, content_encoding="br").status == 415


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/chat/completions", 405), ("POST", "/v1/models", 405), ("GET", "/v1/nothing", 404)],
)
def test_another_path_or_method_is_refused(gateway: str, method: str, path: str, status: int) -> None:
    response = ask(gateway, path, method=method)
    assert response.status == status
    assert response.error["message"]
    assert response.headers["x-request-id"]


def test_another_method_is_told_which_ones_there_are(gateway: str) -> None:
    assert ask(gateway, "/v1/models", method="POST").headers["allow"] == "GET, HEAD, OPTIONS"
    assert ask(gateway, "/v1/tasks/a/b", method="PUT").headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH"
    assert ask(gateway, "/v1/chat/completions", method="GET").headers["allow"] == "OPTIONS, POST"


def raw(url: str, request: bytes) -> bytes:
    """What the gateway answers to these bytes, until it closes or falls silent."""
    parts, received = urlsplit(url), b""
    with socket.create_connection((parts.hostname, parts.port), timeout=2) as made:
        made.sendall(request)
        try:
            while piece := made.recv(65_536):
                received += piece
        except TimeoutError:
            pass
    return received


def post(headers: str, body: bytes = json.dumps(HELLO).encode()) -> bytes:
    return b"POST /v1/chat/completions HTTP/1.1\r\n" + headers.encode() + b"\r\n" + body


LENGTH = f"content-length: {len(json.dumps(HELLO))}\r\n"


def test_two_different_lengths_are_refused(gateway: str, upstream: Upstream) -> None:
    both = raw(gateway, post(f"host: x\r\n{LENGTH}transfer-encoding: chunked\r\n"))
    assert both.startswith(b"HTTP/1.1 400")
    twice = raw(gateway, post(f"host: x\r\n{LENGTH}content-length: 3\r\n"))
    assert twice.startswith(b"HTTP/1.1 400")
    assert upstream.received == []


@pytest.mark.parametrize("headers", ["", "host: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"])
def test_odd_headers_do_not_make_a_request_hang(gateway: str, upstream: Upstream, headers: str) -> None:
    assert raw(gateway, post(headers + LENGTH)).startswith(b"HTTP/1.1 ")


def test_a_client_that_leaves_in_the_middle_of_its_body_harms_nobody(gateway: str, upstream: Upstream) -> None:
    parts = urlsplit(gateway)
    with socket.create_connection((parts.hostname, parts.port), timeout=2) as made:
        made.sendall(post("host: x\r\ncontent-length: 1000\r\n", b"{"))
    assert ask(gateway, body=HELLO).status == 200
    assert len(upstream.received) == 1


def test_errors_of_our_own_endpoints_have_the_same_envelope(gateway: str) -> None:
    answers: list[tuple[str, Any]] = [
        ("/v1/route", {"inputs": []}),
        ("/v1/route", {"inputs": [""]}),
        ("/v1/route", {"inputs": ["a"], "other": 1}),
        ("/v1/route", b"no json"),
        ("/v1/tasks/a/inputs", {"inputs": [{"messages": []}]}),
        ("/v1/tasks/a b/inputs".replace(" ", "%20"), {"inputs": ["x"]}),
    ]
    for path, body in answers:
        response = ask(gateway, path, body, content_type="application/json")
        assert response.status == 400, path
        assert response.error["type"] == "invalid_request_error"
    large = ask(gateway, "/v1/route", {"inputs": ["x" * 2_100_000]}, content_type="application/json")
    assert (large.status, large.error["code"]) == (413, "request_too_large")
