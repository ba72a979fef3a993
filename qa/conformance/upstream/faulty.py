"""Backends that fail, each in its own way: `python -m qa.conformance.upstream.faulty PORT`.

The request's model selects the failure. Bytes are written by hand, since no server library would write most of them.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping

StreamWriter = asyncio.StreamWriter
Behaviour = Callable[[StreamWriter, bool], Awaitable[None]]

STATUSES = (401, 403, 404, 408, 409, 425, 429, 500, 502, 503, 529)
REFUSAL = 400
FOREVER_S = 60.0
TICK_S = 0.05
ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "good",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }
).encode()
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
USAGE = b'{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}'


def plain(status: int, body: bytes, *headers: str, kind: str = "application/json") -> bytes:
    """Return a whole response."""
    lines = [f"HTTP/1.1 {status} X", f"content-type: {kind}", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunk(data: bytes) -> bytes:
    """Return one event in one chunk."""
    event = b"data: " + data + b"\n\n"
    return f"{len(event):x}\r\n".encode() + event + b"\r\n"


EVENT = chunk(b'{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"h"}}]}')
BEGUN = STREAM_HEAD + EVENT + EVENT
LAST_CHUNK = b"0\r\n\r\n"
WHOLE_STREAM = BEGUN + chunk(USAGE) + chunk(b"[DONE]") + LAST_CHUNK


async def good(writer: StreamWriter, is_stream: bool) -> None:
    """Answer correctly."""
    writer.write(WHOLE_STREAM if is_stream else plain(200, ANSWER))


async def _silent(writer: StreamWriter, is_stream: bool) -> None:
    writer.close()


async def _stalls(writer: StreamWriter, is_stream: bool) -> None:
    await asyncio.sleep(FOREVER_S)


async def _stalls_in_stream(writer: StreamWriter, is_stream: bool) -> None:
    writer.write(BEGUN)
    await asyncio.sleep(FOREVER_S)


async def _trickles(writer: StreamWriter, is_stream: bool) -> None:
    writer.write(STREAM_HEAD)
    for _ in range(int(FOREVER_S / TICK_S)):
        writer.write(EVENT)
        await writer.drain()
        await asyncio.sleep(TICK_S)


def _says(data: bytes, *, closes: bool = False) -> Behaviour:
    """Write these bytes. closes: then close the connection without having announced it."""

    async def say(writer: StreamWriter, is_stream: bool) -> None:
        writer.write(data)
        await writer.drain()
        if closes:
            writer.close()

    return say


def _begins(then: bytes) -> Behaviour:
    """Write two events, wait until they have arrived, write `then` and close."""

    async def begin(writer: StreamWriter, is_stream: bool) -> None:
        writer.write(BEGUN)
        await writer.drain()
        await asyncio.sleep(TICK_S)
        writer.write(then)
        await writer.drain()
        writer.close()

    return begin


def _status(status: int) -> bytes:
    body = json.dumps({"error": {"message": "no", "type": "x", "param": None, "code": None}}).encode()
    return plain(status, body, *(["retry-after: 7"] if status == 429 else []))


BEHAVIOURS: Mapping[str, Behaviour] = {
    "good": good,
    **{f"e{status}": _says(_status(status)) for status in (REFUSAL, *STATUSES)},
    "garbage": _says(b"\x00\x01 no HTTP at all\r\n\r\n", closes=True),
    "html": _says(plain(200, b"<html>a captive portal</html>", kind="text/html")),
    "half": _says(plain(200, ANSWER)[:-20], closes=True),
    "silent": _silent,
    "stalls": _stalls,
    "closes": _says(plain(200, ANSWER), closes=True),
    "empty-stream": _says(STREAM_HEAD + LAST_CHUNK),
    "dies-in-stream": _begins(b""),
    "no-done": _begins(LAST_CHUNK),
    "bad-chunk": _begins(b"zz\r\n"),
    "stalls-in-stream": _stalls_in_stream,
    "trickles": _trickles,
}


async def _serve(reader: asyncio.StreamReader, writer: StreamWriter) -> None:
    try:
        while not writer.is_closing():
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            body = json.loads(await reader.readexactly(int(length.split(b":")[1])))
            await BEHAVIOURS[body["model"]](writer, bool(body.get("stream")))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # the gateway has left
    finally:
        writer.close()


async def main(port: int) -> None:
    """Serve until the process ends."""
    server = await asyncio.start_server(_serve, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
