"""ASGI's types (https://asgi.readthedocs.io/en/latest/specs/www.html), messages of a response, and the lifespan."""

import traceback
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
RawHeaders: TypeAlias = Sequence[tuple[bytes, bytes]]


def response_start(status: int, headers: RawHeaders) -> Message:
    """Return the message that starts a response."""
    return {"type": "http.response.start", "status": status, "headers": headers}


def response_body(body: bytes, more: bool = False) -> Message:
    """Return a message with a piece of a response's body. more: further pieces follow."""
    return {"type": "http.response.body", "body": body, "more_body": more}


def header_pairs(lines: bytes) -> list[tuple[bytes, bytes]]:
    """Return header lines, each ended by CRLF, as pairs."""
    return [(name, value) for name, _, value in (line.partition(b": ") for line in lines.split(b"\r\n") if line)]


async def run_lifespan(running: AbstractAsyncContextManager[None], receive: Receive, send: Send) -> None:
    """Start and stop an application as its server says (https://asgi.readthedocs.io/en/latest/specs/lifespan.html).

    running: the application runs in its block.
    """
    has_started = False
    await receive()
    try:
        async with running:
            await send({"type": "lifespan.startup.complete"})
            has_started = True
            await receive()
    except BaseException:
        failed = "shutdown" if has_started else "startup"
        await send({"type": f"lifespan.{failed}.failed", "message": traceback.format_exc()})
        raise
    await send({"type": "lifespan.shutdown.complete"})
