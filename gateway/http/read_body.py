"""Reading of a request's body from ASGI, within its size limit."""

import asyncio

from gateway.errors import PayloadTooLarge, RequestTimeout
from gateway.http.asgi import Message, Receive, Scope
from gateway.http.headers import first_value
from gateway.http.request_decoding import BodyDecoder, body_decoder

BODY_TIMEOUT_S = 60.0
"""Maximum pause of a client within its request's body."""

BODY_TOTAL_S = 300.0
"""Default of `server.body_timeout_s`: the time for a whole body, however evenly it trickles."""


class ClientDisconnected(Exception):
    """The client disconnected before its request was complete."""


async def read_body(scope: Scope, receive: Receive, limit: int, total_s: float = BODY_TOTAL_S) -> bytes:
    """Return the whole body, decoded. limit: bytes. total_s: time for all of it.

    Raises PayloadTooLarge as soon as the size is known, RequestTimeout, UnsupportedContentEncoding, InvalidRequest for
    a body that is not what its coding says, ClientDisconnected.
    """
    decoder = check_head(scope, limit)
    ends = asyncio.get_running_loop().time() + total_s
    message = await receive_in_time(receive, ends, total_s)
    parts, size = [], 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        part = message.get("body", b"")
        if decoder is not None:
            part = decoder.decode(part)
        size += len(part)
        # Content-Length is no bound of a chunked body (RFC 9112, 6.3), so what arrives is counted as well.
        if size > limit:
            raise payload_too_large(limit)
        parts.append(part)
        if not message.get("more_body", False):
            if decoder is not None:
                decoder.check_end()
            return b"".join(parts)
        message = await receive_in_time(receive, ends, total_s)


async def receive_in_time(receive: Receive, ends: float, total_s: float) -> Message:
    """Return the next piece. Raises RequestTimeout after a pause, and at the end of the body's whole time.

    ends: by the loop's clock.
    """
    # For each piece: a slow upload that goes on is served, one that has stopped is ended (RFC 9110, 15.5.9).
    now = asyncio.get_running_loop().time()
    due, timed_out = body_deadline(ends - total_s, now, total_s)
    try:
        async with asyncio.timeout_at(due):
            return await receive()
    except TimeoutError as error:
        raise timed_out from error


def check_head(scope: Scope, limit: int, setting: str = "server.max_body_bytes") -> BodyDecoder | None:
    """Return the decoder of a body, None for one that is not compressed.

    limit: bytes. setting: its name. Raises PayloadTooLarge or UnsupportedContentEncoding for a body that the request's
    head rules out.
    """
    # 20 digits are more than any body needs; of more than 4,300 int() raises ValueError.
    length = first_value(scope["headers"], b"content-length")
    if length is not None and length.isdigit() and int(length[:20]) > limit:
        raise payload_too_large(limit, setting)
    return body_decoder(scope["headers"], limit)


def body_deadline(began: float, received: float, total_s: float) -> tuple[float, RequestTimeout]:
    """Return the time by which more of a body must have come, and the error if it has not.

    began: when the head had come. received: when the last piece had. total_s: time for all of it.
    """
    pause_ends, ends = received + BODY_TIMEOUT_S, began + total_s
    if pause_ends < ends:
        return pause_ends, RequestTimeout(f"Timed out waiting for the request body ({BODY_TIMEOUT_S:g} s).")
    limit = f"{total_s:g} s (server.body_timeout_s)"
    return ends, RequestTimeout(f"The request body took longer than the limit of {limit}.")


def payload_too_large(limit: int, setting: str = "server.max_body_bytes") -> PayloadTooLarge:
    """Return the error of a body over the limit. limit: bytes. setting: its name."""
    return PayloadTooLarge(f"The request body is larger than the limit of {limit} bytes ({setting}).")
