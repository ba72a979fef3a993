"""A program that is restarted when it exits, with a longer pause after every early exit.

It reads end-of-file from its standard input when this process exits in whatever way, and exits too.
"""

import logging
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence

log = logging.getLogger("benchroute")

PAUSE_S = 0.2
MAX_PAUSE_S = 10.0
STABLE_S = 30.0
"""A program that has run this long is restarted after PAUSE_S again."""


class SupervisedProcess:
    """A child process, and the thread that restarts it."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        connect: Callable[[], socket.socket] | None = None,
    ) -> None:
        """name: for the log. environment: defaults for variables that this process does not have.

        connect: makes a connection before every start, of which the program inherits the returned end; the number of
        its descriptor is the command's last word.
        """
        self._connect = connect
        self._name = name
        self._command = list(command)
        self._environment = {**(environment or {}), **os.environ}
        self._ended = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    def run_until_stopped(self) -> None:
        """Start the program, and restart it until `terminate`."""
        pause_s = PAUSE_S
        while not self._ended.is_set():
            begun = time.monotonic()
            self._process = self._start()
            # `terminate` may have been called between the check above and the start, and has found no process then.
            if self._ended.is_set():
                self._process.terminate()
            with self._process as process:
                code = process.wait()
            if self._ended.is_set():
                return
            if code == 0 or time.monotonic() - begun > STABLE_S:
                pause_s = PAUSE_S
            log.warning("%s exited with code %d; restarting in %g s", self._name, code, pause_s)
            self._ended.wait(pause_s)
            pause_s = min(2 * pause_s, MAX_PAUSE_S)

    def terminate(self) -> None:
        """Terminate the program, and do not restart it. Safe in a signal handler."""
        self._ended.set()
        self.send_signal(signal.SIGTERM)

    def send_signal(self, signal_number: signal.Signals) -> None:
        """Send a signal to the program, if it runs."""
        if self._process is not None:
            self._process.send_signal(signal_number)

    def _start(self) -> subprocess.Popen[bytes]:
        if self._connect is None:
            return self._open(self._command, ())
        with self._connect() as connection:
            return self._open([*self._command, str(connection.fileno())], (connection.fileno(),))

    def _open(self, command: Sequence[str], descriptors: Sequence[int]) -> subprocess.Popen[bytes]:
        # A process group of its own, so that Ctrl-C reaches this process alone; but the same session, so that both have
        # the same autogroup, and with it the same priority.
        return subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, process_group=0, env=self._environment, pass_fds=descriptors
        )
