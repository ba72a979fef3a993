"""A request's body, within its size limit."""

import asyncio

from gateway.errors import PayloadTooLarge, RequestTimeout, UnsupportedContentEncoding
from gateway.http.asgi import Message, Receive, Scope
from gateway.http.headers import first_value

BODY_TIMEOUT_S = 60.0
"""How long a client may pause within its request's body."""


class ClientDisconnected(Exception):
    """The client left before its request was complete."""


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body. Raises PayloadTooLarge as soon as that is certain, ClientDisconnected if the client leaves."""
    check_head(scope, limit)
    message = await _more(receive)
    parts, size = [], 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)
        message = await _more(receive)


async def _more(receive: Receive) -> Message:
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await receive()
    except TimeoutError as error:
        raise RequestTimeout(f"nothing of the body has come for {BODY_TIMEOUT_S:g} seconds") from error


def check_head(scope: Scope, limit: int) -> None:
    """Raise PayloadTooLarge or UnsupportedContentEncoding for a body that a request's head rules out."""
    announced = first_value(scope["headers"], b"content-length")
    if announced is not None and announced.isdigit() and int(announced[:20]) > limit:
        raise _too_large(limit)
    encoding = first_value(scope["headers"], b"content-encoding")
    if encoding is not None and encoding.strip().lower() not in (b"", b"identity"):
        raise UnsupportedContentEncoding("a request body must not be compressed: send it without Content-Encoding")


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"the body is larger than {limit} bytes")
