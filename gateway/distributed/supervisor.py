"""Keeps a scorer's process running: what a poisonous input ends is started again at once."""

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
"""Loading takes every core it gets, and so does embedding; where requests need them, they come first."""


def scorer_name() -> str:
    """By which this scorer holds shards: a process that is started again finds them its own."""
    return f"{socket.gethostname()}-{os.getpid()}"


class ScorerSupervisor:
    """One scorer, for as long as it shall run."""

    def __init__(self, config: Path, command: Sequence[str] = COMMAND, nice: int = NICE) -> None:
        """command: of the process, before the configuration and the scorer's name.

        nice: niceness of the process, see gateway.processes.priority.
        """
        self._nice = nice
        self._kept = SupervisedProcess("the scorer", [*command, str(config), scorer_name()], SCORER_ENVIRONMENT)

    def run_until_stopped(self) -> None:
        """Until SIGTERM or Ctrl-C; SIGHUP starts the process again, with the configuration as it then is."""
        for told in (signal.SIGTERM, signal.SIGINT):
            signal.signal(told, lambda *_: self._kept.terminate())
        signal.signal(signal.SIGHUP, lambda *_: self._kept.send_signal(signal.SIGTERM))
        lower_own_priority(self._nice)
        self._kept.run_until_stopped()
