"""Connections that are refused: each is told so once it has sent something, and is given the time to read it.

To close a socket with unread data resets the connection, and the client may lose the response that it was sent
(RFC 9112, 9.6).
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass

MAX_OPEN = 4
"""Refused connections at a time: each takes a descriptor of the reserve."""

WAIT_S = 0.5
"""Seconds for a client to send its request."""

LINGER_S = 0.1
"""Seconds for it to read the response, and to send the rest of its request."""


@dataclass(eq=False, slots=True)
class Refused:
    """A connection that is refused. is_told: the response has been sent."""

    connection: socket.socket
    timer: asyncio.TimerHandle | None = None
    is_told: bool = False


class Refusals:
    """The connections that are being refused."""

    def __init__(self, loop: asyncio.AbstractEventLoop, response: bytes, has_ended: Callable[[], None]) -> None:
        """response: what every client gets. has_ended: called when one has gone, and another can be added."""
        self._loop, self._response, self._has_ended = loop, response, has_ended
        self._open = set[Refused]()

    @property
    def is_full(self) -> bool:
        """True while no further connection may be added."""
        return len(self._open) >= MAX_OPEN

    def add(self, connection: socket.socket) -> None:
        """Refuse a connection."""
        one = Refused(connection)
        self._end_after(WAIT_S, one)
        self._open.add(one)
        self._loop.add_reader(connection.fileno(), self._read, one)

    def close(self) -> None:
        """Close all of them."""
        for one in tuple(self._open):
            self._end(one)

    def _read(self, one: Refused) -> None:
        """Answer the first data, and drop the rest until the client closes."""
        try:
            data = one.connection.recv(65_536)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._end(one)
        elif not one.is_told:
            self._tell(one)
            self._end_after(LINGER_S, one)

    def _end_after(self, seconds: float, one: Refused) -> None:
        if one.timer is not None:
            one.timer.cancel()
        one.timer = self._loop.call_later(seconds, self._end, one)

    def _tell(self, one: Refused) -> None:
        one.is_told = True
        with contextlib.suppress(OSError):
            one.connection.send(self._response)
            one.connection.shutdown(socket.SHUT_WR)

    def _end(self, one: Refused) -> None:
        if not one.is_told:
            self._tell(one)
        self._open.discard(one)
        if one.timer is not None:
            one.timer.cancel()
        self._loop.remove_reader(one.connection.fileno())
        one.connection.close()
        self._has_ended()
