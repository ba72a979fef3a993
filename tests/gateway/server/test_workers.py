"""Several workers on one port: real processes, with a real Redis between them."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.config import parse_config
from gateway.errors import ConfigError
from gateway.server.workers import bind_sockets, check_workers
from tests.gateway.asking import ask, chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.redis_servers import RedisServer, running_redis
from tests.gateway.serving import configuration
from tests.gateway.waiting import eventually

WORKERS = 2
COUNTED = re.compile(rb"^benchroute_requests_total\{.*\} (\S+)$", re.MULTILINE)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    with running_redis(tmp_path) as server:
        yield server


def free_ports() -> int:
    """The first of as many as are needed that are free one after the other."""
    while True:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            first = int(found.getsockname()[1])
        with suppress(OSError):
            for port in range(first, first + WORKERS + 1):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return first


@dataclass
class Running:
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def own(self, worker: int) -> str:
        return f"http://127.0.0.1:{self.port + worker}"

    def pids(self) -> list[int]:
        tasks = Path(f"/proc/{self.process.pid}/task")
        return [int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()]

    def answered(self, worker: int) -> float:
        """Requests that one worker has counted."""
        told = ask(self.own(worker), "/metrics").body
        return sum(float(count) for count in COUNTED.findall(told))


def answers(url: str) -> bool:
    try:
        return ask(url, "/health/live").status == 200
    except OSError:
        return False


@contextmanager
def running(folder: Path, text: str) -> Iterator[Running]:
    config, log, port = folder / "config.yaml", folder / "log", free_ports()
    config.write_text(text)
    command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(config), "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen([*command, "--workers", str(WORKERS)], stdout=output, stderr=output)
    made = Running(process, port, log)
    pids: list[int] = []
    try:
        eventually(lambda: all(answers(made.own(worker)) for worker in range(1, WORKERS + 1)), 30)
        pids = made.pids()
        yield made
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            raise


def text(upstream: Upstream, redis: RedisServer) -> str:
    return configuration(upstream.base_url, ["good"], state={"url": redis.url})


def test_connections_are_dealt_out_and_a_worker_that_dies_is_replaced(
    tmp_path: Path, redis: RedisServer, upstream: Upstream
) -> None:
    with running(tmp_path, text(upstream, redis)) as made:
        for _ in range(40):
            assert chat(made.url).status == 200
        each = [made.answered(worker) for worker in (1, 2)]
        assert sum(each) == 40
        assert min(each) > 0

        first, other = made.pids()
        os.kill(first, signal.SIGKILL)
        eventually(lambda: len(made.pids()) == WORKERS and first not in made.pids(), 10)
        eventually(lambda: answers(made.own(1)) and answers(made.own(2)), 30)
        assert other in made.pids()
        for _ in range(20):
            assert chat(made.url).status == 200

        made.process.send_signal(signal.SIGTERM)
        assert made.process.wait(30) == 0
    assert not answers(made.own(1))
    assert not answers(made.own(2))


def test_workers_end_with_whoever_keeps_them(tmp_path: Path, redis: RedisServer, upstream: Upstream) -> None:
    with running(tmp_path, text(upstream, redis)) as made:
        made.process.kill()
        made.process.wait(10)
        eventually(lambda: not any(answers(made.own(worker)) for worker in (1, 2)), 30)


def test_without_a_state_that_they_share_there_is_one() -> None:
    config = parse_config(configuration("http://x/v1", ["good"], server={"port": 0}), "c", {})
    with pytest.raises(ConfigError) as caught:
        check_workers(config, 2)
    assert "state.url: 2 workers need a shared state" in str(caught.value)
    assert "server.port: 2 workers listen on this port and the 2 after it, up to 65535; it is 0" in str(caught.value)
    check_workers(config, 1)


def test_a_port_that_is_taken_is_named() -> None:
    port = free_ports()
    config = parse_config(configuration("http://x/v1", ["good"], server={"port": port}), "c", {})
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port + 2))
        taken.listen()
        for one in bind_sockets(config, 1):
            one.close()
        with pytest.raises(ConfigError, match=f"server.port: 127.0.0.1:{port + 2} cannot be bound"):
            bind_sockets(config, 2)
