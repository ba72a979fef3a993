"""Headers of responses: of a backend's, and of the gateway's own errors."""

from typing import TYPE_CHECKING

from gateway.errors import (
    MethodNotAllowed,
    Overloaded,
    RateLimited,
    RequestError,
    UnsupportedContentEncoding,
    UpstreamBusy,
)
from gateway.http import error_envelope
from gateway.http.asgi import RawHeaders
from gateway.http.forwarding import response_headers
from gateway.http.request_decoding import supported_codings

if TYPE_CHECKING:
    from gateway.proxy.exchange import Exchange

HTTP_OK = 200
UNBUFFERED_HEADERS = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
"""Headers of a stream, for proxies between the gateway and its client (the second one is nginx's)."""


RATE_LIMIT = b"x-ratelimit-"


def client_headers(headers: RawHeaders, exchange: "Exchange") -> list[tuple[bytes, bytes]]:
    """Return the headers of a backend's response that a client gets; the limits of its key replace the backend's."""
    pipeline = exchange.context.pipeline
    shown = response_headers(headers, pipeline.forwarding.response)
    for name, _ in shown:
        if name.startswith(RATE_LIMIT):
            own = pipeline.accounting.rate_limits(exchange.record)
            return shown if own is None else [*(one for one in shown if not one[0].startswith(RATE_LIMIT)), *own]
    return shown


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
