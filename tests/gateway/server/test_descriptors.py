"""A gateway at its limit of file descriptors says so itself, and blames no backend: real processes, a lowered limit."""

import contextlib
import http.client
import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from gateway.processes.descriptors import Descriptors, descriptor_limit, reserve_of
from gateway.server.graceful_server import IDLE_S, close_idle
from tests.gateway.asking import HELLO, ask
from tests.gateway.fake_upstream import Upstream
from tests.gateway.server.test_shutdown import Running, config, running
from tests.gateway.waiting import eventually

LANES = ("express", "asgi")
ROOM = 60
"""Descriptors beyond those that an idle gateway has open."""


@contextlib.contextmanager
def limited(upstream: Upstream, folder: Path, lane: str, room: int = ROOM) -> Iterator[Running]:
    """A gateway that may open so many descriptors more. Its breakers open at the first fault."""
    breaker = {"consecutive_faults": 1, "open_s": 600}
    server = {"lane": lane, "shutdown_grace_s": 0}
    text = yaml.safe_load(config(upstream, folder, 0, server=server))
    with running(folder, yaml.safe_dump({**text, "upstream": {"breaker": breaker}})) as gateway:
        pid = gateway.process.pid
        limit = len(os.listdir(f"/proc/{pid}/fd")) + room
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, limit))
        yield gateway


def post(url: str, stack: contextlib.ExitStack) -> http.client.HTTPResponse:
    """Ask for an endless stream on a connection of its own, which stays open."""
    made = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    stack.callback(made.close)
    body = json.dumps({**HELLO, "model": "endless", "stream": True})
    made.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
    response = made.getresponse()
    stack.callback(response.close)
    return response


def breakers(url: str) -> set[str]:
    return {one["breaker"] for one in ask(url, "/v1/backends").json["data"]}


def outcomes(url: str) -> set[str]:
    """The outcomes of attempts at backends that are counted."""
    lines = ask(url, "/metrics").body.decode().splitlines()
    return {
        line.split('outcome="')[1].split('"')[0]
        for line in lines
        if line.startswith("benchroute_upstream_attempts_total{")
    }


@pytest.mark.parametrize("lane", LANES)
def test_connections_beyond_the_limit_get_503_and_no_breaker_moves(
    upstream: Upstream, tmp_path: Path, lane: str
) -> None:
    with limited(upstream, tmp_path, lane) as gateway:
        with contextlib.ExitStack() as stack:
            streams = [post(gateway.url, stack) for _ in range(ROOM)]
            taken = [one for one in streams if one.status == 200]
            refused = [one for one in streams if one.status == 503]
            assert len(taken) + len(refused) == ROOM
            assert 15 <= len(taken) <= ROOM / 2
            for one in refused:
                assert json.loads(one.read())["error"]["code"] == "overloaded"
                assert one.getheader("retry-after") == "1"
            # Those that were taken go on, and there is room again once they are gone.
            assert all(one.read1() for one in taken)
        eventually(lambda: ask(gateway.url, body={**HELLO, "model": "good"}).status == 200)
        assert breakers(gateway.url) == {"closed"}
        assert outcomes(gateway.url) == {"ok"}
        assert gateway.log.count("out of file descriptors") == 1
        assert "Traceback" not in gateway.log


@pytest.mark.parametrize("lane", LANES)
def test_a_request_without_a_descriptor_for_its_backend_gets_503(upstream: Upstream, tmp_path: Path, lane: str) -> None:
    """Clients that were let in take what is left for backends; the task has another model, which is not asked."""
    with limited(upstream, tmp_path, lane, 100) as gateway, contextlib.ExitStack() as stack:
        kept = [http.client.HTTPConnection(urlsplit(gateway.url).netloc, timeout=10) for _ in range(70)]
        for one in kept:
            stack.callback(one.close)
            one.request("GET", "/health/live")
            assert one.getresponse().read()
        body = json.dumps({**HELLO, "model": "endless", "stream": True})
        for one in kept:
            one.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
        answers = [one.getresponse() for one in kept]
        assert {one.status for one in answers} == {200, 503}
        refused = [one for one in answers if one.status == 503]
        for answer in refused:
            assert json.loads(answer.read())["error"]["code"] == "overloaded"
            assert answer.getheader("x-benchroute-attempts") == "0"
            assert answer.getheader("retry-after") == "1"
        # On a connection of before: new ones are refused while all of this is open.
        free = kept[answers.index(refused[0])]
        free.request("GET", "/v1/backends")
        states = json.loads(free.getresponse().read())["data"]
        assert {one["breaker"] for one in states} == {"closed"}
        assert [one["last_hour"]["errors"] for one in states if one["last_hour"]["errors"]] == []


@pytest.mark.parametrize("lane", LANES)
def test_idle_connections_are_closed_first(upstream: Upstream, tmp_path: Path, lane: str) -> None:
    with limited(upstream, tmp_path, lane) as gateway, contextlib.ExitStack() as stack:
        for _ in range(3 * ROOM):
            kept = socket.create_connection(("127.0.0.1", urlsplit(gateway.url).port or 0), timeout=10)
            stack.callback(kept.close)
            kept.sendall(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n")
            first = kept.recv(65_536)
            if first.startswith(b"HTTP/1.1 503"):
                # Nobody has been idle for a second yet.
                break
            assert first.startswith(b"HTTP/1.1 200")
        for _ in range(20):
            eventually(lambda: ask(gateway.url, body={**HELLO, "model": "good"}).status == 200, 3)


@pytest.mark.parametrize("lane", LANES)
def test_a_burst_beyond_the_limit_is_answered_to_the_last_connection(
    upstream: Upstream, tmp_path: Path, lane: str
) -> None:
    def status(_: int) -> int:
        return ask(gateway.url, body={**HELLO, "model": "slow"}).status

    with limited(upstream, tmp_path, lane) as gateway, ThreadPoolExecutor(200) as pool:
        found = list(pool.map(status, range(400)))
        assert set(found) == {200, 503}
        assert breakers(gateway.url) == {"closed"}


def test_the_soft_limit_is_raised_to_the_hard_one(upstream: Upstream, tmp_path: Path) -> None:
    program = "from gateway.processes.startup import configure_process; import resource\n"
    program += "configure_process(); print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    command = f"ulimit -Sn 300; ulimit -Hn 3000; exec {sys.executable} -c '{program}'"
    found = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True, check=True, timeout=30)
    assert found.stdout.split() == ["3000", "3000"]


def test_a_low_limit_is_told() -> None:
    program = "from gateway.processes.startup import configure_process; configure_process()"
    command = f"ulimit -n 256; exec {sys.executable} -c '{program}'"
    found = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True, check=True, timeout=30)
    assert "only 256 file descriptors" in found.stdout + found.stderr


class Idle:
    """A connection that notes that it was closed."""

    def __init__(self, idle_since: float | None) -> None:
        self.idle_since = idle_since
        self.transport: Any = self
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


def test_the_longest_idle_are_closed_and_busy_ones_never() -> None:
    now = 100.0
    fresh, busy = Idle(now - IDLE_S / 2), Idle(None)
    old, older, oldest = Idle(90.0), Idle(80.0), Idle(70.0)
    assert close_idle([old, busy, oldest, fresh, older], 2, now) == 2
    assert [one.is_closed for one in (oldest, older, old, fresh, busy)] == [True, True, False, False, False]
    assert close_idle([busy, fresh], 5, now) == 0


def test_what_was_closed_makes_room_for_as_many() -> None:
    limit = descriptor_limit()
    assert limit is not None
    asked: list[int] = []

    def release(count: int) -> int:
        asked.append(count)
        return 2 if len(asked) == 1 else 0

    made, high = Descriptors(), limit - 1
    made.add_release(release)
    assert made.has_room_for_client(5)
    assert asked == []
    assert [made.has_room_for_client(high) for _ in range(4)] == [True, True, False, False]
    assert asked == [max(1, reserve_of(limit) // 2)] * 2
    assert made.has_room_for_client(limit - 2 * reserve_of(limit) - 1)
