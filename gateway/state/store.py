"""The contract of every store, and the records it holds.

The scorer writes tasks' sums and decisions; the gateway reads decisions and explanations, forgets tasks, and stores
keys, policies and usage. Sums and embeddings are bytes here: only the scorer decodes them, and the gateway's process
needs no numpy.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import msgspec

from gateway.decision import NO_EXPLANATION, Decision, ExplainedDecision, Explanation
from gateway.task_records import StoredTemplate, TaskEntry, TemplatePlace
from gateway.usage.history import ChangeMark, HistoryRows, SeriesName
from gateway.usage.history_counts import Counts
from gateway.usage.ledger import UsageRows

RING_SIZE = 256
"""Most recent embeddings stored per task, from which another pack scores it again."""


@dataclass(frozen=True, slots=True)
class TaskSums:
    """A task's sums (DESIGN.md, "Task state is a sum").

    Attributes:
        sums_version: hash of the pack and the settings that g depends on; sums of another version are not comparable.
        n: inputs in the sums.
        total_seen: inputs ever, which gives the slot of the ring's next embedding.
        sums: encoded by gateway.scorer.serialization.
    """

    sums_version: str
    n: int
    total_seen: int
    sums: bytes


class StoredSecret(msgspec.Struct, frozen=True, omit_defaults=True):
    """A secret of a key.

    Attributes:
        number: 1 for a key's first, one more for every later one.
        sha256: of the secret, in hexadecimal.
        created_at: Unix time in seconds, None where it is not known.
        expires_at: Unix time in seconds from which it is rejected, None for as long as the key is valid.
    """

    number: int
    sha256: str
    created_at: float | None = None
    expires_at: float | None = None


class StoredKey(msgspec.Struct, frozen=True, omit_defaults=True, rename={"settings_json": "terms"}):
    """A client's key that was created over HTTP. Encoded with the member names of earlier versions.

    Attributes:
        name: unique among all keys.
        sha256: of the current secret, in hexadecimal.
        created_at: Unix time in seconds.
        settings_json: a gateway.config.KeyTerms, as JSON.
        version: 0 as created, one more with every change.
        secrets: all secrets, the current one last; empty for a key that was never rotated.
    """

    name: str
    sha256: str
    created_at: float
    settings_json: str
    version: int = 0
    secrets: tuple[StoredSecret, ...] = ()

    @property
    def all_secrets(self) -> tuple[StoredSecret, ...]:
        """The secrets, the current one last."""
        return self.secrets or (StoredSecret(1, self.sha256, self.created_at),)


class Eviction(msgspec.Struct, frozen=True, array_like=True):
    """A task that was removed because it had not been used for long, or to make room.

    Attributes:
        task: its name.
        reason: `idle_days` or `max_tasks`, the setting that removed it.
        at: Unix time in seconds.
    """

    task: str
    reason: str
    at: float


NO_SAMPLING_STATES: Mapping[str, bytes] = MappingProxyType({})

MAX_POLICY_VERSIONS = 50
"""Versions stored of a task's policy."""


class StoredPolicy(msgspec.Struct, frozen=True, rename={"changed_by": "by", "settings_json": "terms"}):
    """A version of a task's policy override. Encoded with the member names of earlier versions.

    Attributes:
        task: the task's name.
        version: 1 for a task's first, one more for every later one.
        at: Unix time in seconds.
        changed_by: name of the admin, None without authentication.
        settings_json: the fields of gateway.config.schema.TaskConfig that it sets, as JSON; None removes the override.
    """

    task: str
    version: int
    at: float
    changed_by: str | None
    settings_json: str | None


@dataclass(frozen=True, slots=True)
class StateChange:
    """Changes of one task by a batch of inputs.

    Attributes:
        task: the new sums.
        embeddings: new ones for the ring, oldest first.
        decision: None where no candidate is in the pack.
        changes: decisions of this batch in which the model changed, oldest first; they are added to the history.
        sampling_state: None leaves the stored one.
        explanation: None leaves the stored one.
        used_at: time of the task's last use, Unix time in seconds, by which tasks are evicted; None leaves the stored
            one.
    """

    task: TaskSums
    embeddings: Sequence[bytes]
    decision: Decision | None
    changes: Sequence[Decision]
    sampling_state: bytes | None = None
    explanation: Explanation | None = None
    used_at: float | None = None


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Tasks to list, by name.

    Attributes:
        after: names greater than this one.
        prefix: that begin with this.
        search: that contain this, in lower or upper case.
        limit: how many; None for all.
    """

    after: str = ""
    prefix: str = ""
    search: str = ""
    limit: int | None = None

    def matches(self, task: str) -> bool:
        """Return whether a task is to be listed."""
        return task > self.after and task.startswith(self.prefix) and self.search.lower() in task.lower()


ALL_TASKS = TaskFilter()


class Store(Protocol):
    """Storage of tasks, keys, policies and usage. Every method may raise StateError."""

    def update_task(
        self,
        tasks: Sequence[str],
        change: "Callable[[Mapping[str, TaskRecord]], Mapping[str, StateChange]]",
        sampling_states: Mapping[str, bytes] = NO_SAMPLING_STATES,
        used_at: float | None = None,
        removed: Sequence[str] = (),
    ) -> None:
        """Read these tasks, and write what `change` returns for them, in one transaction.

        `change` may read this store. sampling_states: of other tasks, of which nothing else is written but that they
        are used at `used_at`, Unix time in seconds, unless a later time is stored. removed: tasks that are deleted
        with it; a store with shards deletes them afterwards.
        """

    def read_task(self, task: str) -> "TaskRecord":
        """Return all that is stored of a task but its embeddings."""

    def read_explanations(self, tasks: Sequence[str]) -> Mapping[str, ExplainedDecision]:
        """Return the decisions of those of these tasks that have one, with explanations; in one transaction."""

    def recent_embeddings(self, task: str) -> Sequence[bytes]:
        """Return the task's most recent embeddings, oldest first."""

    def sampling_states(self, tasks: Sequence[str]) -> Mapping[str, bytes]:
        """Return the sampling states of those of these tasks that have one."""

    def task_names(self) -> Sequence[str]:
        """Return the names of all tasks, sorted."""

    def outdated_tasks(self, sums_version: str) -> Sequence[str]:
        """Return the tasks whose sums are of another version, or whose decision rests on no input, sorted."""

    def read_decisions(self, listed: TaskFilter = ALL_TASKS) -> Mapping[str, Decision]:
        """Return decisions by task, sorted by name, of those listed; without explanations."""

    def decision_changes(self, task: str) -> Sequence[Decision]:
        """Return the most recent decisions that changed a task's model, oldest first; without explanations."""

    def forget_task(self, task: str) -> bool:
        """Delete a task but for its policy. Return False if nothing was stored of it."""

    def evict_tasks(self, evicted: Sequence[Eviction]) -> None:
        """Delete tasks but for their policies, and what was spent on them."""

    def count_tasks(self) -> int:
        """Return the number of tasks."""

    def least_recently_used(self, limit: int, before: float | None = None) -> Sequence[str]:
        """Return the tasks that were used least recently, least recent first. before: used before this time."""

    def recently_used(self, limit: int, before: tuple[float, str] | None = None) -> Sequence[tuple[float, str]]:
        """Return the tasks by their last use, most recent first, with its time. before: behind this one."""

    def tasks_without_use(self, limit: int) -> Sequence[str]:
        """Return tasks of earlier versions, which did not store when a task was used."""

    def touch_tasks(self, used: Mapping[str, float]) -> None:
        """Store when tasks were used, by task; Unix time in seconds."""

    def add_usage(self, rows: UsageRows) -> None:
        """Add to the stored usage."""

    def fold_usage(self, tasks: Sequence[str]) -> None:
        """Move the usage of tasks into that of all others, day by day; a shared store leaves it by task."""

    def read_usage(self) -> UsageRows:
        """Return all stored usage."""

    def usage_of(self, who: Sequence[tuple[str, str]]) -> UsageRows:
        """Return the usage of some keys and tasks. who: (kind, name) of each."""

    def add_history(self, rows: HistoryRows, changes: Sequence[ChangeMark] = ()) -> None:
        """Add to the stored history. changes: counted once, however many gateways add them."""

    def read_history(
        self, series: SeriesName, step_s: int, first: int, last: int, merged: Sequence[str] = ()
    ) -> Mapping[int, Counts]:
        """Return the counts of a series by minute or hour, from number `first` to `last`, those without left out.

        merged: other names of its kind, whose counts are added.
        """

    def prune_history(self, now: float) -> None:
        """Delete a part of what is older than its retention. now: Unix time in seconds."""

    def created_keys(self) -> Sequence[StoredKey]:
        """Return the created keys, oldest first."""

    def add_key(self, key: StoredKey) -> bool:
        """Store a key. Return False if there is one of that name already."""

    def replace_key(self, key: StoredKey) -> bool:
        """Store a key's next version. Return False, and store nothing, unless it follows the stored one."""

    def remove_key(self, name: str) -> bool:
        """Delete a key. Return False if there is none of that name."""

    def record_secret_uses(self, used: Mapping[str, float]) -> None:
        """Store when secrets were last used, unless a later time is stored. used: Unix time in seconds by SHA-256."""

    def secret_uses(self, secrets: Sequence[str]) -> Mapping[str, float]:
        """Return when these secrets were last used, of those that ever were: Unix time in seconds by SHA-256."""

    def current_policies(self) -> Sequence[StoredPolicy]:
        """Return the latest policy of every task that ever had one, by task."""

    def policy_history(self, task: str) -> Sequence[StoredPolicy]:
        """Return the last MAX_POLICY_VERSIONS policies of a task, oldest first."""

    def put_policy(self, policy: StoredPolicy) -> bool:
        """Store a task's next policy. Return False, and store nothing, unless its version follows the latest."""

    def read_templates(self, after: TemplatePlace) -> tuple[Sequence[StoredTemplate], TemplatePlace]:
        """Return the templates that were stored after a place, and the present one; all where the life is another.

        A store of one gateway has no places: it returns all.
        """

    def put_templates(self, changed: Sequence[StoredTemplate], removed: Sequence[str]) -> None:
        """Store templates, and delete others by their tasks."""

    def task_entries(self) -> Sequence[TaskEntry]:
        """Return the entries of all tasks that have one, by task."""

    def put_entries(self, entries: Sequence[TaskEntry]) -> None:
        """Store tasks' entries; one without name and target is deleted."""

    def close(self) -> None:
        """Close the store."""


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """Stored sums and decision of a task, None before its first. sampling_state: see gateway.scorer.sampling."""

    task: TaskSums | None
    decision: Decision | None
    sampling_state: bytes = b""
    explanation: Explanation = NO_EXPLANATION
