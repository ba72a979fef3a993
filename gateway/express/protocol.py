"""A client's connection with an express lane: what is for it goes there, all else uvicorn's way to the application.

Requests that wait behind another one on the same connection, that come in pieces without a length, that are large, or
that want to hear 100 Continue first, are not for it.
"""

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from gateway.asgi import App, RawHeaders, Receive, Scope, Send
from gateway.errors import RequestError
from gateway.express.exchange import Exchange, Express
from gateway.http1 import StrictHttp
from gateway.lane.lane import Understood
from gateway.wire.operations import BY_PATH

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

OPERATIONS = {path.encode(): operation for path, operation in BY_PATH.items()}
TELLING = frozenset({b"content-length", b"transfer-encoding", b"content-encoding", b"expect"})
MOST_BYTES = 1024 * 1024
JOINED_BYTES = 64 * 1024
"""Up to this size it is cheaper to copy a body behind its head than to write them one after the other."""


class Serving(Protocol):
    """The application. express: None while it does not serve."""

    express: Express | None


class ExpressHttp(StrictHttp):
    """One connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a stream's
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self._serving = cast("Serving", self.config.app)
        self._exchange: Exchange | None = None
        self._length = 0
        self._idle_since = 0.0

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        exchange, self._exchange = self._exchange, None
        if isinstance(self.cycle, Exchange):
            self.cycle = None  # uvicorn's, which would look for its own
        super().connection_lost(exc)
        if exchange is not None:
            exchange.client_left()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        super().resume_writing()
        if self._exchange is not None:
            self._exchange.client_ready()

    # The request: see httptools

    def on_message_begin(self) -> None:
        """See httptools. What ASGI needs is made where it is needed."""
        if not self._is_told:
            self._in_head, self._began, self._fed, self._body = True, True, 0, 0
            self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_url(self, url: bytes) -> None:
        """See httptools."""
        if not self._is_told:
            self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools."""
        if self._in_head and not self._is_told:
            self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        if isinstance(self.cycle, Exchange):
            self._body += len(body)
            self.cycle.saw(body, is_slow=self._body < self._length)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """See httptools."""
        if isinstance(self.cycle, Exchange):
            self.cycle.asked()
        else:
            super().on_message_complete()

    def start(self) -> None:
        """See StrictHttp."""
        express = self._serving.express
        if express is not None and self._is_for(express):
            keep_alive = self.parser.should_keep_alive()
            self._exchange = Exchange(express, self, OPERATIONS[self.url], self.headers, keep_alive)
            self.cycle = cast("RequestResponseCycle", self._exchange)
            return
        url, headers = self.url, self.headers
        expects = any(name == b"expect" and value.lower() == b"100-continue" for name, value in headers)
        HttpToolsProtocol.on_message_begin(self)
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super().start()

    def _is_for(self, express: Express) -> bool:
        """Whether the request whose head has come goes this way."""
        cycle = self.cycle
        if self.url not in OPERATIONS or self._is_upgrade or (cycle is not None and not cycle.response_complete):
            return False
        length = -1
        for name, value in self.headers:
            if name in TELLING:
                if name != b"content-length" or not value.isdigit():
                    return False
                length = int(value[:20])
        self._length = length
        most = min(MOST_BYTES, express.lane.max_body_bytes)
        return 0 < length <= most and self.parser.get_method() == b"POST" and self._version == "1.1"

    # The answer: see gateway.express.exchange.Client

    def begin(self, status: int, headers: RawHeaders, lines: bytes, body: bytes | None, keep_alive: bool) -> None:
        """See Client."""
        content = [STATUS_LINE[status]]
        content += [b"%b: %b\r\n" % pair for pair in self.server_state.default_headers]
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

    def write_piece(self, data: bytes) -> bool:
        """See Client."""
        self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        return not self.flow.write_paused

    def write_end(self) -> None:
        """See Client."""
        self.transport.write(b"0\r\n\r\n")

    def over(self, keep_alive: bool) -> None:
        """See Client."""
        exchange, self._exchange = self._exchange, None
        if exchange is None or not keep_alive or not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def hand_over(self, exchange: Exchange, step: Understood | RequestError | None) -> None:
        """See Client."""
        self._exchange = None
        cycle = self._cycle_of(exchange)
        if self.cycle is cast("RequestResponseCycle", exchange):
            self.cycle = cycle
        self._going_on.append(cycle)
        if step is None:
            cycle.body, cycle.more_body = bytearray(exchange.body()), True
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


def _going_on(exchange: Exchange, step: Understood | RequestError) -> App:
    async def go_on(scope: Scope, receive: Receive, send: Send) -> None:
        await exchange.express.lane.go_on(step, receive, send, exchange.progress)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await exchange.express.underway.run(go_on, scope, receive, send)

    return app
