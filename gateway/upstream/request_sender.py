"""The sending half of a connection to a backend: a request at once, or its head and then its body as that comes."""

import asyncio
import enum
from collections.abc import Callable, Sequence

from gateway.upstream.interface import ResponseHandler


class ConnectionState(enum.Enum):
    """Progress of the response."""

    IDLE = "no request"
    SENT = "nothing of the response has come"
    HEAD = "in the head, or behind an interim response"
    BODY = "in the body"
    BETWEEN_CHUNKS = "the next byte is the first of a chunk's size"
    COMPLETE = "the last byte has come"
    CLOSED = "closed"


IDLE, SENT, HEAD, BODY, BETWEEN_CHUNKS, COMPLETE, CLOSED = ConnectionState


class PausableProtocol(asyncio.Protocol):
    """A protocol whose transport can be paused, be it open or not."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._is_paused = False

    @property
    def is_open(self) -> bool:
        """Return whether something can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a stream's
        """Take the transport."""
        self._transport = transport

    def pause_transport(self) -> None:
        """Read no more for now."""
        if not self._is_paused and self.is_open and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def resume_transport(self) -> None:
        """Go on after pause_transport."""
        if self._is_paused and self.is_open and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()


class RequestSender(PausableProtocol):
    """A protocol that sends requests, one at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._handler: ResponseHandler | None = None
        self._on_chunk: Callable[[bytes], None] | None = None
        self._state = IDLE
        self._is_reusable = True
        self._can_send: asyncio.Event | None = None

    def send_request(self, written: Sequence[bytes], handler: ResponseHandler) -> None:
        """Send a request, piece by piece. The connection must be open and idle."""
        assert self._transport is not None  # noqa: S101 - open
        self._handler, self._on_chunk, self._state = handler, None, SENT
        # writelines, so that the loop can send a large body without copying it behind its head.
        if len(written) == 1:
            self._transport.write(written[0])
        else:
            self._transport.writelines(written)

    def send_head(self, head: bytes, handler: ResponseHandler) -> None:
        """Send a request whose body follows by send_more and end_body. The connection must be open and idle."""
        # Not before the body has been sent: what is left of it would be the next request's beginning.
        self._is_reusable, self._can_send = False, asyncio.Event()
        self._can_send.set()
        self.send_request((head,), handler)

    async def send_more(self, data: bytes) -> bool:
        """Send more of the body as soon as the backend takes it. Return False where it takes no more: it is gone."""
        if self._can_send is not None:
            await self._can_send.wait()
        # While it waited, the backend may have answered, or gone.
        if not self.is_open or self._transport is None or self._state in (IDLE, CLOSED):
            return False
        self._transport.write(data)
        return True

    def end_body(self) -> None:
        """End the request. A backend that has answered before it was sent may not read the rest of it."""
        self._is_reusable, self._can_send = self._state is SENT, None

    def abort(self) -> None:
        """Close at once, and end what the backend does; the handler is not called any more."""
        # The state first: the parser goes on calling back for the rest of the data it was fed.
        self._handler, self._on_chunk, self._state = None, None, CLOSED
        if self._transport is not None:
            self._transport.abort()

    def pause_writing(self) -> None:
        """Make send_more wait (asyncio): the backend reads more slowly than the client sends."""
        if self._can_send is not None:
            self._can_send.clear()

    def resume_writing(self) -> None:
        """Let send_more go on (asyncio)."""
        if self._can_send is not None:
            self._can_send.set()
