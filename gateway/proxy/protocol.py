"""The socket entrance: a client's connection that feeds exchanges itself, and leaves all else to uvicorn.

A request to an endpoint that goes to backends becomes an exchange straight from the parser's callbacks, without a task.
uvicorn, and so gateway.proxy.asgi_adapter, gets requests that wait behind another one on the same connection, HTTP/1.0,
upgrades, and those that expect 100 Continue. Heads that repeat are not parsed again: gateway.proxy.head_cache.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.http.endpoints import BY_PATH
from gateway.http.headers import Headers, RequestHead
from gateway.http.write_timer import reset_connection
from gateway.proxy.exchange import Exchange, ExchangeContext, end_slow_reader
from gateway.proxy.head_cache import HeadTemplate, ParsedHead, head_template
from gateway.proxy.idle_timer import IdleTimedProtocol
from gateway.proxy.socket_writer import SocketWriter

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

LENGTH = b"content-length"
ENDPOINTS = {path.encode(): operation for path, operation in BY_PATH.items()}
FRAMING_HEADERS = frozenset({LENGTH, b"transfer-encoding", b"content-encoding", b"expect"})
MAX_DIGITS = 20
"""Limit of a Content-Length's digits: int() takes quadratic time."""


class ServedApplication(Protocol):
    """The application, as far as it is used here.

    Attributes:
        exchange_context: None while it does not serve.
    """

    exchange_context: ExchangeContext | None

    def needs_front(self, headers: Headers) -> bool:
        """Return whether a request needs a step of the application's before its exchange."""


class ProxyProtocol(IdleTimedProtocol):
    """A client connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a stream's
        """Begin a connection."""
        super().connection_made(transport)
        self._serving = cast("ServedApplication", self.config.app)
        self._exchange: Exchange | None = None
        self._known: ParsedHead | None = None
        self._template: HeadTemplate | None = None
        self._writer = SocketWriter(transport, self.flow, self.server_state, self.on_exchange_finished)
        self._left = 0

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection, and the request on it."""
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        exchange, self._exchange = self._exchange, None
        if isinstance(self.cycle, Exchange):
            # uvicorn sets fields of its own kind of cycle, which an exchange does not have.
            self.cycle = None  # type: ignore[assignment]
        super().connection_lost(exc)
        if exchange is not None:
            exchange.on_disconnect()

    def resume_writing(self) -> None:
        """Let the backend go on: the client has caught up."""
        super().resume_writing()
        if self._exchange is not None:
            self._exchange.on_writable()

    def cut_slow_reader(self) -> None:
        """Close the connection, and end the request on it: the client has left its response unread for too long."""
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            super().cut_slow_reader()
        else:
            end_slow_reader(exchange, self._write_timer.limit_s)
            reset_connection(self.transport)

    # The request: httptools calls these

    def data_received(self, data: bytes) -> None:
        """Feed the parser, which sees nothing of a request whose head has been sent before."""
        if self._left:
            # Of a request whose head did not go through the parser, the body must not either.
            self._take_body(data, 0)
        elif self._is_between:
            if self._template is None or not self._begin_known(self._template, data):
                self._parse_first(data)
        else:
            super().data_received(data)

    def _parse_first(self, data: bytes) -> None:
        """Feed data that begins where a request may begin."""
        known = self._known
        super().data_received(data)
        if self._known is not known and self._known is not None:
            self._template = head_template(data, self._known) or self._template

    def _begin_known(self, before: HeadTemplate, data: bytes) -> bool:
        """Begin a request whose head has been sent before. Return whether it is one, and can be begun here."""
        context, found = self._serving.exchange_context, before.pattern.match_head(data)
        if context is None or found is None:
            return False
        length, start = found
        if not 0 < length <= context.pipeline.max_body_bytes or not self._is_free():
            return False
        self._is_between, self._fed, self._body = False, 0, 0
        exchange = self._begin(context, before.known)
        if len(data) - start == length:
            # Nearly always: a request in one piece, and nothing behind it.
            self._is_between = True
            exchange.on_whole_body(data[start:])
        else:
            self._left = length
            self._take_body(data, start)
        return True

    def _take_body(self, data: bytes, start: int) -> None:
        """Take more of the body of a request that the parser does not see, and what follows it."""
        body = data[start : start + self._left]
        self._left -= len(body)
        if body:
            self.on_body(body)
        if not self._left:
            self.on_message_complete()
            # A client may send the next request before it has the response (RFC 9112, 9.3.2).
            if len(data) > start + len(body):
                self.data_received(data[start + len(body) :])

    def on_message_begin(self) -> None:
        """Begin a head. The scope that ASGI needs is made only for requests that go that way."""
        # Behind an upgrade that is passed over, the parser is fed a head of our own making: nothing begins there.
        if not self._is_replaying:
            self._is_between = False
            self._in_head, self._began, self._fed, self._body = True, True, 0, 0
            self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        if not self._is_replaying:
            self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        if self._in_head and not self._is_replaying:
            self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        if isinstance(self.cycle, Exchange):
            self._body += len(body)
            self.cycle.on_request_body(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request. At an upgrade the parser calls this before the body has come (RFC 9110, 7.8)."""
        self._is_between = not self._is_upgrade
        if isinstance(self.cycle, Exchange):
            self.cycle.on_request_complete()
        else:
            super().on_message_complete()

    def on_headers_complete(self) -> None:
        """End the head. One that is the same as the one before has been checked."""
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
            place = None if self._is_upgrade or self._version != "1.1" else _framing_header(self.headers)
            is_plain = place is not None and not self._serving.needs_front(self.headers)
            if is_plain and place is not None and _has_body(context, self.headers[place]):
                headers = list(self.headers)
                keep_alive = self.parser.should_keep_alive()
                parsed = ParsedHead(ENDPOINTS[self.url], headers, place, RequestHead(headers), keep_alive)
                if headers[place][0] == LENGTH:
                    self._known = parsed
                self._begin(context, parsed)
                return
        # uvicorn makes the scope at the beginning of a head, and empties what the callbacks have collected since.
        url, headers = self.url, self.headers
        expects = any(name == b"expect" and value.lower() == b"100-continue" for name, value in headers)
        HttpToolsProtocol.on_message_begin(self)
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super().start_request()

    def _begin(self, context: ExchangeContext, parsed: ParsedHead) -> Exchange:
        exchange = Exchange(context, self._writer, parsed.operation, parsed.head, parsed.keep_alive)
        # Both before it starts: a refusal ends the response while this function is still running.
        self._exchange = exchange
        self.cycle = cast("RequestResponseCycle", exchange)
        exchange.start()
        return exchange

    def _is_known(self, known: ParsedHead, context: ExchangeContext) -> bool:
        """Return whether the head that has come is the one before it, but for the body's length."""
        if self._is_replaying or self.parser.get_http_version() != "1.1" or not known.is_repeated(self.headers):
            return False
        is_same = ENDPOINTS.get(self.url) is known.operation and self.parser.get_method() == b"POST"
        return is_same and self._is_free() and _has_body(context, self.headers[known.length_at])

    def on_exchange_finished(self, keep_alive: bool) -> None:
        """Go on with the connection, or close it: the response has been written."""
        exchange, self._exchange = self._exchange, None
        # Both: keep_alive is the response's, and a server that stops takes the exchange's back after it was written.
        if exchange is None or not keep_alive or not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()


def _framing_header(headers: Sequence[tuple[bytes, bytes]]) -> int | None:
    """Return the index of the header that gives the body's end; None where uvicorn has to look at the request."""
    found = [place for place, (name, _) in enumerate(headers) if name in FRAMING_HEADERS]
    return found[0] if len(found) == 1 else None


def _has_body(context: ExchangeContext, framing: tuple[bytes, bytes]) -> bool:
    """Return whether a body follows that is not known to be too large."""
    name, value = framing
    if name == LENGTH:
        return value.isdigit() and 0 < int(value[:MAX_DIGITS]) <= context.pipeline.max_body_bytes
    return name == b"transfer-encoding"  # chunked: all others have been refused
