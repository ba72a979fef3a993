"""What lies where in Redis.

Every key begins with `benchroute:`. A shard's keys carry its number as their hash tag, so they lie on one node of a
Cluster; a key without a tag belongs to the fleet as a whole.
"""

import hashlib
from dataclasses import dataclass

PREFIX = "benchroute:"
SHARDS = f"{PREFIX}shards"
"""How many shards there are: said once, by whoever comes first, since tasks would move with it."""

DEFAULT_SHARDS = 16
NEWS = f"{PREFIX}news"
"""The channel on which decisions are told."""

GROUP = "scorers"


def replies_channel(gateway: str) -> str:
    """The channel on which a gateway hears answers."""
    return f"{PREFIX}replies:{gateway}"


KEYS = f"{PREFIX}keys"
GATEWAYS = f"{PREFIX}gateways"
SCORERS = f"{PREFIX}scorers"
"""Who is there: names by the time, in Redis' clock, of their last word."""

LOST = f"{PREFIX}lost"
"""What gateways that died had taken in and never handed on, by gateway."""

CHANGES = f"{PREFIX}changes"
"""A hash of numbers that rise: keys, policies, packs. Whoever holds something of these looks here once in a while."""

FINDS = f"{PREFIX}finds"
"""The channel on which a gateway asks the others for an answer that one of them gave."""

EVENTS = f"{PREFIX}events"
"""A bounded stream of what gateways tell each other: sessions, breakers, keys."""


def shard_of(task: str, shards: int) -> int:
    """The shard of a task: the same in every program, and for ever."""
    digest = hashlib.blake2b(task.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % shards


@dataclass(frozen=True, slots=True)
class Shard:
    """The keys of one shard.

    about: a hash of its epoch (which life of Redis this is), revision, fence, the pack its sums are made with and their
    basis, and the last observation that a scorer has in hand. producers: the last number that each gateway has added.
    counts: what became of each gateway's observations. decisions: every task's, without its account.
    """

    number: int

    def _key(self, name: str) -> str:
        return f"{PREFIX}{{{self.number}}}:{name}"

    @property
    def stream_key(self) -> str:
        """Observations, oldest first."""
        return self._key("stream")

    @property
    def info_key(self) -> str:
        """See above."""
        return self._key("about")

    @property
    def lease_key(self) -> str:
        """Who scores it, and under which fence; ends by itself."""
        return self._key("lease")

    @property
    def producers_key(self) -> str:
        """See above."""
        return self._key("producers")

    @property
    def seen_key(self) -> str:
        """Producers in the order in which they last added something."""
        return self._key("seen")

    @property
    def counts_key(self) -> str:
        """See above."""
        return self._key("counts")

    @property
    def dead_letters_key(self) -> str:
        """Observations that nobody could score."""
        return self._key("parked")

    @property
    def decisions_key(self) -> str:
        """See above."""
        return self._key("decisions")

    @property
    def tasks_key(self) -> str:
        """Every task's name, in order."""
        return self._key("tasks")

    def task_key(self, name: str) -> str:
        """A task's sums, decision and account."""
        return self._key(f"task:{name}")

    def ring_key(self, name: str) -> str:
        """A task's most recent embeddings, oldest first."""
        return self._key(f"ring:{name}")

    def changes_key(self, name: str) -> str:
        """The decisions that changed a task's model, oldest first."""
        return self._key(f"turns:{name}")


def usage_key(kind: str, name: str) -> str:
    """What one key or task spent, by day."""
    return f"{PREFIX}{{spent:{kind}:{name}}}"


def usage_writers_key(kind: str, name: str) -> str:
    """The last number that each gateway has written there."""
    return f"{usage_key(kind, name)}:writers"


def usage_names_key(kind: str) -> str:
    """Which keys or tasks spent something."""
    return f"{PREFIX}spent:{kind}"


def policy_key(task: str) -> str:
    """A task's policies, oldest first."""
    return f"{PREFIX}{{policy:{task}}}"


POLICIES = f"{PREFIX}policies"
"""Which tasks have policies."""


QUOTAS = f"{PREFIX}quotas"
"""Which clients' keys have used something, by when."""


def quota_key(name: str) -> str:
    """A client's key's buckets."""
    return f"{PREFIX}{{quota:{name}}}"
