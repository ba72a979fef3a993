"""Faults that clients and orchestrators cause: no descriptors left, nobody reads, bodies trickle, SIGTERM."""

import json
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from urllib.request import urlopen

from qa.faults.programs import Gateway
from qa.faults.stack import Stack

ROOM = 40
"""Descriptors that a gateway may open beyond those that it has."""

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
BODY = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "a"}], "stream": True}).encode()
PIECE_S = 0.2
CUT_S = 10.0


def descriptor_limit(stack: Stack) -> str:
    """A gateway has no file descriptors left: clients hold all that it may open."""
    gateway = stack.gateways[0]
    with stack.fault(), limited(gateway), ExitStack() as clients:
        statuses = [hold(gateway, clients) for _ in range(2 * ROOM)]
        stack.wait_a_third()
    return f"{statuses.count(503)} of {len(statuses)} connections got 503; {breakers(stack)}"


def slow_reader(stack: Stack) -> str:
    """Clients ask for endless streams and read nothing."""
    with stack.fault(), ExitStack() as clients:
        deaf = [connect(gateway, clients) for gateway in stack.gateways for _ in range(5)]
        for one in deaf:
            one.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY)
        stack.wait_a_third()
        # A third of a short run ends before the limit of a client that reads nothing.
        ends = time.monotonic() + CUT_S
        while (cut := sum(is_cut(one) for one in deaf)) < len(deaf) and time.monotonic() < ends:
            time.sleep(PIECE_S)
    return f"{cut} of {len(deaf)} connections closed by the gateway; {breakers(stack)}"


def trickled_body(stack: Stack) -> str:
    """Clients send their bodies byte by byte."""
    statuses: list[int] = []
    with stack.fault(), ExitStack() as clients:
        slow = [connect(gateway, clients) for gateway in stack.gateways for _ in range(10)]
        threads = [threading.Thread(target=lambda one=one: statuses.append(trickle(one))) for one in slow]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        stack.wait_a_third()
    return f"{statuses.count(408)} of {len(slow)} requests got 408; {breakers(stack)}"


def sigterm(stack: Stack) -> str:
    """SIGTERM for a gateway under load, which drains; it restarts later."""
    victim, began = stack.gateways[1], time.monotonic()
    with stack.fault():
        os.kill(victim.pid, signal.SIGTERM)
        while victim.process.poll() is None:  # type: ignore[union-attr]  # it was running
            stack.save_crash_counters()
            time.sleep(0.005)
        took_s = time.monotonic() - began
        stack.wait_a_third()
    victim.start_and_wait()
    return f"drain of {stack.shape.drain_s:g} s; exited after {took_s:.1f} s"


@contextmanager
def limited(gateway: Gateway) -> Iterator[None]:
    """Lower a gateway's limit of descriptors for a while."""
    before = resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE)
    limit = len(os.listdir(f"/proc/{gateway.pid}/fd")) + ROOM
    resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (limit, before[1]))
    try:
        yield
    finally:
        resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, before)


def connect(gateway: Gateway, clients: ExitStack) -> socket.socket:
    """Open a connection that reads little."""
    made = clients.enter_context(socket.socket())
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.settimeout(10)
    made.connect((gateway.host, gateway.port))
    return made


def hold(gateway: Gateway, clients: ExitStack) -> int:
    """Open a connection and send half a head on it. Return the status that comes at once; 0 for none."""
    made = connect(gateway, clients)
    made.sendall(HEAD)
    made.settimeout(0.02)
    with suppress(TimeoutError):
        return status_of(made.recv(4096))
    return 0


def trickle(client: socket.socket) -> int:
    """Send a body byte by byte until a response comes. Return its status, 0 without one."""
    client.settimeout(PIECE_S)
    with suppress(ConnectionError):
        client.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(BODY))
        for place in range(len(BODY)):
            client.sendall(BODY[place : place + 1])
            with suppress(TimeoutError):
                return status_of(client.recv(4096))
    return 0


def status_of(response: bytes) -> int:
    """Return a response's status, 0 for none."""
    return int(response.split(b" ")[1]) if response.startswith(b"HTTP/1.1 ") else 0


def is_cut(client: socket.socket) -> bool:
    """Return True if the gateway has closed a connection, found out without reading from it."""
    try:
        client.sendall(b"x")
    except OSError:
        return True
    return False


def breakers(stack: Stack) -> str:
    """Return what the gateways say of their backends' breakers."""
    states = set()
    for gateway in stack.gateways:
        with urlopen(f"{gateway.url}/v1/backends", timeout=5) as answer:  # noqa: S310 - our own gateway
            states |= {one["breaker"] for one in json.loads(answer.read())["data"]}
    return f"breakers: {', '.join(sorted(states))}"
