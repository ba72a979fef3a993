"""Requests on this lane and their deadlines, looked at a few times a second.

A timer for each would cost more than what it guards.
"""

import asyncio
import time
from typing import Protocol

SWEEP_INTERVAL_S = 0.05


class HasDeadline(Protocol):
    """Has a deadline. due: by time.monotonic(); may move while it is watched."""

    due: float

    def on_deadline(self, now: float) -> None:
        """The deadline has passed."""

    def abort(self) -> None:
        """It has had its time. See gateway.proxy.inflight."""


class DeadlineTimer:
    """All of them. Looks at them while there are any."""

    def __init__(self) -> None:
        self._watched: set[HasDeadline] = set()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, one: HasDeadline) -> None:
        """Watches it from now on."""
        self._watched.add(one)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_INTERVAL_S, self._look)

    def unwatch(self, one: HasDeadline) -> None:
        """Watches it no longer."""
        self._watched.discard(one)

    def abort_all(self) -> int:
        """Ends all that are under way, and says how many."""
        cut = tuple(self._watched)
        for one in cut:
            one.abort()
        return len(cut)

    def _look(self) -> None:
        now = time.monotonic()
        for one in [one for one in self._watched if one.due <= now]:
            one.on_deadline(now)
        self._timer = asyncio.get_running_loop().call_later(SWEEP_INTERVAL_S, self._look) if self._watched else None
