"""A client's connection with an express lane: what is for it goes there, all else uvicorn's way to the application.

Heads that repeat are not parsed again: see gateway.proxy.head_cache. Requests that wait behind another one on the
same connection, that come in pieces without a length, that are large, or that want to hear 100 Continue first, are not
for it.
"""

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from gateway.errors import RequestError
from gateway.http.asgi import App, RawHeaders, Receive, Scope, Send
from gateway.http.endpoints import BY_PATH
from gateway.http.request_head import RequestHead
from gateway.http.strict_protocol import StrictHttpProtocol
from gateway.proxy.exchange import Exchange, ExchangeContext
from gateway.proxy.head_cache import HeadTemplate, ParsedHead, head_template
from gateway.proxy.pipeline import RoutedRequest

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

LENGTH = b"content-length"
ENDPOINTS = {path.encode(): operation for path, operation in BY_PATH.items()}
FRAMING_HEADERS = frozenset({LENGTH, b"transfer-encoding", b"content-encoding", b"expect"})
MAX_BODY_BYTES = 1024 * 1024
JOINED_BYTES = 64 * 1024
"""Up to this size it is cheaper to copy a body behind its head than to write them one after the other."""


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
        self._length = self._left = 0
        self._defaults: tuple[RawHeaders | None, bytes] = (None, b"")
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
        express, found = self._serving.exchange_context, before.match_again(data)
        if express is None or found is None:
            return False
        digits, start = found
        self._length, known = int(digits), before.known
        if not self._is_free(express):
            return False
        self.headers = known.headers.copy()
        self.headers[known.length_at] = (LENGTH, digits)
        self._is_between, self._left, self._fed, self._body = False, self._length, 0, 0
        self._begin(express, known)
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
        known, express = self._known, self._serving.exchange_context
        if known is None or express is None or not self._is_known(known, express):
            super().on_headers_complete()
            return
        self._in_head, self._fed, self._version, self._is_upgrade = False, 0, "1.1", False
        self._stop_waiting()
        self._begin(express, known)

    def start_request(self) -> None:
        """See StrictHttpProtocol."""
        express = self._serving.exchange_context
        if express is not None and (place := self._place_of_length()) is not None and self._is_for(express):
            headers, operation = list(self.headers), ENDPOINTS[self.url]
            self._known = ParsedHead(operation, headers, place, RequestHead(headers), self.parser.should_keep_alive())
            self._begin(express, self._known)
            return
        url, headers = self.url, self.headers
        expects = any(name == b"expect" and value.lower() == b"100-continue" for name, value in headers)
        HttpToolsProtocol.on_message_begin(self)
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super().start_request()

    def _begin(self, express: ExchangeContext, known: ParsedHead) -> None:
        self._exchange = Exchange(express, self, known.operation, self.headers, known.head, known.keep_alive)
        self.cycle = cast("RequestResponseCycle", self._exchange)

    def _is_known(self, known: ParsedHead, express: ExchangeContext) -> bool:
        """Whether the head that has come is the one before it, but for the body's length, and goes the same way."""
        headers, place = self.headers, known.length_at
        if self._is_replaying or len(headers) != len(known.headers):
            return False
        told, headers[place] = headers[place], known.headers[place]
        is_same = headers == known.headers
        headers[place] = told
        is_same = is_same and ENDPOINTS.get(self.url) is known.operation
        return is_same and self._is_length(told) and self.parser.get_http_version() == "1.1" and self._is_for(express)

    def _place_of_length(self) -> int | None:
        """Where Content-Length stands; None where the head is not for this lane, whatever its length."""
        telling = [place for place, (name, _) in enumerate(self.headers) if name in FRAMING_HEADERS]
        if len(telling) != 1 or self._is_upgrade or self._version != "1.1":
            return None
        return telling[0] if self._is_length(self.headers[telling[0]]) else None

    def _is_length(self, header: tuple[bytes, bytes]) -> bool:
        name, value = header
        if name != LENGTH or not value.isdigit():
            return False
        self._length = int(value[:20])
        return True

    def _is_for(self, express: ExchangeContext) -> bool:
        """Whether the request whose head has come goes this way, its headers apart."""
        return self._is_free(express) and self.url in ENDPOINTS and self.parser.get_method() == b"POST"

    def _is_free(self, express: ExchangeContext) -> bool:
        """Whether the connection is free for a request with a body of this length."""
        cycle, most = self.cycle, min(MAX_BODY_BYTES, express.pipeline.max_body_bytes)
        return (cycle is None or cycle.response_complete) and 0 < self._length <= most

    # The answer: see gateway.proxy.exchange.Client

    def write_head(self, status: int, headers: RawHeaders, lines: bytes, body: bytes | None, keep_alive: bool) -> None:
        """See Client."""
        if self._defaults[0] is not self.server_state.default_headers:  # once a second: the date
            made = self.server_state.default_headers
            self._defaults = made, b"".join([b"%b: %b\r\n" % pair for pair in made])
        content = [STATUS_LINE[status], self._defaults[1]]
        content += [b"%b: %b\r\n" % pair for pair in headers]
        content.append(lines)
        if not keep_alive:
            content.append(b"connection: close\r\n")
        if body is None:
            content.append(b"transfer-encoding: chunked\r\n\r\n")
        else:
            content.append(b"content-length: %d\r\n\r\n" % len(body))
            if len(body) <= JOINED_BYTES:
                content.append(body)
        self.transport.write(b"".join(content))
        if body is not None and len(body) > JOINED_BYTES:
            self.transport.write(body)

    def write_piece(self, data: bytes, written: bytes | None = None) -> bool:
        """See Client."""
        self.transport.write(written or b"%x\r\n%b\r\n" % (len(data), data))
        return not self.flow.write_paused

    def write_end(self) -> None:
        """See Client."""
        self.transport.write(b"0\r\n\r\n")

    def finish_response(self, keep_alive: bool) -> None:
        """See Client."""
        exchange, self._exchange = self._exchange, None
        if exchange is None or not keep_alive or not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def hand_over(self, exchange: Exchange, step: RoutedRequest | RequestError | None) -> None:
        """See Client."""
        self._exchange = None
        cycle = self._cycle_of(exchange)
        if self.cycle is cast("RequestResponseCycle", exchange):
            self.cycle = cycle
        self._open_cycles.append(cycle)
        if step is None:
            cycle.body, cycle.more_body = bytearray(exchange.body_so_far()), True
            cycle.message_event.set()
            self._start_asgi_task(cycle, self.app)
        else:
            self._start_asgi_task(cycle, cast("ASGI3Application", _going_on(exchange, step)))

    def _cycle_of(self, exchange: Exchange) -> RequestResponseCycle:
        """What uvicorn would have made of the request."""
        path = f"/v1{exchange.operation.path}"
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "method": "POST",
            "root_path": self.root_path,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": exchange.headers,
            "state": self.app_state.copy(),
        }
        cycle = RequestResponseCycle(
            scope=scope,  # type: ignore[arg-type]
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=exchange.keep_alive,
            on_response=self.on_response_complete,
        )
        cycle.more_body = False
        if exchange.response_started:
            cycle.response_started = cycle.chunked_encoding = True
        return cycle

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


def _going_on(exchange: Exchange, step: RoutedRequest | RequestError) -> App:
    async def go_on(scope: Scope, receive: Receive, send: Send) -> None:
        await exchange.express.pipeline.resume(step, receive, send, exchange.progress)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await exchange.express.inflight.track(go_on, scope, receive, send)

    return app
