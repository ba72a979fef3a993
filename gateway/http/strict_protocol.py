"""HTTP/1.1 as uvicorn leaves it, tightened: what has no bound there gets one, and what parsers disagree on is refused.

uvicorn's httptools protocol keeps headers of any number and size, waits for them without end, takes a request without
Host or with two (RFC 9112, 3.2, says 400), and writes a refusal into the middle of an answer that is still going on.
"""

import asyncio
import json
import re
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from gateway.http.asgi import App, Message, Receive, Scope, Send

HEAD_BYTES = 64 * 1024
HEAD_FIELDS = 128
HEAD_S = 30.0
"""How long a request's head may take to come, and a new connection to say its first word."""

VERSIONS = ("1.0", "1.1")
TOO_MUCH, TOO_SLOW, NOT_KNOWN = 431, 408, 501

HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
"""RFC 9112, 3.2: uri-host [ ":" port ] (RFC 3986, 3.2.2), without the comma, which would be a list."""

QUEUED = 8
"""Requests behind the one that is answered for which a connection is still read."""

FRAMING = (b"content-length", b"transfer-encoding")
FRAME_BYTES_PER_BYTE = 16
"""What chunk sizes, extensions and trailers may take for each byte of a body: a chunk of one byte takes five more."""


class HttpRejected(Exception):
    """Ends the parsing of a request. status: of the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class StrictHttpProtocol(HttpToolsProtocol):
    """One connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self._in_head = True
        self._version = ""
        self._fed = self._body = 0
        self._began = self._is_told = self._is_upgrade = False
        self._going_on: list[RequestResponseCycle] = []
        self._why = HttpRejected(400, "this is no valid HTTP request")
        self._timer: asyncio.TimerHandle | None = None
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._stop_waiting()
        super().connection_lost(exc)
        for cycle in self._going_on:  # uvicorn tells the last of several
            if not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol. As in uvicorn, but an upgrade is passed over and its body read (RFC 9110, 7.8)."""
        self._unset_keepalive_if_required()
        self._began = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._pass_over(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self.logger.warning("Invalid HTTP request received.")
            self.send_400_response("")
            return
        if not self._began:  # else it is not known how much of the data is this message's; it is little
            self._fed += len(data)
        if self._fed > HEAD_BYTES + self._body * FRAME_BYTES_PER_BYTE and not self.transport.is_closing():
            what = "head is" if self._in_head else "chunk extensions and trailers are"
            self._refuse(HttpRejected(TOO_MUCH, f"the request's {what} larger than {HEAD_BYTES} bytes"))
        elif self._in_head and self._timer is None:
            self._wait()

    def _pass_over(self, rest: bytes) -> None:
        """Reads on as if nobody had asked for an upgrade: with a parser that is told of the body's framing alone."""
        framing = [name + b": " + value + b"\r\n" for name, value in self.headers if name in FRAMING]
        close = b"" if self.cycle.keep_alive else b"connection: close\r\n"
        self.parser, self._is_upgrade = httptools.HttpRequestParser(self), False
        self._is_told = True
        try:
            self.parser.feed_data(b"POST / HTTP/1.1\r\n" + b"".join(framing) + close + b"\r\n")
        except httptools.HttpParserError:
            self.send_400_response("")
            return
        finally:
            self._is_told = False
        if rest:
            self.data_received(rest)

    def on_message_begin(self) -> None:
        """See httptools."""
        if self._is_told:
            return
        self._in_head, self._began, self._fed, self._body = True, True, 0, 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """See httptools."""
        if not self._is_told:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools. Trailers come here too, and are no headers (RFC 9110, 6.5.1)."""
        if self._in_head and not self._is_told:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """See httptools. An exception in here ends the connection, by send_400_response."""
        if self._is_told:
            return
        self._in_head, self._fed = False, 0
        self._stop_waiting()
        refused = self._unacceptable()
        if refused is not None:
            self._why = refused
            raise refused
        self._is_upgrade = self.parser.should_upgrade()
        self.start_request()

    def start_request(self) -> None:
        """Hands on the request whose head has come, and is acceptable."""
        if self._version == "1.0":
            self.expect_100_continue = False  # RFC 9110, 10.1.1: no interim answers there
            cycle: RequestResponseCycle
            app, self.app = self.app, _without_chunks(self.app, lambda: cycle)
            super().on_headers_complete()
            cycle, self.app = self.cycle, app
        else:
            super().on_headers_complete()
        if 0 < len(self.pipeline) <= QUEUED:  # uvicorn stops reading here, and would not see the client leave
            self.flow.resume_reading()
        self._going_on = [one for one in self._going_on if not one.response_complete] + [self.cycle]

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """See httptools. At an upgrade it says so before the body has come."""
        if not self._is_upgrade:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls when parsing has failed."""
        self._refuse(self._why)

    def _unacceptable(self) -> HttpRejected | None:
        self._version = version = self.parser.get_http_version()
        if version not in VERSIONS:
            return HttpRejected(400, "HTTP/1.1 is spoken here")
        if b"#" in self.url:
            return HttpRejected(400, "a request's target has no fragment")
        size, hosts = 0, 0
        for name, value in self.headers:
            size += len(name) + len(value)
            if name == b"host":
                hosts += 1 if HOST.fullmatch(value) else 2
            elif name == b"transfer-encoding" and value.strip().lower() != b"chunked":
                return HttpRejected(NOT_KNOWN, "no transfer coding but chunked is understood")
        if hosts > 1 or (not hosts and version == "1.1"):
            return HttpRejected(400, "a request must have one Host header, and a valid one")
        if len(self.headers) > HEAD_FIELDS or size > HEAD_BYTES:
            return HttpRejected(TOO_MUCH, f"a request may have {HEAD_FIELDS} headers of {HEAD_BYTES} bytes together")
        return None

    def _refuse(self, why: HttpRejected) -> None:
        """An answer, and the end of the connection; where an answer is still going on, the end comes after it."""
        self._stop_waiting()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:  # of an earlier request, which was sound
                cycle.keep_alive = False
                return
            if cycle.response_started or self.pipeline:
                self.transport.close()
                return
        body = json.dumps(_envelope(str(why))).encode()
        head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[why.status] + head + body)
        self.transport.close()

    def _wait(self) -> None:
        slow = HttpRejected(TOO_SLOW, f"the request's head did not come within {HEAD_S:g} seconds")
        self._timer = self.loop.call_later(HEAD_S, self._refuse, slow)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _envelope(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": "bad_http"}}


def _without_chunks(app: App, cycle: Any) -> App:
    """An answer without a length ends with its connection: HTTP/1.0 knows no chunks (RFC 9112, 6.1)."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        counted = False

        async def plainly(message: Message) -> None:
            nonlocal counted
            if message["type"] == "http.response.start":
                counted = any(name.lower() == b"content-length" for name, _ in message["headers"])
                if not counted:
                    cycle().chunked_encoding = False
            elif not counted:
                cycle().expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, plainly)

    return answer
