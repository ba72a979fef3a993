"""Whole responses: a backend's, and the gateway's own errors."""

from gateway.errors import (
    InvalidRequest,
    MethodNotAllowed,
    Overloaded,
    RateLimited,
    RequestError,
    UnsupportedContentEncoding,
    UpstreamBusy,
)
from gateway.http import error_envelope
from gateway.http.endpoints import Endpoint
from gateway.http.request_decoding import supported_codings

HTTP_OK = 200
UNBUFFERED_HEADERS = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
"""Headers of a stream, for proxies between the gateway and its client (the second one is nginx's)."""


def normalize_error(
    status: int, headers: list[tuple[bytes, bytes]], body: bytes, endpoint: Endpoint
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return a backend's response; an error that is not written as OpenAI writes one is put into its envelope."""
    if status < 400 or error_envelope.is_envelope(body):
        return headers, body
    others = [(name, value) for name, value in headers if name != b"content-type"]
    return [*others, (b"content-type", error_envelope.JSON)], error_envelope.encode_error(
        upstream_refusal(status, body), endpoint
    )


def upstream_refusal(status: int, body: bytes) -> RequestError:
    """Return the error for a backend's refusal that is not in OpenAI's envelope, or comes where a stream was begun."""
    text = body[:500].decode("utf-8", "replace")
    return InvalidRequest(f"the backend refused the request with status {status}: {text}", code="upstream_refused")


def error_headers(error: RequestError) -> list[tuple[bytes, bytes]]:
    """Return the headers of the gateway's own error."""
    headers = [(b"content-type", error_envelope.JSON)]
    if isinstance(error, UpstreamBusy | RateLimited | Overloaded) and error.retry_after:
        headers.append((b"retry-after", error.retry_after.encode("latin-1", "replace")))
    if isinstance(error, RateLimited):
        headers += [(name.encode(), value.encode()) for name, value in error.limits.items()]
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", b"OPTIONS, POST"))  # RFC 9110, 15.5.6: a 405 must list what is allowed
    if isinstance(error, UnsupportedContentEncoding):
        # RFC 9110, 15.5.16: what would have been accepted.
        headers.append((b"accept-encoding", ", ".join(supported_codings()).encode()))
    return headers
