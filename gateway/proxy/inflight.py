"""Requests under way, so that a gateway that has to stop can end the last of them in words.

uvicorn waits for them, and after that cancels what is left without telling anybody.
"""

import asyncio
from dataclasses import dataclass

from gateway.http import error_envelope
from gateway.http.asgi import App, Message, Receive, Scope, Send, response_body, response_start
from gateway.http.endpoints import BY_PATH, CHAT, Endpoint
from gateway.http.sse import EVENT_STREAM, StreamEndDetector, format_error_event
from gateway.proxy.exchange import SHUTDOWN_ERROR


@dataclass(slots=True, eq=False)
class InflightRequest:
    """One request. head, last: the first and the latest message of its answer."""

    task: "asyncio.Task[object] | None"
    client: Send
    operation: Endpoint
    head: Message | None = None
    last: Message | None = None
    is_cut: bool = False

    async def send(self, message: Message) -> None:
        """Hands on what the application sends."""
        if self.head is None:
            self.head = message
        else:
            self.last = message
        await self.client(message)

    def abort(self) -> None:
        """It has had its time."""
        if self.task is not None:
            self.is_cut = True
            self.task.cancel()

    async def send_shutdown(self) -> None:
        """Tells the client that nothing more comes. An answer left without its end closes the connection."""
        if self.head is None:
            told = error_envelope.encode_error(SHUTDOWN_ERROR, self.operation)
            headers = [(b"content-type", error_envelope.JSON), (b"content-length", str(len(told)).encode())]
            await self.client(response_start(SHUTDOWN_ERROR.status, headers))
            await self.client(response_body(told))
        elif _is_stream(self.head) and (self.last is None or self.last["more_body"]):
            end = StreamEndDetector(self.operation)
            end.feed(self.last["body"] if self.last else b"")
            await self.client(
                response_body(b"") if end.is_done else response_body(format_error_event(SHUTDOWN_ERROR, end), more=True)
            )


class InflightRequests:
    """All of them."""

    def __init__(self) -> None:
        self._requests: set[InflightRequest] = set()

    async def track(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one, to its end or until it is cut."""
        request = InflightRequest(asyncio.current_task(), send, BY_PATH.get(scope["path"], CHAT))
        self._requests.add(request)
        try:
            await app(scope, receive, request.send)
        except asyncio.CancelledError:
            if not request.is_cut or request.task is None:
                raise
            request.task.uncancel()
            await request.send_shutdown()
        finally:
            self._requests.discard(request)

    def abort_all(self) -> int:
        """Ends all that are under way, and says how many."""
        cut = tuple(self._requests)
        for request in cut:
            request.abort()
        return len(cut)


def _is_stream(head: Message) -> bool:
    return any(name == b"content-type" and value.startswith(EVENT_STREAM) for name, value in head["headers"])
