"""A body that trickles gets 408 at its own limit, on both lanes, however its end is told."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.gateway.asking import HELLO
from tests.gateway.serving import Serving, configuration, serving_gateway

pytestmark = pytest.mark.slow

LANES = ("express", "asgi")
LIMIT_S = 0.6
PIECE_S = 0.1
BODY = json.dumps(HELLO).encode()
SHA = "0" * 64


@pytest.fixture(params=LANES)
def gateway(request: pytest.FixtureRequest) -> Iterator[Serving]:
    """A gateway on each lane, whose bodies may take 0.6 s."""
    with serving_gateway(configured(request.param)) as serving:
        yield serving


def configured(lane: str, **sections: Any) -> str:
    server = {"lane": lane, "body_timeout_s": LIMIT_S, "keep_alive_s": 1}
    return configuration("http://127.0.0.1:9/v1", ["m"], server=server, **sections)


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=10) as made:
        yield made


def trickle(client: socket.socket, pieces: Iterator[bytes]) -> bytes:
    """Send a piece every 0.1 s until an answer comes. Returns all of it."""
    client.settimeout(PIECE_S)
    for piece in pieces:
        client.sendall(piece)
        try:
            received = client.recv(65_536)
        except TimeoutError:
            continue
        client.settimeout(10)
        with contextlib.suppress(ConnectionResetError):
            while data := client.recv(65_536):
                received += data
        return received
    raise AssertionError("the body was read to its end")


def spaces(chunked: bool, count: int = 100) -> Iterator[bytes]:
    return (b"1\r\n \r\n" if chunked else b" " for _ in range(count))


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/feedback"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_trickles_gets_408_at_its_limit(gateway: Serving, path: str, chunked: bool) -> None:
    framing = "transfer-encoding: chunked" if chunked else "content-length: 1000"
    began = time.monotonic()
    with connected(gateway.url) as client:
        client.sendall(f"POST {path} HTTP/1.1\r\nhost: x\r\n{framing}\r\n\r\n".encode())
        received = trickle(client, spaces(chunked))
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in head.lower()
    assert json.loads(body)["error"]["code"] == "request_timeout"
    assert "server.body_timeout_s" in json.loads(body)["error"]["message"]
    assert time.monotonic() - began >= LIMIT_S


def test_a_body_within_the_limit_is_read(gateway: Serving) -> None:
    with connected(gateway.url) as client:
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(BODY))
        for start in range(0, len(BODY), 40):
            client.sendall(BODY[start : start + 40])
            time.sleep(0.05)
        # Nothing listens where the backend should be: the request has gone as far as it can.
        assert client.recv(65_536).startswith(b"HTTP/1.1 502 ")


@pytest.mark.parametrize("lane", LANES)
def test_the_body_of_a_refused_request_does_not_trickle_for_good(lane: str) -> None:
    keys: list[Mapping[str, str]] = [{"name": "a", "sha256": SHA}]
    with serving_gateway(configured(lane, keys=keys)) as serving, connected(serving.url) as client:
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n")
        received = b""
        while not received.endswith(b"}}"):
            received += client.recv(65_536)
        assert received.startswith(b"HTTP/1.1 401 ")
        assert trickle(client, spaces(chunked=False)) == b""
