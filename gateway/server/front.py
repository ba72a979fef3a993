"""Steps between the server and the endpoints that depend on a request's head alone: spelling, upgrades, CORS."""

from dataclasses import dataclass

from gateway.errors import Forbidden, RequestError, UpgradeRefused
from gateway.http import error_envelope
from gateway.http.asgi import App, Message, RawHeaders, Receive, Scope, Send, response_body, response_start
from gateway.http.cors import CorsPolicy, is_preflight
from gateway.http.headers import REQUEST_ID, first_value, new_request_id
from gateway.http.paths import VERSION, canonical_path
from gateway.proxy.passthrough.endpoints import is_passed_through

WEBSOCKET = b"websocket"
UPGRADE = [(b"upgrade", b"HTTP/1.1"), (b"connection", b"upgrade")]
"""RFC 9110, 15.5.22: a 426 names the protocol that is needed."""


@dataclass(frozen=True, slots=True)
class Front:
    """The steps before a request's endpoint."""

    app: App
    cors: CorsPolicy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight or an upgrade; pass on everything else."""
        headers = scope["headers"]
        # Escapes are left as they are: %2F is no slash.
        if (
            b"%" not in scope["raw_path"]
            and (path := canonical_path(scope["path"], is_passed_through)) != scope["path"]
        ):
            scope = {**scope, "path": path, "raw_path": path.encode()}
        if self.cors.concerns(headers):
            if is_preflight(scope["method"], headers):
                await self._answer_preflight(headers, send)
                return
            send = self._shared_with_page(headers, send)
        if is_websocket(scope):
            await send_error(websocket_refused(scope["path"]), UPGRADE, send)
            return
        await self.app(scope, receive, send)

    async def _answer_preflight(self, headers: RawHeaders, send: Send) -> None:
        if not self.cors.allows_origin(headers):
            origin = (first_value(headers, b"origin") or b"")[:200].decode("latin-1")
            refused = Forbidden(
                f"Pages of {origin!r} are not allowed: add it to server.cors_origins.", code="origin_not_allowed"
            )
            await send_error(refused, [(b"vary", b"origin")], send)
            return
        await send(response_start(204, self.cors.preflight_headers(headers)))
        await send(response_body(b""))

    def _shared_with_page(self, headers: RawHeaders, send: Send) -> Send:
        async def send_shared(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = [name for name, _ in message["headers"]]
                message["headers"] = [*message["headers"], *self.cors.response_headers(headers, names)]
            await send(message)

        return send_shared


def is_websocket(scope: Scope) -> bool:
    """Return whether a request asks for a WebSocket on an API path (RFC 6455, 4.1: only a GET does)."""
    if scope["method"] != "GET" or not scope["path"].startswith(f"{VERSION}/"):
        return False
    return WEBSOCKET in (first_value(scope["headers"], b"upgrade") or b"").lower()


def websocket_refused(path: str) -> UpgradeRefused:
    """Return the error of a WebSocket on an API path."""
    return UpgradeRefused(
        f'WebSocket is not served here: POST to {path} over HTTP, with `"stream": true` for server-sent events. '
        "Turn WebSocket transport off in the client."
    )


async def send_error(error: RequestError, headers: RawHeaders, send: Send) -> None:
    """Send an error in OpenAI's envelope."""
    body = error_envelope.encode_error(error)
    own = [
        (b"content-type", error_envelope.JSON),
        (b"content-length", str(len(body)).encode()),
        (REQUEST_ID.encode(), new_request_id().encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send(response_start(error.status, [*own, *headers]))
    await send(response_body(body))
