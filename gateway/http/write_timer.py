"""Timer of a client that leaves its response unread: what the gateway holds for it is bounded in size and in time."""

import asyncio
import socket
import struct
from collections.abc import Callable

WRITE_TIMEOUT_S = 120.0
"""Default of `server.write_timeout_s`."""

SLOW_READER = "benchroute.slow_reader"
"""Member of a request's ASGI scope: the limit in seconds, once the connection was closed because of it."""


class WriteTimer:
    """Time limit for what has been written to be sent."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limit_s: float, expired: Callable[[], None]) -> None:
        """limit_s: seconds. expired: called at the end of the limit."""
        self.limit_s = limit_s
        self._loop, self._expired = loop, expired
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start to count, unless it does already."""
        if self._timer is None:
            self._timer = self._loop.call_later(self.limit_s, self._expired)

    def watch_close(self, transport: asyncio.Transport) -> None:
        """Start to count for a connection that is closed as soon as all is sent."""
        # close() waits for the client without limit: below the buffer's high-water mark nothing else would end it.
        if transport.is_closing() and transport.get_write_buffer_size():
            self.start()

    def stop(self) -> None:
        """Stop: all has been sent, or nobody is left to read it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def reset_connection(transport: asyncio.Transport) -> None:
    """Close a connection at once, what is not sent included, in the system's buffers too."""
    # Without this, the system goes on trying to send them for minutes (socket(7), SO_LINGER).
    if (made := transport.get_extra_info("socket")) is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
