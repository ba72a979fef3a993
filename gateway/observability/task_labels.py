"""Labels of tasks in metrics: the busiest tasks have labels of their own, all others share one.

Clients name tasks, so the labels are bounded, and first come would be first served for ever: a flood of names, or last
year's tasks, would keep today's busiest out. So a task takes the label of one that has become much less busy.

Every counter only rises. A task that loses its label ends its series, and is counted as `other` from then on; what it
had counted is not moved there, where it would look like a burst of requests. When it gets a label again, its counter
starts at 0, which Prometheus takes for a restart. The sum over all models is in `benchroute_requests_total`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush, heapreplace

OTHER = "other"

CANDIDATES = 400
"""Tasks without a label whose requests are counted."""

MARGIN = 2.0
"""How many times as busy a task must be to take another's label: two alike must not change places all the time."""

HALF_LIFE = 10_000
"""Requests after which earlier ones count half."""


class MetricTasks:
    """The tasks with a label, and the requests of each by model."""

    def __init__(self, most: int, configured: Iterable[str] = ()) -> None:
        """most: maximum number of tasks with a label of their own. configured: those that come first, and stay."""
        self._most = most
        self._fixed = frozenset(list(configured)[:most])
        self._activity: dict[str, float] = dict.fromkeys(self._fixed, 0.0)
        """Recent requests of the tasks with a label."""
        self._others: dict[str, float] = {}
        """Recent requests of candidates, an upper bound of them."""
        self._errors: dict[str, float] = {}
        """How much of that may be other tasks'."""
        self._models: dict[str, Counter[str]] = {}
        self._entered: dict[str, int] = {}
        """When each task that may lose its label got it: 1 for the first one."""
        self._by_activity: list[tuple[float, int, str]] = []
        """A heap of these tasks, with the activity and the time that they had when they were last looked at."""
        self._number = 0
        self._floor = 0.0
        self._until_halving = HALF_LIFE

    def count_requests(self, task: str, model: str, count: int = 1) -> str:
        """Count requests of a task to a model, and return the label that they are counted on."""
        self._until_halving -= count
        if self._until_halving <= 0:
            self._halve()
        label = self._label(task, count)
        self._models.setdefault(label, Counter())[model] += count
        return label

    def counts(self) -> Iterator[tuple[tuple[str, str], int]]:
        """Yield the requests by label and model."""
        for label, models in self._models.items():
            for model, count in models.items():
                yield (label, model), count

    def _label(self, task: str, count: int) -> str:
        if task in self._activity:
            self._activity[task] += count
            return task
        if len(self._activity) < self._most:
            self._enter(task, float(count))
            return task
        recent = self._count_other(task, count)
        # The floor is at most the least activity, which is looked up only where it may have been passed.
        if self._most and recent > MARGIN * self._floor and self._takes_label(task, recent):
            return task
        return OTHER

    def _takes_label(self, task: str, recent: float) -> bool:
        """Give a task the label of the least busy one, if that is much less busy."""
        least = self._least_busy()
        self._floor = self._activity.get(least, float("inf"))
        if recent <= MARGIN * self._floor:
            return False
        self._others[least], self._errors[least] = self._activity.pop(least), 0.0
        self._models.pop(least, None)
        del self._entered[least]
        self._enter(task, recent)
        del self._others[task], self._errors[task]
        return True

    def _enter(self, task: str, recent: float) -> None:
        """Give a task a label of its own."""
        self._number += 1
        self._activity[task], self._entered[task] = recent, self._number
        heappush(self._by_activity, (recent, self._number, task))

    def _least_busy(self) -> str:
        """Return the least busy task that may lose its label, the first of several; empty without any.

        To look at all of 10,000 labels for each of 40 tasks would take the event loop 50 ms.
        """
        heap = self._by_activity
        while heap:
            activity, number, task = heap[0]
            if self._entered.get(task) != number:
                heappop(heap)
            elif activity != self._activity[task]:  # activity only grows, but for the halving of all
                heapreplace(heap, (self._activity[task], number, task))
            else:
                return task
        return ""

    def _count_other(self, task: str, count: int) -> float:
        """Count requests of a task without a label, and return the recent ones that are certainly its own.

        A new candidate takes the place and the count of the least busy one (Space-Saving: Metwally, Agrawal and
        El Abbadi 2005), so a busy task is never missed, and of a flood of names none has more than its own requests.
        """
        if task not in self._others:
            inherited = 0.0
            if len(self._others) >= CANDIDATES:
                least = min(self._others, key=self._others.__getitem__)
                inherited = self._others.pop(least)
                del self._errors[least]
            self._others[task] = self._errors[task] = inherited
        self._others[task] += count
        return self._others[task] - self._errors[task]

    def _halve(self) -> None:
        """Let earlier requests count half."""
        self._until_halving = HALF_LIFE
        self._floor /= 2
        for counted in (self._activity, self._others, self._errors):
            for name in counted:
                counted[name] /= 2
        self._by_activity = [(activity / 2, number, task) for activity, number, task in self._by_activity]
