"""HTTP/1.1 by hand: bounds, and what must not be understood in two ways. `qa/conformance` tries much more."""

import socket
import time
from collections.abc import Iterator

import pytest

import gateway.http.read_body
import gateway.http.strict_protocol
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import configuration, running_gateway

BODY = b'{"model":"good","messages":[]}'
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n"
WHOLE = HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY


@pytest.fixture(scope="module", params=["express", "asgi"])
def port(
    request: pytest.FixtureRequest, shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    state = {"url": f"sqlite:///{tmp_path_factory.mktemp('http1')}/s.db"}
    with running_gateway(
        configuration(shared_upstream.base_url, ["good", "slow"], state=state, server={"lane": request.param})
    ) as url:
        yield int(url.rpartition(":")[2])


def said(port: int, *pieces: bytes, gap_s: float = 0.0) -> bytes:
    """All that comes back until the gateway closes the connection. gap_s: a slow client's pause after each piece."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as made:
        for piece in pieces:
            made.sendall(piece)
            time.sleep(gap_s)
        return b"".join(iter(lambda: made.recv(65_536), b""))


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (WHOLE.replace(b"host: a\r\n", b""), b"400 Bad Request"),
        (WHOLE.replace(b"host: a", b"host: a\r\nhost: b"), b"400 Bad Request"),
        (WHOLE.replace(b" HTTP/1.1", b""), b"400 Bad Request"),
        (HEAD + b"x: y\r\n" * 200 + b"\r\n", b"431 Request Header Fields Too Large"),
        (HEAD + b"x: " + b"y" * 70_000 + b"\r\n\r\n", b"431 Request Header Fields Too Large"),
        (b"\x16\x03\x01 not http", b"400 Bad Request"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n", b"400 Bad Request"),
        (HEAD + b"transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n", b"400 Bad Request"),
    ],
)
def test_what_cannot_be_trusted_is_refused_in_openais_words(port: int, request_: bytes, status: bytes) -> None:
    answer = said(port, request_)
    assert answer.startswith(b"HTTP/1.1 " + status + b"\r\n"), answer[:200]
    assert b'"code": "bad_http"' in answer


def test_a_head_without_end_is_cut_off(port: int) -> None:
    """Closing while more is on its way can take the answer with it."""
    try:
        assert said(port, HEAD + b"x: ", *[b"y" * 50_000] * 20).startswith(b"HTTP/1.1 431 ")
    except ConnectionError:
        assert said(port, WHOLE.replace(b"host: a", b"host: a\r\nconnection: close")).startswith(b"HTTP/1.1 200 ")


def test_garbage_after_a_sound_request_does_not_break_into_its_answer(port: int, upstream: Upstream) -> None:
    slow = WHOLE.replace(b'"good"', b'"slow"')
    answer = said(port, slow + b"\x00\x01 garbage\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"}")
    assert answer.count(b"HTTP/1.1") == 1


def test_an_encoded_slash_is_no_slash(port: int, upstream: Upstream) -> None:
    path = WHOLE.replace(b"/v1/chat/completions", b"/v1/chat%2fcompletions").replace(
        b"host: a", b"host: a\r\nconnection: close"
    )
    assert said(port, path).startswith(b"HTTP/1.1 404 ")
    assert upstream.received == []


def test_a_head_that_does_not_come_is_not_waited_for(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway.http.strict_protocol, "HEAD_S", 0.3)
    assert said(port).startswith(b"HTTP/1.1 408 ")
    assert said(port, HEAD, b"x: y\r\n", gap_s=0.2).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("begun", [b"", b"{"])
def test_a_body_that_does_not_come_is_not_waited_for(port: int, monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    monkeypatch.setattr(gateway.http.read_body, "BODY_TIMEOUT_S", 0.3)
    sent = HEAD + b"connection: close\r\ncontent-length: 100\r\n\r\n" + begun
    answer = said(port, sent)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code": "request_timeout"' in answer


def test_a_body_that_stops_is_waited_for_once(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit counts from the last piece, not from when the first one was missed."""
    monkeypatch.setattr(gateway.http.read_body, "BODY_TIMEOUT_S", 2.0)
    started = time.monotonic()
    answer = said(port, HEAD + b"connection: close\r\ncontent-length: 100\r\n\r\n{")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert 2.0 <= time.monotonic() - started < 3.5


def test_a_head_in_small_pieces_is_understood(port: int, upstream: Upstream) -> None:
    sent = WHOLE.replace(b"host: a", b"host: a\r\nconnection: close")
    assert said(port, *(sent[place : place + 7] for place in range(0, len(sent), 7))).startswith(b"HTTP/1.1 200 ")
