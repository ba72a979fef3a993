"""Decisions as they come, for whoever watches: the last of them, and how many there were."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.tasks.decision_table import TableEntry

MAX_EVENTS = 2000
"""Decisions that are kept. Who falls further behind than that has missed some, and sees it in the numbers."""


@dataclass(frozen=True, slots=True)
class DecisionEvent:
    """A decision. number: from 1, rising by 1. at: Unix time in seconds. before: the task's model until then.

    before is None where nothing was decided yet, and the model itself where the decision changed nothing.
    """

    number: int
    at: float
    task: str
    decision: TableEntry
    before: str | None

    @property
    def is_change(self) -> bool:
        """Whether the task's requests go to another model from now on; a task's first decision counts too."""
        return self.before != self.decision.model


class DecisionFeed:
    """The last decisions. Nothing here is kept over a restart."""

    def __init__(self, clock: Callable[[], float], kept: int = MAX_EVENTS) -> None:
        """clock: Unix time in seconds."""
        self.reasons: Counter[str] = Counter()
        self.changes = 0
        self._clock = clock
        self._last: deque[DecisionEvent] = deque(maxlen=kept)
        self._number = 0
        self._came = asyncio.Event()

    @property
    def last_number(self) -> int:
        """Of the latest decision; 0 before the first."""
        return self._number

    def publish(self, task: str, choice: TableEntry, before: str | None) -> None:
        """A decision is in force."""
        self._number += 1
        happened = DecisionEvent(self._number, self._clock(), task, choice, before)
        self._last.append(happened)
        self.reasons[choice.reason] += 1
        self.changes += happened.is_change
        self._came.set()
        self._came = asyncio.Event()

    async def wait_for(
        self, number: int, wait_s: float, wanted: Callable[[DecisionEvent], bool]
    ) -> Sequence[DecisionEvent]:
        """The wanted decisions behind that number, oldest first; waits up to wait_s for the first of them."""
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_s
        while True:
            came = self._came
            found = [happened for happened in self._last if happened.number > number and wanted(happened)]
            left_s = until - loop.time()
            if found or left_s <= 0:
                return found
            number = self._number
            try:
                await asyncio.wait_for(came.wait(), left_s)
            except TimeoutError:
                return []
