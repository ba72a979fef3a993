"""A child process that ends with its parent, however the parent ends: SIGKILL leaves it no time to say so.

On Linux the kernel ends the child, even in the middle of a call that holds Python's lock (prctl(2), PR_SET_PDEATHSIG).
macOS has no such signal: there a thread watches for the parent, and ends the child as soon as it gets the lock.
"""

import ctypes
import os
import signal
import sys
import threading
import time

PR_SET_PDEATHSIG = 1

GRACE_S = 1.0
"""For what is in hand when the parent dies: with the pause between two looks, the child ends within two seconds."""

PAUSE_S = 0.25
EXIT_CODE = 1


def end_with_parent(parent: int) -> None:
    """End this process when its parent ends. Call it before anything that takes long, such as imports.

    parent: process ID of the parent, which passes it on: one that died before this call has been replaced.
    """
    if not _is_killed_by_kernel():
        threading.Thread(target=exit_after_parent, args=(parent,), name="parent", daemon=True).start()
    # It may have died before the kernel was told.
    if os.getppid() != parent:
        os._exit(EXIT_CODE)


def exit_after_parent(parent: int, grace_s: float = GRACE_S) -> None:
    """Wait until the parent has died, give the other threads a moment, and exit. Blocks: for a thread of its own.

    What the exit interrupts does no harm: whatever is stored is written in transactions.
    """
    while os.getppid() == parent:
        time.sleep(PAUSE_S)
    time.sleep(grace_s)
    os._exit(EXIT_CODE)


def _is_killed_by_kernel() -> bool:
    """Ask the kernel for SIGKILL at the parent's end. Return False where it cannot."""
    return sys.platform == "linux" and bool(ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) == 0)
