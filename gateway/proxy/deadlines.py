"""Requests on this lane and their deadlines, looked at a few times a second.

A timer for each would cost more than what it guards.
"""

import asyncio
import time
from typing import Protocol

EVERY_S = 0.05


class Watched(Protocol):
    """Has a deadline. due: by time.monotonic(); may move while it is watched."""

    due: float

    def overdue(self, now: float) -> None:
        """The deadline has passed."""

    def cut(self) -> None:
        """It has had its time. See gateway.proxy.inflight."""


class Sweep:
    """All of them. Looks at them while there are any."""

    def __init__(self) -> None:
        self._watched: set[Watched] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, one: Watched) -> None:
        """Watches it from now on."""
        self._watched.add(one)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY_S, self._look)

    def discard(self, one: Watched) -> None:
        """Watches it no longer."""
        self._watched.discard(one)

    def cut(self) -> int:
        """Ends all that are under way, and says how many."""
        cut = tuple(self._watched)
        for one in cut:
            one.cut()
        return len(cut)

    def _look(self) -> None:
        now = time.monotonic()
        for one in [one for one in self._watched if one.due <= now]:
            one.overdue(now)
        self._timer = asyncio.get_running_loop().call_later(EVERY_S, self._look) if self._watched else None
