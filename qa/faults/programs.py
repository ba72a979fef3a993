"""The processes of a fleet, each started, killed and started again by its own number."""

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
    """One that is free now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def until(holds: Callable[[], bool], limit_s: float, what: str) -> None:
    """Waits. Raises TimeoutError."""
    deadline = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} took longer than {limit_s:g} s")
        time.sleep(0.02)


@dataclass
class Program:
    """One process, and whatever it starts, in a session of its own."""

    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Once more, where it has run before."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command, stdout=out, stderr=out, env={**os.environ, **self.environment}, start_new_session=True
            )

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self.process is not None  # noqa: S101 - asked while it runs
        return self.process.pid

    @property
    def child(self) -> int:
        """Of the first process that it has started."""
        return int(Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()[0])

    def kill(self) -> None:
        """SIGKILL, for all of its session."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        assert self.process is not None  # noqa: S101 - as above
        self.process.wait()

    def end(self) -> None:
        """SIGTERM, and SIGKILL where that is not enough."""
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

    def up(self) -> None:
        """Starts it, and waits until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.start()
        until(self._answers, START_S, "redis-server's start")

    def empty(self) -> None:
        """Its files are gone."""
        shutil.rmtree(self.folder)

    def client(self) -> Redis:
        """For the runner's own questions."""
        return Redis(port=self.port, socket_timeout=10)

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except RedisError:
            return False


@dataclass
class Gateway(Program):
    """`benchroute serve`. cache: where its tally lies."""

    port: int = 0
    cache: Path = Path()
    host: str = LOOPBACK

    @property
    def url(self) -> str:
        """Without /v1."""
        return f"http://{self.host}:{self.port}"

    def up(self) -> None:
        """Starts it, and waits until it answers."""
        self.start()
        until(self.answers, START_S, "a gateway's start")

    def answers(self) -> bool:
        """Whether requests are taken."""
        try:
            with urlopen(f"{self.url}/health/live", timeout=2) as answer:  # noqa: S310 - our own gateway
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False


def redis_server(folder: Path, port: int, *options: str, environment: Mapping[str, str] | None = None) -> Server:
    """Not started yet."""
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
    """Not started yet. within: what its command begins with. host: where it listens."""
    port = free_port()
    cache = folder / f"gateway-{number}"
    command = [*within, sys.executable, "-m", "gateway.cli", "serve", "--config", str(config)]
    command += ["--host", host, "--port", str(port)]
    own = {"BENCHROUTE_FLEET_CACHE": str(cache), **(environment or {})}
    return Gateway(command, folder / f"gateway-{number}.log", own, port=port, cache=cache, host=host)


def scorer(folder: Path, config: Path, number: int, nice: int, environment: Mapping[str, str] | None = None) -> Program:
    """Not started yet."""
    command = [sys.executable, "-m", "tests.gateway.distributed.scorer_program", str(config), str(nice)]
    own = {"BENCHROUTE_FLEET_CACHE": str(folder / f"scorer-{number}"), **(environment or {})}
    return Program(command, folder / f"scorer-{number}.log", own)


def upstream(folder: Path, port: int, *hosts: str) -> Program:
    """What all models' requests go to; not started yet. hosts: where it listens, beside 127.0.0.1."""
    command = [sys.executable, "-m", "qa.faults.upstream", str(port), LOOPBACK, *hosts]
    return Program(command, folder / "upstream.log")
