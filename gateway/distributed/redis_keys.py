"""Keys and channels in Redis, and the shard of a task.

Every key begins with the installation's prefix (`state.prefix`, `benchroute` by default). A shard's keys have its
number as hash tag, so they are on one node of a Cluster; a key without a tag belongs to the installation as a whole.
Names are those of the first version: state of before must open.

Channels belong to a server, not to a database: those of another database than 0 have its number in their names.
"""

import hashlib
from dataclasses import dataclass, field

DEFAULT_PREFIX = "benchroute"
DEFAULT_SHARDS = 16
GROUP = "scorers"

GATEWAYS, SCORERS = "gateways", "scorers"
"""Kinds of live processes."""


@dataclass(frozen=True, slots=True)
class KeySpace:
    """Names of one installation's keys and channels.

    Attributes:
        prefix: first part of every name, without its colon.
        database: number of the Redis database.
    """

    prefix: str = DEFAULT_PREFIX
    database: int = 0

    def name(self, rest: str) -> str:
        """Return the full name of a key."""
        return f"{self.prefix}:{rest}"

    def _channel(self, rest: str) -> str:
        return self.name(f"db{self.database}:{rest}" if self.database else rest)

    @property
    def installation(self) -> str:
        """Record of the installation: gateway.distributed.installation."""
        return self.name("installation")

    @property
    def shard_count(self) -> str:
        """Number of shards. Fixed by the first process that connects to an empty Redis: tasks would move with it."""
        return self.name("shards")

    @property
    def news(self) -> str:
        """The channel on which decisions are published."""
        return self._channel("news")

    @property
    def finds(self) -> str:
        """The channel on which a gateway searches for a response that another one gave."""
        return self._channel("finds")

    def replies_channel(self, gateway: str) -> str:
        """Return the channel of a gateway's replies."""
        return self._channel(f"replies:{gateway}")

    @property
    def created_keys(self) -> str:
        """Hash of the client keys created over HTTP."""
        return self.name("keys")

    @property
    def revoked_keys(self) -> str:
        """Sorted set of deleted client keys, by Unix time: what a gateway writes back after a loss leaves these out."""
        return self.name("revoked")

    @property
    def secret_uses(self) -> str:
        """Sorted set of client keys' secrets, as SHA-256, by the Unix time of their last use."""
        return self.name("secret-uses")

    def live(self, kind: str) -> str:
        """Return the key of live processes: names by the time, on Redis' clock, of their last heartbeat.

        kind: GATEWAYS or SCORERS.
        """
        return self.name(kind)

    @property
    def lost(self) -> str:
        """Observations that gateways had taken in when they died and never sent, by gateway."""
        return self.name("lost")

    @property
    def changes(self) -> str:
        """A hash of numbers that rise with every change: keys, policies, packs. Whoever caches these polls it."""
        return self.name("changes")

    @property
    def events(self) -> str:
        """A bounded stream of changes that gateways share: sessions, breakers."""
        return self.name("events")

    @property
    def policies(self) -> str:
        """The tasks that have policies."""
        return self.name("policies")

    def policy(self, task: str) -> str:
        """Return the key of a task's policies, by version."""
        return self.name(f"{{policy:{task}}}")

    @property
    def task_entries(self) -> str:
        """Hash of names and targets of tasks."""
        return self.name("task-entries")

    def templates(self, part: str) -> str:
        """Return the key of a part of the templates of system prompts: `place`, `log`, `data` or `born`."""
        return self.name(f"{{templates}}:{part}")

    @property
    def quotas(self) -> str:
        """Client keys with recent requests, by time."""
        return self.name("quotas")

    def quota(self, name: str) -> str:
        """Return the key of a client key's token buckets."""
        return self.name(f"{{quota:{name}}}")

    def usage(self, kind: str, name: str) -> str:
        """Return the key of a client key's or a task's usage, by day."""
        return self.name(f"{{spent:{kind}:{name}}}")

    def usage_writers(self, kind: str, name: str) -> str:
        """Return the key of the last number that each gateway has written there."""
        return f"{self.usage(kind, name)}:writers"

    def usage_restored(self, kind: str, name: str) -> str:
        """Return the key of the usage that gateways have written back there after a loss."""
        return f"{self.usage(kind, name)}:restored"

    def usage_names(self, kind: str) -> str:
        """Return the key of the names of client keys, or tasks, that have usage."""
        return self.name(f"spent:{kind}")

    def history(self, step_s: int, number: int) -> str:
        """Return the key of the history of a minute or hour: gateway.distributed.history_scripts."""
        return self.name(f"{{history:{step_s}:{number}}}")

    @property
    def logged_blocks(self) -> str:
        """Sorted set of the request log's blocks, by the time of their last row.

        Blocks of the first format are under other keys, and expire there.
        """
        return self.name("{requests}:2:blocks")

    def logged_block(self, name: str) -> str:
        """Return the key of a block of the request log."""
        return self.name(f"{{requests}}:2:block:{name}")

    @property
    def packs(self) -> str:
        """Hash of the packs, by content hash."""
        return self.name("packs")

    @property
    def active_pack(self) -> str:
        """Hash: the active pack, and the number of its activation."""
        return self.name("{active}")

    @property
    def activations(self) -> str:
        """List of activations, oldest first."""
        return self.name("{active}:history")

    def pack_chunk(self, content_hash: str, number: int) -> str:
        """Return the key of a piece of a pack's .tar."""
        return self.name(f"pack:{content_hash}:{number}")


DEFAULT_KEYS = KeySpace()


def shard_of(task: str, shards: int) -> int:
    """Return the shard of a task: the same in every process, and for ever."""
    # Not hash(), which differs from process to process; blake2b is the fastest of hashlib for short inputs.
    digest = hashlib.blake2b(task.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % shards


@dataclass(frozen=True, slots=True)
class Shard:
    """The keys of one shard."""

    number: int
    keys: KeySpace = field(default=DEFAULT_KEYS, repr=False)

    def _key(self, name: str) -> str:
        return self.keys.name(f"{{{self.number}}}:{name}")

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
