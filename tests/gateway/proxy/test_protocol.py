"""What is particular to requests that are answered below ASGI. All else is tested on both entrances."""

import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gateway.asking import ask, chat
from tests.gateway.fake_upstream import BODY, Upstream, chunk
from tests.gateway.serving import configuration, running_gateway
from tests.gateway.waiting import Settled, eventually

CLOSE = "connection: close\r\n"
HEAD = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"


def request(model: str, last: bool = False, stream: bool = False) -> bytes:
    """A request as it is written to a socket."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream})
    return f"{HEAD}{CLOSE if last else ''}content-length: {len(body)}\r\n\r\n{body}".encode()


def said(url: str, *pieces: bytes, gap_s: float = 0.0) -> bytes:
    """All that comes back until the gateway closes the connection. gap_s: a slow client's pause after each piece."""
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=10) as made:
        for piece in pieces:
            made.sendall(piece)
            time.sleep(gap_s)
        return b"".join(iter(lambda: made.recv(65_536), b""))


def answers(url: str, *pieces: bytes) -> list[str]:
    """The models that answered, in the order of the answers."""
    told = [line for line in said(url, *pieces).split(b"\r\n") if line.startswith(b"x-benchroute-model: ")]
    return [line.rpartition(b" ")[2].decode() for line in told]


def test_requests_that_are_sent_together_are_answered_in_their_order(gateway: str, upstream: Upstream) -> None:
    together = request("slow") + request("good") + request("other", last=True)
    assert answers(gateway, together) == ["slow", "good", "other"]


def test_a_request_behind_one_that_fails_is_answered_too(gateway: str, upstream: Upstream) -> None:
    told = said(gateway, request("e500") + request("good", last=True))
    assert told.startswith(b"HTTP/1.1 500 ")
    assert told.endswith(BODY)


def test_a_body_in_pieces_is_put_together(gateway: str, upstream: Upstream) -> None:
    whole = request("good", last=True)
    place = len(whole) - 20
    assert said(gateway, whole[:place], whole[place:], gap_s=0.1).endswith(BODY)


def test_a_body_that_takes_long_is_waited_for(gateway: str, upstream: Upstream) -> None:
    whole = request("good", last=True)
    place = len(whole) - 20
    assert said(gateway, whole[:place], whole[place:], gap_s=1.3).endswith(BODY)


def test_a_slow_body_behind_a_head_that_came_before_is_waited_for_too(gateway: str, upstream: Upstream) -> None:
    again, last = request("good"), request("other", last=True)
    told = said(gateway, again, again[:-20], again[-20:], last, gap_s=1.2)
    assert told.count(b"x-benchroute-model: good\r\n") == 2
    assert told.count(b"x-benchroute-model: other\r\n") == 1


def chunked(model: str, sizes: int, extra: str = "") -> bytes:
    """A request whose body comes in chunks of so many bytes (RFC 9112, 7.1)."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hi" * 100}]}).encode()
    pieces = [body[start : start + sizes] for start in range(0, len(body), sizes)]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])
    return f"{HEAD}{extra}transfer-encoding: chunked\r\n\r\n".encode() + framed


def test_a_body_in_chunks_is_put_together(gateway: str, upstream: Upstream) -> None:
    together = chunked("good", 7) + chunked("other", 10_000) + request("good", last=True)
    assert answers(gateway, together) == ["good", "other", "good"]
    assert json.loads(upstream.received[0].body)["messages"][0]["content"] == "hi" * 100


def test_a_body_in_chunks_has_the_same_limit(gateway: str, upstream: Upstream) -> None:
    """The fixture's is 2 MB. The answer comes before the body has: what follows is read, and dropped."""
    head = f"{HEAD}transfer-encoding: chunked\r\n\r\n".encode()
    piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    told = said(gateway, head + piece * 40 + b"0\r\n\r\n" + request("good", last=True))
    assert told.startswith(b"HTTP/1.1 413 ")
    assert told.endswith(BODY)
    assert len(upstream.received) == 1


def test_a_large_body_is_answered_like_a_small_one(gateway: str, upstream: Upstream) -> None:
    content = "x" * 1_900_000
    body = json.dumps({"model": "good", "messages": [{"role": "user", "content": content}]}).encode()
    sent = f"{HEAD}content-length: {len(body)}\r\n\r\n".encode() + body
    told = said(gateway, sent + sent + request("other", last=True))
    assert told.count(b"x-benchroute-model: good\r\n") == 2
    assert told.endswith(BODY)
    assert json.loads(upstream.received[1].body)["messages"][0]["content"] == content


def test_a_client_that_asks_first_is_told_to_continue(gateway: str, upstream: Upstream) -> None:
    whole = request("good", last=True).replace(b"content-length", b"expect: 100-continue\r\ncontent-length")
    head, _, body = whole.partition(b"\r\n\r\n")
    told = said(gateway, head + b"\r\n\r\n", body, gap_s=0.1)
    assert told.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert told.endswith(BODY)


@pytest.mark.parametrize("lane", ["express", "asgi"])
def test_nobody_without_a_key_is_read_to_the_end(lane: str, upstream: Upstream, tmp_path: Path) -> None:
    """The answer comes before the body; a client that sends the rest all the same can use its connection again."""
    sections = {"state": {"url": f"sqlite:///{tmp_path}/s.db"}, "server": {"lane": lane}}
    keys = [{"name": "mine", "sha256": hashlib.sha256(b"sk-mine").hexdigest()}]
    with (
        running_gateway(configuration(upstream.base_url, ["good"], keys=keys, **sections)) as url,
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=10) as made,
    ):
        made.sendall(request("good")[:-5])
        assert made.recv(65_536).startswith(b"HTTP/1.1 401 ")
        with_key = request("good", last=True).replace(CLOSE.encode(), f"{CLOSE}x-api-key: sk-mine\r\n".encode())
        made.sendall(request("good")[-5:] + with_key)
        assert b"".join(iter(lambda: made.recv(65_536), b"")).endswith(BODY)


def test_who_leaves_in_the_middle_of_a_body_is_forgotten(gateway: str, upstream: Upstream) -> None:
    with socket.create_connection(("127.0.0.1", int(gateway.rpartition(":")[2])), timeout=10) as made:
        made.sendall(request("good")[:-5])
    assert chat(gateway, model="other").status == 200
    assert upstream.models() == ["other"]
    assert "benchroute_requests_in_flight 0.0" in ask(gateway, "/metrics").body.decode()


@pytest.mark.parametrize("stream", [False, True])
def test_the_last_request_of_a_connection_says_so(gateway: str, upstream: Upstream, stream: bool) -> None:
    told = said(gateway, request("good", last=True, stream=stream))
    assert b"\r\nconnection: close\r\n" in told
    assert b"\r\ndate: " in told


@contextmanager
def flooding(size: int) -> Iterator[tuple[str, Callable[[], int]]]:
    """A backend whose stream comes as fast as it is taken: its base URL, and how many bytes have gone out."""
    sent = 0

    def serve() -> None:
        nonlocal sent
        connection, _ = listening.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            )
            event = chunk("x" * 50_000)
            while sent < size:
                connection.sendall(b"%x\r\n%b\r\n" % (len(event), event))
                sent += len(event)
            connection.sendall(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1", lambda: sent
        thread.join(10)


@pytest.mark.parametrize("lane", ["express", "asgi"])
def test_a_client_that_does_not_read_holds_the_backend_back(lane: str, tmp_path: Path) -> None:
    size = 64 * 1024 * 1024
    with flooding(size) as (base_url, sent):
        sections = {"state": {"url": f"sqlite:///{tmp_path}/s.db"}, "server": {"lane": lane}}
        with (
            running_gateway(configuration(base_url, ["good"], **sections)) as url,
            socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=10) as made,
        ):
            made.sendall(request("good", last=True, stream=True))
            eventually(Settled(sent))
            assert sent() < size / 2
            received = sum(len(piece) for piece in iter(lambda: made.recv(1 << 20), b""))
            assert received > size


def test_both_entrances_say_the_same(upstream: Upstream, tmp_path: Path) -> None:
    told = []
    for lane in ("express", "asgi"):
        sections = {"state": {"url": f"sqlite:///{tmp_path}/{lane}.db"}, "server": {"lane": lane}}
        with running_gateway(configuration(upstream.base_url, ["good"], **sections)) as url:
            for stream in (False, True):
                answer = chat(url, task="t", stream=stream, temperature=0)
                varying = ("x-request-id", "x-benchroute-overhead-ms", "date")
                told.append((answer.status, answer.body, {k: v for k, v in answer.headers.items() if k not in varying}))
    assert told[:2] == told[2:]
