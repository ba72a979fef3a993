"""Event feed of decisions, for GET /v1/decisions and `benchroute tail`: the latest ones, and how many there were."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from gateway.decision import Decision

MAX_EVENTS = 2000
"""Decisions in memory. A reader that falls further behind has missed some, and sees it in the numbers."""


@dataclass(frozen=True, slots=True)
class DecisionEvent:
    """A decision as it was applied.

    Attributes:
        number: 1 for the first since the start, one more for every later one.
        at: Unix time in seconds.
        before: the task's model until then; None where there was no decision.
    """

    number: int
    at: float
    decision: Decision
    before: str | None

    @property
    def task(self) -> str:
        """The task's name."""
        return self.decision.task

    @property
    def is_change(self) -> bool:
        """True where the task's requests go to another model from now on; a task's first decision counts too."""
        return self.before != self.decision.model


class DecisionFeed:
    """The latest decisions, in memory alone."""

    def __init__(
        self,
        clock: Callable[[], float],
        max_events: int = MAX_EVENTS,
        on_change: Callable[[Decision], None] | None = None,
    ) -> None:
        """clock: Unix time in seconds. on_change: called with each decision that replaces a task's model by another."""
        self._on_change = on_change
        self.reasons: Counter[str] = Counter()
        self.changes = 0
        self._clock = clock
        self._events: deque[DecisionEvent] = deque(maxlen=max_events)
        self._number = 0
        self._published = asyncio.Event()

    @property
    def last_number(self) -> int:
        """The number of the latest decision; 0 before the first."""
        return self._number

    def publish(self, decision: Decision, before: str | None) -> None:
        """Append a decision that was applied. before: the task's model until then."""
        self._number += 1
        event = DecisionEvent(self._number, self._clock(), decision, before)
        self._events.append(event)
        self.reasons[decision.reason] += 1
        self.changes += event.is_change
        if self._on_change is not None and event.is_change and before is not None:
            self._on_change(decision)
        # A new event object for the next wait: whoever waits now wakes, however many there are.
        self._published.set()
        self._published = asyncio.Event()

    async def wait_for(
        self, number: int, wait_s: float, matches: Callable[[DecisionEvent], bool]
    ) -> Sequence[DecisionEvent]:
        """Return the matching decisions after a number, oldest first; wait up to wait_s for the first of them."""
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_s
        while True:
            published = self._published
            found = [event for event in self._events_after(number) if matches(event)]
            left_s = until - loop.time()
            if found or left_s <= 0:
                return found
            number = self._number
            try:
                await asyncio.wait_for(published.wait(), left_s)
            except TimeoutError:
                return []

    def _events_after(self, number: int) -> list[DecisionEvent]:
        """Return the events after a number, oldest first. From the end: a reader that waits has seen almost all."""
        newer = takewhile(lambda event: event.number > number, reversed(self._events))
        return list(newer)[::-1]
