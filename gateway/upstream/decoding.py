"""Decompression of a backend's body on its way to the handler, which sees it as if it had come uncompressed.

Requests ask for uncompressed bodies; this is for backends that compress all the same. A body that grows without measure
holds up neither other requests nor memory: pieces are small, few at a time, and none while the handler takes no more.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from gateway.http.content_coding import CodingError, Decompressor, new_decompressor
from gateway.http.forwarding import without_nominated
from gateway.http.headers import Headers
from gateway.upstream.errors import UpstreamFault, UpstreamProtocolError
from gateway.upstream.interface import ResponseHandler

PIECES_AT_A_TIME = 16
"""Pieces, 1 MB of a body, until other requests have their turn."""

COMMON_CONNECTION = (b"keep-alive", b"close", b"Keep-Alive", b"Close")
"""Values of Connection that name no header."""

FRAMING = frozenset({b"content-length", b"transfer-encoding", b"content-encoding", b"connection"})


def inspect_framing(headers: Headers) -> tuple[bool, bool]:
    """Return whether the head gives the body's end, and whether it needs `simplify_head`.

    Where it does not give it, the connection's end is the body's (RFC 9112, 6.3).
    """
    is_framed = is_unusual = False
    for name, value in headers:
        # One test for the many that are neither.
        if name in FRAMING:
            if name == b"content-length" or (
                name == b"transfer-encoding" and value.strip().lower().endswith(b"chunked")
            ):
                is_framed = True
            elif name == b"content-encoding" or (name == b"connection" and value not in COMMON_CONNECTION):
                is_unusual = True
    return is_framed, is_unusual


def simplify_head(headers: Headers) -> tuple[Headers, list[str]]:
    """Return a head without its content codings and without the headers that Connection names; and the codings."""
    values = b",".join(value for name, value in headers if name == b"content-encoding").decode("latin-1")
    codings = [one for part in values.lower().split(",") if (one := part.strip()) and one != "identity"]
    others = [pair for pair in without_nominated(headers) if pair[0] != b"content-encoding"]
    if codings:
        others = [pair for pair in others if pair[0] != b"content-length"]
    return others, codings


class DecodedBody:
    """A handler that decompresses for another one.

    Attributes:
        handler: The other one; None when it is not to be called any more.
        is_held: The handler takes no more for now.
        is_drained: Everything that has come has been handed on.
    """

    def __init__(
        self, handler: ResponseHandler, codings: list[str], pause: Callable[[], None], go_on: Callable[[], None]
    ) -> None:
        """codings: in the order in which they were applied.

        pause: hold the backend back; go_on: called later, in another turn of the event loop, and calls `drain`. Raises
        UpstreamFault for codings that cannot be decoded.
        """
        try:
            if len(codings) > 1:
                raise CodingError("is compressed more than once")
            self._decompressor: Decompressor = new_decompressor(codings[0])
        except CodingError as error:
            raise _fault(error) from error
        self.handler: ResponseHandler | None = handler
        self.is_held = self._is_waiting = False
        self.is_drained = True
        self._has_begun = False
        self._queue: deque[bytes] = deque()
        self._pause, self._go_on = pause, go_on

    def on_head(self, status: int, headers: Headers) -> None:
        """Pass the head on."""
        if self.handler is not None:
            self.handler.on_head(status, headers)

    def on_data(self, data: bytes, chunk: bytes | None = None) -> None:
        """Decompress, and pass on what comes of it."""
        self._has_begun = True
        self._queue.append(data)
        self.is_drained = False
        if not self._is_waiting:
            self.drain()

    def on_complete(self) -> None:
        """End the body, which must have come to its own end too."""
        handler, self.handler = self.handler, None
        if handler is None:
            return
        # Nothing at all, as with HEAD or 204, is complete.
        if self._has_begun and not self._decompressor.is_complete:
            handler.on_error(UpstreamProtocolError("ended its compressed body too early"))
        else:
            handler.on_complete()

    def on_error(self, fault: UpstreamFault) -> None:
        """Pass the fault on."""
        handler, self.handler = self.handler, None
        if handler is not None:
            handler.on_error(fault)

    def drain(self) -> None:
        """Pass on what has come, as far as the handler takes it."""
        self._is_waiting = False
        try:
            for _ in range(PIECES_AT_A_TIME):
                piece = b"" if self.handler is None or self.is_held else self._next_piece()
                if not piece or self.handler is None:
                    return
                self.handler.on_data(piece)
        except CodingError as error:
            self.on_error(_fault(error))
            return
        self._is_waiting = True
        self._pause()
        asyncio.get_running_loop().call_soon(self._go_on)

    def _next_piece(self) -> bytes:
        """Return the next piece; b"" where everything has been read. Raises CodingError."""
        piece = self._decompressor.read_piece(b"")
        while not piece and self._queue:
            piece = self._decompressor.read_piece(self._queue.popleft())
        self.is_drained = not piece
        return piece


def _fault(error: CodingError) -> UpstreamProtocolError:
    return UpstreamProtocolError(f"sent a body that {error}")


def begin_unusual(
    head: Headers, handler: ResponseHandler, pause: Callable[[], None], go_on: Callable[[], None]
) -> tuple[list[tuple[bytes, bytes]], DecodedBody | None]:
    """Begin a response whose body is compressed, or whose Connection names headers of its own.

    Return its head as the handler gets it, and what decodes its body, if anything has to. pause, go_on: DecodedBody's.
    Raises UpstreamFault.
    """
    simple, codings = simplify_head(head)
    return list(simple), DecodedBody(handler, codings, pause, go_on) if codings else None
