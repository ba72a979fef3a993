"""Deadlines of the requests in flight, checked a few times a second.

A timer for each request would cost more than what it guards: call_later and cancel take about 1 µs, entering a set and
leaving it 0.03 µs, and no deadline here has to be exact to the millisecond.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

CHECK_INTERVAL_S = 0.05
SLICE_S = 0.001
"""Time after which other requests have their turn: where a backend hangs, hundreds are due at once."""


class HasDeadline(Protocol):
    """An object that waits for something.

    Attributes:
        due: Seconds, by the timer's clock; may change while it is watched.
    """

    due: float

    def on_deadline(self, now: float) -> None:
        """Act on the deadline, which has passed."""

    def abort(self) -> None:
        """End at once: the gateway stops."""


class DeadlineTimer:
    """All deadlines. Runs while there are any."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds, monotonic."""
        self.clock = clock
        self._watched: set[HasDeadline] = set()
        self._due: deque[HasDeadline] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, one: HasDeadline) -> None:
        """Check an object's deadline from now on."""
        self._watched.add(one)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(CHECK_INTERVAL_S, self._check_again)

    def unwatch(self, one: HasDeadline) -> None:
        """Check an object's deadline no longer."""
        self._watched.discard(one)

    def abort_all(self) -> int:
        """Abort all watched objects. Return how many there were."""
        aborted = tuple(self._watched)
        for one in aborted:
            one.abort()
        return len(aborted)

    def check_deadlines(self) -> bool:
        """Call on_deadline of those whose deadline has passed, for a slice of time. Return whether there are more."""
        now, due = self.clock(), self._due
        if not due:
            # A list first: on_deadline may end its request, and so change the set.
            due.extend([one for one in self._watched if one.due <= now])
        while due:
            one = due.popleft()
            if one in self._watched and one.due <= now:
                one.on_deadline(now)
                if self.clock() - now >= SLICE_S:
                    break
        return bool(due)

    def _check_again(self) -> None:
        self._timer = None
        has_more = self.check_deadlines()
        if self._watched and self._timer is None:
            wait_s = 0.0 if has_more else CHECK_INTERVAL_S
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._check_again)
