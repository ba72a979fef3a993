"""A listening socket. Connections that there are no file descriptors for get a 503, and not a reset.

The event loop's own servers accept in one turn whatever waits, and at the limit of descriptors they close what they
accept, or stop to listen. Here idle connections are closed first, and then the surplus is told so.
"""

import asyncio
import contextlib
import errno
import logging
import os
import socket
from collections.abc import Callable

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from gateway.errors import Overloaded
from gateway.http.error_envelope import JSON, encode_error
from gateway.processes.descriptors import Descriptors
from gateway.server.refusals import Refusals

log = logging.getLogger("benchroute")

BURST = 64
"""Connections accepted in one turn of the event loop: fewer than the reserve of descriptors."""

RETRY_S = 0.1
"""Pause where not even the spare descriptor helps."""

SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

KEEP_ALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
"""Seconds without data until a probe, between probes, and probes until the peer is taken for gone."""


class Listener:
    """A listening socket; has the methods of asyncio.Server that uvicorn calls."""

    def __init__(
        self, bound: socket.socket, backlog: int, connect: Callable[[], asyncio.Protocol], descriptors: Descriptors
    ) -> None:
        """bound: bound to its address. connect: makes the protocol of a connection."""
        self._socket, self._connect, self._descriptors = bound, connect, descriptors
        self._loop = asyncio.get_running_loop()
        self._refusals = Refusals(self._loop, refusal(), self._resume)
        self._spare: int | None = os.open(os.devnull, os.O_RDONLY)
        self._connecting = set[asyncio.Task[object]]()
        self._is_open, self._is_reading = True, False
        set_keep_alive(bound)
        bound.setblocking(False)
        bound.listen(backlog)
        self._resume()

    def close(self) -> None:
        """Stop to listen. What has been accepted goes on."""
        self._pause()
        self._is_open = False
        self._socket.close()
        self._refusals.close()
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None

    async def wait_closed(self) -> None:
        """Return at once: closing takes no time."""

    def _resume(self) -> None:
        if self._is_open and not self._is_reading:
            self._is_reading = True
            self._loop.add_reader(self._socket.fileno(), self._accept_waiting)

    def _pause(self) -> None:
        if self._is_reading:
            self._is_reading = False
            self._loop.remove_reader(self._socket.fileno())

    def _accept_waiting(self) -> None:
        """Accept the connections that wait."""
        for _ in range(BURST):
            if self._refusals.is_full:
                # The others wait in the backlog, where they take no descriptor, until one has read its refusal.
                self._pause()
                return
            try:
                made, _address = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in SHORTAGES:
                    raise
                self._refuse_with_spare()
                return
            made.setblocking(False)
            if self._descriptors.has_room_for_client(made.fileno()):
                self._serve(made)
            else:
                self._refusals.add(made)

    def _serve(self, made: socket.socket) -> None:
        task = self._loop.create_task(self._open(made))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _open(self, made: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._connect, made)
        except OSError as error:
            # The client has left meanwhile.
            log.debug("a connection was lost before it was open: %s", error)
            made.close()

    def _refuse_with_spare(self) -> None:
        """Refuse one connection by the descriptor that is kept for it: the limit has been reached all the same."""
        self._descriptors.warn()
        if self._spare is None:
            self._pause()
            self._loop.call_later(RETRY_S, self._resume)
            return
        os.close(self._spare)
        self._spare = None
        with contextlib.suppress(OSError):
            made, _address = self._socket.accept()
            with made:
                made.setblocking(False)
                made.recv(65_536)
                made.send(refusal())
        with contextlib.suppress(OSError):
            self._spare = os.open(os.devnull, os.O_RDONLY)


def refusal() -> bytes:
    """Return the response to a connection that there is no descriptor for."""
    error = Overloaded("The gateway is out of file descriptors for further connections: retry.")
    body = encode_error(error)
    lines = (b"content-type: " + JSON, b"connection: close", b"retry-after: 1", b"content-length: %d" % len(body))
    return STATUS_LINE[error.status] + b"\r\n".join([*lines, b"", b""]) + body


def set_keep_alive(bound: socket.socket) -> None:
    """Let the system find out that a client is gone for good. Accepted sockets inherit it, so it costs them nothing."""
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEP_ALIVE:
        if hasattr(socket, name):  # macOS and Windows lack some
            bound.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def bind_addresses(host: str, port: int) -> list[socket.socket]:
    """Bind every address of a host name. Raises OSError."""
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    bound: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            made = socket.socket(family, kind, protocol)
            bound.append(made)
            if os.name == "posix":
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                # Its own sockets only: IPv4 has one of its own.
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.bind(address)
    except OSError:
        for made in bound:
            made.close()
        raise
    return bound
