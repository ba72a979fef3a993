"""The answer back to the client: as it came, and a stream that broke never looks like one that ended."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from gateway.asgi import Send, response_body
from gateway.errors import UpstreamFailed, UpstreamTimeout
from gateway.lane.cache import Slot
from gateway.lane.forward import Opened
from gateway.upstream.faults import Broken, TimedOut, UpstreamFault
from gateway.wire.hiding import UsageHidden
from gateway.wire.operations import Operation
from gateway.wire.sse import StreamEnd, error_event
from gateway.wire.usage import Tail


@dataclass(frozen=True, slots=True)
class Watch:
    """What looks at a stream on its way. hidden: takes out what only the gateway asked for. slot: keeps what passed."""

    operation: Operation
    hidden: UsageHidden | None = None
    slot: Slot | None = None
    tail: Tail = field(default_factory=Tail)


async def relay_stream(opened: Opened, watch: Watch, send: Send) -> UpstreamFault | None:
    """Sends a stream's chunks as they come.

    Returns None when it ended as it should. Otherwise the client gets an error event, and the fault is returned: the
    caller must then leave the response without its end, so that the connection closes in the middle of it.
    """
    end = StreamEnd(watch.operation)
    fault: UpstreamFault | None = None
    try:
        await _chunks(opened, send, end, watch)
    except UpstreamFault as error:
        fault = error
    finally:
        opened.answer.close()
    if watch.hidden is not None and (held := watch.hidden.rest()):
        await _pass(held, watch.slot, send)
    if end.is_done:  # what goes wrong after the last event harms nobody
        await send(response_body(b""))
        return None
    fault = fault or Broken("ended its stream without its last event")
    told = UpstreamTimeout if isinstance(fault, TimedOut) else UpstreamFailed
    shown = told(f"the stream broke off: the backend {fault}", code="stream_interrupted")
    await send(response_body(error_event(shown, end), more=True))
    return fault


async def _chunks(opened: Opened, send: Send, end: StreamEnd, watch: Watch) -> None:
    """A client that reads slowly makes `send` wait, and with it the backend: nothing piles up here."""
    assert opened.rest is not None  # noqa: S101  # only streams come here
    chunk: bytes | None = opened.first
    while chunk is not None:
        end.saw(chunk)
        watch.tail.saw(chunk)
        shown = chunk if watch.hidden is None else watch.hidden.through(chunk)
        if shown:
            await _pass(shown, watch.slot, send)
        chunk = await _next(opened.rest, min(opened.between_chunks_s, opened.deadline - time.monotonic()))


async def _pass(piece: bytes, slot: Slot | None, send: Send) -> None:
    if slot is not None:
        slot.saw(piece)
    await send(response_body(piece, more=True))


async def _next(chunks: AsyncIterator[bytes], limit_s: float) -> bytes | None:
    try:
        async with asyncio.timeout(limit_s):
            return await anext(chunks, None)
    except TimeoutError as error:
        raise TimedOut("fell silent in the middle of its stream") from error
