"""A real HTTP server on loopback with OpenAI's other endpoints: images, audio, files, batches, stored responses.

Raw sockets, so that it can read slowly, refuse an upload early, and die in the middle of a response.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.loopback import running_servers

KEPT_BYTES = 4_000_000
"""Of a request's body; of a larger one only size and digest are kept."""

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
IMAGE = {
    "created": 1,
    "data": [{"b64_json": "A" * 400_000}],
    "usage": {"input_tokens": 50, "output_tokens": 1000, "total_tokens": 1050},
}
TRANSCRIPT = {
    "text": "hello",
    "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 101, "total_tokens": 115},
}
DURATION = {"text": "hello", "usage": {"type": "duration", "seconds": 27}}
MODERATION = {"id": "modr-1", "model": "m", "results": []}
RERANKED = {"results": [{"index": 0, "relevance_score": 0.5}], "usage": {"total_tokens": 815}}
FILE = {"id": "file-1", "object": "file", "bytes": 3, "created_at": 1, "filename": "x", "purpose": "batch"}
BATCH = {
    "id": "batch_1",
    "object": "batch",
    "endpoint": "/v1/chat/completions",
    "input_file_id": "file-1",
    "completion_window": "24h",
    "status": "completed",
    "created_at": 1,
}
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "m",
    "output": [],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
}
CONVERSATION = {"id": "conv_1", "object": "conversation", "created_at": 1, "metadata": {}}
ITEMS: dict[str, Any] = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
STREAMED_IMAGE = (
    b'event: image_generation.partial_image\ndata: {"type":"image_generation.partial_image","b64_json":"AA"}\n\n',
    b'event: image_generation.completed\ndata: {"type":"image_generation.completed","b64_json":"AA",'
    b'"usage":{"input_tokens":5,"output_tokens":6,"total_tokens":11}}\n\n',
)

ANSWERS: list[tuple[str, str, Any]] = [
    ("POST", "/v1/images/(generations|edits|variations)", IMAGE),
    ("POST", "/v1/audio/speech", PNG),
    ("POST", "/v1/audio/(transcriptions|translations)", TRANSCRIPT),
    ("POST", "/v1/moderations", MODERATION),
    ("POST", "/v[12]/rerank", RERANKED),
    ("POST", "/v1/messages/count_tokens", {"input_tokens": 12}),
    ("POST", "/v1/responses", RESPONSE),
    ("POST", "/v1/responses/resp_1/cancel", {**RESPONSE, "status": "cancelled"}),
    ("GET", "/v1/responses/resp_1", RESPONSE),
    ("DELETE", "/v1/responses/resp_1", {"id": "resp_1", "deleted": True}),
    ("GET", "/v1/responses/resp_1/input_items", ITEMS),
    ("POST", "/v1/conversations", CONVERSATION),
    ("GET", "/v1/conversations/conv_1", CONVERSATION),
    ("GET", "/v1/conversations/conv_1/items", ITEMS),
    ("POST", "/v1/files", FILE),
    ("GET", "/v1/files", {"object": "list", "data": [FILE], "has_more": False}),
    ("GET", "/v1/files/file-1", FILE),
    ("GET", "/v1/files/file-1/content", b'{"custom_id": "1"}\n'),
    ("DELETE", "/v1/files/file-1", {"id": "file-1", "object": "file", "deleted": True}),
    ("POST", "/v1/batches", BATCH),
    ("GET", "/v1/batches", {"object": "list", "data": [BATCH], "has_more": False}),
    ("GET", "/v1/batches/batch_1", BATCH),
    ("POST", "/v1/batches/batch_1/cancel", {**BATCH, "status": "cancelling"}),
]
"""By method and path; bytes are sent as they are, anything else as JSON."""


@dataclass(frozen=True)
class ApiRequest:
    """A request. body: cut to KEPT_BYTES."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    size: int
    sha256: str


@dataclass
class ApiUpstream:
    """The requests so far, and how to answer the next ones.

    Attributes:
        refusals: status of the next answers, in this order; 0 closes the connection.
        early: status of an answer before the body is read.
        pause_s: before each piece of a body is read.
        cut: bytes of a response's body after which the connection is closed.
        answers: in place of those above, by path.
        closed_early: connections that were closed before a request's body was complete.
    """

    port: int = 0
    received: list[ApiRequest] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)
    early: int = 0
    pause_s: float = 0.0
    cut: int | None = None
    answers: dict[str, Any] = field(default_factory=dict)
    closed_early: int = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def last(self) -> ApiRequest:
        return self.received[-1]


@contextmanager
def running_api_upstream() -> Iterator[ApiUpstream]:
    """Run the server in a thread of its own during the block."""
    upstream = ApiUpstream()
    with running_servers([lambda r, w: _serve(upstream, r, w)]) as (upstream.port,):
        yield upstream


async def _serve(upstream: ApiUpstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await _answer_one(upstream, reader, writer):
            pass
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _answer_one(upstream: ApiUpstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
    if upstream.early:
        await _write(writer, upstream.early, b'{"error": {"message": "too large"}}', None)
        # As servers do: to close on data that was not read would reset the connection, and with it the answer. Who had
        # sent all of it by then sends the next request here.
        with suppress(asyncio.IncompleteReadError, ConnectionError, ValueError):
            await _read_body(upstream, reader, headers)
            return True
        return False
    try:
        body, size, digest = await _read_body(upstream, reader, headers)
    except (asyncio.IncompleteReadError, ConnectionError, ValueError):
        # Without its end a chunk has no size either.
        upstream.closed_early += 1
        return False
    upstream.received.append(ApiRequest(method, path, headers, body, size, digest))
    status = upstream.refusals.pop(0) if upstream.refusals else 200
    if status == 0:
        return False
    if status != 200:
        await _write(writer, status, json.dumps({"error": {"message": "no", "code": f"s{status}"}}).encode(), None)
        return True
    answer = _find_answer(upstream, method, path.partition("?")[0])
    if answer is None:
        await _write(writer, 404, b'{"error": {"message": "nothing here"}}', None)
        return True
    await _write(writer, 200, answer, upstream.cut)
    return upstream.cut is None


def _find_answer(upstream: ApiUpstream, method: str, path: str) -> Any:
    if path in upstream.answers:
        return upstream.answers[path]
    return next((body for verb, pattern, body in ANSWERS if verb == method and re.fullmatch(pattern, path)), None)


async def _read_body(
    upstream: ApiUpstream, reader: asyncio.StreamReader, headers: dict[str, str]
) -> tuple[bytes, int, str]:
    kept, size, digest = bytearray(), 0, hashlib.sha256()
    async for piece in _pieces(reader, headers):
        if upstream.pause_s:
            await asyncio.sleep(upstream.pause_s)
        size += len(piece)
        digest.update(piece)
        if size <= KEPT_BYTES:
            kept += piece
    return bytes(kept), size, digest.hexdigest()


async def _pieces(reader: asyncio.StreamReader, headers: dict[str, str]) -> Any:
    if headers.get("transfer-encoding") == "chunked":
        while size := int(await reader.readline(), 16):
            yield await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readline()
        return
    left = int(headers.get("content-length", 0))
    while left:
        piece = await reader.read(min(left, 65_536))
        if not piece:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(piece)
        yield piece


async def _write(writer: asyncio.StreamWriter, status: int, answer: Any, cut: int | None) -> None:
    kind = "application/json"
    if isinstance(answer, tuple):
        kind, answer = "text/event-stream", b"".join(answer)
    elif isinstance(answer, bytes):
        kind = "application/octet-stream" if status == 200 else kind
    else:
        answer = json.dumps(answer).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\nx-request-id: up\r\ncontent-length: {len(answer)}\r\n\r\n"
    writer.write(head.encode() + answer[:cut])
    await writer.drain()
