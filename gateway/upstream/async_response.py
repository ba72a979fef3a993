"""A backend's answer for those who wait for it, piece by piece."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from gateway.http.error_envelope import JSON
from gateway.http.headers import Headers, first_value
from gateway.http.sse import EVENT_STREAM
from gateway.upstream.connection import Connection
from gateway.upstream.errors import UpstreamFault, UpstreamProtocolError

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
MAX_BUFFERED_BYTES = 256 * 1024
"""What may lie here until the backend is held back."""


class AsyncResponse:
    """An answer over a connection. A reader for the connection, an Answer for whoever asked."""

    def __init__(self, connection: Connection) -> None:
        self.status = 0
        self.headers: Headers = ()
        self._connection: Connection | None = connection
        self._pieces: list[bytes] = []
        self._size = 0
        self._has_ended = False
        self._fault: UpstreamFault | None = None
        self._waiting: asyncio.Future[None] | None = None

    @classmethod
    async def send_request(cls, connection: Connection, written: Sequence[bytes]) -> "AsyncResponse":
        """Asks, and waits for the status. Raises UpstreamFault. A caller that is cancelled ends the connection too."""
        made = cls(connection)
        connection.send_request(written, made)
        try:
            while not made.status and made._fault is None:
                await made._moved()
        except BaseException:
            made.close()
            raise
        if made._fault is not None and not made.status:
            raise made._fault
        return made

    @property
    def is_stream(self) -> bool:
        """See Answer.is_stream."""
        return is_event_stream(self.headers)

    async def read_body(self) -> bytes:
        """See Answer.read."""
        parts, size = [], 0
        async for chunk in self.iter_chunks():
            parts.append(chunk)
            size += len(chunk)
            if size > MAX_RESPONSE_BYTES:
                raise UpstreamProtocolError(f"answered more than {MAX_RESPONSE_BYTES} bytes")
        return b"".join(parts)

    async def iter_chunks(self) -> AsyncIterator[bytes]:
        """See Answer.chunks."""
        while True:
            if self._pieces:
                data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
                self._pieces, self._size = [], 0
                if self._connection is not None:
                    self._connection.resume_reading()
                yield data
            elif self._fault is not None:
                raise self._fault
            elif self._has_ended:
                return
            else:
                await self._moved()

    def close(self) -> None:
        """See Answer.close."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    def on_head(self, status: int, headers: Headers) -> None:
        """See Reader."""
        self.status, self.headers = status, headers
        self._wake()

    def on_data(self, data: bytes, written: bytes | None = None) -> None:
        """See Reader."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size > MAX_BUFFERED_BYTES and self._connection is not None:
            self._connection.pause_reading()
        self._wake()

    def on_complete(self) -> None:
        """See Reader."""
        self._connection, self._has_ended = None, True
        self._wake()

    def on_error(self, fault: UpstreamFault) -> None:
        """See Reader."""
        self._connection, self._fault = None, fault
        self._wake()

    async def _moved(self) -> None:
        """Until something has come."""
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


def is_event_stream(headers: Headers) -> bool:
    """Whether a body is a stream of events."""
    told = first_value(headers, b"content-type")
    if told is None or told == JSON:  # nearly always one of them
        return False
    return told.partition(b";")[0].strip().lower() == EVENT_STREAM
