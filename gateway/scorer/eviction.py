"""Eviction of tasks: clients name tasks, so their number is bounded, and those that nobody uses any more go.

Least recently used first. Of a task its inputs, decision and explanation are removed; what was spent on it is not. A
task with settings of its own (a pin, candidates, any policy) is never evicted: the configuration bounds their number.
Labels and feedback are somebody's work: a task with any counts as used three idle limits later than it was.
"""

import logging
from collections.abc import Callable, Sequence

from gateway.scorer.messages import EvictionLimits
from gateway.scorer.task_reader import TaskReader, labels_of
from gateway.state.store import Eviction, TaskRecord

log = logging.getLogger("benchroute.scorer")

EVICTION_INTERVAL_S = 1.0
"""Between two passes."""

MAX_EVICTED = 500
"""Tasks of one pass: about 50 ms, for which inputs wait."""

LABELLED_LIMITS = 3
DAY_S = 86_400.0
DEFAULT_IDLE_DAYS = 90


class TaskEvictor:
    """Evicts the tasks of one store."""

    def __init__(self, tasks: TaskReader, limits: EvictionLimits, clock: Callable[[], float]) -> None:
        """clock: Unix time in seconds."""
        self._tasks = tasks
        self._store = tasks.store
        self._limits = limits
        self._clock = clock

    def evict_tasks(self) -> Sequence[Eviction]:
        """Evict the tasks that are beyond a limit, MAX_EVICTED at most; return them. Raises StateError."""
        now = self._clock()
        self._date_tasks(now)
        evicted = self._evict_idle(now)
        evicted += self._evict_surplus(now, MAX_EVICTED - len(evicted))
        if evicted:
            log.info("%d tasks evicted (%s); the first: %s", len(evicted), evicted[0].reason, evicted[0].task)
        return evicted

    def _date_tasks(self, now: float) -> None:
        """Store a time of use for tasks of earlier versions, as if they were used now."""
        undated = self._store.tasks_without_use(MAX_EVICTED)
        if undated:
            self._store.touch_tasks({task: used_at(self._store.read_task(task), self._limits, now) for task in undated})

    def _evict_idle(self, now: float) -> list[Eviction]:
        if self._limits.idle_days is None:
            return []
        found = self._store.least_recently_used(MAX_EVICTED, before=now - self._limits.idle_days * DAY_S)
        return self._evict(found, "idle_days", now)

    def _evict_surplus(self, now: float, room: int) -> list[Eviction]:
        surplus = min(room, self._store.count_tasks() - self._limits.max_tasks)
        if surplus <= 0:
            return []
        return self._evict(self._store.least_recently_used(surplus), "max_tasks", now)

    def _evict(self, tasks: Sequence[str], reason: str, now: float) -> list[Eviction]:
        """Evict those without settings; the others go to the end of the order."""
        own = self._tasks.settings.tasks
        if kept := {task: now for task in tasks if task in own}:
            self._store.touch_tasks(kept)
        evicted = [Eviction(task, reason, now) for task in tasks if task not in own]
        if evicted:
            self._store.evict_tasks(evicted)
        return evicted


def used_at(record: TaskRecord, limits: EvictionLimits, now: float) -> float:
    """Return when a task that is used now counts as used: later if it has labels or feedback. Raises StateError."""
    labels = labels_of(record)
    return now if labels.is_empty else now + labelled_bonus_s(limits)


def labelled_bonus_s(limits: EvictionLimits) -> float:
    """Return how much later a task with labels or feedback counts as used, in seconds."""
    return LABELLED_LIMITS * (limits.idle_days or DEFAULT_IDLE_DAYS) * DAY_S
