"""Keys and channels in Redis, and the shard of a task.

Every key begins with `benchroute:`. A shard's keys have its number as hash tag, so they are on one node of a Cluster; a
key without a tag belongs to the deployment as a whole. Names are those of the first version: state of before must open.
"""

import hashlib
from dataclasses import dataclass

PREFIX = "benchroute:"
SHARDS = f"{PREFIX}shards"
"""The number of shards. Fixed by the first process that connects to an empty Redis: tasks would move with it."""

DEFAULT_SHARDS = 16
NEWS = f"{PREFIX}news"
"""The channel on which decisions are published."""

GROUP = "scorers"


def replies_channel(gateway: str) -> str:
    """Return the channel of a gateway's replies."""
    return f"{PREFIX}replies:{gateway}"


KEYS = f"{PREFIX}keys"
GATEWAYS = f"{PREFIX}gateways"
SCORERS = f"{PREFIX}scorers"
"""Live processes: names by the time, on Redis' clock, of their last heartbeat."""

LOST = f"{PREFIX}lost"
"""Observations that gateways had taken in when they died and never sent, by gateway."""

CHANGES = f"{PREFIX}changes"
"""A hash of numbers that rise with every change: keys, policies, packs. Whoever caches these polls it."""

FINDS = f"{PREFIX}finds"
"""The channel on which a gateway searches for a response that another one gave."""

EVENTS = f"{PREFIX}events"
"""A bounded stream of changes that gateways share: sessions, breakers."""


def shard_of(task: str, shards: int) -> int:
    """Return the shard of a task: the same in every process, and for ever."""
    # Not hash(), which differs from process to process; blake2b is the fastest of hashlib for short inputs.
    digest = hashlib.blake2b(task.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % shards


@dataclass(frozen=True, slots=True)
class Shard:
    """The keys of one shard."""

    number: int

    def _key(self, name: str) -> str:
        return f"{PREFIX}{{{self.number}}}:{name}"

    @property
    def stream_key(self) -> str:
        """Stream of observations and questions, oldest first."""
        return self._key("stream")

    @property
    def info_key(self) -> str:
        """Hash: epoch (the life of Redis), revision, fencing token, pack and version of the sums, last entry read."""
        return self._key("about")

    @property
    def lease_key(self) -> str:
        """Lease: the scorer's name and fencing token; expires by itself."""
        return self._key("lease")

    @property
    def producers_key(self) -> str:
        """Hash: the last number that each gateway has added."""
        return self._key("producers")

    @property
    def seen_key(self) -> str:
        """Sorted set: gateways in the order in which they last added something."""
        return self._key("seen")

    @property
    def counts_key(self) -> str:
        """Hash: what became of each gateway's observations, see scripts.DELIVERY_FIELDS."""
        return self._key("counts")

    @property
    def dead_letters_key(self) -> str:
        """List of dead letters."""
        return self._key("parked")

    @property
    def decisions_key(self) -> str:
        """Hash: every task's decision, without its explanation."""
        return self._key("decisions")

    @property
    def tasks_key(self) -> str:
        """Sorted set of the tasks' names."""
        return self._key("tasks")

    @property
    def used_key(self) -> str:
        """Sorted set: the tasks by the time of their last use, Unix time in seconds, by which they are evicted."""
        return self._key("used")

    def task_key(self, name: str) -> str:
        """Return the key of a task's hash: sums, decision, explanation, sampling state."""
        return self._key(f"task:{name}")

    def ring_key(self, name: str) -> str:
        """Return the key of a task's most recent embeddings, oldest first."""
        return self._key(f"ring:{name}")

    def changes_key(self, name: str) -> str:
        """Return the key of the decisions that changed a task's model, oldest first."""
        return self._key(f"turns:{name}")


def usage_key(kind: str, name: str) -> str:
    """Return the key of a client key's or a task's usage, by day."""
    return f"{PREFIX}{{spent:{kind}:{name}}}"


def usage_writers_key(kind: str, name: str) -> str:
    """Return the key of the last number that each gateway has written there."""
    return f"{usage_key(kind, name)}:writers"


def usage_names_key(kind: str) -> str:
    """Return the key of the names of client keys, or tasks, that have usage."""
    return f"{PREFIX}spent:{kind}"


def policy_key(task: str) -> str:
    """Return the key of a task's policies, by version."""
    return f"{PREFIX}{{policy:{task}}}"


POLICIES = f"{PREFIX}policies"
"""The tasks that have policies."""


QUOTAS = f"{PREFIX}quotas"
"""Client keys with recent requests, by time."""


def quota_key(name: str) -> str:
    """Return the key of a client key's token buckets."""
    return f"{PREFIX}{{quota:{name}}}"
