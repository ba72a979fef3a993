"""State store on Redis, shared by any number of processes; see gateway.state.store.Store for the contract.

Every write to one shard is one Lua call; operations over several shards are not atomic.
"""

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from gateway.decision import Decision, ExplainedDecision
from gateway.distributed import scripts, usage_scripts
from gateway.distributed.codec import (
    EMPTY_BATCH,
    FIELDS,
    AckBatch,
    DecisionNews,
    Lease,
    apply_args,
    apply_keys,
    decode_day_counts,
    decode_decision,
    decode_explained,
    decode_task,
    decode_usage,
    encode_news,
    encode_usage,
    new_epoch,
    split_days,
)
from gateway.distributed.redis_client import RedisArg, RedisClient, translate_content
from gateway.distributed.redis_keys import KeySpace, Shard, shard_of
from gateway.distributed.state_copy import MAX_REVOKED, StateCopy, Sums, revocation
from gateway.errors import StateError
from gateway.state.store import (
    MAX_POLICY_VERSIONS,
    NO_SAMPLING_STATES,
    StateChange,
    StoredKey,
    StoredPolicy,
    TaskRecord,
)
from gateway.usage.ledger import UsageRows, UsageTotals

NO_LEASE = Lease(pack=2**53)
"""Its pack is newer than any: an update without a lease is never refused for being of an older pack."""

ATTEMPTS = 50
PAUSE_S = 0.001
"""Attempts of an update that another writer came before, and how much longer each one waits."""

WRITER_RETENTION_S = 86_400

T = TypeVar("T")
Changing = Callable[[Mapping[str, TaskRecord]], Mapping[str, StateChange]]


@dataclass(frozen=True, slots=True)
class StagedUpdate:
    """An update of some tasks of one shard, before it is made."""

    tasks: Sequence[str]
    change: Changing
    sampling_states: Mapping[str, bytes]


class RedisStore:
    """A gateway.state.store.Store. Connects when it is first used, so that a gateway starts without Redis."""

    def __init__(self, client: RedisClient, copy: StateCopy | None = None) -> None:
        """copy: takes in what is read and written, for a Redis that loses it; None for none."""
        self._client = client
        self._copy = copy
        self._keys: KeySpace = client.keys
        self._shards: int | None = None
        self._writer = secrets.token_hex(8)
        self._number = 0
        self._unwritten: dict[tuple[str, str], tuple[int, list[RedisArg]]] = {}

    @property
    def shards(self) -> int:
        """The number of shards. Raises StateError."""
        if self._shards is None:
            # Fixed by the first process that connects to an empty Redis: with another number tasks would move.
            self._client.execute("SET", self._keys.shard_count, self._client.shards_wanted, "NX")
            data = self._client.execute("GET", self._keys.shard_count)
            with translate_content(self._keys.shard_count):
                self._shards = int(data)
        return self._shards

    def reassert_shard_count(self) -> None:
        """Set the number of shards in a Redis that may have been emptied since. Raises StateError."""
        self._client.execute("SET", self._keys.shard_count, self.shards, "NX")

    def shard_of_task(self, task: str) -> Shard:
        """Return the shard of a task. Raises StateError."""
        return self.numbered_shard(shard_of(task, self.shards))

    def numbered_shard(self, number: int) -> Shard:
        """Return the keys of a shard."""
        return Shard(number, self._keys)

    def update_task(
        self, tasks: Sequence[str], change: Changing, sampling_states: Mapping[str, bytes] = NO_SAMPLING_STATES
    ) -> None:
        """Read these tasks, and write what `change` returns for them: all or nothing for those of one shard."""
        # A Lua call reaches one node of a Cluster, so tasks of several shards cannot be written in one.
        by_shard: dict[Shard, tuple[list[str], dict[str, bytes]]] = {}
        for task in tasks:
            by_shard.setdefault(self.shard_of_task(task), ([], {}))[0].append(task)
        for task, pace in sampling_states.items():
            by_shard.setdefault(self.shard_of_task(task), ([], {}))[1][task] = pace
        for shard, (of_shard, states) in by_shard.items():
            write_update(self._client, shard, StagedUpdate(of_shard, change, states))

    def read_task(self, task: str) -> TaskRecord:
        """Return all that is stored of a task but its embeddings."""
        return decode_task(task, self._client.execute("HMGET", self.shard_of_task(task).task_key(task), *FIELDS))

    def read_explanations(self, tasks: Sequence[str]) -> Mapping[str, ExplainedDecision]:
        """Return the decisions of those of these tasks that have one, with explanations; in one pipeline."""
        commands = [("HMGET", self.shard_of_task(task).task_key(task), "decision", "account") for task in tasks]
        found = zip(tasks, self._client.pipeline(commands), strict=True)
        return {
            task: decode_explained(task, decision, explanation)
            for task, (decision, explanation) in found
            if decision is not None
        }

    def recent_embeddings(self, task: str) -> Sequence[bytes]:
        """Return the task's most recent embeddings, oldest first."""
        return list(self._client.execute("LRANGE", self.shard_of_task(task).ring_key(task), 0, -1))

    def sampling_states(self, tasks: Sequence[str]) -> Mapping[str, bytes]:
        """Return the sampling states of those of these tasks that have one."""
        found = self._client.pipeline([("HGET", self.shard_of_task(task).task_key(task), "pace") for task in tasks])
        return {task: pace for task, pace in zip(tasks, found, strict=True) if pace}

    def task_names(self) -> Sequence[str]:
        """Return the names of all tasks, sorted."""
        found = self._client.pipeline([("ZRANGE", shard.tasks_key, 0, -1) for shard in self.all_shards()])
        return decode_names(name for some in found for name in some)

    def read_decisions(self, after: str = "", limit: int | None = None) -> Mapping[str, Decision]:
        """Return decisions by task, sorted by name, of names greater than `after`; without explanations."""
        # Every shard lists the first names it has; the first of all of them are among these.
        first = f"({after}" if after else "-"
        page = ("LIMIT", 0, limit) if limit is not None else ()
        shards = self.all_shards()
        listed = self._client.pipeline([("ZRANGE", shard.tasks_key, first, "+", "BYLEX", *page) for shard in shards])
        tasks = [decode_names(some) for some in listed]
        asked = [(shard, some) for shard, some in zip(shards, tasks, strict=True) if some]
        answers = self._client.pipeline([("HMGET", shard.decisions_key, *some) for shard, some in asked])
        found = {
            task: decode_decision(task, data)
            for (_, some), kept in zip(asked, answers, strict=True)
            for task, data in zip(some, kept, strict=True)
            if data is not None
        }
        return {task: found[task] for task in sorted(found)[:limit]}

    def decision_changes(self, task: str) -> Sequence[Decision]:
        """Return the most recent decisions that changed a task's model, oldest first; without explanations."""
        return [
            decode_decision(task, data)
            for data in self._client.execute("LRANGE", self.shard_of_task(task).changes_key(task), 0, -1)
        ]

    def forget_task(self, task: str) -> bool:
        """Delete a task but for its policy. Return False if nothing was stored of it."""
        return forget_in_shard(self._client, self.shard_of_task(task), task)

    def add_usage(self, rows: UsageRows) -> None:
        """Add to the stored usage."""
        # What an outage left unwritten goes first, and raises if it cannot go: the caller then keeps its rows.
        self._write_usage()
        self._number += 1
        self._unwritten = {place: (self._number, arguments) for place, arguments in encode_usage(rows).items()}
        with suppress(StateError):  # they are this store's now, and not the caller's to add again
            self._write_usage()

    def _write_usage(self) -> None:
        for (kind, name), (number, arguments) in list(self._unwritten.items()):
            keys = [self._keys.usage(kind, name), self._keys.usage_writers(kind, name)]
            keys.append(self._keys.usage_restored(kind, name))
            self._client.execute("SADD", self._keys.usage_names(kind), name)
            # Money is added once however often a call is made: Redis remembers this writer's last number.
            words = [self._writer, number, WRITER_RETENTION_S, secrets.token_hex(8), *arguments]
            with self._copy.exchange if self._copy else nullcontext():
                reply = self._client.eval_script(usage_scripts.SPEND, keys, words)
                if self._copy and reply:
                    sums = Sums(reply[0], split_days(arguments, reply[1:]))
                    self._copy.keep_usage(kind, name, sums, split_days(arguments, None))
            del self._unwritten[kind, name]

    def read_usage(self) -> UsageRows:
        """Return all stored usage."""
        return self.usage_of([(kind, name) for kind in ("key", "task") for name in self._usage_names(kind)])

    def usage_of(self, who: Sequence[tuple[str, str]]) -> UsageRows:
        """Return the usage of some keys and tasks. who: (kind, name) of each."""
        with self._copy.exchange if self._copy else nullcontext():
            answers = self._client.pipeline([("HGETALL", self._keys.usage(kind, name)) for kind, name in who])
            if self._copy:
                tokens = self._client.pipeline(
                    [("HGET", self._keys.usage_restored(kind, name), usage_scripts.TOKEN) for kind, name in who]
                )
                for (kind, name), found, token in zip(who, answers, tokens, strict=True):
                    with translate_content(self._keys.usage(kind, name)):
                        counts = decode_day_counts(found)
                    self._copy.keep_usage(kind, name, Sums(token or b"", counts), {})
        rows: dict[tuple[str, str, str], UsageTotals] = {}
        for (kind, name), found in zip(who, answers, strict=True):
            with translate_content(self._keys.usage(kind, name)):
                rows |= {(kind, name, day): spent for day, spent in decode_usage(found).items()}
        return rows

    def created_keys(self) -> Sequence[StoredKey]:
        """Return the created keys, oldest first."""
        keys = [_decode(data, StoredKey) for data in self._client.execute("HGETALL", self._keys.created_keys).values()]
        return sorted(keys, key=lambda key: (key.created_at, key.name))

    def add_key(self, key: StoredKey) -> bool:
        """Store a key. Return False if there is one of that name already."""
        is_new = bool(self._client.execute("HSETNX", self._keys.created_keys, key.name, msgspec.msgpack.encode(key)))
        return self._announce("keys", is_new)

    def remove_key(self, name: str) -> bool:
        """Delete a key. Return False if there is none of that name."""
        data = self._client.execute("HGET", self._keys.created_keys, name)
        if data is None:
            return False
        key = _decode(data, StoredKey)
        # Before the key goes: gateways write back what they miss after a loss, and leave these out.
        now = int(self._client.execute("TIME")[0])
        self._client.execute("ZADD", self._keys.revoked_keys, now, revocation(key))
        self._client.execute("ZREMRANGEBYRANK", self._keys.revoked_keys, 0, -MAX_REVOKED - 1)
        if self._copy is not None:
            self._copy.keep_revocation(key)
        return self._announce("keys", bool(self._client.execute("HDEL", self._keys.created_keys, name)))

    def current_policies(self) -> Sequence[StoredPolicy]:
        """Return the latest policy of every task that ever had one, by task."""
        tasks = decode_names(self._client.execute("SMEMBERS", self._keys.policies))
        latest = [history[-1] for history in map(self.policy_history, tasks) if history]
        return sorted(latest, key=lambda policy: policy.task)

    def policy_history(self, task: str) -> Sequence[StoredPolicy]:
        """Return the last MAX_POLICY_VERSIONS policies of a task, oldest first."""
        found = self._client.execute("HGETALL", self._keys.policy(task))
        policies = [_decode(data, StoredPolicy) for version, data in found.items() if version != b"latest"]
        return sorted(policies, key=lambda policy: policy.version)

    def put_policy(self, policy: StoredPolicy) -> bool:
        """Store a task's next policy. Return False, and store nothing, unless its version follows the latest."""
        words: list[RedisArg] = [policy.version, msgspec.msgpack.encode(policy), MAX_POLICY_VERSIONS]
        # Listed before it is written: a name without a policy is skipped, a policy without its name would be lost.
        self._client.execute("SADD", self._keys.policies, policy.task)
        return self._announce(
            "policies", bool(self._client.eval_script(scripts.PUT_POLICY, [self._keys.policy(policy.task)], words))
        )

    def close(self) -> None:
        """Close the store."""
        with suppress(StateError):
            self._write_usage()
        self._client.close_connections()

    def all_shards(self) -> Sequence[Shard]:
        """Return all shards, in order. Raises StateError."""
        return [self.numbered_shard(number) for number in range(self.shards)]

    def _announce(self, kind: str, has_changed: bool) -> bool:
        # Others poll this number, since a published message could be lost.
        if has_changed:
            self._client.execute("HINCRBY", self._keys.changes, kind, 1)
        return has_changed

    def _usage_names(self, kind: str) -> Iterable[str]:
        return decode_names(self._client.execute("SMEMBERS", self._keys.usage_names(kind)))


def write_update(
    client: RedisClient,
    shard: Shard,
    update: StagedUpdate,
    lease: Lease | None = None,
    batch: AckBatch = EMPTY_BATCH,
) -> None:
    """Update tasks of one shard and acknowledge a batch, in one Lua call.

    Raises LeaseLost where the lease is another scorer's; StateError.
    """
    # Optimistic: the script refuses the write if a task has changed since it was read. Only one scorer has the lease,
    # so what comes between is a deletion or a command of the operator, and a second attempt is rare.
    for attempt in range(ATTEMPTS):
        time.sleep(attempt * PAUSE_S)
        found = client.pipeline([("HMGET", shard.task_key(task), *FIELDS) for task in update.tasks])
        before = {task: decode_task(task, fields) for task, fields in zip(update.tasks, found, strict=True)}
        changes = update.change(before)
        arguments = apply_args(shard, lease or NO_LEASE, batch, before, changes, update.sampling_states)
        keys = apply_keys(shard, [*changes, *update.sampling_states])
        code, _ = client.eval_script(scripts.APPLY, keys, arguments)
        if code in DONE:
            return
        if code in LOST:
            raise LeaseLost(f"shard {shard.number}: {LOST[code]}")
    raise StateError(f"shard {shard.number}: update given up after {ATTEMPTS} conflicts with other writers")


def forget_in_shard(client: RedisClient, shard: Shard, task: str) -> bool:
    """Delete a task and publish that. Return False if nothing was stored of it. Raises StateError."""
    keys = [
        shard.info_key,
        shard.decisions_key,
        shard.tasks_key,
        shard.task_key(task),
        shard.ring_key(task),
        shard.changes_key(task),
    ]
    words: list[RedisArg] = [task, shard.keys.news, shard.number, encode_news(DecisionNews((), (task,))), new_epoch()]
    return bool(client.eval_script(scripts.FORGET, keys, words))


def decode_names(names: Iterable[bytes]) -> list[str]:
    """Decode names, sorted. Raises StateError."""
    with translate_content("a name"):
        return sorted(name.decode() for name in names)


class LeaseLost(StateError):
    """Another scorer has the shard now, or its tasks are scored with a newer pack."""


DONE = (0, 4)
"""Codes of scripts.APPLY: written now, or by an earlier call whose answer was lost."""

LOST = {1: "another scorer has it", 2: "it is scored with a newer pack"}


def _decode(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise StateError(f"a stored {kind.__name__} cannot be read: {error}") from error
