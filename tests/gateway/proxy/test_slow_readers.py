"""A client that reads slowly holds its backend up, and neither the gateway's memory nor its place for good."""

import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.gateway.asking import HELLO, ask
from tests.gateway.serving import configuration, running_gateway, serving_gateway
from tests.gateway.waiting import Settled, eventually

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
EVENT = b"data: " + b"x" * 65_522 + b"\n\n"
CHUNK = f"{len(EVENT):x}\r\n".encode() + EVENT + b"\r\n"
SOCKETS_HOLD = 32 * 1024 * 1024
"""More than the buffers of two connections of the operating system, far less than what a minute of sending brings."""


LANES = ("express", "asgi")
LIMIT_S = 0.5
WHOLE_BYTES = 60 * 1024 * 1024
"""More than the operating system's buffers take, and less than the limit of a response."""


@dataclass
class Torrent:
    """A backend that streams as fast as it is read. sent: bytes so far; ended: set when its reader has left."""

    port: int
    sent: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def serve(self, listening: socket.socket) -> None:
        made, _ = listening.accept()
        with made:
            made.recv(65_536)
            try:
                made.sendall(HEAD)
                while True:
                    self.sent += made.send(CHUNK[self.sent % len(CHUNK) :])
            except OSError:
                self.ended.set()


class Whole(Torrent):
    """A backend that answers a whole document, larger than what is read of it."""

    def serve(self, listening: socket.socket) -> None:
        made, _ = listening.accept()
        with made:
            made.recv(65_536)
            body = b'{"choices":[{"index":0}],"pad":"' + b"x" * WHOLE_BYTES + b'"}'
            made.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body))
            made.sendall(body)
            self.ended.set()


class Impatient(Torrent):
    """A backend that closes its stream as soon as it has to wait for its reader."""

    def serve(self, listening: socket.socket) -> None:
        made, _ = listening.accept()
        with made:
            made.recv(65_536)
            made.settimeout(2)
            try:
                made.sendall(HEAD)
                while True:
                    self.sent += made.send(CHUNK[self.sent % len(CHUNK) :])
            except OSError:
                self.ended.set()


@contextmanager
def torrent(kind: "type[Torrent]" = Torrent) -> Iterator[Torrent]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        made = kind(listening.getsockname()[1])
        thread = threading.Thread(target=made.serve, args=(listening,), daemon=True)
        thread.start()
        yield made
        thread.join(10)


@pytest.mark.timeout(60)
def test_a_client_that_does_not_read_stops_its_backend_and_leaving_ends_it() -> None:
    with torrent() as backend, running_gateway(configuration(f"http://127.0.0.1:{backend.port}/v1", ["m"])) as url:
        body = json.dumps({**HELLO, "model": "m", "stream": True}).encode()
        with socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=10) as client:
            head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
            client.sendall(head.encode() + body)
            assert client.recv(100).startswith(b"HTTP/1.1 200")
            eventually(Settled(lambda: backend.sent))
            assert backend.sent < SOCKETS_HOLD
        assert backend.ended.wait(5)


def configured(lane: str, backend: Torrent, write_timeout_s: float = LIMIT_S) -> str:
    """A gateway whose breakers open at the first fault."""
    server: dict[str, Any] = {"lane": lane, "write_timeout_s": write_timeout_s}
    breaker = {"consecutive_faults": 1, "open_s": 600}
    upstream = {"retries": 0, "breaker": breaker}
    return configuration(f"http://127.0.0.1:{backend.port}/v1", ["m"], server=server, upstream=upstream)


@contextmanager
def deaf_client(url: str, stream: bool = True, more: bytes = b"", times: int = 1) -> Iterator[socket.socket]:
    """A client that has sent its requests, and reads nothing; its buffer is small."""
    body = json.dumps({**HELLO, "model": "m", "stream": stream}).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n%bcontent-length: %d\r\n\r\n" % (more, len(body))
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(10)
        client.connect(("127.0.0.1", urlsplit(url).port or 0))
        client.sendall((head + body) * times)
        yield client


def is_cut(client: socket.socket) -> bool:
    """Whether the other side has reset the connection, found out without reading from it."""
    try:
        client.send(b"x")
    except OSError:
        return True
    return False


def breaker_of(url: str) -> Any:
    found = ask(url, "/v1/backends").json["data"][0]
    return found["breaker"], found["outstanding"], found["last_hour"]["errors"]


def statuses(url: str) -> dict[str, float]:
    lines = ask(url, "/metrics").body.decode().splitlines()
    counted = [line.rpartition(" ") for line in lines if line.startswith("benchroute_requests_total{")]
    return {name.split('status="')[1].split('"')[0]: float(value) for name, _, value in counted}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("lane", LANES)
def test_a_client_that_reads_nothing_is_cut_after_its_own_limit(lane: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with (
        torrent() as backend,
        serving_gateway(configured(lane, backend)) as gateway,
        deaf_client(gateway.url) as client,
    ):
        eventually(lambda: backend.sent)
        assert backend.ended.wait(10)
        eventually(lambda: is_cut(client))
        assert backend.sent < SOCKETS_HOLD
        assert breaker_of(gateway.url) == ("closed", 0, 0)
        assert statuses(gateway.url) == {"499": 1}
    told = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert any(line.startswith("req_") and "the client read nothing for 0.5 s" in line for line in told), told


@pytest.mark.timeout(60)
@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("more", [b"", b"connection: close\r\n"])
def test_a_whole_response_that_nobody_reads_is_dropped(
    lane: str, more: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        torrent(Whole) as backend,
        serving_gateway(configured(lane, backend)) as gateway,
        deaf_client(gateway.url, stream=False, more=more) as client,
    ):
        assert backend.ended.wait(20)
        eventually(lambda: is_cut(client))
        assert breaker_of(gateway.url) == ("closed", 0, 0)
    assert "read nothing for 0.5 s" in caplog.text


@pytest.mark.timeout(60)
@pytest.mark.parametrize("lane", LANES)
def test_a_backend_that_gives_up_on_a_slow_reader_is_not_blamed(lane: str) -> None:
    with torrent(Impatient) as backend, serving_gateway(configured(lane, backend, 30)) as gateway:
        with deaf_client(gateway.url) as client:
            assert backend.ended.wait(20)
            received = drain(client)
        assert b"stream_interrupted" in received[-500:]
        eventually(lambda: breaker_of(gateway.url)[1] == 0)
        assert breaker_of(gateway.url)[0] == "closed"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("lane", LANES)
def test_responses_to_pipelined_requests_do_not_pile_up(lane: str) -> None:
    """A client that asks and asks, and reads nothing, is not read any further."""
    with serving_gateway(configured(lane, Torrent(9), 30)) as gateway:
        request = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
        with deaf_client(gateway.url, times=0) as client:
            client.setblocking(False)
            sent = Sent(client, request * 10_000)
            eventually(Settled(sent, quiet_s=2.0), 30)
            # Each is answered with 500 bytes or more; the buffers of the sockets take the rest.
            assert sent.bytes < SOCKETS_HOLD / 4


@dataclass
class Sent:
    """Sends as much as the other side takes. bytes: so far."""

    client: socket.socket
    data: bytes
    bytes: int = 0

    def __call__(self) -> int:
        with suppress(BlockingIOError):
            self.bytes += self.client.send(self.data[self.bytes % len(self.data) :])
        return self.bytes


def drain(client: socket.socket) -> bytes:
    """Read to the end. Returns the last of it."""
    last = b""
    while data := _receive(client):
        last = (last + data)[-4096:]
    return last


def _receive(client: socket.socket) -> bytes:
    try:
        return client.recv(2**20)
    except ConnectionResetError:
        return b""
