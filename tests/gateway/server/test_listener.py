"""A listening socket: connections get the system's keep-alive, and those without a descriptor a response."""

import asyncio
import json
import os
import resource
import socket
from collections.abc import Iterator

import pytest

from gateway.processes.descriptors import Descriptors
from gateway.server.listener import KEEP_ALIVE, Listener, bind_addresses
from tests.gateway.waiting import eventually_async


class Taken(asyncio.Protocol):
    """A connection that was accepted."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a stream's
        self.transport = transport


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    """This process may open none but what it has open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def bound() -> socket.socket:
    (made,) = bind_addresses("127.0.0.1", 0)
    return made


def test_the_system_finds_out_which_clients_are_gone() -> None:
    async def accepted() -> None:
        listening, taken = bound(), Taken()
        listener = Listener(listening, 16, lambda: taken, Descriptors())
        with socket.create_connection(listening.getsockname()):
            await eventually_async(lambda: taken.transport)
            assert taken.transport is not None
            made = taken.transport.get_extra_info("socket")
            assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            for name, value in KEEP_ALIVE:
                assert made.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) == value
            taken.transport.abort()
        listener.close()
        await asyncio.sleep(0)

    asyncio.run(accepted())


@pytest.mark.usefixtures("few_descriptors")
def test_without_any_descriptor_the_spare_one_refuses() -> None:
    """Not even the reserve is left: each connection is accepted by the spare descriptor, told so, and closed."""

    async def refused() -> None:
        listening, taken = bound(), Taken()
        listener = Listener(listening, 16, lambda: taken, Descriptors())
        clients = [socket.create_connection(listening.getsockname()) for _ in range(3)]
        for one in clients:
            one.setblocking(False)
            one.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        lowest = os.dup(2)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        for one in clients:
            told = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(one, 65_536), 5)
            head, _, body = told.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 ")
            assert b"retry-after: 1" in head
            assert json.loads(body)["error"]["code"] == "overloaded"
            one.close()
        assert taken.transport is None
        listener.close()

    asyncio.run(refused())


def test_a_host_with_two_addresses_is_bound_twice() -> None:
    try:
        found = {one[0] for one in socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)}
        made = bind_addresses("localhost", 0)
    except OSError:
        pytest.skip("no IPv6 here")
    assert {one.family for one in made} == found
    for one in made:
        one.close()


def test_a_port_that_is_taken_leaves_nothing_open() -> None:
    with bound() as taken:
        taken.listen()
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(OSError, match="in use"):
            bind_addresses("127.0.0.1", taken.getsockname()[1])
        assert len(os.listdir("/proc/self/fd")) == before
