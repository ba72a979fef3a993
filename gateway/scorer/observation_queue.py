"""Observations on their way to the scorer: bounded, because a request must not wait and memory must not grow.

Both deployments queue in the gateway with this class, and both drop the oldest where there is no room, counted as
`queue_full`: a task's decision should follow its latest inputs, and after an outage those are worth most. A stream in
Redis that is full drops its oldest too, counted as `backlog_full`.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from gateway.observability.metrics import ScorerStats
from gateway.scorer.messages import Observation

MAX_ITEMS = 10_000
MAX_BYTES = 8 * 1024 * 1024
MAX_ITEM_BYTES = 8 * 1024 * 1024


class Journal(Protocol):
    """A record of what a queue took in, for queues whose process may be killed."""

    accepted: int
    dropped: int

    def write_counts(self) -> None:
        """Keep the counts as they are now."""


class ObservationQueue:
    """First in, first out; a full queue drops its oldest and counts it.

    The event loop puts; the event loop or one other thread takes. Neither holds the lock for long.
    """

    def __init__(
        self,
        stats: ScorerStats,
        max_items: int = MAX_ITEMS,
        max_bytes: int = MAX_BYTES,
        journal: Journal | None = None,
    ) -> None:
        self._stats = stats
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._journal = journal
        self._bytes = 0
        self._items: deque[Observation] = deque()
        self._lock = threading.Lock()
        self._filled = asyncio.Event()

    def put_observation(self, task: str, messages: bytes) -> None:
        """Add an observation. Never waits, never raises."""
        dropped = 0
        with self._lock:
            if len(messages) > MAX_ITEM_BYTES:
                self._stats.dropped["too_large"] += 1
                dropped = 1
            else:
                self._items.append(Observation(task, messages))
                self._bytes += len(messages)
                dropped = self._drop_oldest()
                self._stats.queued = len(self._items)
            if self._journal is not None:
                self._journal.accepted += 1
                self._journal.dropped += dropped
                self._journal.write_counts()
        self._filled.set()

    def take_batch(self, max_items: int, max_bytes: int = MAX_BYTES) -> Sequence[Observation]:
        """Take what is there, oldest first: one at least, however large, or nothing where nothing is there."""
        taken: list[Observation] = []
        size = 0
        with self._lock:
            while (
                self._items
                and len(taken) < max_items
                and (not taken or size + len(self._items[0].messages) <= max_bytes)
            ):
                taken.append(self._items.popleft())
                size += len(taken[-1].messages)
            self._bytes -= size
            self._stats.queued = len(self._items)
        return taken

    async def wait_filled(self) -> None:
        """Wait until there is something to take. In the event loop that puts."""
        while not self._items:
            self._filled.clear()
            await self._filled.wait()

    @property
    def has_pending(self) -> bool:
        """True while something waits to be taken."""
        return bool(self._items)

    def _drop_oldest(self) -> int:
        dropped = 0
        while len(self._items) > self._max_items or self._bytes > self._max_bytes:
            self._bytes -= len(self._items.popleft().messages)
            dropped += 1
        if dropped:
            self._stats.dropped["queue_full"] += dropped
        return dropped
