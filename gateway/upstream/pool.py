"""Connections to backends, kept while they are idle."""

import asyncio
import ssl
from collections import deque
from collections.abc import Sequence
from urllib.parse import urlsplit

from gateway.upstream.connection import Connection
from gateway.upstream.errors import UpstreamFault, from_os_error
from gateway.upstream.interface import ResponseHandler

KEEPALIVE_S = 30.0


class Origin:
    """The connections to one scheme, host and port. As many as are asked for."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._host, self._port, self._tls = host, port, tls
        self._idle: deque[Connection] = deque()
        self._reaping: asyncio.TimerHandle | None = None

    def take_idle(self) -> Connection | None:
        """A connection that is free, the last used first; None where a new one is needed."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def open_connection(self, limit_s: float) -> Connection:
        """A new connection, TLS and all. Raises Unreachable, TimedOut."""
        try:
            async with asyncio.timeout(limit_s):
                _, made = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self._free, self._lost), self._host, self._port, ssl=self._tls
                )
        except (OSError, TimeoutError, UnicodeError) as error:
            raise from_os_error(error) from error
        return made

    def close(self) -> None:
        """Lets go of those that are free."""
        if self._reaping is not None:
            self._reaping.cancel()
            self._reaping = None
        while self._idle:
            self._idle.pop().abort()

    def _free(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if self._reaping is None:
            self._reaping = loop.call_later(KEEPALIVE_S, self._reap)

    def _lost(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)

    def _reap(self) -> None:
        """Closes what nobody has used for KEEPALIVE_S; the oldest stand first."""
        loop = asyncio.get_running_loop()
        while self._idle and self._idle[0].idle_since <= loop.time() - KEEPALIVE_S:
            self._idle.popleft().abort()
        wait_s = self._idle[0].idle_since + KEEPALIVE_S - loop.time() if self._idle else 0.0
        self._reaping = loop.call_later(wait_s, self._reap) if self._idle else None


class PendingConnection:
    """A request that goes out as soon as its new connection is open: the handle of its response.

    This is the one task of a request on the socket path, and pooled connections need none.
    """

    def __init__(self, origin: Origin, limit_s: float, written: Sequence[bytes], handler: ResponseHandler) -> None:
        """written: the request, piece by piece."""
        self._written = written
        self._handler = handler
        self._connection: Connection | None = None
        self._connecting = asyncio.get_running_loop().create_task(self._connect(origin, limit_s))

    def pause_reading(self) -> None:
        """Hold the backend back."""
        if self._connection is not None:
            self._connection.pause_reading()

    def resume_reading(self) -> None:
        """Go on after pause_reading."""
        if self._connection is not None:
            self._connection.resume_reading()

    def set_handler(self, handler: ResponseHandler) -> None:
        """Let another handler receive the rest of the response."""
        self._handler = handler
        if self._connection is not None:
            self._connection.set_handler(handler)

    def abort(self) -> None:
        """Stop connecting, or close the connection."""
        if self._connection is not None:
            self._connection.abort()
        else:
            self._connecting.cancel()

    async def _connect(self, origin: Origin, limit_s: float) -> None:
        try:
            self._connection = await origin.open_connection(limit_s)
        except UpstreamFault as fault:
            self._handler.on_error(fault)
        else:
            self._connection.send_request(self._written, self._handler)


class ConnectionPool:
    """All origins. They outlive configurations: a backend that stays keeps its connections."""

    def __init__(self) -> None:
        self._origins: dict[tuple[str, str, int], Origin] = {}
        self._tls: ssl.SSLContext | None = None

    def origin_of(self, url: str) -> Origin:
        """Of a URL."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        place = (parts.scheme, host, port)
        if place not in self._origins:
            self._origins[place] = Origin(host, port, self._context() if parts.scheme == "https" else None)
        return self._origins[place]

    def close(self) -> None:
        """Lets go of every connection that is free."""
        for origin in self._origins.values():
            origin.close()

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls
