"""A client that reads slowly holds its backend up, and not the gateway's memory."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from tests.gateway.asking import HELLO
from tests.gateway.serving import configuration, running_gateway
from tests.gateway.waiting import Settled, eventually

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
EVENT = b"data: " + b"x" * 65_522 + b"\n\n"
CHUNK = f"{len(EVENT):x}\r\n".encode() + EVENT + b"\r\n"
SOCKETS_HOLD = 32 * 1024 * 1024
"""More than the buffers of two connections of the operating system, far less than what a minute of sending brings."""


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


@contextmanager
def torrent() -> Iterator[Torrent]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        made = Torrent(listening.getsockname()[1])
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
