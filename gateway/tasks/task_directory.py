"""Display names of tasks, and the tasks that the requests of merged ones go to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from gateway.task_records import TaskEntry

NO_TARGETS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ResolvedEntries:
    """All entries by task, and what follows from them; replaced, never changed.

    Attributes:
        targets: the task that a merged task's requests go to, by the merged one; never itself a merged one.
        sources: the tasks that were merged into a task, directly or by way of others, sorted.
    """

    entries: Mapping[str, TaskEntry]
    targets: Mapping[str, str]
    sources: Mapping[str, Sequence[str]]


class TaskDirectory:
    """The entries of all tasks that have one. Lives in the event loop; the request path reads `targets`."""

    def __init__(self) -> None:
        self.targets: Mapping[str, str] = NO_TARGETS
        """The task that a merged task's requests go to, by the merged one; never itself a merged one."""
        self._resolved = ResolvedEntries({}, NO_TARGETS, {})

    def use_entries(self, resolved: ResolvedEntries) -> None:
        """Use these entries from now on."""
        self._resolved, self.targets = resolved, resolved.targets

    def change_entries(self, changes: Iterable[TaskEntry]) -> ResolvedEntries:
        """Return the entries with some changed, for `use_entries`; one without name and target is removed.

        Threads may call it.
        """
        entries = dict(self._resolved.entries)
        for one in changes:
            if one.name is None and one.merged_into is None:
                entries.pop(one.task, None)
            else:
                entries[one.task] = one
        return resolve_entries(entries.values())

    @property
    def sources(self) -> Mapping[str, Sequence[str]]:
        """The tasks that were merged into a task, directly or by way of others, sorted."""
        return self._resolved.sources

    def entries(self) -> Sequence[TaskEntry]:
        """Return all entries, by task."""
        entries = self._resolved.entries
        return [entries[task] for task in sorted(entries)]

    def entry_of(self, task: str) -> TaskEntry:
        """Return a task's entry; an empty one where it has none."""
        return self._resolved.entries.get(task) or TaskEntry(task)

    def target_of(self, task: str) -> str:
        """Return the task that a task's requests go to: itself, unless it was merged."""
        return self.targets.get(task, task)

    def sources_of(self, task: str) -> Sequence[str]:
        """Return the tasks that were merged into a task, directly or by way of others, sorted."""
        return self._resolved.sources.get(task, [])

    def named_tasks(self) -> Mapping[str, str]:
        """Return the display names, by task."""
        return {task: one.name for task, one in self._resolved.entries.items() if one.name is not None}


def resolve_entries(entries: Iterable[TaskEntry]) -> ResolvedEntries:
    """Return entries with what follows from them."""
    by_task = {one.task: one for one in entries}
    into = {task: one.merged_into for task, one in by_task.items() if one.merged_into is not None}
    targets = {task: found for task in into if (found := _follow(into, task)) != task}
    sources: dict[str, list[str]] = {}
    for task in sorted(targets):
        sources.setdefault(targets[task], []).append(task)
    return ResolvedEntries(by_task, targets, sources)


def _follow(into: Mapping[str, str], task: str) -> str:
    """Return the end of a chain of merges; of a circle, which two gateways can make at once, its first name."""
    path = [task]
    while (following := into.get(path[-1])) is not None:
        if following in path:
            return min(path[path.index(following) :])
        path.append(following)
    return path[-1]
