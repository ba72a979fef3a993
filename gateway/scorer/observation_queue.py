"""Observations on their way to the scorer: bounded, because a request must not wait and memory must not grow.

Both deployments queue in the gateway with this class. Keys get equal shares of the scorer (gateway.scorer.fair_lanes),
and where there is no room, the key that has the most waiting loses its oldest, counted as `queue_full`: a task's
decision should follow its latest inputs, and after an outage those are worth most. A stream in Redis that is full drops
its oldest too, counted as `backlog_full`.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from gateway.observability.metrics import ScorerStats
from gateway.scorer.fair_lanes import Admit, FairLanes
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
    """First in, first out within a task, fair between keys; a full queue drops and counts.

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
        # One key alone needs no sharing, and most of the time the queue holds one key's at most: they are in _items.
        # From another key's first one on, all are in _lanes, until nothing is left.
        self._key: str | None = None
        self._items: deque[Observation] = deque()
        self._lanes = FairLanes()
        self._lock = threading.Lock()
        self._filled = asyncio.Event()

    def put_observation(self, task: str, messages: bytes, key: str | None = None) -> None:
        """Add an observation. Never waits, never raises. key: name of the API key that sent the request."""
        dropped = 0
        with self._lock:
            if len(messages) > MAX_ITEM_BYTES:
                self._stats.dropped["too_large"] += 1
                dropped = 1
            else:
                self._append(Observation(task, messages, key))
                self._bytes += len(messages)
                dropped = self._drop_oldest(key)
                self._stats.queued = len(self._items) or self._lanes.count
            if self._journal is not None:
                self._journal.accepted += 1
                self._journal.dropped += dropped
                self._journal.write_counts()
        self._filled.set()

    def take_batch(
        self, max_items: int, max_bytes: int = MAX_BYTES, admit: Admit | None = None
    ) -> Sequence[Observation]:
        """Take what is there: one at least, however large, or nothing where nothing is there, or is admitted.

        Of one key, and of one task, oldest first.
        """
        with self._lock:
            if self._items:
                taken = self._take_alone(max_items, max_bytes, admit)
            else:
                taken = list(self._lanes.take(max_items, max_bytes, admit))
            self._bytes -= sum(len(item.messages) for item in taken)
            self._stats.queued = len(self._items) or self._lanes.count
        return taken

    async def wait_filled(self) -> None:
        """Wait until there is something to take. In the event loop that puts."""
        while not self.has_pending:
            self._filled.clear()
            await self._filled.wait()

    @property
    def has_pending(self) -> bool:
        """True while something waits to be taken."""
        return bool(self._items) or self._lanes.count > 0

    def _append(self, item: Observation) -> None:
        items = self._items
        if not items and not self._lanes.count:
            self._key = item.key
        if items and item.key != self._key:
            while items:
                self._lanes.push(items.popleft())
        if self._lanes.count:
            self._lanes.push(item)
        else:
            items.append(item)

    def _take_alone(self, max_items: int, max_bytes: int, admit: Admit | None) -> list[Observation]:
        taken: list[Observation] = []
        size, items = 0, self._items
        while items and len(taken) < max_items:
            size += len(items[0].messages)
            if (taken and size > max_bytes) or (admit is not None and not admit(items[0])):
                break
            taken.append(items.popleft())
        return taken

    def _drop_oldest(self, key: str | None) -> int:
        dropped = 0
        while (len(self._items) or self._lanes.count) > self._max_items or self._bytes > self._max_bytes:
            is_large = self._bytes > self._max_bytes
            gone = self._items.popleft() if self._items else self._lanes.drop_oldest(is_large, key)
            self._bytes -= len(gone.messages)
            dropped += 1
        if dropped:
            self._stats.dropped["queue_full"] += dropped
        return dropped
