"""The processes of a deployment: start, kill, restart."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from redis import Redis
from redis.exceptions import RedisError

START_S = 30.0
LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def wait_until(holds: Callable[[], bool], limit_s: float, what: str) -> None:
    """Wait until the condition is true. Raises TimeoutError."""
    deadline = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} took longer than {limit_s:g} s")
        time.sleep(0.02)


@dataclass
class Program:
    """One process and its descendants, in a session of their own."""

    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, again if it ran before."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command, stdout=out, stderr=out, env={**os.environ, **self.environment}, start_new_session=True
            )

    @property
    def pid(self) -> int:
        """The process ID."""
        assert self.process is not None  # noqa: S101 - asked while it runs
        return self.process.pid

    @property
    def child(self) -> int:
        """The process ID of its first child."""
        return int(Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()[0])

    def kill(self) -> None:
        """Send SIGKILL to the whole session."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        assert self.process is not None  # noqa: S101 - as above
        self.process.wait()

    def end(self) -> None:
        """Send SIGTERM, and SIGKILL after 20 s."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()


@dataclass
class Server(Program):
    """A Redis with an append-only file."""

    port: int = 0
    folder: Path = Path()

    def start_and_wait(self) -> None:
        """Start it and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.start()
        wait_until(self._answers, START_S, "redis-server's start")

    def delete_files(self) -> None:
        """Delete its files."""
        shutil.rmtree(self.folder)

    def client(self) -> Redis:
        """Return a client for the runner's own commands."""
        return Redis(port=self.port, socket_timeout=10)

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except RedisError:
            return False


@dataclass
class Gateway(Program):
    """`benchroute serve`. cache: the folder of its crash counter."""

    port: int = 0
    cache: Path = Path()
    host: str = LOOPBACK

    @property
    def url(self) -> str:
        """The base URL without /v1."""
        return f"http://{self.host}:{self.port}"

    def start_and_wait(self) -> None:
        """Start it and wait until it answers."""
        self.start()
        wait_until(self.answers, START_S, "a gateway's start")

    def answers(self) -> bool:
        """Return True if it accepts requests."""
        try:
            with urlopen(f"{self.url}/health/live", timeout=2) as answer:  # noqa: S310 - our own gateway
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False


def redis_server(folder: Path, port: int, *options: str, environment: Mapping[str, str] | None = None) -> Server:
    """Return a Redis, not started."""
    command = ["redis-server", "--port", str(port), "--bind", LOOPBACK, "--dir", str(folder / "data"), "--save", ""]
    command += ["--appendonly", "yes", "--appendfsync", "everysec", *options]
    return Server(command, folder / "redis.log", environment or {}, port=port, folder=folder / "data")


def gateway(
    folder: Path,
    config: Path,
    number: int,
    environment: Mapping[str, str] | None = None,
    within: Sequence[str] = (),
    host: str = LOOPBACK,
) -> Gateway:
    """Return a gateway, not started. within: prefix of its command. host: where it listens."""
    port = free_port()
    cache = folder / f"gateway-{number}"
    command = [*within, sys.executable, "-m", "gateway.cli", "serve", "--config", str(config)]
    command += ["--host", host, "--port", str(port)]
    own = {"BENCHROUTE_FLEET_CACHE": str(cache), **(environment or {})}
    return Gateway(command, folder / f"gateway-{number}.log", own, port=port, cache=cache, host=host)


def scorer(folder: Path, config: Path, number: int, nice: int, environment: Mapping[str, str] | None = None) -> Program:
    """Return a scorer, not started."""
    command = [sys.executable, "-m", "tests.gateway.distributed.scorer_program", str(config), str(nice)]
    own = {"BENCHROUTE_FLEET_CACHE": str(folder / f"scorer-{number}"), **(environment or {})}
    return Program(command, folder / f"scorer-{number}.log", own)


def upstream(folder: Path, port: int, *hosts: str) -> Program:
    """Return the backend of all models, not started. hosts: addresses to listen on besides 127.0.0.1."""
    command = [sys.executable, "-m", "qa.faults.upstream", str(port), LOOPBACK, *hosts]
    return Program(command, folder / "upstream.log")
