"""Responses of endpoints and steps that are plain ASGI, and errors in OpenAI's envelope."""

import logging

from gateway.errors import Internal, MethodNotAllowed, RequestError
from gateway.http import error_envelope
from gateway.http.asgi import RawHeaders, Scope, Send, response_body, response_start
from gateway.proxy.responses import error_headers

log = logging.getLogger("benchroute.api")


async def send_error(error: RequestError, send: Send, more: RawHeaders = ()) -> None:
    """Send an error. more: further headers; of a 405 the methods that are allowed."""
    # The request path's own 405 allows POST.
    own = error_headers(error)
    headers = [header for header in own if header[0] != b"allow"] if isinstance(error, MethodNotAllowed) else own
    await send_response(send, error.status, [*headers, *more], error_envelope.encode_error(error))


async def send_response(send: Send, status: int, headers: RawHeaders, body: bytes | None = None) -> None:
    """Send a whole response. body: None for a status without one."""
    length = [] if body is None else [(b"content-length", str(len(body)).encode())]
    await send(response_start(status, [*headers, *length]))
    await send(response_body(body or b""))


def log_internal_error(scope: Scope, error: Exception) -> Internal:
    """Log an exception that left an endpoint, and return the error that its client gets."""
    log.error("internal error in %s %s", scope["method"], scope["path"], exc_info=error)
    return Internal("Internal error of the gateway. Its log has the details.")
