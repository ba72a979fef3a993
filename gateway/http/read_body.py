"""Reading of a request's body from ASGI, within its size limit."""

import asyncio

from gateway.errors import PayloadTooLarge, RequestTimeout, UnsupportedContentEncoding
from gateway.http.asgi import Message, Receive, Scope
from gateway.http.headers import first_value

BODY_TIMEOUT_S = 60.0
"""Maximum pause of a client within its request's body."""


class ClientDisconnected(Exception):
    """The client disconnected before its request was complete."""


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Return the whole body. limit: bytes.

    Raises PayloadTooLarge as soon as the size is known, RequestTimeout, UnsupportedContentEncoding, ClientDisconnected.
    """
    check_head(scope, limit)
    message = await receive_in_time(receive)
    parts, size = [], 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        part = message.get("body", b"")
        size += len(part)
        # Content-Length is no bound of a chunked body (RFC 9112, 6.3), so what arrives is counted as well.
        if size > limit:
            raise payload_too_large(limit)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)
        message = await receive_in_time(receive)


async def receive_in_time(receive: Receive) -> Message:
    """Return the next message. Raises RequestTimeout."""
    # A timeout for each piece: a slow upload that goes on is served, one that has stopped is ended (RFC 9110, 15.5.9).
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await receive()
    except TimeoutError as error:
        raise body_timed_out() from error


def check_head(scope: Scope, limit: int, setting: str = "server.max_body_bytes") -> None:
    """Raise PayloadTooLarge or UnsupportedContentEncoding for a body that a request's head rules out.

    limit: bytes. setting: its name.
    """
    # 20 digits are more than any body needs; of more than 4,300 int() raises ValueError.
    length = first_value(scope["headers"], b"content-length")
    if length is not None and length.isdigit() and int(length[:20]) > limit:
        raise payload_too_large(limit, setting)
    # A compressed body could unpack to a thousand times its size; RFC 9110, 15.5.16, lets a server refuse the coding.
    encoding = first_value(scope["headers"], b"content-encoding")
    if encoding is not None and encoding.strip().lower() not in (b"", b"identity"):
        raise UnsupportedContentEncoding(
            "Compressed request bodies are not supported: send the body without Content-Encoding."
        )


def body_timed_out() -> RequestTimeout:
    """Return the error of a body that has stopped arriving."""
    return RequestTimeout(f"Timed out waiting for the request body ({BODY_TIMEOUT_S:g} s).")


def payload_too_large(limit: int, setting: str = "server.max_body_bytes") -> PayloadTooLarge:
    """Return the error of a body over the limit. limit: bytes. setting: its name."""
    return PayloadTooLarge(f"The request body is larger than the limit of {limit} bytes ({setting}).")
