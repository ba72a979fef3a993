"""Observations on their way to the scorer: bounded, because a request must not wait and memory must not grow."""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.scorer.messages import Observation

MAX_ITEMS = 10_000
MAX_BYTES = 8 * 1024 * 1024
MAX_ITEM_BYTES = 8 * 1024 * 1024


@dataclass(slots=True)
class ObservationStats:
    """Since the gateway's start. observed: scored and stored; dropped: by reason; queued: waiting now.

    backlog: waiting in a fleet's streams, of all gateways. scoring_s: seconds that the scorer worked on them.
    skipped: of those observed, not embedded, since their tasks are settled.
    """

    observed: int = 0
    errors: int = 0
    restarts: int = 0
    queued: int = 0
    backlog: int = 0
    scoring_s: float = 0.0
    skipped: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


class ObservationQueue:
    """First in, first out; what finds no room is dropped and counted."""

    def __init__(self, counts: ObservationStats, max_items: int = MAX_ITEMS, max_bytes: int = MAX_BYTES) -> None:
        self._counts = counts
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._bytes = 0
        self._items: deque[Observation] = deque()
        self._filled = asyncio.Event()

    def put_observation(self, task: str, messages: bytes) -> None:
        """Never waits, never raises."""
        if len(messages) > MAX_ITEM_BYTES:
            self._counts.dropped["too_large"] += 1
        elif len(self._items) >= self._max_items or self._bytes + len(messages) > self._max_bytes:
            self._counts.dropped["queue_full"] += 1
        else:
            self._items.append(Observation(task, messages))
            self._bytes += len(messages)
            self._counts.queued = len(self._items)
            self._filled.set()

    async def take_batch(self, max_items: int, max_bytes: int) -> Sequence[Observation]:
        """What is there, oldest first, at least one; waits for it."""
        while not self._items:
            self._filled.clear()
            await self._filled.wait()
        taken: list[Observation] = []
        size = 0
        while (
            self._items and len(taken) < max_items and (not taken or size + len(self._items[0].messages) <= max_bytes)
        ):
            taken.append(self._items.popleft())
            size += len(taken[-1].messages)
        self._bytes -= size
        self._counts.queued = len(self._items)
        return taken
