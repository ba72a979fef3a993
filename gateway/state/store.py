"""What is known of every task, kept where a restart finds it again.

One contract, one file per store. The scorer writes; the gateway reads decisions and accounts, and forgets tasks.
Sums and embeddings are bytes here: what they mean is the scorer's business, and the gateway's process needs no numpy.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from gateway.usage.ledger import SpentRows

RING = 256
"""How many of a task's most recent embeddings are kept, for scoring it again with another pack."""


@dataclass(frozen=True, slots=True)
class StoredTask:
    """A task's sums. n: inputs in them; seen: inputs ever, which places the ring's next embedding.

    basis: what the sums were made with, the pack and the settings that g depends on; under another they mean nothing.
    """

    basis: str
    n: int
    seen: int
    sums: bytes


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """The decision that holds for a task. at: Unix time in seconds of the last change of its model.

    account: what GET /v1/tasks/{id} shows of it: scores, u, nearest datasets, explanation.
    """

    version: int
    n: int
    model: str
    reason: str
    ranking: tuple[str, ...]
    at: float
    account: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A client's key that was created while the gateway ran. created_at: Unix time in seconds.

    sha256: of its secret, in hex. terms: what it may do, as JSON; what that means is the gateway's business.
    """

    name: str
    sha256: str
    created_at: float
    terms: str


NO_PACES: Mapping[str, bytes] = MappingProxyType({})

POLICIES_KEPT = 50
"""How many versions of a task's policy are kept."""


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """What was said of a task while the gateway ran, over what the configuration says. at: Unix time in seconds.

    version: 1 for a task's first, one more for every later one. by: which admin, None where nobody needs a key. terms:
    the fields of a task's configuration that it sets, as JSON; None where what was said before was taken back.
    """

    task: str
    version: int
    at: float
    by: str | None
    terms: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """What a batch did to one task. embeddings: the new ones for the ring, oldest first.

    decision: None where no candidate is known to the pack. turns: the decisions of this batch in which the model
    changed, oldest first; kept as the task's history. pace: None leaves it as it is.
    """

    task: StoredTask
    embeddings: Sequence[bytes]
    decision: StoredDecision | None
    turns: Sequence[StoredDecision]
    pace: bytes | None = None


class Store(Protocol):
    """Where tasks are kept. Every method may raise StateError."""

    def update(
        self,
        tasks: Sequence[str],
        change: "Callable[[Mapping[str, Stored]], Mapping[str, Change]]",
        paces: Mapping[str, bytes] = NO_PACES,
    ) -> None:
        """Reads these tasks, lets `change` say what becomes of them, writes it: all or nothing, nobody in between.

        `change` may read this store's rings. paces: of other tasks, of which nothing else is written.
        """

    def stored(self, task: str) -> "Stored":
        """What is kept of one task."""

    def accounts(self, tasks: Sequence[str]) -> Mapping[str, StoredDecision]:
        """The decisions of these tasks, of those that have one, with their accounts: read in one go."""

    def ring(self, task: str) -> Sequence[bytes]:
        """The task's most recent embeddings, oldest first."""

    def paces(self, tasks: Sequence[str]) -> Mapping[str, bytes]:
        """The paces of these tasks, of those that have one."""

    def names(self) -> Sequence[str]:
        """Every task, by name."""

    def decisions(self, after: str = "", limit: int | None = None) -> Mapping[str, StoredDecision]:
        """Tasks' decisions by name, from the first name behind `after` on; accounts are left empty."""

    def history(self, task: str) -> Sequence[StoredDecision]:
        """The decisions that changed a task's model, oldest first, the most recent if there are many; no accounts."""

    def forget(self, task: str) -> bool:
        """Removes all that is known of a task. False if nothing was."""

    def spend(self, rows: SpentRows) -> None:
        """Adds to what was spent."""

    def spent(self) -> SpentRows:
        """All that was spent."""

    def spent_by(self, who: Sequence[tuple[str, str]]) -> SpentRows:
        """What some keys and tasks, (kind, name), spent."""

    def created_keys(self) -> Sequence[StoredKey]:
        """Every key, oldest first."""

    def add_key(self, key: StoredKey) -> bool:
        """Keeps a key. False if there is one of that name already."""

    def remove_key(self, name: str) -> bool:
        """Removes a key. False if there is none of that name."""

    def policies(self) -> Sequence[StoredPolicy]:
        """The latest policy of every task that ever had one, by task; forgetting a task does not take it away."""

    def policy_history(self, task: str) -> Sequence[StoredPolicy]:
        """The policies of one task, oldest first, the last POLICIES_KEPT."""

    def put_policy(self, policy: StoredPolicy) -> bool:
        """Keeps a task's next policy. False, and nothing is kept, unless its version follows on the task's latest."""

    def close(self) -> None:
        """Lets go of the store."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What is kept of a task; None where there is nothing yet. pace: what the next of its inputs are drawn by."""

    task: StoredTask | None
    decision: StoredDecision | None
    pace: bytes = b""
