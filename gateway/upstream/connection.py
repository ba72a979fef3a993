"""A connection to a backend: HTTP/1.1 as a client speaks it (RFC 9112), one request at a time.

    IDLE ──► SENT ──► HEAD ──► BODY ◄──► BETWEEN_CHUNKS
      ▲                         └──► COMPLETE ◄──┘
      └─────────────────────────────────┘            any of them ──► CLOSED

The response goes to a handler as it comes, straight from the socket's callback: no task is switched to for a piece of
it. A handler that cannot take more pauses the connection, and so the backend.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import httptools

from gateway.http.chunks import SIZE_LINES, split_chunks
from gateway.http.headers import Headers
from gateway.upstream.decoding import DecodedBody, begin_unusual, inspect_framing
from gateway.upstream.errors import StaleConnection, UpstreamFault, UpstreamProtocolError
from gateway.upstream.head_memory import HeadMemory
from gateway.upstream.interface import ResponseHandler
from gateway.upstream.request_sender import (
    BETWEEN_CHUNKS,
    BODY,
    COMPLETE,
    HEAD,
    IDLE,
    SENT,
    ConnectionState,
    RequestSender,
)

if TYPE_CHECKING:
    from gateway.upstream.interface import ChunkHandler

HEAD_BYTES = 64 * 1024
"""Limit of a response's head, and of the chunk sizes, extensions and trailers around each piece of its body."""

HTTP_OK, BODILESS = 200, (204, 304)
CRLF = b"\r\n"
NOT_HTTP = "answered what is no HTTP"


class Connection(RequestSender):
    """A connection, with a request or without."""

    def __init__(self, free: Callable[["Connection"], None]) -> None:
        """free: called when another request can be sent."""
        self.idle_since = 0.0
        self._free = free
        super().__init__()
        self._parser = httptools.HttpResponseParser(self)
        self._is_used = self._ends_with_connection = False
        self._head: list[tuple[bytes, bytes]] = []
        self._decoded: DecodedBody | None = None
        self._fed, self._heads = 0, HeadMemory()

    def pause_reading(self) -> None:
        """Hold the backend back: its data stays in the socket, then in its own buffers (RFC 9293, 3.8.6)."""
        if self._decoded is not None:
            self._decoded.is_held = True
        self.pause_transport()

    def resume_reading(self) -> None:
        """Go on after pause_reading."""
        if self._decoded is not None:
            self._decoded.is_held = False
            self._drain_decoded()
        else:
            self.resume_transport()

    def _drain_decoded(self) -> None:
        """Go on with a compressed body, and then with reading, or with what was to follow its end."""
        decoded = self._decoded
        if decoded is None:
            return
        decoded.drain()
        if decoded is not self._decoded or not decoded.is_drained:
            return
        if self._state is COMPLETE:
            self._finish()
        else:
            self.resume_transport()

    def set_handler(self, handler: ResponseHandler) -> None:
        """Let another handler receive the rest of the response."""
        if self._decoded is not None:
            self._decoded.handler = handler
        else:
            self._handler = handler
            self._on_chunk = getattr(handler, "on_chunk", None)

    def abort(self) -> None:
        """Close at once, and end what the backend does; the handler is not called any more."""
        super().abort()
        if self._decoded is not None:
            self._decoded.handler = None
            self._decoded = None

    def data_received(self, data: bytes) -> None:
        """Pass data on: a whole chunk past the parser, all else through it."""
        handler = self._handler
        if handler is None:
            # A response that nobody asked for: the next one could be taken for another request's (RFC 9112, 9.2).
            self.abort()
            return
        # A token of a stream is mostly one chunk in one segment. The parser would cost as much as all the rest of it.
        if self._state is BETWEEN_CHUNKS and data.startswith(line := SIZE_LINES[len(data)]) and data.endswith(CRLF):
            if self._on_chunk is not None:
                self._on_chunk(data)
            else:
                handler.on_data(data[len(line) : -2], data)
            return
        # Several, where this process was late: they go on together, in one write.
        if self._state is BETWEEN_CHUNKS and self._on_chunk is not None and _pass_chunks(handler, data):
            return
        is_first = self._state is SENT
        if is_first:
            if (known := self._heads.match_response(data)) is not None:
                self._take_known(handler, *known)
                return
            self._state = HEAD
        elif self._state is BETWEEN_CHUNKS:
            self._state = BODY
        self._fed += len(data)
        try:
            self._parser.feed_data(data)
        # An upgrade: the backend changes to a protocol that nobody has asked for (RFC 9110, 7.8).
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(UpstreamProtocolError(NOT_HTTP))
            return
        if self._state is BETWEEN_CHUNKS and not data.endswith(CRLF):
            # Part of the next chunk's size has come already, and only the parser knows it.
            self._state = BODY
        if self._state is COMPLETE:
            if is_first and self._is_reusable and self._decoded is None:
                self._heads.learn_response(data, self._head)
            self._finish()
        # The parser has no bounds of its own on heads, chunk extensions and trailers.
        elif self._fed > HEAD_BYTES:
            self._fail(UpstreamProtocolError(NOT_HTTP))

    def _take_known(self, handler: ResponseHandler, head: Headers, body: bytes) -> None:
        """Take a whole response past the parser, with the calls that the parser would make."""
        self._state, self._ends_with_connection = BODY, False
        handler.on_head(HTTP_OK, head)
        if self._handler is not None:  # the head may have been enough
            self._handler.on_data(body)
        if self._state is BODY:
            self._state = COMPLETE
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the handler, unless the connection's end is that of the response (RFC 9112, 6.3)."""
        state = self._state
        self.resume_writing()
        if self._handler is None:
            return
        if state in (BODY, BETWEEN_CHUNKS) and self._ends_with_connection and exc is None:
            self._is_reusable, self._state = False, COMPLETE
            self._finish()
        elif state is COMPLETE:
            # A compressed body that the handler does not take yet. It is there, to its end.
            self._is_reusable = False
        else:
            self._fail(_fault_of_loss(state, self._is_used))

    def on_message_begin(self) -> None:
        """Begin a head (httptools). A second response to one request: what comes here cannot be trusted any more."""
        self._head, self._is_reusable = [], self._is_reusable and self._state is not COMPLETE

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header (httptools). Trailers come here too, and are no headers (RFC 9110, 6.5.1)."""
        if self._state is HEAD:
            self._head.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Hand the head on (httptools); interim responses are passed over (RFC 9110, 15.2)."""
        status = self._parser.get_status_code()
        if status < 200 or self._state is not HEAD or self._handler is None:
            return
        self._state, self._fed = BODY, 0
        is_framed, is_unusual = inspect_framing(self._head)
        self._ends_with_connection = status not in BODILESS and not is_framed
        if is_unusual:
            try:
                self._head, self._decoded = begin_unusual(
                    self._head, self._handler, self.pause_transport, self._drain_decoded
                )
            except UpstreamFault as fault:
                self._fail(fault)
                return
            self._handler = self._decoded or self._handler
        self._handler.on_head(status, self._head)

    def on_body(self, data: bytes) -> None:
        """Hand a piece of the body on (httptools)."""
        self._fed = 0
        if self._handler is not None and self._state is not COMPLETE:
            self._handler.on_data(data)

    def on_chunk_header(self) -> None:
        """Begin a chunk (httptools)."""
        if self._state is BETWEEN_CHUNKS:
            self._state = BODY

    def on_chunk_complete(self) -> None:
        """End a chunk (httptools)."""
        if self._state is BODY:
            self._state = BETWEEN_CHUNKS

    def on_message_complete(self) -> None:
        """End the message (httptools). What follows in the same data is parsed before the connection is used again."""
        if self._state in (BODY, BETWEEN_CHUNKS):
            self._state = COMPLETE
            self._is_reusable = self._is_reusable and self._parser.should_keep_alive()

    def _finish(self) -> None:
        """End the exchange. What has not been sent of the request by now never will be, so it cannot be used again."""
        if self._decoded is not None:
            if not self._decoded.is_drained:
                return
            self._decoded = None
        handler, self._handler, self._on_chunk = self._handler, None, None
        self._state, self._is_used, self._fed = IDLE, True, 0
        if self._is_paused:
            self.resume_transport()
        # A backend that answers early stops reading: the rest of the request would be the next one's beginning.
        transport = self._transport
        if not self._is_reusable or transport is None or transport.get_write_buffer_size():
            self.abort()
        # Before the handler, whose next request can then go out on this very connection.
        elif not transport.is_closing():
            self._free(self)
        if handler is not None:
            handler.on_complete()

    def _fail(self, fault: UpstreamFault) -> None:
        handler = self._handler
        self.abort()
        if handler is not None:
            handler.on_error(fault)


def _pass_chunks(handler: ResponseHandler, data: bytes) -> bool:
    """Pass whole chunks to a ChunkHandler. Return whether data is some, and nothing else."""
    pieces = split_chunks(data)
    if pieces is not None:
        cast("ChunkHandler", handler).on_chunks(pieces, data)
    return pieces is not None


def _fault_of_loss(state: ConnectionState, is_used: bool) -> UpstreamFault:
    """Return what a connection's end says of its request. is_used: it has answered one before."""
    if state is not SENT:
        return UpstreamProtocolError("lost the connection")
    fault = StaleConnection if is_used else UpstreamProtocolError
    return fault("closed the connection without an answer")
