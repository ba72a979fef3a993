"""Standing back: a scorer's process lets requests have the processor first.

On Linux `nice` ranks programs within their session only, where the kernel groups them (sched_autogroup_enabled, usual
on machines without containers): every session is a group, and groups are equals until they are ranked themselves. So
a program that leads a session of its own has that ranked too.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

LOWEST_NICE = 19
ATTEMPTS = 5
PAUSE_S = 0.11
"""The kernel takes one wish for a session in a tenth of a second, from all programs together."""

PROC = Path("/proc")


def lower_own_priority(nice: int) -> None:
    """This process from now on, and all that it starts; its session too, if it leads one. nice: 0 to 19."""
    os.nice(nice)
    for _ in range(ATTEMPTS):
        if _rank_session(os.getpid(), nice):
            return
        time.sleep(PAUSE_S)


def lower_priority_of(pid: int, nice: int) -> bool:
    """A process that this one has just started, against this one. False where it is worth trying again in PAUSE_S."""
    try:
        os.setpriority(os.PRIO_PROCESS, pid, min(LOWEST_NICE, os.getpriority(os.PRIO_PROCESS, 0) + nice))
        return _rank_session(pid, nice)
    except OSError:  # it has ended already
        return True


def _rank_session(pid: int, nice: int) -> bool:
    """By so much behind the session of this process. Raises ProcessLookupError."""
    if os.getsid(pid) != pid or _rank(str(pid)) is None:
        return True
    try:
        with suppress(PermissionError):
            _file(str(pid)).write_text(str(min(LOWEST_NICE, (_rank("self") or 0) + nice)))
    except BlockingIOError:
        return False
    return True


def _rank(process: str) -> int | None:
    """Of its session among sessions. None where the kernel ranks none, or not this one: the file of a process that
    stands in the very first session, as what an init process starts may, is there and empty.
    """
    try:
        *_, rank = _file(process).read_text().split()
        return int(rank)
    except (FileNotFoundError, ValueError):
        return None


def _file(process: str) -> Path:
    return PROC / process / "autogroup"
