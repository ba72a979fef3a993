"""What is known of every task, kept where a restart finds it again.

One contract, one file per store. The scorer writes; the gateway reads decisions and accounts, and forgets tasks.
Sums and embeddings are bytes here: what they mean is the scorer's business, and the gateway's process needs no numpy.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import msgspec

from gateway.usage.ledger import UsageRows

RING_SIZE = 256
"""How many of a task's most recent embeddings are kept, for scoring it again with another pack."""


RENAMED_REASONS = {"kept": "current"}
"""Decision reasons in state written by earlier versions, and what they are called now."""


@dataclass(frozen=True, slots=True)
class TaskSums:
    """A task's sums. n: inputs in them; seen: inputs ever, which places the ring's next embedding.

    basis: what the sums were made with, the pack and the settings that g depends on; under another they mean nothing.
    """

    sums_version: str
    n: int
    total_seen: int
    sums: bytes


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """The decision that holds for a task. at: Unix time in seconds of the last change of its model.

    account: what GET /v1/tasks/{id} shows of it: scores, u, nearest datasets, explanation.
    """

    version: int
    n: int
    model: str
    reason: str
    ranking: tuple[str, ...]
    at: float
    explanation: Mapping[str, Any]


class StoredKey(msgspec.Struct, frozen=True, rename={"settings_json": "terms"}):
    """A client's key that was created while the gateway ran. created_at: Unix time in seconds.

    sha256: of its secret, in hex. terms: what it may do, as JSON; what that means is the gateway's business.
    """

    name: str
    sha256: str
    created_at: float
    settings_json: str


NO_PACES: Mapping[str, bytes] = MappingProxyType({})

MAX_POLICY_VERSIONS = 50
"""How many versions of a task's policy are kept."""


class StoredPolicy(msgspec.Struct, frozen=True, rename={"changed_by": "by", "settings_json": "terms"}):
    """What was said of a task while the gateway ran, over what the configuration says. at: Unix time in seconds.

    version: 1 for a task's first, one more for every later one. by: which admin, None where nobody needs a key. terms:
    the fields of a task's configuration that it sets, as JSON; None where what was said before was taken back.
    """

    task: str
    version: int
    at: float
    changed_by: str | None
    settings_json: str | None


@dataclass(frozen=True, slots=True)
class StateChange:
    """What a batch did to one task. embeddings: the new ones for the ring, oldest first.

    decision: None where no candidate is known to the pack. turns: the decisions of this batch in which the model
    changed, oldest first; kept as the task's history. pace: None leaves it as it is.
    """

    task: TaskSums
    embeddings: Sequence[bytes]
    decision: DecisionRecord | None
    changes: Sequence[DecisionRecord]
    sampling_state: bytes | None = None


class Store(Protocol):
    """Where tasks are kept. Every method may raise StateError."""

    def update_task(
        self,
        tasks: Sequence[str],
        change: "Callable[[Mapping[str, TaskRecord]], Mapping[str, StateChange]]",
        paces: Mapping[str, bytes] = NO_PACES,
    ) -> None:
        """Reads these tasks, lets `change` say what becomes of them, writes it: all or nothing, nobody in between.

        `change` may read this store's rings. paces: of other tasks, of which nothing else is written.
        """

    def read_task(self, task: str) -> "TaskRecord":
        """What is kept of one task."""

    def read_explanations(self, tasks: Sequence[str]) -> Mapping[str, DecisionRecord]:
        """The decisions of these tasks, of those that have one, with their accounts: read in one go."""

    def recent_embeddings(self, task: str) -> Sequence[bytes]:
        """The task's most recent embeddings, oldest first."""

    def sampling_states(self, tasks: Sequence[str]) -> Mapping[str, bytes]:
        """The paces of these tasks, of those that have one."""

    def task_names(self) -> Sequence[str]:
        """Every task, by name."""

    def read_decisions(self, after: str = "", limit: int | None = None) -> Mapping[str, DecisionRecord]:
        """Tasks' decisions by name, from the first name behind `after` on; accounts are left empty."""

    def decision_changes(self, task: str) -> Sequence[DecisionRecord]:
        """The decisions that changed a task's model, oldest first, the most recent if there are many; no accounts."""

    def forget_task(self, task: str) -> bool:
        """Removes all that is known of a task. False if nothing was."""

    def add_usage(self, rows: UsageRows) -> None:
        """Adds to what was spent."""

    def read_usage(self) -> UsageRows:
        """All that was spent."""

    def usage_of(self, who: Sequence[tuple[str, str]]) -> UsageRows:
        """What some keys and tasks, (kind, name), spent."""

    def created_keys(self) -> Sequence[StoredKey]:
        """Every key, oldest first."""

    def add_key(self, key: StoredKey) -> bool:
        """Keeps a key. False if there is one of that name already."""

    def remove_key(self, name: str) -> bool:
        """Removes a key. False if there is none of that name."""

    def current_policies(self) -> Sequence[StoredPolicy]:
        """The latest policy of every task that ever had one, by task; forgetting a task does not take it away."""

    def policy_history(self, task: str) -> Sequence[StoredPolicy]:
        """The policies of one task, oldest first, the last POLICIES_KEPT."""

    def put_policy(self, policy: StoredPolicy) -> bool:
        """Keeps a task's next policy. False, and nothing is kept, unless its version follows on the task's latest."""

    def close(self) -> None:
        """Lets go of the store."""


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """What is kept of a task; None where there is nothing yet. pace: what the next of its inputs are drawn by."""

    task: TaskSums | None
    decision: DecisionRecord | None
    sampling_state: bytes = b""
