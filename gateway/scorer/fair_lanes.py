"""Observations of several API keys, shared out fairly: one key's thousand do not delay another's one.

Start-time fair queueing (Goyal, Vin and Cheng, 1996) between keys, first in first out within a task: a key has a lane
of tickets, each for a task, and a ticket takes the oldest input of its task, whichever key that input came from. So the
order of a task's inputs, which its decisions depend on, is never changed, also where several keys use one task.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterator

from gateway.scorer.messages import Observation

Admit = Callable[[Observation], bool]
"""Called before an observation is taken; one that is not admitted stays, and its key waits for the next call."""

MIN_COST_BYTES = 1024
"""Cost of a small input: embedding it takes as long as reading this much."""


class Lane:
    """Tickets of one key, oldest first: the task, and the size in bytes of the input that the key put in.

    Attributes:
        entry: number of the lane's place in the heap; 0 for none.
        size: sum of the sizes.
    """

    __slots__ = ("entry", "size", "tickets")

    def __init__(self) -> None:
        self.tickets: deque[tuple[str, int]] = deque()
        self.entry = 0
        self.size = 0


class FairLanes:
    """Observations of any number of keys. Not safe for threads: whoever owns it holds a lock.

    Attributes:
        count: number of observations.
    """

    def __init__(self) -> None:
        self._lanes: dict[str | None, Lane] = {}
        self._tasks: dict[str, deque[Observation]] = {}
        # (virtual start, place in the order of arrival, key): the lane that has had the least service comes first.
        self._heap: list[tuple[float, int, str | None]] = []
        self._now = 0.0
        self._numbers = itertools.count(1)
        self.count = 0

    def push(self, item: Observation) -> None:
        """Add an observation."""
        lane = self._lanes.get(item.key)
        if lane is None:
            lane = self._lanes[item.key] = Lane()
            self._schedule(item.key, lane, self._now)
        lane.tickets.append((item.task, len(item.messages)))
        lane.size += len(item.messages)
        self._tasks.setdefault(item.task, deque()).append(item)
        self.count += 1

    def take(self, max_items: int, max_bytes: int, admit: Admit | None = None) -> Iterator[Observation]:
        """Yield observations in their order: one at least, however large, if any is admitted. Use it up."""
        size, taken, refused = 0, 0, list[tuple[float, int, str | None]]()
        while taken < max_items and self._heap:
            start, number, key = self._heap[0]
            lane = self._lanes.get(key)
            if lane is None or lane.entry != number:  # its tickets were dropped
                heapq.heappop(self._heap)
                continue
            item = self._tasks[lane.tickets[0][0]][0]
            if taken and size + len(item.messages) > max_bytes:
                break
            if admit is not None and not admit(item):
                refused.append(heapq.heappop(self._heap))
                continue
            heapq.heappop(self._heap)
            self._now = start
            self._use_ticket(key, lane)
            if lane.tickets:
                self._schedule(key, lane, start + max(len(item.messages), MIN_COST_BYTES))
            size, taken = size + len(item.messages), taken + 1
            yield item
        for entry in refused:
            heapq.heappush(self._heap, entry)

    def drop_oldest(self, is_large: bool, latest: str | None) -> Observation:
        """Drop the oldest observation of the key that has the most in here.

        is_large: the most bytes; else the most observations. latest: the key that has put the last one in.
        """
        key = latest if self._is_over_share(is_large, latest) else self._largest(is_large)
        return self._use_ticket(key, self._lanes[key])

    def _use_ticket(self, key: str | None, lane: Lane) -> Observation:
        task, size = lane.tickets.popleft()
        lane.size -= size
        if not lane.tickets:
            del self._lanes[key]
        items = self._tasks[task]
        item = items.popleft()
        if not items:
            del self._tasks[task]
        self.count -= 1
        return item

    def _schedule(self, key: str | None, lane: Lane, start: float) -> None:
        lane.entry = next(self._numbers)
        heapq.heappush(self._heap, (start, lane.entry, key))

    def _is_over_share(self, is_large: bool, key: str | None) -> bool:
        """Return True if a key has more than an equal share: then no search is necessary, as in a flood by one key."""
        lane = self._lanes.get(key)
        if lane is None:
            return False
        if is_large:
            return lane.size * len(self._lanes) > sum(other.size for other in self._lanes.values())
        return len(lane.tickets) * len(self._lanes) > self.count

    def _largest(self, is_large: bool) -> str | None:
        lanes = self._lanes
        return max(lanes, key=lambda key: lanes[key].size if is_large else len(lanes[key].tickets))
