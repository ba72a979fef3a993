"""Real Redis servers, each on a port and in a folder of its own."""

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests.gateway.waiting import eventually

needs_redis = pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")


BUS_PORT_OFFSET = 10_000
"""Offset of the port on which a cluster's servers talk to each other."""


def free_port() -> int:
    port = 2**16
    while port >= 2**16 - BUS_PORT_OFFSET:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            port = listening.getsockname()[1]
    return port


@dataclass
class RedisServer:
    """A server that can be killed and restarted. folder: of its append-only file."""

    folder: Path
    options: Sequence[str] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        self.process = subprocess.Popen([*command, "--save", "", *self.options], stdout=subprocess.DEVNULL)
        process = self.process
        eventually(lambda: self.answers() or process.poll() is not None, 10)
        assert process.poll() is None, "redis-server ended"

    def answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except RedisError:
            return False

    def client(self) -> Redis:
        return Redis(port=self.port, socket_timeout=5)

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        assert self.process is not None
        self.process.send_signal(how)
        if how in (signal.SIGKILL, signal.SIGTERM):
            self.process.wait(10)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


@contextmanager
def running_redis(folder: Path, *options: str) -> Iterator[RedisServer]:
    folder.mkdir(parents=True, exist_ok=True)
    server = RedisServer(folder, options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def running_cluster(folder: Path) -> Iterator[str]:
    """Run a cluster of three masters; yields the state URL."""
    with ExitStack() as stack:
        servers = []
        for number in range(3):
            place = folder / str(number)
            servers.append(stack.enter_context(running_redis(place, "--cluster-enabled", "yes")))
        hosts = [f"127.0.0.1:{server.port}" for server in servers]
        command = ["redis-cli", "--cluster", "create", *hosts, "--cluster-yes"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)
        eventually(lambda: all(_is_complete(server) for server in servers))
        yield "redis-cluster://" + ",".join(hosts)


def _is_complete(server: RedisServer) -> bool:
    with server.client() as client:
        info: Any = client.execute_command("CLUSTER INFO")
        return bool(info["cluster_state"] == "ok" and info["cluster_slots_ok"] == "16384")
