"""Keeps a scorer's process running: what a poisonous input ends is started again at once.

The process ends with this one, however this one ends: it holds the other end of its standard input.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from gateway.priority import stand_back
from gateway.scoring.process import SCORER_ENVIRONMENT

log = logging.getLogger("benchroute.scorer")

COMMAND = (sys.executable, "-m", "gateway.fleet.process")
NICE = 10
"""Loading takes every core it gets, and so does embedding; where requests need them, they come first."""

PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
STEADY_S = 30.0


def scorer_name() -> str:
    """By which this scorer holds shards: a process that is started again finds them its own."""
    return f"{socket.gethostname()}-{os.getpid()}"


class Supervisor:
    """One scorer, for as long as it shall run."""

    def __init__(self, config: Path, command: Sequence[str] = COMMAND, nice: int = NICE) -> None:
        """command: of the process, before the configuration and the scorer's name. nice: see gateway.priority."""
        self._nice = nice
        self._command = [*command, str(config), scorer_name()]
        self._ended = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Until SIGTERM or Ctrl-C; SIGHUP starts the process again, with the configuration as it then is."""
        for told in (signal.SIGTERM, signal.SIGINT):
            signal.signal(told, self._end)
        signal.signal(signal.SIGHUP, self._end_process)
        stand_back(self._nice)
        pause_s = PAUSE_S
        while not self._ended.is_set():
            begun = time.monotonic()
            self._process = self._started()
            with self._process as process:
                code = process.wait()
            if self._ended.is_set():
                return
            if code == 0 or time.monotonic() - begun > STEADY_S:
                pause_s = PAUSE_S
            log.warning("the scorer ended with code %d; another one starts in %g s", code, pause_s)
            self._ended.wait(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _started(self) -> subprocess.Popen[bytes]:
        """In a group of its own: Ctrl-C is for this process alone. In its session: it stands back with it."""
        environment = {**SCORER_ENVIRONMENT, **os.environ}
        return subprocess.Popen(self._command, stdin=subprocess.PIPE, process_group=0, env=environment)  # noqa: S603

    def _end(self, *_: object) -> None:
        self._ended.set()
        self._end_process()

    def _end_process(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
