"""The ASGI entrance: feeds an exchange from `receive`, and sends what it writes.

For `server.lane: asgi`, and for requests on the other entrance whose framing it leaves to uvicorn. A request here costs
two tasks; nothing else differs.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from gateway.errors import MethodNotAllowed, RequestError
from gateway.http.asgi import Message, RawHeaders, Receive, Scope, Send, header_pairs, response_body, response_start
from gateway.http.chunks import chunk_payload
from gateway.http.endpoints import BY_PATH
from gateway.http.headers import RequestHead
from gateway.http.read_body import check_head
from gateway.http.request_decoding import BodyDecoder
from gateway.http.write_timer import SLOW_READER
from gateway.proxy.exchange import Exchange, ExchangeContext, end_slow_reader

MAX_BUFFERED_BYTES = 64 * 1024
"""Bytes that may wait for `send` until the backend is paused."""


async def answer_request(context: ExchangeContext, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request to an endpoint that goes to backends."""
    writer, head = AsgiWriter(), RequestHead(scope["headers"])
    exchange = Exchange(context, writer, BY_PATH[scope["path"]], head, keep_alive=True)
    decoder = _start(exchange, scope)
    # Not before it has started: `receive` is what asks a client for its body (RFC 9110, 10.1.1).
    receiving = (
        None
        if exchange.response_complete
        else asyncio.create_task(_feed(exchange, writer, scope, _decoding(exchange, decoder, receive)))
    )
    try:
        await writer.send_all(send, exchange.on_writable)
    finally:
        if receiving is not None:
            receiving.cancel()
        # Does something only where the server has cancelled the request: then nobody else would end it.
        exchange.on_disconnect()


def _start(exchange: Exchange, scope: Scope) -> BodyDecoder | None:
    """Start a request. Return the decoder of its body, None for one that is not compressed."""
    if scope["method"] != "POST":
        exchange.fail(MethodNotAllowed(f"{scope['method']} is not answered here: POST"))
        return None
    exchange.start()
    try:
        return check_head(scope, exchange.context.pipeline.max_body_bytes)
    except RequestError as error:
        if not exchange.response_complete:
            exchange.fail(error)
    return None


def _decoding(exchange: Exchange, decoder: BodyDecoder | None, receive: Receive) -> Receive:
    """Return a `receive` whose bodies are decoded; one that cannot be fails the request."""
    if decoder is None:
        return receive

    async def receive_decoded() -> Message:
        message = await receive()
        if message["type"] == "http.disconnect" or exchange.response_complete:
            return message
        try:
            body = decoder.decode(message.get("body", b""))
            if not message.get("more_body", False):
                decoder.check_end()
        except RequestError as error:
            exchange.fail(error)
            body = b""
        return {**message, "body": body}

    return receive_decoded


async def _feed(exchange: Exchange, writer: "AsgiWriter", scope: Scope, receive: Receive) -> None:
    """Feed the request's body, then watch for the client's leaving."""
    while (message := await receive())["type"] != "http.disconnect":
        if exchange.more_body:
            exchange.on_request_body(message.get("body", b""))
            if not message.get("more_body", False):
                exchange.on_request_complete()
    if SLOW_READER in scope:
        end_slow_reader(exchange, scope[SLOW_READER])
    exchange.on_disconnect()
    writer.finish(False)


class AsgiWriter:
    """The client's side of a request: gateway.proxy.exchange.ResponseWriter, as ASGI messages."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._size = 0
        self._is_finished = False
        self._wake = asyncio.Event()

    def write_head(self, status: int, headers: RawHeaders, lines: bytes, body: bytes | None, keep_alive: bool) -> None:
        """Queue the head, and the body where it is there in one piece."""
        own = header_pairs(lines)
        # Without a length uvicorn writes chunks, or ends an HTTP/1.0 response with its connection.
        length = [] if body is None else [(b"content-length", b"%d" % len(body))]
        close = [] if keep_alive else [(b"connection", b"close")]
        self._messages.append(response_start(status, [*headers, *length, *own, *close]))
        if body is not None:
            self._messages.append(response_body(body))
        self._wake.set()

    def write_piece(self, data: bytes, chunk: bytes | None = None) -> bool:
        """Queue a piece of the body. Return whether the client takes more."""
        self._messages.append(response_body(data, more=True))
        self._size += len(data)
        self._wake.set()
        return self._size <= MAX_BUFFERED_BYTES

    def write_chunk(self, chunk: bytes) -> bool:
        """Queue a piece of the body that came as one whole chunk. Returns the same."""
        return self.write_piece(chunk_payload(chunk))

    def write_end(self) -> None:
        """Queue the end of a body in pieces."""
        self._messages.append(response_body(b""))

    def finish(self, keep_alive: bool, /) -> None:
        """End the response. One that lacks its end closes the connection: uvicorn sees that it is not complete."""
        self._is_finished = True
        self._wake.set()

    async def send_all(self, send: Send, on_writable: Callable[[], None]) -> None:
        """Send all messages up to the last one. on_writable: called when all that has been written is sent."""
        while True:
            # Cleared before the queue is emptied: what is written during `send` wakes this loop once more.
            self._wake.clear()
            while self._messages:
                message = self._messages.popleft()
                # uvicorn waits here while the client reads slowly; the queue grows, and write_piece says so.
                await send(message)
                self._size -= len(message.get("body", b"")) if message.get("more_body") else 0
            if self._is_finished:
                return
            on_writable()
            await self._wake.wait()
