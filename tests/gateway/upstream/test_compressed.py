"""A backend that compresses although it is asked not to: through both entrances, as if it had not."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import brotli
import pytest
import uvloop
import yaml
from backports import zstd

from gateway.http.headers import Headers
from gateway.upstream.connection import Connection
from gateway.upstream.errors import UpstreamFault
from gateway.upstream.pool import ConnectionPool
from tests.gateway.asking import Response, ask, chat, connection
from tests.gateway.fake_upstream import BODY, STREAM, USAGE_CHUNK
from tests.gateway.serving import running_gateway
from tests.gateway.upstream.servers import Request, running_server, whole

CODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": partial(brotli.compress, quality=5),
    "zstd": zstd.compress,
}
JSON = "content-type: application/json"
BIG = b'{"choices":[{"index":0}],"pad":"' + b" " * (3 * 1024 * 1024) + b'"}'
SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
LIMIT = 4 * 1024 * 1024


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in pieces if one) + b"0\r\n\r\n"


def flushed(*events: bytes) -> list[bytes]:
    """Compress a stream as servers do: flushed behind every event."""
    made = zlib.compressobj(wbits=31)
    return [*(made.compress(event) + made.flush(zlib.Z_SYNC_FLUSH) for event in events), made.flush()]


@cache
def bomb(coding: str) -> bytes:
    """Compress 64 MB of zeros."""
    return CODERS[coding](b'{"a":"' + bytes(64 * 1024 * 1024))


def respond(request: Request) -> bytes:
    """Answer as the model's name says: KIND or KIND-CODING."""
    body = json.loads(request.body)
    kind, _, coding = body["model"].partition("-")
    line = f"content-encoding: {coding}"
    if kind == "whole":
        return whole(CODERS[coding](BODY), "200 OK", JSON, line)
    if kind == "big":
        return whole(CODERS[coding](BIG), "200 OK", JSON, line)
    if kind == "bomb":
        return whole(bomb(coding), "200 OK", JSON, line)
    if kind == "stream":
        return SSE + line.encode() + b"\r\n\r\n" + chunked(CODERS[coding](b"".join(STREAM)))
    if kind == "flushed":
        return SSE + b"content-encoding: gzip\r\n\r\n" + chunked(*flushed(*STREAM))
    if kind == "tells":
        events = (STREAM[1], USAGE_CHUNK, STREAM[3])
        return SSE + b"content-encoding: gzip\r\n\r\n" + chunked(*flushed(*events))
    return RAW[kind]


RAW = {
    "cut": whole(gzip.compress(BODY)[:-9], "200 OK", JSON, "content-encoding: gzip"),
    "broken": whole(b"\x1f\x8b garbage", "200 OK", JSON, "content-encoding: gzip"),
    "unknown": whole(BODY, "200 OK", JSON, "content-encoding: sdch"),
    "twice": whole(gzip.compress(gzip.compress(BODY)), "200 OK", JSON, "content-encoding: gzip, gzip"),
    "identity": whole(BODY, "200 OK", JSON, "content-encoding: identity"),
    "refuses": whole(gzip.compress(b'{"error":{"message":"m","type":"t","param":null,"code":"c"}}'), "400 Bad", JSON,
                     "content-encoding: gzip"),
    "nominates": whole(BODY, "200 OK", JSON, "connection: keep-alive, X-Hop", "x-hop: 1", "x-mine: 2"),
    "closes": b"HTTP/1.1 200 OK\r\n" + JSON.encode() + b"\r\ncontent-encoding: gzip\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n" % len(gzip.compress(BIG)) + gzip.compress(BIG),
}  # fmt: skip
KINDS = ("whole", "big", "bomb", "stream")
MODELS = [*(f"{kind}-{coding}" for kind in KINDS for coding in CODERS), "flushed", "tells", *RAW]


@pytest.fixture(scope="module", params=["express", "asgi"])
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("compressed")
    with running_server(respond) as server:
        models = [{"name": name, "backends": [{"kind": "openai", "base_url": server.url}]} for name in MODELS]
        document: dict[str, Any] = {
            "models": models,
            "state": {"url": f"sqlite:///{folder}/s.db"},
            "server": {"lane": request.param},
            "upstream": {"max_response_bytes": LIMIT, "retries": 0, "breaker": {"consecutive_faults": 1000}},
        }
        with running_gateway(yaml.safe_dump(document)) as url:
            yield url


def plain(response: Response) -> Response:
    assert "content-encoding" not in response.headers
    return response


@pytest.mark.parametrize("coding", CODERS)
def test_a_whole_answer_is_decompressed(gateway: str, coding: str) -> None:
    response = plain(chat(gateway, f"whole-{coding}"))
    assert (response.status, response.body) == (200, BODY)


@pytest.mark.parametrize("coding", CODERS)
def test_a_stream_is_decompressed(gateway: str, coding: str) -> None:
    response = plain(chat(gateway, f"stream-{coding}", stream=True))
    assert (response.status, response.body) == (200, b"".join(STREAM))


def test_a_stream_that_is_flushed_by_the_event_goes_on_event_by_event(gateway: str) -> None:
    assert plain(chat(gateway, "flushed", stream=True)).body == b"".join(STREAM)


def test_usage_in_a_compressed_stream_is_counted_and_hidden_where_the_client_did_not_ask(gateway: str) -> None:
    response = plain(chat(gateway, "tells", task="tells", stream=True))
    assert response.body == STREAM[1] + STREAM[3]
    (used,) = [task for task in ask(gateway, "/v1/usage").json["data"] if task["task"] == "tells"]
    assert (used["input_tokens"], used["output_tokens"], used["estimated_requests"]) == (5, 6, 0)


@pytest.mark.parametrize("coding", CODERS)
def test_an_answer_below_the_limit_is_whole_and_its_connection_is_used_again(gateway: str, coding: str) -> None:
    for _ in range(2):
        assert chat(gateway, f"big-{coding}").body == BIG


@pytest.mark.parametrize("coding", CODERS)
def test_a_bomb_is_a_fault_of_the_backend(gateway: str, coding: str) -> None:
    response = chat(gateway, f"bomb-{coding}")
    assert response.status == 502
    assert f"more than {LIMIT} bytes (upstream.max_response_bytes)" in response.error["message"]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("cut", "ended its compressed body too early"),
        ("broken", "sent a body that is not valid gzip"),
        ("unknown", "has the content-encoding 'sdch'"),
        ("twice", "is compressed more than once"),
    ],
)
def test_what_cannot_be_decompressed_is_a_fault_of_the_backend(gateway: str, model: str, reason: str) -> None:
    response = chat(gateway, model)
    assert response.status == 502
    assert reason in response.error["message"]


def test_identity_is_no_coding(gateway: str) -> None:
    assert plain(chat(gateway, "identity")).body == BODY


def test_a_compressed_refusal_is_the_clients_to_read(gateway: str) -> None:
    response = plain(chat(gateway, "refuses"))
    assert (response.status, response.error["message"]) == (400, "m")


def test_a_compressed_body_at_the_end_of_its_connection_is_whole(gateway: str) -> None:
    assert chat(gateway, "closes").body == BIG


def test_headers_that_the_backends_connection_names_stay(gateway: str) -> None:
    response = chat(gateway, "nominates")
    assert "x-hop" not in response.headers
    assert response.headers["x-mine"] == "2"


def test_other_requests_are_answered_while_a_bomb_is_taken_apart(gateway: str) -> None:
    async def run() -> list[int]:
        bombs = [asyncio.to_thread(chat, gateway, "bomb-gzip") for _ in range(4)]
        others = [asyncio.to_thread(chat, gateway, "whole-gzip") for _ in range(8)]
        return [response.status for response in await asyncio.gather(*bombs, *others)]

    assert asyncio.run(run()) == [502] * 4 + [200] * 8
    with connection(gateway) as made:
        made.request("GET", "/health/live")
        assert made.getresponse().status == 200


class SlowReader:
    """A handler that holds the backend back after every piece."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.handle: Connection | None = None
        self.began, self.ended = asyncio.Event(), asyncio.Event()
        self.fault: UpstreamFault | None = None

    def on_head(self, status: int, headers: Headers) -> None:
        assert b"content-encoding" not in dict(headers)

    def on_data(self, data: bytes, chunk: bytes | None = None) -> None:
        assert self.handle is not None
        self.pieces.append(data)
        self.began.set()
        self.handle.pause_reading()

    def on_complete(self) -> None:
        self.ended.set()

    def on_error(self, fault: UpstreamFault) -> None:
        self.fault = fault
        self.ended.set()


@pytest.mark.parametrize("close", [False, True], ids=["kept", "closed"])
def test_a_slow_reader_holds_a_bomb_back(close: bool) -> None:
    """What a handler does not take stays compressed, and the connection is nobody else's until it has been taken."""
    lines = ["content-encoding: gzip"] + ["connection: close"] * close

    async def run() -> None:
        with running_server(lambda _: whole(gzip.compress(BIG), "200 OK", *lines)) as server:
            origin, reader = ConnectionPool().origin_of(server.url), SlowReader()
            reader.handle = connection = await origin.open_connection(2)
            connection.send_request([b"POST / HTTP/1.1\r\nhost: x\r\n\r\n"], reader)
            async with asyncio.timeout(10):
                await reader.began.wait()
                await asyncio.sleep(0.2)
                assert len(reader.pieces) == 1
                assert origin.take_idle() is None
                while not reader.ended.is_set():
                    connection.resume_reading()
                    await asyncio.sleep(0)
            assert reader.fault is None
            assert b"".join(reader.pieces) == BIG
            assert (origin.take_idle() is connection) is not close
            connection.abort()

    uvloop.run(run())


def test_who_aborts_gets_nothing_more_of_a_bomb() -> None:
    async def run() -> None:
        with running_server(lambda _: whole(gzip.compress(BIG), "200 OK", "content-encoding: gzip")) as server:
            origin, reader = ConnectionPool().origin_of(server.url), SlowReader()
            reader.handle = connection = await origin.open_connection(2)
            connection.send_request([b"POST / HTTP/1.1\r\nhost: x\r\n\r\n"], reader)
            async with asyncio.timeout(10):
                await reader.began.wait()
            connection.abort()
            connection.resume_reading()
            await asyncio.sleep(0.1)
            assert len(reader.pieces) == 1
            assert not reader.ended.is_set()

    uvloop.run(run())
