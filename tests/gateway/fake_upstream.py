"""A real HTTP server on loopback that answers correctly or fails, as the request's `model` selects.

Raw sockets, so that it can do what no HTTP library would: stop midway, send invalid HTTP, close too early.
"""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.loopback import running_servers

COMPLETION: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "upstream-name",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    "system_fingerprint": None,
    "big": 123456789012345678901234567890,
}
BODY = json.dumps(COMPLETION, indent=1).encode()


def chunk(text: str) -> bytes:
    delta = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return b"data: " + json.dumps({"id": "c", "object": "chat.completion.chunk", "choices": [delta]}).encode() + b"\n\n"


STREAM = (b": a comment\n\n", chunk("hel"), chunk("lo"), b"data: [DONE]\n\n")


@dataclass(frozen=True)
class Received:
    headers: dict[str, str]
    body: bytes


@dataclass
class Upstream:
    """The requests received so far. closed: by model, number of connections that the other side closed early."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    closed: dict[str, int] = field(default_factory=dict)
    connections: int = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def last(self) -> Received:
        return self.received[-1]

    def models(self) -> list[str]:
        return [json.loads(request.body)["model"] for request in self.received]


Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]


@contextmanager
def running_upstream(port: int = 0) -> Iterator[Upstream]:
    """Run the server in a thread of its own during the block. port: 0 for a free one."""
    upstream = Upstream()
    with running_servers([lambda r, w: _serve(upstream, r, w)], port, limit=2**26) as (upstream.port,):
        yield upstream


async def _serve(upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    upstream.connections += 1
    try:
        while True:
            request = await _request(reader)
            upstream.received.append(request)
            model = json.loads(request.body)["model"].partition("/")[0]
            stream = json.loads(request.body).get("stream") is True
            behaviour = BEHAVIOURS.get((model, stream)) or BEHAVIOURS[(model, None)]
            try:
                keep = await behaviour(reader, writer)
            except ConnectionError:
                upstream.closed[model] = upstream.closed.get(model, 0) + 1
                return
            if not keep:
                return
    except (asyncio.IncompleteReadError, ConnectionError):
        return
    finally:
        writer.close()


async def _request(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[1:]
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head if line)}
    return Received(headers, await reader.readexactly(int(headers.get("content-length", 0))))


def _answer(status: str, body: bytes, headers: str = "") -> Behaviour:
    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        return True

    return behave


EVENT_GAP_S = 0.01
"""Between a stream's events, so that each arrives by itself."""

SSE_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _framed(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _stream(*chunks: bytes, end: bytes = b"0\r\n\r\n", keep: bool = True, gap_s: float = EVENT_GAP_S) -> Behaviour:
    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(SSE_HEAD)
        for one in chunks:
            writer.write(_framed(one))
            await writer.drain()
            await asyncio.sleep(gap_s)
        writer.write(end)
        await writer.drain()
        return keep

    return behave


def _slowly(pause_s: float, behaviour: Behaviour) -> Behaviour:
    """A backend that answers after pause_s seconds."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(pause_s)
        return await behaviour(reader, writer)

    return behave


def _raw(data: bytes) -> Behaviour:
    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(data)
        await writer.drain()
        return False

    return behave


def _in_turn(*behaviours: Behaviour) -> Behaviour:
    """Alternate between the behaviours."""
    turns = itertools.cycle(behaviours)

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        return await next(turns)(reader, writer)

    return behave


async def _stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    if await reader.read(1) == b"":
        raise ConnectionResetError
    return False


def _starting(first: bytes) -> Behaviour:
    """A stream that begins with these bytes, and then has no end."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(SSE_HEAD + (_framed(first) if first else b""))
        while not reader.at_eof():
            writer.write(_framed(chunk("more")))
            await writer.drain()
            await asyncio.sleep(EVENT_GAP_S)
        raise ConnectionResetError

    return behave


async def _stall_in_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.write(SSE_HEAD + _framed(chunk("he")))
    return await _stall(reader, writer)


async def _answer_then_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Promise to keep the connection, and close it at the first byte of the next request."""
    await _answer("200 OK", BODY)(reader, writer)
    await reader.read(1)
    return False


def _error(status: int, message: str) -> bytes:
    return json.dumps({"error": {"message": message, "type": "x", "param": None, "code": str(status)}}).encode()


USAGE_CHUNK = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":6}}\n\n'
WITH_USAGE = (
    chunk("hel")[:-3] + b', "usage": null}\n\n',
    chunk("lo"),
    USAGE_CHUNK[:30],
    USAGE_CHUNK[30:],
    b"data: [DONE]\n\n",
)
"""A stream that reports usage, cut in the middle of the usage event."""

MESSAGE = b'{"type":"message","content":[{"type":"text","text":"hi"}],"usage":{"input_tokens":3,"output_tokens":2}}'
MESSAGE_STREAM = (
    b'event: message_start\ndata: {"message":{"usage":{"input_tokens":3,"output_tokens":1}}}\n\n',
    b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":9}}\n\n',
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
)

ABSURD = (
    b'{"id":"c","choices":[{"message":{"content":"hello"}}],"usage":{"prompt_tokens":1%s,"completion_tokens":1}}'
    % (b"0" * 19)
)
"""An answer that reports 10**19 tokens."""

BEHAVIOURS: dict[tuple[str, bool | None], Behaviour] = {
    ("good", False): _answer("200 OK", BODY, "openai-processing-ms: 7\r\nset-cookie: a=b\r\n"),
    ("good", True): _stream(*STREAM),
    ("other", False): _answer("200 OK", BODY),
    ("other", True): _stream(*STREAM),
    ("flaky", False): _in_turn(_answer("503 Service Unavailable", b"", "retry-after: 0\r\n"), _answer("200 OK", BODY)),
    ("slow", False): _slowly(0.3, _answer("200 OK", BODY)),
    ("trickles", True): _stream(*([chunk("x")] * 8), b"data: [DONE]\n\n", gap_s=0.1),
    ("tells", True): _stream(*WITH_USAGE),
    ("tells-slowly", True): _stream(*WITH_USAGE, gap_s=0.3),
    ("late", True): _slowly(0.4, _stream(*STREAM)),
    ("late-e500", None): _slowly(0.4, _answer("500 Internal Server Error", b"oops")),
    ("late-e400", None): _slowly(0.4, _answer("400 Bad Request", _error(400, "max_tokens is too large"))),
    ("claude", False): _answer("200 OK", MESSAGE),
    ("claude", True): _stream(*MESSAGE_STREAM),
    ("claude-dies", True): _stream(*MESSAGE_STREAM[:2], end=b"", keep=False),
    ("closes", False): _answer_then_close,
    ("absurd", False): _answer("200 OK", ABSURD),
    ("absurd", True): _stream(chunk("hello"), b"data: " + ABSURD + b"\n\n", b"data: [DONE]\n\n"),
    ("claude-endless", True): _starting(MESSAGE_STREAM[0]),
    ("e401", None): _answer("401 Unauthorized", _error(401, "bad upstream key sk-secret")),
    ("e429", None): _answer("429 Too Many Requests", _error(429, "slow down"), "retry-after: 7\r\n"),
    ("e500", None): _answer("500 Internal Server Error", b"oops"),
    ("e400", None): _answer("400 Bad Request", _error(400, "max_tokens is too large")),
    ("e422", None): _answer("422 Unprocessable Entity", b'{"detail": "no envelope"}'),
    ("garbage", None): _raw(b"\x00\x01 this is no HTTP\r\n\r\n"),
    ("html", None): _answer("200 OK", b"<html>captive portal</html>"),
    ("silent", None): _raw(b""),
    ("half", None): _raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"),
    ("stalls", None): _stall,
    ("endless", None): _starting(b""),
    ("stalls-in-stream", None): _stall_in_stream,
    ("empty-stream", None): _stream(),
    ("dies-in-stream", None): _stream(chunk("hel"), chunk("l"), end=b"", keep=False),
    ("dies-in-event", None): _stream(chunk("hel"), chunk("l")[:-8], end=b"", keep=False),
    ("no-done", None): _stream(chunk("hel")),
    ("dies-after-done", None): _stream(*STREAM, end=b"", keep=False),
    ("bad-chunk", None): _stream(chunk("hel"), end=b"zzzz\r\nnonsense"),
}
