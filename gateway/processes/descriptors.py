"""File descriptors of this process: its limit, and what is done before the limit is reached.

POSIX gives the lowest number that is free. A descriptor's number therefore says how many are open, exactly and at no
cost. Below the limit a reserve is kept for the gateway's own files. Who comes too late for it gets an error of the
gateway's own: its shortage says nothing about a backend.
"""

import logging
import os
import time
from collections.abc import Callable

log = logging.getLogger("benchroute")

MAX_RESERVE = 64
"""Descriptors for the gateway's own files: the state, pipes to the scorer, connections to Redis, its logs."""

FEW_DESCRIPTORS = 1024
FALLBACK_LIMITS = (1024 * 1024, 65_536, 10_240)
"""Soft limits to try where the hard one is infinite; macOS takes no more than the last."""

QUIET_S = 10.0
"""Seconds between two warnings."""

RESCAN_S = 0.05
"""Seconds after a search for idle connections that has found none: it looks at all of them."""


def raise_descriptor_limit() -> int | None:
    """Raise the soft limit of open descriptors to the hard one. Return it; None where the system has no such limit."""
    try:
        import resource  # not on Windows
    except ImportError:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in FALLBACK_LIMITS if hard == resource.RLIM_INFINITY else (hard,):
        if soft == resource.RLIM_INFINITY or soft >= wanted:
            break
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            continue
        soft = wanted
        break
    if 0 <= soft < FEW_DESCRIPTORS:
        log.warning("only %d file descriptors are allowed: about %d requests at a time (ulimit -n)", soft, soft // 2)
    return soft


def descriptor_limit() -> int | None:
    """Return the soft limit of open descriptors as it is now; None where there is none."""
    try:
        import resource
    except ImportError:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def reserve_of(limit: int) -> int:
    """Return how many descriptors of a limit are kept for the gateway itself."""
    return min(MAX_RESERVE, limit // 8)


class Descriptors:
    """The descriptors that are left for connections: clients' first, backends' up to a higher mark.

    A client that was let in needs a connection to a backend too, so clients are refused earlier.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds, monotonic."""
        self._clock = clock
        self._releases: list[Callable[[int], int]] = []
        self._released = 0
        self._searched_at = self._warned_at = -QUIET_S

    def add_release(self, release: Callable[[int], int]) -> None:
        """Add a function that closes up to so many idle connections, and returns how many; called in this order."""
        self._releases.append(release)

    def has_room_for_client(self, descriptor: int) -> bool:
        """Return whether a client's connection with this descriptor may stay. Closes idle connections for it."""
        return self._has_room(descriptor, 2)

    def has_room_for_backend(self) -> bool:
        """Return whether a connection to a backend may be opened. Closes idle connections for it."""
        try:
            lowest = os.dup(2)
        except OSError:
            self.warn()
            return False
        os.close(lowest)
        return self._has_room(lowest, 1)

    def warn(self) -> None:
        """Log the shortage, now and then."""
        if self._clock() - self._warned_at >= QUIET_S:
            self._warned_at = self._clock()
            log.warning(
                "out of file descriptors: %s are allowed (ulimit -n). New connections get 503; raise the limit",
                descriptor_limit(),
            )

    def _has_room(self, descriptor: int, reserves: int) -> bool:
        limit = descriptor_limit()
        if limit is None or descriptor < limit - reserves * reserve_of(limit):
            self._released = 0
            return True
        # Closing takes effect in a later turn of the event loop: what was closed already counts until it is used up.
        if not self._released and self._clock() - self._searched_at >= RESCAN_S:
            self._release(max(1, reserve_of(limit) // 2))
        if self._released:
            self._released -= 1
            return True
        self.warn()
        return False

    def _release(self, count: int) -> None:
        for release in self._releases:
            self._released += release(count - self._released)
        if not self._released:
            self._searched_at = self._clock()
