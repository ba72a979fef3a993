"""Opening of connections: TCP, through a proxy, with TLS."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from gateway.upstream.errors import Unreachable
from gateway.upstream.proxies import Proxy

HEAD_BYTES = 64 * 1024
"""Limit of a proxy's answer to CONNECT."""

KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPALIVE", 60), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 4))
"""Seconds and counts: below the idle timeouts of common balancers and NAT gateways (240 s and more). macOS calls the
first TCP_KEEPALIVE."""

P = TypeVar("P", bound=asyncio.Protocol)


@dataclass(frozen=True, slots=True)
class Address:
    """A host to connect to, and how.

    Attributes:
        tls: None for plain HTTP.
        proxy: None for a direct connection.
        proxy_tls: for a proxy whose own connection is TLS.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    proxy: Proxy | None = None
    proxy_tls: ssl.SSLContext | None = None


async def open_connection(address: Address, protocol: Callable[[], P]) -> P:
    """Connect, and return the protocol. Raises OSError, Unreachable."""
    loop, proxy = asyncio.get_running_loop(), address.proxy
    if proxy is None:
        transport, made = await loop.create_connection(protocol, address.host, address.port, ssl=address.tls)
    elif address.tls is None:
        # Plain HTTP: the proxy reads the requests, whose targets are whole URLs (RFC 9112, 3.2.2).
        transport, made = await loop.create_connection(protocol, proxy.host, proxy.port, ssl=address.proxy_tls)
    else:
        return await _open_tunnel(address, proxy, address.tls, protocol())
    _keep_alive(transport)
    return made


async def _open_tunnel(address: Address, proxy: Proxy, tls: ssl.SSLContext, made: P) -> P:
    """Ask the proxy for a tunnel (RFC 9110, 9.3.6), and speak TLS with the host behind it."""
    loop = asyncio.get_running_loop()
    asking, tunnel = await loop.create_connection(ConnectRequest, proxy.host, proxy.port, ssl=address.proxy_tls)
    _keep_alive(asking)
    try:
        asking.write(_connect(address, proxy))
        await tunnel.done
        transport = await loop.start_tls(asking, made, tls, server_hostname=address.host)
    except BaseException:
        # Cancelled too: the socket would stay open.
        asking.abort()
        raise
    if transport is None:
        raise Unreachable("closed the connection during TLS")
    made.connection_made(transport)
    return made


def _connect(address: Address, proxy: Proxy) -> bytes:
    name = address.host.encode("ascii" if address.host.isascii() else "idna")
    target = b"%b:%d" % (b"[%b]" % name if b":" in name else name, address.port)
    lines = b"".join(b"%b: %b\r\n" % pair for pair in proxy.header)
    return b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (target, target, lines)


class ConnectRequest(asyncio.Protocol):
    """Waits for a proxy's answer to CONNECT.

    Attributes:
        done: done when the tunnel is open; Unreachable where the proxy refuses.
    """

    def __init__(self) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._head = b""

    def data_received(self, data: bytes) -> None:
        """Take more of the head."""
        self._head += data
        if self.done.done():
            return
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end and len(self._head) <= HEAD_BYTES:
            return
        version, _, line = head.partition(b"\r\n")[0].partition(b" ")
        status = line[:3]
        if not version.startswith(b"HTTP/1.") or not status.isdigit() or not end or rest:
            self._fail("its proxy answered what is no HTTP")
        elif status == b"407":
            self._fail("its proxy wants other credentials (407)")
        elif not status.startswith(b"2"):
            self._fail(f"its proxy refused the connection with status {status.decode()}")
        else:
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail, unless the answer has come."""
        if not self.done.done():
            self._fail("its proxy closed the connection")

    def _fail(self, reason: str) -> None:
        self.done.set_exception(Unreachable(reason))


def _keep_alive(transport: asyncio.Transport) -> None:
    """Let the system find out that the other side is gone, and keep what is on the way from forgetting an idle one."""
    made = transport.get_extra_info("socket")
    if made is None:
        return
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE:
        if hasattr(socket, name):
            # Not every system lets every value be set, and none of them is needed for a request.
            with suppress(OSError):
                made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
