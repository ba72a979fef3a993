"""Display names of tasks, and the tasks that the requests of merged ones go to."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from gateway.task_records import TaskEntry

NO_TARGETS: Mapping[str, str] = MappingProxyType({})


class TaskDirectory:
    """The entries of all tasks that have one. Lives in the event loop; the request path reads `targets`."""

    def __init__(self) -> None:
        self.targets: Mapping[str, str] = NO_TARGETS
        """The task that a merged task's requests go to, by the merged one; never itself a merged one."""
        self._entries: dict[str, TaskEntry] = {}
        self._sources: dict[str, list[str]] = {}

    def replace_entries(self, entries: Iterable[TaskEntry]) -> None:
        """Replace all entries, as the store has them."""
        self._entries = {one.task: one for one in entries}
        self._resolve()

    def set_entries(self, entries: Iterable[TaskEntry]) -> None:
        """Set the entries of some tasks; one without name and target is removed."""
        for one in entries:
            if one.name is None and one.merged_into is None:
                self._entries.pop(one.task, None)
            else:
                self._entries[one.task] = one
        self._resolve()

    def entries(self) -> Sequence[TaskEntry]:
        """Return all entries, by task."""
        return [self._entries[task] for task in sorted(self._entries)]

    def entry_of(self, task: str) -> TaskEntry:
        """Return a task's entry; an empty one where it has none."""
        return self._entries.get(task) or TaskEntry(task)

    def target_of(self, task: str) -> str:
        """Return the task that a task's requests go to: itself, unless it was merged."""
        return self.targets.get(task, task)

    def sources_of(self, task: str) -> Sequence[str]:
        """Return the tasks that were merged into a task, directly or by way of others, sorted."""
        return self._sources.get(task, [])

    def named_tasks(self) -> Mapping[str, str]:
        """Return the display names, by task."""
        return {task: one.name for task, one in self._entries.items() if one.name is not None}

    def _resolve(self) -> None:
        targets = {task: found for task in self._entries if (found := self._follow(task)) != task}
        sources: dict[str, list[str]] = {}
        for task in sorted(targets):
            sources.setdefault(targets[task], []).append(task)
        # Replaced, not changed: the request path has the one or the other.
        self.targets, self._sources = targets, sources

    def _follow(self, task: str) -> str:
        """Return the end of a chain of merges; of a circle, which two gateways can make at once, its first name."""
        path = [task]
        while True:
            entry = self._entries.get(path[-1])
            if entry is None or entry.merged_into is None:
                return path[-1]
            if entry.merged_into in path:
                return min(path[path.index(entry.merged_into) :])
            path.append(entry.merged_into)
