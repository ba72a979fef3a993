"""A connection to a backend: HTTP/1.1 as a client speaks it (RFC 9112), one request at a time.

Whoever asks gives a reader, which is told of the answer as it comes, straight from the socket's callback: no task is
switched to for a piece of an answer. A reader that cannot take more pauses the connection, and so the backend.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import httptools

from gateway.http.headers import Headers
from gateway.upstream.errors import StaleConnection, UpstreamFault, UpstreamProtocolError

HEAD_BYTES = 64 * 1024
"""What an answer's head may be, and what chunk sizes, extensions and trailers may add to each piece of its body."""

BODILESS = (204, 304)
HEX, SIZE_DIGITS = b"0123456789abcdefABCDEF", 8
NOT_HTTP = "answered what is no HTTP"


class ResponseHandler(Protocol):
    """Is told of one answer, by these calls in this order; after `ended` or `failed` there are no more. None may raise.

    `failed` can come at any time.
    """

    def on_head(self, status: int, headers: Headers) -> None:
        """The head has come; interim answers (1xx) are passed over."""

    def on_data(self, data: bytes, written: bytes | None = None) -> None:
        """More of the body. written: where it came as a whole chunk, that chunk."""

    def on_complete(self) -> None:
        """That was all of it; the connection is free for others."""

    def on_error(self, fault: UpstreamFault) -> None:
        """Nothing more comes; the connection is gone."""


class Connection(asyncio.Protocol):
    """One of them. free: is told when it can be used again; lost: when it is gone."""

    def __init__(self, free: Callable[["Connection"], None], lost: Callable[["Connection"], None]) -> None:
        self.idle_since = 0.0
        self._free, self._lost = free, lost
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._reader: ResponseHandler | None = None
        self._is_used = self._has_begun = self._is_in_body = self._is_complete = False
        self._is_interim = self._is_till_close = self._is_last = self._is_paused = False
        self._is_in_chunk = self._is_between_chunks = False
        self._head: list[tuple[bytes, bytes]] = []
        self._fed = 0

    @property
    def is_open(self) -> bool:
        """Whether it can be asked."""
        return self._transport is not None and not self._transport.is_closing()

    def send_request(self, written: Sequence[bytes], reader: ResponseHandler) -> None:
        """Sends a request, piece by piece. The connection must be open and free."""
        assert self._transport is not None  # noqa: S101 - open
        self._reader, self._has_begun = reader, False
        if len(written) == 1:
            self._transport.write(written[0])
        else:
            self._transport.writelines(written)

    def pause_reading(self) -> None:
        """The reader can take no more for now."""
        if not self._is_paused and self.is_open and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """It can again."""
        if self._is_paused and self.is_open and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Ends it at once, and with it what the backend does; the reader hears nothing more."""
        self._reader = None
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a stream's
        """See asyncio.Protocol."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._reader is None:  # nobody asked
            self.abort()
            return
        if self._is_between_chunks and (piece := single_chunk_payload(data)):  # the parser need not see it
            self._reader.on_data(piece, data)
            return
        self._has_begun, self._is_in_chunk = True, True
        self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(UpstreamProtocolError(NOT_HTTP))
            return
        self._is_between_chunks = not self._is_in_chunk and data.endswith(b"\r\n")  # and not in the next one's size
        if self._is_complete:
            self._finish()
        elif self._fed > HEAD_BYTES:
            self._fail(UpstreamProtocolError(NOT_HTTP))

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._lost(self)
        if self._reader is None:
            return
        if self._is_in_body and self._is_till_close and exc is None:
            self._is_last = True
            self._finish()
        elif self._has_begun:
            self._fail(UpstreamProtocolError("lost the connection"))
        else:
            self._fail(
                (StaleConnection if self._is_used else UpstreamProtocolError)("closed the connection without an answer")
            )

    def on_message_begin(self) -> None:
        """See httptools. A second answer to one question: nothing that comes here can be trusted any more."""
        self._head = []
        self._is_last = self._is_complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools. Trailers come here too, and are no headers (RFC 9110, 6.5.1)."""
        if not self._is_in_body:
            self._head.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """See httptools."""
        status = self._parser.get_status_code()
        self._is_interim = status < 200
        if self._is_interim or self._is_complete or self._reader is None:
            return
        self._is_in_body, self._fed = True, 0
        self._is_till_close = status not in BODILESS and not _is_framed(self._head)
        self._reader.on_head(status, self._head)

    def on_body(self, data: bytes) -> None:
        """See httptools."""
        self._fed = 0
        if self._reader is not None and not self._is_complete:
            self._reader.on_data(data)

    def on_chunk_header(self) -> None:
        """See httptools."""
        self._is_in_chunk = True

    def on_chunk_complete(self) -> None:
        """See httptools."""
        self._is_in_chunk = False

    def on_message_complete(self) -> None:
        """See httptools. What follows in the same data is looked at before the connection is used again."""
        if not self._is_interim:
            self._is_complete = True
            self._is_last = self._is_last or not self._parser.should_keep_alive()

    def _finish(self) -> None:
        """The answer is complete. What has not been sent of the request by now never will be."""
        reader, self._reader = self._reader, None
        self._is_complete = self._is_in_body = self._is_between_chunks = False
        self._is_used, self._fed = True, 0
        self.resume_reading()
        if self._is_last or self._transport is None or self._transport.get_write_buffer_size():
            self.abort()
        elif self.is_open:
            self._free(self)
        if reader is not None:
            reader.on_complete()

    def _fail(self, fault: UpstreamFault) -> None:
        reader = self._reader
        self.abort()
        if reader is not None:
            reader.on_error(fault)


def single_chunk_payload(data: bytes) -> bytes | None:
    """What a chunk holds, where data is one whole chunk without extensions (RFC 9112, 7.1), and not the last one."""
    at = data.find(b"\r\n", 0, SIZE_DIGITS + 2)
    if at <= 0 or data[:at].strip(HEX) or len(data) != at + 4 + int(data[:at], 16) or not data.endswith(b"\r\n"):
        return None
    return data[at + 2 : -2]


def _is_framed(headers: Headers) -> bool:
    """Whether the body's end is told; otherwise the connection's end is (RFC 9112, 6.3)."""
    for name, value in headers:
        if name == b"content-length" or (name == b"transfer-encoding" and value.strip().lower().endswith(b"chunked")):
            return True
    return False
