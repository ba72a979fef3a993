"""The latest evictions of tasks, for GET /v1/evictions, metrics, and the answer to who asks for such a task."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.state.store import Eviction

MAX_EVICTIONS = 2000
"""Evictions in memory."""


@dataclass(frozen=True, slots=True)
class NumberedEviction:
    """An eviction. number: 1 for the first since the start, one more for every later one."""

    number: int
    eviction: Eviction


class EvictionLog:
    """The evictions since the start: how many by reason, and the latest of them."""

    def __init__(
        self, max_evictions: int = MAX_EVICTIONS, on_evicted: Callable[[str], None] = lambda task: None
    ) -> None:
        """on_evicted: called with every evicted task."""
        self.counts: Counter[str] = Counter()
        """By reason."""
        self._latest: deque[NumberedEviction] = deque(maxlen=max_evictions)
        self._number = 0
        self._on_evicted = on_evicted

    def record(self, evicted: Sequence[Eviction]) -> None:
        """Append evictions, oldest first."""
        for one in evicted:
            self._number += 1
            self._latest.append(NumberedEviction(self._number, one))
            self.counts[one.reason] += 1
            self._on_evicted(one.task)

    def latest(self) -> Sequence[NumberedEviction]:
        """Return the latest evictions, oldest first."""
        return list(self._latest)

    def find_eviction(self, task: str) -> Eviction | None:
        """Return a task's latest eviction, None where it is not among the latest of all."""
        return next((one.eviction for one in reversed(self._latest) if one.eviction.task == task), None)
