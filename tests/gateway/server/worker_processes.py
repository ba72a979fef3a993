"""Processes of `benchroute serve --workers 2`."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from tests.gateway.asking import ask
from tests.gateway.waiting import eventually

WORKERS = 2
START_S = 120
"""On a busy machine."""
COUNTED = re.compile(rb"^benchroute_requests_total\{.*\} (\S+)$", re.MULTILINE)


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
    except (OSError, HTTPException):  # a port that nobody listens on yet may be the probe's own
        return False


def start(folder: Path, text: str, port: int) -> subprocess.Popen[bytes]:
    """Start the parent of the workers, whose log goes to a file."""
    config = folder / "config.yaml"
    config.write_text(text)
    command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(config), "--port", str(port)]
    with (folder / "log").open("wb") as output:
        return subprocess.Popen([*command, "--workers", str(WORKERS)], stdout=output, stderr=output)


@contextmanager
def running(folder: Path, text: str) -> Iterator[Running]:
    """Run workers during the block."""
    port = free_ports()
    made = Running(start(folder, text, port), port, folder / "log")
    with _ending(made):
        yield made


@contextmanager
def restarted(made: Running, text: str) -> Iterator[None]:
    """Start workers again whose parent has ended, during the block, as a supervisor does: until it does not fail."""
    attempts = 0
    while True:
        attempts += 1
        made.process = start(made.log.parent, text, made.port)
        try:
            eventually(lambda: made.process.poll() is not None or has_started(made), START_S)
        except BaseException:
            made.process.kill()
            raise
        if made.process.poll() is None:
            break
        assert attempts < 20, made.log.read_text()
        time.sleep(0.5)
    with _ending(made):
        yield


def has_started(made: Running) -> bool:
    """Return whether workers answer that are this parent's: those of the one before may do so for a moment."""
    try:
        return len(made.pids()) >= WORKERS and is_up(made)
    except OSError:  # the parent found its port taken, and has exited
        return False


def is_up(made: Running) -> bool:
    return all(answers(made.own(worker)) for worker in range(1, WORKERS + 1))


@contextmanager
def _ending(made: Running) -> Iterator[None]:
    """Wait until the workers answer, and end them after the block."""
    pids: list[int] = []
    try:
        eventually(lambda: is_up(made), START_S)
        pids = made.pids()
        yield
    finally:
        made.process.terminate()
        try:
            made.process.wait(30)
        except subprocess.TimeoutExpired:
            made.process.kill()
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            raise
