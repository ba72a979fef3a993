"""In front of the endpoints: a limit on bodies, and on every answer a request ID, and whether it may be kept."""

from dataclasses import dataclass

from gateway.errors import RequestError
from gateway.http import error_envelope
from gateway.http.asgi import App, Message, Receive, Scope, Send, response_body, response_start
from gateway.http.headers import REQUEST_ID, request_id_of
from gateway.http.read_body import ClientDisconnected, read_body

NO_STORE = (b"cache-control", b"no-store")
"""What the endpoints tell is of the moment, and for who asked: nobody in between keeps it."""


@dataclass(frozen=True, slots=True)
class ApiMiddleware:
    """Hands on what passes."""

    app: App
    max_body_bytes: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        own = (REQUEST_ID.encode(), request_id_of(scope["headers"]).encode())

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                says = any(name == b"cache-control" for name, _ in message["headers"])
                message["headers"] = [*message["headers"], own, *(() if says else (NO_STORE,))]
            await send(message)

        try:
            body = await read_body(scope, receive, self.max_body_bytes)
        except ClientDisconnected:
            return
        except RequestError as error:
            told = error_envelope.encode_error(error)
            headers = [(b"content-type", error_envelope.JSON), (b"content-length", str(len(told)).encode())]
            await send_with_id(response_start(error.status, headers))
            await send_with_id(response_body(told))
            return
        await self.app(scope, _replaying(body, receive), send_with_id)


def _replaying(body: bytes, receive: Receive) -> Receive:
    """A body that has been read, given once more; what comes after it comes from the client."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
