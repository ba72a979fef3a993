"""Connection pool: connections to backends, kept open while they are idle."""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Sequence
from urllib.parse import urlsplit

from gateway.config.network_fields import SYSTEM_TLS, TlsConfig
from gateway.processes.descriptors import Descriptors
from gateway.upstream.connection import Connection
from gateway.upstream.errors import UpstreamFault, from_os_error, local_shortage
from gateway.upstream.interface import ResponseHandler
from gateway.upstream.proxies import DEFAULT_PORTS, Proxy
from gateway.upstream.tunnel import Address, open_connection

KEEPALIVE_S = 30.0
REAPED_AT_ONCE = 50
"""Connections closed at once: after a burst, thousands are idle for as long."""


class Origin:
    """The connections to one address, without a limit of their number."""

    def __init__(self, address: Address, descriptors: Descriptors) -> None:
        self._descriptors = descriptors
        self._address = address
        self._idle: deque[Connection] = deque()
        self._reaping: asyncio.TimerHandle | None = None

    def take_idle(self) -> Connection | None:
        """Return an idle connection, the last used first; None where a new one is needed.

        The last one: it is the least likely to have been closed by the backend meanwhile, and the others can expire.
        """
        # One that the backend has closed stays listed until then: to look for each of 5,000, when a backend restarts,
        # would take the event loop a quarter of a second.
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def open_connection(self, limit_s: float) -> Connection:
        """Return a new connection, TLS included. Raises Unreachable, TimedOut, LocalShortage."""
        if not self._descriptors.has_room_for_backend():
            raise local_shortage()
        try:
            async with asyncio.timeout(limit_s):
                return await open_connection(self._address, lambda: Connection(self._free))
        except (OSError, TimeoutError, UnicodeError) as error:
            raise from_os_error(error, through_proxy=self._address.proxy is not None) from error

    def close_idle(self, count: int) -> int:
        """Close up to so many idle connections, the longest idle first. Return how many."""
        closed = 0
        while self._idle and closed < count:
            connection = self._idle.popleft()
            closed += connection.is_open
            connection.abort()
        return closed

    def close(self) -> None:
        """Close the idle connections."""
        if self._reaping is not None:
            self._reaping.cancel()
            self._reaping = None
        while self._idle:
            self._idle.pop().abort()

    def _free(self, connection: Connection) -> None:
        # Not the loop's clock: Python 3.11 asks the kernel for the process ID whenever it looks up the running loop.
        connection.idle_since = time.monotonic()
        self._idle.append(connection)
        # One timer for all: it is set by the first that becomes idle, and again while any is left.
        if self._reaping is None:
            self._reaping = asyncio.get_running_loop().call_later(KEEPALIVE_S, self._reap)

    def _reap(self) -> None:
        """Close connections that were idle for KEEPALIVE_S, some at a time; the oldest come first."""
        now = time.monotonic()
        for _ in range(REAPED_AT_ONCE):
            if not self._idle or self._idle[0].idle_since > now - KEEPALIVE_S:
                break
            self._idle.popleft().abort()
        wait_s = self._idle[0].idle_since + KEEPALIVE_S - now if self._idle else 0.0
        self._reaping = asyncio.get_running_loop().call_later(max(0.0, wait_s), self._reap) if self._idle else None


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
        # A task that is cancelled while connecting closes its socket itself.
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
    """The connections to all origins. It outlives configurations: a backend that stays keeps its connections."""

    def __init__(self, descriptors: Descriptors | None = None) -> None:
        """descriptors: of this process, which other connections take too."""
        self._descriptors = descriptors or Descriptors()
        self._origins: dict[Address, Origin] = {}
        self._contexts: dict[bytes, ssl.SSLContext] = {}

    def origin_of(self, url: str, tls: TlsConfig = SYSTEM_TLS, proxy: Proxy | None = None) -> Origin:
        """Return the origin of a URL. tls: of an https URL. One thread at a time may call it.

        Raises ValueError if its files cannot be used any more.
        """
        parts = urlsplit(url)
        address = Address(
            parts.hostname or "",
            parts.port or DEFAULT_PORTS[parts.scheme],
            self._context(tls) if parts.scheme == "https" else None,
            proxy,
            self._context(SYSTEM_TLS) if proxy is not None and proxy.is_tls else None,
        )
        if address not in self._origins:
            self._origins[address] = Origin(address, self._descriptors)
        return self._origins[address]

    def close_idle(self, count: int) -> int:
        """Close up to so many idle connections. Return how many."""
        closed = 0
        for origin in list(self._origins.values()):  # a reload may add some, in its thread
            closed += origin.close_idle(count - closed)
        return closed

    def close(self) -> None:
        """Close all idle connections."""
        for origin in self._origins.values():
            origin.close()

    def _context(self, tls: TlsConfig) -> ssl.SSLContext:
        # Made once for each content of its files, so that a reload takes new ones and other backends keep their
        # connections; and only for https: it reads the system's certificates, which takes milliseconds.
        content = tls.digest()
        if content not in self._contexts:
            self._contexts[content] = tls.build_context()
        return self._contexts[content]
