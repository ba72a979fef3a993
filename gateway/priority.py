"""Standing back: a scorer's process lets requests have the processor first.

On Linux `nice` ranks programs within their session only, where the kernel groups them (sched_autogroup_enabled, usual
on machines without containers): every session is a group, and groups are equals until they are ranked themselves. So
a program that leads a session of its own has that ranked too.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

LAST = 19
ATTEMPTS = 5
PAUSE_S = 0.11
"""The kernel takes one such wish in a tenth of a second, from all programs together."""


def stand_back(nice: int = 0) -> None:
    """This process from now on, and all that it starts. nice: 0 to 19, the last comes last.

    Its session is ranked as the process is then, if it is the process' own: others would be ranked with it.
    """
    now = os.nice(nice)
    for _ in range(ATTEMPTS):
        try:
            _rank_session(os.getpid(), now)
        except BlockingIOError:
            time.sleep(PAUSE_S)
        else:
            return


def hold_back(pid: int, nice: int) -> None:
    """A process that this one has just started, against this one. Never waits: it ranks its session again itself."""
    with suppress(OSError):  # it has ended already
        now = min(LAST, os.getpriority(os.PRIO_PROCESS, 0) + nice)
        os.setpriority(os.PRIO_PROCESS, pid, now)
        _rank_session(pid, now)


def _rank_session(pid: int, nice: int) -> None:
    """Raises BlockingIOError where somebody else has just wished for something, ProcessLookupError."""
    ranks = Path(f"/proc/{pid}/autogroup")
    if os.getsid(pid) == pid and ranks.exists():
        with suppress(PermissionError):
            ranks.write_text(str(nice))
