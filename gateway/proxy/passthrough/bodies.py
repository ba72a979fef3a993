"""Bodies of requests that are passed through, with the model's name at the backend in place of the client's.

JSON is held whole, within `server.max_body_bytes`. A form goes on as it comes: only what stands before its `model` is
held, on disk where that is more than a little, and what comes after never is.
"""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from typing import IO, Protocol

from gateway.errors import InvalidRequest
from gateway.http import read_body
from gateway.http.asgi import Receive
from gateway.http.endpoints import CHAT
from gateway.http.json_members import split_members
from gateway.http.request_body import RequestBody
from gateway.proxy.passthrough.form import FormModel

SPOOLED_BYTES = 256 * 1024
"""Held in memory of what stands before a form's model; more goes to a temporary file."""
SEARCHED_BYTES = 64 * 1024 * 1024
"""Within which a form's model must stand."""
PIECE_BYTES = 64 * 1024


class Body(Protocol):
    """A request's body.

    Attributes:
        model: as the client names it, None where it names none.
        content_type: None without a body.
        is_held: all of it has come.
        can_repeat: `pieces` can be read from the beginning, again.
        completed: set when the last of it has come.
    """

    model: str | None
    content_type: bytes | None
    completed: asyncio.Event

    @property
    def is_held(self) -> bool:
        """True once all of it has come."""

    @property
    def can_repeat(self) -> bool:
        """True while nothing has gone that is not held."""

    @property
    def received_bytes(self) -> int:
        """Bytes that have come from the client."""

    def close(self) -> None:
        """Delete what is held."""

    def size(self, model: bytes) -> int | None:
        """Return the number of bytes, None where it is not known beforehand. model: at the backend, as JSON."""

    def pieces(self, model: bytes) -> AsyncIterator[bytes]:
        """Yield the body. Raises RequestError, ClientDisconnected."""


class PieceReader:
    """A body as it comes, with a limit."""

    def __init__(self, receive: Receive, limit: int, total_s: float) -> None:
        """limit: bytes. total_s: time for all of it, from now."""
        self._receive, self._limit, self._total_s = receive, limit, total_s
        self._ends = asyncio.get_running_loop().time() + total_s
        self._size = 0
        self.completed = asyncio.Event()

    @property
    def received_bytes(self) -> int:
        """Bytes that have come."""
        return self._size

    @property
    def is_complete(self) -> bool:
        """True once the last piece has come."""
        return self.completed.is_set()

    async def read_piece(self) -> bytes:
        """Return the next piece. Raises PayloadTooLarge, RequestTimeout, ClientDisconnected."""
        message = await read_body.receive_in_time(self._receive, self._ends, self._total_s)
        if message["type"] == "http.disconnect":
            raise read_body.ClientDisconnected
        piece: bytes = message.get("body", b"")
        self._size += len(piece)
        if self._size > self._limit:
            raise read_body.payload_too_large(self._limit, "server.max_upload_bytes")
        if not message.get("more_body", False):
            self.completed.set()
        return piece


class HeldBody:
    """A body that is held whole: JSON, or none."""

    is_held = can_repeat = True

    def __init__(self, data: bytes, content_type: bytes | None, has_model: bool) -> None:
        """has_model: its member `model` chooses the backend. Raises InvalidRequest for what then is no JSON object."""
        self.content_type = content_type if data else None
        self.completed = asyncio.Event()
        self.completed.set()
        self.model: str | None = None
        self._data = data
        self._body: RequestBody | None = None
        if has_model:
            members = split_members(data)
            self.model = _text(members.get("model", b"null"))
            self._body = RequestBody(CHAT, members, self.model or "")

    @property
    def data(self) -> bytes:
        """The body as it came."""
        return self._data

    @property
    def received_bytes(self) -> int:
        """Bytes that have come from the client."""
        return len(self._data)

    def close(self) -> None:
        """Do nothing: all is in memory."""

    def size(self, model: bytes) -> int:
        """Return the number of bytes."""
        return len(self._written(model))

    async def pieces(self, model: bytes) -> AsyncIterator[bytes]:
        """Yield the body in one piece."""
        if written := self._written(model):
            yield written

    def _written(self, model: bytes) -> bytes:
        return self._data if self._body is None else self._body.forwarded_members(model)


class FormBody:
    """A multipart form that goes on as it comes."""

    def __init__(self, reader: PieceReader, content_type: bytes, length: int | None, has_model: bool) -> None:
        """length: of the body, None where it comes in chunks. Raises InvalidRequest for a type without a boundary."""
        self.content_type: bytes | None = content_type
        self.model: str | None = None
        self.completed = reader.completed
        self._reader, self._length = reader, length
        self._found = FormModel(content_type) if has_model else None
        self._held: IO[bytes] = tempfile.SpooledTemporaryFile(SPOOLED_BYTES)  # noqa: SIM115 - closed by close()
        self._held_size = 0
        self._is_gone = False

    @property
    def is_held(self) -> bool:
        """True once all of it has come. What has gone without being held is not."""
        return self._reader.is_complete and not self._is_gone

    @property
    def can_repeat(self) -> bool:
        """True while nothing has gone that is not held."""
        return not self._is_gone

    @property
    def received_bytes(self) -> int:
        """Bytes that have come from the client."""
        return self._reader.received_bytes

    def close(self) -> None:
        """Delete what is held."""
        self._held.close()

    async def read_to_model(self) -> None:
        """Read as far as the field `model`, or to the end. Raises InvalidRequest, and what PieceReader raises."""
        found = self._found
        # A small form is held whole: it can be sent again.
        is_small = self._length is not None and self._length <= SPOOLED_BYTES
        while not self._reader.is_complete and (is_small or (found is not None and found.value is None)):
            piece = await self._next_piece()
            self._held_size += len(piece)
            await self._hold(piece)
            if self._held_size > SEARCHED_BYTES and found is not None and found.value is None:
                raise InvalidRequest(
                    f"the form has no `model` in its first {SEARCHED_BYTES} bytes: send it before the file",
                    param="model",
                )
        self.model = None if found is None else found.value

    def size(self, model: bytes) -> int | None:
        """Return the number of bytes, None where the form comes in chunks."""
        length = self._held_size if self._reader.is_complete else self._length
        return (
            None if length is None else length + sum(len(new) - (end - start) for start, end, new in self._edits(model))
        )

    async def pieces(self, model: bytes) -> AsyncIterator[bytes]:
        """Yield the form. Raises InvalidRequest where it turns out to be invalid, and what PieceReader raises."""
        at = 0
        for start, end, new in self._edits(model):
            async for piece in self._read_held(at, start):
                yield piece
            yield new
            at = end
        async for piece in self._read_held(at, self._held_size):
            yield piece
        while not self._reader.is_complete:
            self._is_gone = True
            yield await self._next_piece()

    def _edits(self, model: bytes) -> list[tuple[int, int, bytes]]:
        """Return what is replaced: start, end, and the new bytes."""
        if self._found is None:
            return []
        name = json.loads(model).encode()
        if self.model is not None:
            return [(self._found.start, self._found.end, name)]
        return [(0, 0, self._found.format_field(name))]

    async def _read_held(self, start: int, end: int) -> AsyncIterator[bytes]:
        at = start
        while at < end:
            size = min(PIECE_BYTES, end - at)
            is_in_memory = self._held_size <= SPOOLED_BYTES
            piece = self._read_at(at, size) if is_in_memory else await asyncio.to_thread(self._read_at, at, size)
            at += len(piece)
            yield piece

    async def _hold(self, piece: bytes) -> None:
        """Keep a piece. Raises InvalidRequest where there is no room for it."""
        try:
            if self._held_size <= SPOOLED_BYTES:
                self._held.write(piece)
            else:
                # A disk may be slow, and the loop has others to serve.
                await asyncio.to_thread(self._held.write, piece)
        except OSError as error:
            raise InvalidRequest(
                f"the form's `model` stands behind a file, which cannot be held here ({error.strerror}): send `model` "
                "before the file",
                param="model",
                code="form_not_held",
            ) from error

    def _read_at(self, at: int, size: int) -> bytes:
        self._held.seek(at)
        return self._held.read(size)

    async def _next_piece(self) -> bytes:
        piece = await self._reader.read_piece()
        if self._found is not None:
            self._found.feed(piece)
            if self._reader.is_complete:
                self._found.check_end()
        return piece


def _text(value: bytes) -> str | None:
    """Return a `model` that is a string, None for null. Raises InvalidRequest."""
    if value == b"null":
        return None
    if not value.startswith(b'"'):
        raise InvalidRequest("'model' must be a string", param="model")
    return str(json.loads(value))
