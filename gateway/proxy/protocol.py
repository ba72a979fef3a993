"""A client's connection with an express lane: what is for it goes there, all else uvicorn's way to the application.

Heads that repeat are not parsed again: see gateway.proxy.head_cache. Requests that wait behind another one on the
same connection, that come in pieces without a length, that are large, or that want to hear 100 Continue first, are not
for it.
"""

import asyncio
from typing import TYPE_CHECKING, Protocol, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.http.endpoints import BY_PATH
from gateway.http.headers import RequestHead
from gateway.http.strict_protocol import StrictHttpProtocol
from gateway.proxy.exchange import Exchange, ExchangeContext
from gateway.proxy.head_cache import HeadTemplate, ParsedHead, head_template
from gateway.proxy.socket_writer import SocketWriter

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

LENGTH = b"content-length"
ENDPOINTS = {path.encode(): operation for path, operation in BY_PATH.items()}
FRAMING_HEADERS = frozenset({LENGTH, b"transfer-encoding", b"content-encoding", b"expect"})
MAX_DIGITS = 20
"""Of a Content-Length: Python converts long numbers slowly."""


class ServedApplication(Protocol):
    """The application. express: None while it does not serve."""

    exchange_context: ExchangeContext | None


class ProxyProtocol(StrictHttpProtocol):
    """One connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a stream's
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self._serving = cast("ServedApplication", self.config.app)
        self._exchange: Exchange | None = None
        self._known: ParsedHead | None = None
        self._written: HeadTemplate | None = None
        self._is_between = True
        self._left = 0
        self._writer = SocketWriter(transport, self.flow, self.server_state, self.on_exchange_finished)
        self._idle_since = 0.0

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        exchange, self._exchange = self._exchange, None
        if isinstance(self.cycle, Exchange):
            self.cycle = None  # type: ignore[assignment]  # uvicorn's, which would look for its own
        super().connection_lost(exc)
        if exchange is not None:
            exchange.on_disconnect()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        super().resume_writing()
        if self._exchange is not None:
            self._exchange.on_writable()

    # The request: see httptools

    def data_received(self, data: bytes) -> None:
        """See StrictHttpProtocol. The parser sees nothing of a request whose head has been written before."""
        if self._left:
            self._take(data, 0)
        elif self._is_between:
            if self._written is None or not self._begins_again(self._written, data):
                self._parse_first(data)
        else:
            super().data_received(data)

    def _parse_first(self, data: bytes) -> None:
        """Data that begins where a request may begin."""
        known = self._known
        super().data_received(data)
        if self._known is not known and self._known is not None:
            self._written = head_template(data, self._known) or self._written

    def _begins_again(self, before: HeadTemplate, data: bytes) -> bool:
        """Begins with a request whose head has been written before; false where it has not, or goes another way now."""
        context, found = self._serving.exchange_context, before.match_again(data)
        if context is None or found is None:
            return False
        digits, start = found
        length = int(digits)
        if not 0 < length <= context.pipeline.max_body_bytes or not self._is_free():
            return False
        self._is_between, self._left, self._fed, self._body = False, length, 0, 0
        self._begin(context, before.known)
        self._take(data, start)
        return True

    def _take(self, data: bytes, start: int) -> None:
        """More of the body of a request that the parser has not seen, and what follows it."""
        body = data[start : start + self._left]
        self._left -= len(body)
        if body:
            self.on_body(body)
        if not self._left:
            self.on_message_complete()
            if len(data) > start + len(body):
                self.data_received(data[start + len(body) :])

    def on_message_begin(self) -> None:
        """See httptools. What ASGI needs is made where it is needed."""
        if not self._is_replaying:
            self._is_between = False
            self._in_head, self._began, self._fed, self._body = True, True, 0, 0
            self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_url(self, url: bytes) -> None:
        """See httptools."""
        if not self._is_replaying:
            self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools."""
        if self._in_head and not self._is_replaying:
            self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        if isinstance(self.cycle, Exchange):
            self._body += len(body)
            self.cycle.on_request_body(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """See httptools. At an upgrade it says so before the body has come."""
        self._is_between = not self._is_upgrade
        if isinstance(self.cycle, Exchange):
            self.cycle.on_request_complete()
        else:
            super().on_message_complete()

    def on_headers_complete(self) -> None:
        """See StrictHttpProtocol. What a client says again has been looked at."""
        known, context = self._known, self._serving.exchange_context
        if known is None or context is None or not self._is_known(known, context):
            super().on_headers_complete()
            return
        self._in_head, self._fed, self._version, self._is_upgrade = False, 0, "1.1", False
        self._stop_waiting()
        self._begin(context, known)

    def start_request(self) -> None:
        """Begin an exchange, or hand the request on to uvicorn, and so to the application."""
        context = self._serving.exchange_context
        if context is not None and self._is_free() and self.url in ENDPOINTS and self.parser.get_method() == b"POST":
            place = self._framing_header()
            if place is not None and _has_body(context, self.headers[place]):
                headers = list(self.headers)
                keep_alive = self.parser.should_keep_alive()
                parsed = ParsedHead(ENDPOINTS[self.url], headers, place, RequestHead(headers), keep_alive)
                if headers[place][0] == LENGTH:
                    self._known = parsed
                self._begin(context, parsed)
                return
        url, headers = self.url, self.headers
        expects = any(name == b"expect" and value.lower() == b"100-continue" for name, value in headers)
        HttpToolsProtocol.on_message_begin(self)
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super().start_request()

    def _begin(self, context: ExchangeContext, parsed: ParsedHead) -> None:
        exchange = Exchange(context, self._writer, parsed.operation, parsed.head, parsed.keep_alive)
        self._exchange = exchange
        self.cycle = cast("RequestResponseCycle", exchange)
        exchange.start()

    def _is_known(self, known: ParsedHead, context: ExchangeContext) -> bool:
        """Return whether the head that has come is the one before it, but for the body's length."""
        headers, place = self.headers, known.length_at
        if self._is_replaying or len(headers) != len(known.headers) or self.parser.get_http_version() != "1.1":
            return False
        length, headers[place] = headers[place], known.headers[place]
        is_same = headers == known.headers and ENDPOINTS.get(self.url) is known.operation
        headers[place] = length
        return is_same and self.parser.get_method() == b"POST" and self._is_free() and _has_body(context, length)

    def _framing_header(self) -> int | None:
        """Return the index of the header that gives the body's end; None where uvicorn has to look at the request."""
        found = [place for place, (name, _) in enumerate(self.headers) if name in FRAMING_HEADERS]
        return found[0] if len(found) == 1 and not self._is_upgrade and self._version == "1.1" else None

    def _is_free(self) -> bool:
        """Return whether no other request of the connection is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def on_exchange_finished(self, keep_alive: bool) -> None:
        """Go on with the connection, or close it: the response has been written."""
        exchange, self._exchange = self._exchange, None
        if exchange is None or not keep_alive or not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()

    # Kept connections: one timer for many requests

    def on_response_complete(self) -> None:
        """See HttpToolsProtocol."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._wait_idle(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """See HttpToolsProtocol."""
        self.timeout_keep_alive_task = None
        if self._in_head or (self.cycle is not None and not self.cycle.response_complete):
            return
        left_s = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self._wait_idle(left_s)
        else:
            super().timeout_keep_alive_handler()

    def _wait_idle(self, wait_s: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(wait_s, self.timeout_keep_alive_handler)

    def _unset_keepalive_if_required(self) -> None:
        """See HttpToolsProtocol. The timer finds out by itself whether it is still wanted."""


def _has_body(context: ExchangeContext, framing: tuple[bytes, bytes]) -> bool:
    """Return whether a body follows that is not known to be too large."""
    name, value = framing
    if name == LENGTH:
        return value.isdigit() and 0 < int(value[:MAX_DIGITS]) <= context.pipeline.max_body_bytes
    return name == b"transfer-encoding"  # chunked: all others have been refused
