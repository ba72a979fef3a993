"""Answers that are there in one piece: a backend's, one of our own making, a refusal."""

from gateway.errors import InvalidRequest, MethodNotAllowed, RateLimited, RequestError, UpstreamBusy
from gateway.http import error_envelope
from gateway.http.asgi import RawHeaders, Send, response_body, response_start
from gateway.http.endpoints import CHAT, Operation
from gateway.http.headers import to_client
from gateway.http.sse import StreamEnd, error_event
from gateway.proxy.request_record import Progress
from gateway.upstream.failover import Opened

HTTP_OK = 200
UNBUFFERED = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
"""What a stream says to those between us and its client."""


async def answer(status: int, headers: RawHeaders, body: bytes, send: Send, progress: Progress) -> None:
    """Sends a whole answer."""
    length = (b"content-length", str(len(body)).encode())
    await send(response_start(status, [*headers, length, *progress.begin_headers(status)]))
    progress.is_complete = True
    await send(response_body(body))


async def whole(opened: Opened, send: Send, progress: Progress) -> None:
    """A backend's answer as it came."""
    status, headers = opened.answer.status, to_client(opened.answer.headers)
    headers, body = in_envelope(status, headers, opened.first, progress.operation)
    await answer(status, headers, body, send, progress)


def in_envelope(
    status: int, headers: list[tuple[bytes, bytes]], body: bytes, operation: Operation | None
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """A backend's answer; a refusal that is not written as OpenAI writes one is put into its envelope."""
    if status < 400 or error_envelope.is_envelope(body):
        return headers, body
    kept = [(name, value) for name, value in headers if name != b"content-type"]
    return [*kept, (b"content-type", error_envelope.JSON)], error_envelope.envelope(foreign(status, body), operation)


def foreign(status: int, body: bytes) -> RequestError:
    """A backend's refusal that is not written as OpenAI writes one, or that comes where a stream was promised."""
    told = body[:500].decode("utf-8", "replace")
    return InvalidRequest(f"the backend refused the request with status {status}: {told}", code="upstream_refused")


async def refuse(error: RequestError, send: Send, progress: Progress) -> None:
    """Our own refusal; an event where a stream has begun, which then has no end."""
    if progress.status:
        progress.broke = error.message
        await send(response_body(error_event(error, StreamEnd(progress.operation or CHAT)), more=True))
        return
    headers = [(b"content-type", error_envelope.JSON)]
    if isinstance(error, UpstreamBusy | RateLimited) and error.retry_after:
        headers.append((b"retry-after", error.retry_after.encode("latin-1", "replace")))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", b"POST"))
    await answer(error.status, headers, error_envelope.envelope(error, progress.operation), send, progress)
