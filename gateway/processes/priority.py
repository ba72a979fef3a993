"""Lower priority for the scorer's process, so that requests get the CPU first.

On Linux with sched_autogroup_enabled (usual on machines without containers) `nice` applies within a session only: every
session is a group, and groups are equal until their own nice value is set, see sched(7). Therefore the value of a
process that leads a session is set for the session too.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

LOWEST_NICE = 19
ATTEMPTS = 5
PAUSE_S = 0.11
"""The kernel accepts one change of an autogroup per tenth of a second, from all programs together."""

PROC = Path("/proc")


def lower_own_priority(nice: int) -> None:
    """Lower the priority of this process and its future children, and of a session that it leads. nice: 0 to 19."""
    os.nice(nice)
    for _ in range(ATTEMPTS):
        if _set_session_nice(os.getpid(), nice):
            return
        time.sleep(PAUSE_S)


def lower_priority_of(pid: int, nice: int) -> bool:
    """Lower a child's priority below this process's. Return False if it should be tried again after PAUSE_S."""
    try:
        os.setpriority(os.PRIO_PROCESS, pid, min(LOWEST_NICE, os.getpriority(os.PRIO_PROCESS, 0) + nice))
        return _set_session_nice(pid, nice)
    # The child has exited already.
    except OSError:
        return True


def _set_session_nice(pid: int, nice: int) -> bool:
    """Set a session's nice value, relative to this process's session. Raises ProcessLookupError."""
    if os.getsid(pid) != pid or _session_nice(str(pid)) is None:
        return True
    try:
        with suppress(PermissionError):
            _autogroup(str(pid)).write_text(str(min(LOWEST_NICE, (_session_nice("self") or 0) + nice)))
    except BlockingIOError:
        return False
    return True


def _session_nice(process: str) -> int | None:
    """Return the nice value of a process's session, None without autogroups."""
    # The file is empty for a process in the first session, as what an init process starts may be.
    try:
        *_, nice = _autogroup(process).read_text().split()
        return int(nice)
    except (FileNotFoundError, ValueError):
        return None


def _autogroup(process: str) -> Path:
    return PROC / process / "autogroup"
