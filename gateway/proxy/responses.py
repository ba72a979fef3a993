"""Headers of responses: of a backend's, and of the gateway's own errors."""

from typing import TYPE_CHECKING

from gateway.errors import MethodNotAllowed, RateLimited, RequestError, UpstreamBusy
from gateway.http import error_envelope
from gateway.http.headers import Headers, response_headers

if TYPE_CHECKING:
    from gateway.proxy.exchange import Exchange

HTTP_OK = 200
UNBUFFERED_HEADERS = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
"""Headers of a stream, for proxies between the gateway and its client (the second one is nginx's)."""


RATE_LIMIT = b"x-ratelimit-"


def client_headers(headers: Headers, exchange: "Exchange") -> list[tuple[bytes, bytes]]:
    """Return the headers of a backend's response that a client gets; the limits of its key replace the backend's."""
    shown = response_headers(headers)
    if not any(name.startswith(RATE_LIMIT) for name, _ in shown) or (own := _own_limits(exchange)) is None:
        return shown
    return [*(pair for pair in shown if not pair[0].startswith(RATE_LIMIT)), *own]


def error_headers(error: RequestError, exchange: "Exchange") -> list[tuple[bytes, bytes]]:
    """Return the headers of the gateway's own error."""
    headers = [(b"content-type", error_envelope.JSON)]
    if isinstance(error, RateLimited):
        headers += _own_limits(exchange) or ()
    if isinstance(error, UpstreamBusy | RateLimited) and error.retry_after:
        headers.append((b"retry-after", error.retry_after.encode("latin-1", "replace")))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", b"POST"))  # RFC 9110, 15.5.6: a 405 must list what is allowed
    return headers


def _own_limits(exchange: "Exchange") -> Headers | None:
    """Return the limits of the client's key as headers, None where it has none of its own."""
    return exchange.context.pipeline.accounting.rate_limits(exchange.record)
