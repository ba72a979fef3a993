"""Answers that are there in one piece: a backend's, one of our own making, a refusal."""

from gateway.errors import InvalidRequest, MethodNotAllowed, RateLimited, RequestError, UpstreamBusy
from gateway.http import error_envelope
from gateway.http.asgi import RawHeaders, Send, response_body, response_start
from gateway.http.endpoints import CHAT, Endpoint
from gateway.http.headers import response_headers
from gateway.http.sse import StreamEndDetector, format_error_event
from gateway.proxy.request_record import RequestRecord
from gateway.upstream.failover import OpenResponse

HTTP_OK = 200
UNBUFFERED_HEADERS = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
"""What a stream says to those between us and its client."""


async def send_response(status: int, headers: RawHeaders, body: bytes, send: Send, progress: RequestRecord) -> None:
    """Sends a whole answer."""
    length = (b"content-length", str(len(body)).encode())
    await send(response_start(status, [*headers, length, *progress.begin_headers(status)]))
    progress.is_complete = True
    await send(response_body(body))


async def send_upstream_response(opened: OpenResponse, send: Send, progress: RequestRecord) -> None:
    """A backend's answer as it came."""
    status, headers = opened.response.status, response_headers(opened.response.headers)
    headers, body = normalize_error(status, headers, opened.first_bytes, progress.endpoint)
    await send_response(status, headers, body, send, progress)


def normalize_error(
    status: int, headers: list[tuple[bytes, bytes]], body: bytes, operation: Endpoint | None
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """A backend's answer; a refusal that is not written as OpenAI writes one is put into its envelope."""
    if status < 400 or error_envelope.is_envelope(body):
        return headers, body
    kept = [(name, value) for name, value in headers if name != b"content-type"]
    return [*kept, (b"content-type", error_envelope.JSON)], error_envelope.encode_error(
        upstream_refusal(status, body), operation
    )


def upstream_refusal(status: int, body: bytes) -> RequestError:
    """A backend's refusal that is not written as OpenAI writes one, or that comes where a stream was promised."""
    told = body[:500].decode("utf-8", "replace")
    return InvalidRequest(f"the backend refused the request with status {status}: {told}", code="upstream_refused")


async def send_error(error: RequestError, send: Send, progress: RequestRecord) -> None:
    """Our own refusal; an event where a stream has begun, which then has no end."""
    if progress.status:
        progress.stream_error = error.message
        await send(response_body(format_error_event(error, StreamEndDetector(progress.endpoint or CHAT)), more=True))
        return
    headers = [(b"content-type", error_envelope.JSON)]
    if isinstance(error, UpstreamBusy | RateLimited) and error.retry_after:
        headers.append((b"retry-after", error.retry_after.encode("latin-1", "replace")))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", b"POST"))
    await send_response(error.status, headers, error_envelope.encode_error(error, progress.endpoint), send, progress)
