"""The response of a request that is passed through: a backend's calls on one side, `await` on the other.

Held is only what the client has not taken yet: beyond HELD_BYTES the backend is paused.
"""

import asyncio
from collections import deque

from gateway.http.headers import Headers
from gateway.upstream.errors import TimedOut, UpstreamFault
from gateway.upstream.interface import RelayHandle

HELD_BYTES = 256 * 1024


class RelayedResponse:
    """A response as it comes: gateway.upstream.interface.ResponseHandler.

    Attributes:
        status: 0 as long as no head has come.
        handle: of the request, once it is sent.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: Headers = ()
        self.handle: RelayHandle | None = None
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._is_complete = False
        self._fault: UpstreamFault | None = None
        self._wake = asyncio.Event()

    # The backend's side

    def on_head(self, status: int, headers: Headers) -> None:
        """Receive the head."""
        self.status, self.headers = status, headers
        self._wake.set()

    def on_data(self, data: bytes, chunk: bytes | None = None) -> None:
        """Receive a piece of the body."""
        self._pieces.append(data)
        self._held += len(data)
        if self._held > HELD_BYTES and self.handle is not None:
            self.handle.pause_reading()
        self._wake.set()

    def on_complete(self) -> None:
        """Receive the end."""
        self._is_complete, self.handle = True, None
        self._wake.set()

    def on_error(self, fault: UpstreamFault) -> None:
        """Receive the reason why nothing more comes."""
        self._fault, self.handle = fault, None
        self._wake.set()

    # The client's side

    @property
    def has_begun(self) -> bool:
        """True once a head has come, or a fault in its place."""
        return self.status != 0 or self._fault is not None

    async def wait_head(self, limit_s: float) -> None:
        """Wait for the head. Raises UpstreamFault."""
        if not self.has_begun:
            await self._wait(limit_s, "did not answer in time")
        # What came before a fault is kept: a response may be complete in spite of it.
        if self.status == 0 and self._fault is not None:
            raise self._fault

    async def read_piece(self, limit_s: float) -> bytes:
        """Return the next piece of the body, b"" at its end. Raises UpstreamFault."""
        while not self._pieces:
            if self._is_complete:
                return b""
            if self._fault is not None:
                raise self._fault
            await self._wait(limit_s, "fell silent in the middle of its response")
        piece = self._pieces.popleft()
        self._held -= len(piece)
        if self._held <= HELD_BYTES and self.handle is not None:
            self.handle.resume_reading()
        return piece

    def abort(self) -> None:
        """End the backend's work."""
        handle, self.handle = self.handle, None
        if handle is not None:
            handle.abort()

    async def _wait(self, limit_s: float, silence: str) -> None:
        self._wake.clear()
        try:
            async with asyncio.timeout(max(0.0, limit_s)):
                await self._wake.wait()
        except TimeoutError as error:
            raise TimedOut(silence) from error
