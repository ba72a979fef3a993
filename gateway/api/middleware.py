"""ASGI middleware in front of the endpoints: origin, body limit, request ID and headers of every response."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.api.responses import send_error
from gateway.errors import RequestError, RequestTimeout
from gateway.http.asgi import App, Message, Receive, Scope, Send
from gateway.http.headers import CLIENT_REQUEST_ID, REQUEST_ID, client_request_id, new_request_id
from gateway.http.read_body import ClientDisconnected, read_body
from gateway.keys.host_check import HostCheck

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
NO_STORE = (b"cache-control", b"no-store")
"""Responses describe a moment, for one caller: no cache may store them."""
CLOSE = (b"connection", b"close")
NO_SNIFF = (b"x-content-type-options", b"nosniff")
"""A response is what its Content-Type says: what clients have sent, such as names of tasks, never becomes a page."""


@dataclass(frozen=True, slots=True)
class ApiMiddleware:
    """Read the body up to its limit, then call the application.

    Attributes:
        max_body_bytes: 413 beyond it.
        body_timeout_s: 408 for a body that takes longer.
        host_check: 403 for requests of other sites' pages, where clients need no key.
        is_draining: True when responses end their connections, since the gateway stops soon.
    """

    app: App
    max_body_bytes: int
    body_timeout_s: float
    host_check: HostCheck
    is_draining: Callable[[], bool]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        own = [(REQUEST_ID.encode(), new_request_id().encode())]
        if (clients := client_request_id(scope["headers"])) is not None:
            own.append((CLIENT_REQUEST_ID.encode(), clients.encode()))

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                added = [header for header in (NO_STORE, NO_SNIFF) if header[0] not in present]
                added += [CLOSE] if self.is_draining() else []
                message["headers"] = [*message["headers"], *own, *added]
            await send(message)

        try:
            self.host_check.check_request(scope["headers"], scope["method"] not in SAFE_METHODS)
            body = await read_body(scope, receive, self.max_body_bytes, self.body_timeout_s)
        except ClientDisconnected:
            return
        except RequestError as error:
            # After a timeout the rest may still come, and is no request.
            await send_error(error, send_with_id, [CLOSE] if isinstance(error, RequestTimeout) else [])
            return
        # RFC 9110, 9.3.2: the same as GET; the server leaves the body out, by the scope that it has kept.
        asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        await self.app(asked, _replaying(body, receive), send_with_id)


def _replaying(body: bytes, receive: Receive) -> Receive:
    """Replay a body that has been read; later messages come from the client."""
    is_replayed = False

    async def replay() -> Message:
        nonlocal is_replayed
        if is_replayed:
            return await receive()
        is_replayed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
