"""`benchroute scorer`: restarts a scorer's process at once, for instance after an input that crashes it."""

import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.processes.priority import lower_own_priority
from gateway.processes.supervised_process import SupervisedProcess
from gateway.scorer.embedded.process import SCORER_ENVIRONMENT

COMMAND = (sys.executable, "-m", "gateway.distributed.scorer_main")
NICE = 5
"""Niceness: loading and embedding take every core they get; requests come first where they need them."""


def scorer_name() -> str:
    """Return the name that holds shards: the supervisor's, so that a restarted process has its shards at once."""
    return f"{socket.gethostname()}-{os.getpid()}"


class ScorerSupervisor:
    """Supervisor of one scorer process."""

    def __init__(self, config: Path, command: Sequence[str] = COMMAND, nice: int = NICE) -> None:
        """command: starts the process; configuration and name are appended. nice: see gateway.processes.priority."""
        self._nice = nice
        self._process = SupervisedProcess("the scorer", [*command, str(config), scorer_name()], SCORER_ENVIRONMENT)

    def run_until_stopped(self) -> None:
        """Run until SIGTERM or Ctrl-C; SIGHUP restarts the process, which reads the configuration anew."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._process.terminate())
        signal.signal(signal.SIGHUP, lambda *_: self._process.send_signal(signal.SIGTERM))
        lower_own_priority(self._nice)
        self._process.run_until_stopped()
