"""A program that is kept running: one that ends is started again, the longer after the sooner it ended.

It ends with this one, however this one ends: this one holds the other end of its standard input.
"""

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence

log = logging.getLogger("benchroute")

PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
STEADY_S = 30.0


class SupervisedProcess:
    """One of them."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """name: for the log. environment: what it finds beside this one's, where that does not say otherwise."""
        self._name = name
        self._command = list(command)
        self._environment = {**(environment or {}), **os.environ}
        self._ended = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    def run_until_stopped(self) -> None:
        """Until `end`."""
        pause_s = PAUSE_S
        while not self._ended.is_set():
            begun = time.monotonic()
            self._process = self._started()
            if self._ended.is_set():  # while it was started, and so nobody has told it
                self._process.terminate()
            with self._process as process:
                code = process.wait()
            if self._ended.is_set():
                return
            if code == 0 or time.monotonic() - begun > STEADY_S:
                pause_s = PAUSE_S
            log.warning("%s ended with code %d; another one starts in %g s", self._name, code, pause_s)
            self._ended.wait(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def terminate(self) -> None:
        """Tells it to end, and starts it no more. Safe in a signal's handler."""
        self._ended.set()
        self.send_signal(signal.SIGTERM)

    def send_signal(self, told: signal.Signals) -> None:
        """Sends it a signal, where it runs."""
        if self._process is not None:
            self._process.send_signal(told)

    def _started(self) -> subprocess.Popen[bytes]:
        """In a group of its own: Ctrl-C is for this process alone. In its session: it stands back with it."""
        return subprocess.Popen(self._command, stdin=subprocess.PIPE, process_group=0, env=self._environment)  # noqa: S603
