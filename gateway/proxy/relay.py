"""The answer back to the client: as it came, and a stream that broke never looks like one that ended."""

import asyncio
import time
from collections.abc import AsyncIterator

from gateway.http.asgi import Send, response_body
from gateway.http.sse import format_error_event
from gateway.proxy.response_cache import CacheSlot
from gateway.proxy.stream_inspector import StreamInspector, stream_interrupted
from gateway.upstream.errors import TimedOut, UpstreamFault, UpstreamProtocolError
from gateway.upstream.failover import OpenResponse


async def relay_stream(
    opened: OpenResponse, passing: StreamInspector, slot: CacheSlot | None, send: Send
) -> UpstreamFault | None:
    """Sends a stream's chunks as they come. slot: keeps what the client gets.

    Returns None when it ended as it should. Otherwise the client gets an error event, and the fault is returned: the
    caller must then leave the response without its end, so that the connection closes in the middle of it.
    """
    fault: UpstreamFault | None = None
    try:
        await _chunks(opened, send, passing, slot)
    except UpstreamFault as error:
        fault = error
    finally:
        opened.response.close()
    if held := passing.flush():
        await _pass(held, slot, send)
    if passing.end.is_done:  # what goes wrong after the last event harms nobody
        await send(response_body(b""))
        return None
    fault = fault or UpstreamProtocolError("ended its stream without its last event")
    await send(response_body(format_error_event(stream_interrupted(fault), passing.end), more=True))
    return fault


async def _chunks(opened: OpenResponse, send: Send, passing: StreamInspector, slot: CacheSlot | None) -> None:
    """A client that reads slowly makes `send` wait, and with it the backend: nothing piles up here."""
    assert opened.remaining_chunks is not None  # noqa: S101  # only streams come here
    chunk: bytes | None = opened.first_bytes
    while chunk is not None:
        if shown := passing.feed(chunk):
            await _pass(shown, slot, send)
        chunk = await _next(opened.remaining_chunks, min(opened.between_chunks_s, opened.deadline - time.monotonic()))


async def _pass(piece: bytes, slot: CacheSlot | None, send: Send) -> None:
    if slot is not None:
        slot.append_chunk(piece)
    await send(response_body(piece, more=True))


async def _next(chunks: AsyncIterator[bytes], limit_s: float) -> bytes | None:
    try:
        async with asyncio.timeout(limit_s):
            return await anext(chunks, None)
    except TimeoutError as error:
        raise TimedOut("fell silent in the middle of its stream") from error
