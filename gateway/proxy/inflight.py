"""In-flight requests of the management API, so that a shutdown can end the last of them with an error.

uvicorn waits for them, and then cancels what is left without a response. Requests to backends are ended by
gateway.proxy.deadlines.
"""

import asyncio
from dataclasses import dataclass

from gateway.http import error_envelope
from gateway.http.asgi import App, Message, Receive, Scope, Send, response_body, response_start
from gateway.http.endpoints import BY_PATH, CHAT, Endpoint
from gateway.http.sse import EVENT_STREAM, format_error_event
from gateway.http.sse_events import EVENT_ENDS
from gateway.http.stream_protocol import StreamOutcome, find_outcome
from gateway.proxy.exchange import SHUTDOWN_ERROR


@dataclass(slots=True, eq=False)
class InflightRequest:
    """A request in flight.

    Attributes:
        head: The first message of its response.
        last: The latest one after it.
        is_cut: A shutdown has cancelled it.
    """

    task: "asyncio.Task[object] | None"
    client: Send
    operation: Endpoint
    head: Message | None = None
    last: Message | None = None
    is_cut: bool = False

    async def send(self, message: Message) -> None:
        """Pass on a message of the application."""
        if self.head is None:
            self.head = message
        else:
            self.last = message
        await self.client(message)

    def abort(self) -> None:
        """Cancel the request."""
        if self.task is not None:
            self.is_cut = True
            self.task.cancel()

    async def send_shutdown(self) -> None:
        """Send the error. A response without its end makes the server close the connection."""
        if self.head is None:
            body = error_envelope.encode_error(SHUTDOWN_ERROR, self.operation)
            headers = [(b"content-type", error_envelope.JSON), (b"content-length", str(len(body)).encode())]
            await self.client(response_start(SHUTDOWN_ERROR.status, headers))
            await self.client(response_body(body))
        elif _is_stream(self.head) and (self.last is None or self.last["more_body"]):
            last = self.last["body"] if self.last else b""
            if find_outcome(self.operation, [last], is_clean=False) is StreamOutcome.COMPLETE:
                await self.client(response_body(b""))
                return
            is_at_boundary = not last or last.endswith(EVENT_ENDS)
            event = format_error_event(SHUTDOWN_ERROR, self.operation, is_at_boundary)
            await self.client(response_body(event, more=True))


class InflightRequests:
    """All in-flight requests."""

    def __init__(self) -> None:
        self._requests: set[InflightRequest] = set()

    async def track(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application for one request, to its end or until abort_all."""
        request = InflightRequest(asyncio.current_task(), send, BY_PATH.get(scope["path"], CHAT))
        self._requests.add(request)
        try:
            await app(scope, receive, request.send)
        except asyncio.CancelledError:
            # Cancelled by somebody else, such as the server at the end of its own grace period.
            if not request.is_cut or request.task is None:
                raise
            # The cancellation has been handled: without this, the next await would raise again.
            request.task.uncancel()
            await request.send_shutdown()
        finally:
            self._requests.discard(request)

    def abort_all(self) -> int:
        """Cancel all requests. Return how many there were."""
        cut = tuple(self._requests)
        for request in cut:
            request.abort()
        return len(cut)


def _is_stream(head: Message) -> bool:
    return any(name == b"content-type" and value.startswith(EVENT_STREAM) for name, value in head["headers"])
