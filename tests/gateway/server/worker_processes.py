"""Processes of `benchroute serve --workers 2`."""

import os
import re
import signal
import socket
import subprocess
import sys
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
    process = start(folder, text, port)
    made = Running(process, port, folder / "log")
    pids: list[int] = []
    try:
        eventually(lambda: all(answers(made.own(worker)) for worker in range(1, WORKERS + 1)), START_S)
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
