"""Child processes of the demo: started with a log, awaited until they answer, and ended."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from demo.errors import ChildEnded, NotReady, RequestFailed

POLL_S = 0.05
GRACE_S = 8.0
TAIL_LINES = 20


class ChildProcess:
    """A running program whose output goes to a log file."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Wait until `ready` returns True; a RequestFailed from it counts as False.

        Raises ChildEnded if the program ends first, NotReady on timeout, both with the log's tail.
        """
        deadline = time.monotonic() + timeout_s
        while not _holds(ready):
            self.check()
            if time.monotonic() > deadline:
                raise NotReady(f"{self.name} does not answer after {timeout_s:g} s\n{self.tail()}")
            time.sleep(POLL_S)

    def check(self) -> None:
        """Raise ChildEnded, with the log's tail, if the program has ended."""
        code = self._process.poll()
        if code is not None:
            raise ChildEnded(f"{self.name} ended with exit code {code}\n{self.tail()}")

    def tail(self) -> str:
        """Return the last lines of the log, and its path."""
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        return "\n".join([f"the end of {self.log}:", *(f"  {line}" for line in lines or ["(empty)"])])

    def end(self) -> None:
        """Terminate the program, and kill it if it does not end in time."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def run_process(
    name: str, arguments: Sequence[str], log: Path, environment: Mapping[str, str]
) -> Iterator[ChildProcess]:
    """Run a Python program (`python -m …arguments`) for the duration of the block.

    It gets a session of its own, so that Ctrl-C reaches the demo alone, which then ends its programs in order.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    child = ChildProcess(name, process, log)
    try:
        yield child
    finally:
        child.end()


@contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """Make SIGTERM end this program like an exception inside the block, so that its children are ended too."""
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def free_port() -> int:
    """Return a port that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_port_free(port: int) -> bool:
    """Return True if no server listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _leave(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


def _holds(ready: Callable[[], bool]) -> bool:
    try:
        return ready()
    except RequestFailed:
        return False
