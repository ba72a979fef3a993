"""uvicorn's HTTP/1.1 protocol with limits, and with rejection of what parsers understand differently.

uvicorn's httptools protocol reads headers of any number and size, waits for them without limit, accepts a request
without Host or with two (RFC 9112, 3.2, requires 400), and writes a rejection into the middle of a response.
"""

import asyncio
import json
import logging
import re
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from gateway.http.asgi import App, Message, Receive, Scope, Send
from gateway.http.write_timer import SLOW_READER, WRITE_TIMEOUT_S, WriteTimer, reset_connection

log = logging.getLogger("benchroute.http")

HEAD_BYTES = 64 * 1024
HEAD_FIELDS = 128
HEAD_S = 30.0
"""Time limit for a request's head, and for the first byte of a new connection."""

VERSIONS = ("1.0", "1.1")
HEADERS_TOO_LARGE, REQUEST_TIMEOUT, NOT_IMPLEMENTED = 431, 408, 501
"""RFC 6585, 5; RFC 9110, 15.5.9; RFC 9112, 6.1."""

HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
"""RFC 9112, 3.2: uri-host [ ":" port ] (RFC 3986, 3.2.2), without the comma, which would be a list."""

MAX_PIPELINED = 8
"""Pipelined requests behind the one being answered, up to which a connection is read (RFC 9112, 9.3.2)."""

FRAMING = (b"content-length", b"transfer-encoding")
FRAME_BYTES_PER_BYTE = 16
"""Bytes of chunk sizes, extensions and trailers allowed for each byte of a body; a chunk of one byte has five."""


class HttpRejected(Exception):
    """Ends the parsing of a request. status: of the response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class StrictHttpProtocol(HttpToolsProtocol):
    """A client's connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for a request's head."""
        super().connection_made(transport)
        self._in_head = True
        self._version = ""
        self._fed = self._body = 0
        self._began = self._is_replaying = self._is_upgrade = False
        self._open_cycles: list[RequestResponseCycle] = []
        self._rejection = HttpRejected(400, "The request is not valid HTTP/1.1.")
        self._timer: asyncio.TimerHandle | None = None
        limit_s = getattr(self.config.app, "write_timeout_s", WRITE_TIMEOUT_S)
        self._write_timer = WriteTimer(self.loop, limit_s, self.cut_slow_reader)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the disconnect to every request that is still being answered."""
        self._stop_waiting()
        self._write_timer.stop()
        super().connection_lost(exc)
        # uvicorn reports it to the last request alone; a pipelined one before it would write to nobody until its end.
        for cycle in self._open_cycles:
            if not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()

    @property
    def idle_since(self) -> float | None:
        """When the connection became idle, by the loop's clock; None while a request is read or answered."""
        if self.transport.is_closing():
            return None
        if self._timer is not None:
            return self._timer.when() - HEAD_S if self._fed == 0 else None
        idle = self.timeout_keep_alive_task
        return None if idle is None else idle.when() - self.timeout_keep_alive

    def pause_writing(self) -> None:
        """Start to wait for a client that does not read: the buffer for it is full."""
        super().pause_writing()
        self._write_timer.start()

    def resume_writing(self) -> None:
        """Go on: the client has caught up."""
        self._write_timer.stop()
        super().resume_writing()

    def cut_slow_reader(self) -> None:
        """Close the connection at once: the client has left its response unread for too long."""
        limit_s, unanswered = self._write_timer.limit_s, False
        for cycle in self._open_cycles:
            if not cycle.response_complete:
                cycle.scope[SLOW_READER] = limit_s  # type: ignore[literal-required]  # a member of our own
                unanswered = True
        if not unanswered:
            size = self.transport.get_write_buffer_size()
            log.warning(
                "a client read nothing for %g s: connection closed, %d bytes of its response lost", limit_s, size
            )
        reset_connection(self.transport)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, and reject a head or chunk framing without measure."""
        self._unset_keepalive_if_required()
        self._began = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # RFC 9110, 7.8: a server may ignore Upgrade. uvicorn stops reading here, and the request never ends.
            self._ignore_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self.logger.warning("Invalid HTTP request received.")
            self.send_400_response("")
            return
        # Where a message has begun within the data, the share that is its own is unknown, and less than one read.
        if not self._began:
            self._fed += len(data)
        if self._fed > HEAD_BYTES + self._body * FRAME_BYTES_PER_BYTE and not self.transport.is_closing():
            part = "head is" if self._in_head else "chunk extensions and trailers are"
            self._reject(HttpRejected(HEADERS_TOO_LARGE, f"The request's {part} larger than {HEAD_BYTES} bytes."))
        elif self._in_head and self._timer is None:
            self._wait()

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Read the body of a request that asked for an upgrade. rest: the data after its head."""
        # llhttp ends at an upgrade and skips the body. A new parser gets a head with the framing alone, and goes on
        # from there; its callbacks for that head are ignored, as the request has been handed on already.
        framing = [name + b": " + value + b"\r\n" for name, value in self.headers if name in FRAMING]
        close = b"" if self.cycle.keep_alive else b"connection: close\r\n"
        self.parser, self._is_upgrade = httptools.HttpRequestParser(self), False
        self._is_replaying = True
        try:
            self.parser.feed_data(b"POST / HTTP/1.1\r\n" + b"".join(framing) + close + b"\r\n")
        except httptools.HttpParserError:
            self.send_400_response("")
            return
        finally:
            self._is_replaying = False
        if rest:
            self.data_received(rest)

    def on_message_begin(self) -> None:
        """Reset the counters of a message."""
        if self._is_replaying:
            return
        self._in_head, self._began, self._fed, self._body = True, True, 0, 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Append to the request's target."""
        if not self._is_replaying:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Append a header."""
        # The parser reports trailers here too; merged into the headers they could change framing or routing
        # (RFC 9110, 6.5.1).
        if self._in_head and not self._is_replaying:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Check the head, and start the request. Raises HttpRejected, upon which uvicorn calls send_400_response."""
        if self._is_replaying:
            return
        self._in_head, self._fed = False, 0
        self._stop_waiting()
        rejection = self._check_head()
        if rejection is not None:
            self._rejection = rejection
            raise rejection
        self._is_upgrade = self.parser.should_upgrade()
        self.start_request()

    def start_request(self) -> None:
        """Hand a request to the application: its head is complete and valid."""
        if self._version == "1.0":
            # RFC 9110, 10.1.1: Expect from an HTTP/1.0 client is ignored; it knows no interim responses.
            self.expect_100_continue = False
            cycle: RequestResponseCycle
            app, self.app = self.app, _without_chunks(self.app, lambda: cycle)
            super().on_headers_complete()
            cycle, self.app = self.cycle, app
        else:
            super().on_headers_complete()
        # uvicorn stops reading behind a pipelined request, and would not see the client disconnect.
        if 0 < len(self.pipeline) <= MAX_PIPELINED:
            self.flow.resume_reading()
        self._open_cycles = [one for one in self._open_cycles if not one.response_complete] + [self.cycle]

    def on_response_complete(self) -> None:
        """Go on with the connection, which may be closing."""
        super().on_response_complete()
        self._write_timer.watch_close(self.transport)

    def _unset_keepalive_if_required(self) -> None:
        """Stop the timer of an idle connection, unless what comes is the rest of a request that has been answered."""
        # Such a body is read and dropped. It gets no more time than an idle connection, however long it trickles.
        if self.cycle is None or not (self.cycle.response_complete and self.cycle.more_body):
            super()._unset_keepalive_if_required()

    def on_body(self, body: bytes) -> None:
        """Append to the request's body."""
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request's body."""
        # At an upgrade the parser calls this before the body, and again when `_ignore_upgrade` has read it.
        if not self._is_upgrade:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Reject a request that could not be parsed."""
        self._reject(self._rejection)

    def _check_head(self) -> HttpRejected | None:
        self._version = version = self.parser.get_http_version()
        if version not in VERSIONS:
            return HttpRejected(400, "Unsupported HTTP version: use HTTP/1.1.")
        # RFC 9112, 3.2.1: origin-form has no fragment. Parsers differ in cutting it off, so routes could differ too.
        if b"#" in self.url:
            return HttpRejected(400, "The request's target has a fragment.")
        size, hosts = 0, 0
        for name, value in self.headers:
            size += len(name) + len(value)
            if name == b"host":
                # RFC 9112, 3.2: no Host, a second one, or an invalid value must be answered with 400.
                hosts += 1 if HOST.fullmatch(value) else 2
            # RFC 9112, 6.1: 501 for a coding that is not understood. `xchunked` or `chunked, chunked` read as a length
            # by one parser and as chunks by the next is how requests are smuggled.
            elif name == b"transfer-encoding" and value.strip().lower() != b"chunked":
                return HttpRejected(NOT_IMPLEMENTED, "Unsupported Transfer-Encoding: only chunked is implemented.")
        if hosts > 1 or (not hosts and version == "1.1"):
            return HttpRejected(400, "The request must have one Host header, with a valid value.")
        if len(self.headers) > HEAD_FIELDS or size > HEAD_BYTES:
            limits = f"{HEAD_FIELDS} headers and {HEAD_BYTES} bytes"
            return HttpRejected(HEADERS_TOO_LARGE, f"The request's headers exceed the limits: {limits}.")
        return None

    def _reject(self, rejection: HttpRejected) -> None:
        """Write an error response and close the connection; where a response is being written, close after it."""
        self._stop_waiting()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            # The response under way belongs to an earlier, valid request: it is completed, and the connection closed.
            if not cycle.more_body:
                cycle.keep_alive = False
                return
            # Bytes of an error within another response would be read as that response's body.
            if cycle.response_started or self.pipeline:
                self.transport.close()
                return
        body = json.dumps(_envelope(str(rejection))).encode()
        # RFC 9112, 9.6: what follows an unparsable request cannot be trusted to be a request, hence close.
        head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[rejection.status] + head + body)
        self.transport.close()
        self._write_timer.watch_close(self.transport)

    def _wait(self) -> None:
        timeout = HttpRejected(REQUEST_TIMEOUT, f"Timed out waiting for the request's headers ({HEAD_S:g} s).")
        self._timer = self.loop.call_later(HEAD_S, self._reject, timeout)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _envelope(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": "bad_http"}}


def _without_chunks(app: App, cycle: Any) -> App:
    """Wrap an application so that a response without a length ends with its connection, as in HTTP/1.0."""

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        has_length = False

        async def send_unchunked(message: Message) -> None:
            nonlocal has_length
            if message["type"] == "http.response.start":
                has_length = any(name.lower() == b"content-length" for name, _ in message["headers"])
                # RFC 9112, 6.1: no Transfer-Encoding in a response to an HTTP/1.0 request.
                if not has_length:
                    cycle().chunked_encoding = False
            # uvicorn compares every piece with the length it expects: the piece's own makes it pass.
            elif not has_length:
                cycle().expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, send_unchunked)

    return respond
