"""Length-prefixed messages on a socket: four bytes, big-endian, then msgpack."""

import asyncio
import socket
import struct
from typing import Any

import msgspec

from gateway.scorer.messages import FromScorer, ToScorer

LENGTH = struct.Struct(">I")
MAX_BYTES = 128 * 1024 * 1024

_encode_into = msgspec.msgpack.Encoder().encode_into
to_scorer = msgspec.msgpack.Decoder(ToScorer)
from_scorer = msgspec.msgpack.Decoder(FromScorer)


class FrameError(Exception):
    """The bytes on the socket are no message."""


def encode_frame(message: msgspec.Struct) -> bytearray:
    """Encode a message with its length."""
    frame = bytearray(LENGTH.size)
    _encode_into(message, frame, LENGTH.size)
    size = len(frame) - LENGTH.size
    if size > MAX_BYTES:
        raise FrameError(f"a message of {size} bytes is larger than {MAX_BYTES}")
    LENGTH.pack_into(frame, 0, size)
    return frame


def read_frame_blocking(connection: socket.socket) -> ToScorer | None:
    """Return the next message to the scorer; None when the gateway is gone. Raises FrameError."""
    head = _exactly(connection, LENGTH.size)
    body = None if head is None else _exactly(connection, _length(head))
    return None if body is None else _decoded(to_scorer, body)


async def read_frame(reader: asyncio.StreamReader) -> FromScorer | None:
    """Return the next message from the scorer; None when it is gone. Raises FrameError."""
    message: FromScorer | None = await read_message(reader, from_scorer)
    return message


async def read_message(reader: asyncio.StreamReader, decoder: msgspec.msgpack.Decoder[Any]) -> Any:
    """Return the next message, decoded; None when the other end is gone. Raises FrameError."""
    try:
        body = await reader.readexactly(_length(await reader.readexactly(LENGTH.size)))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return _decoded(decoder, body)


def _length(head: bytes) -> int:
    (length,) = LENGTH.unpack(head)
    if length > MAX_BYTES:
        raise FrameError(f"a message of {length} bytes is larger than {MAX_BYTES}")
    return int(length)


def _decoded(decoder: msgspec.msgpack.Decoder[Any], body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise FrameError(f"an invalid message: {error}") from error


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < count:
        try:
            piece = connection.recv(min(count - len(parts), 1 << 20))
        except ConnectionError:
            return None
        if not piece:
            return None
        parts += piece
    return bytes(parts)
