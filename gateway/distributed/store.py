"""Redis implementation of gateway.state.store.Store.

Every operation on one shard is one Lua call; operations over several shards are not atomic.
"""

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from gateway.decision import Decision, ExplainedDecision
from gateway.distributed import redis_keys, scripts
from gateway.distributed.codec import (
    EMPTY_BATCH,
    FIELDS,
    AckBatch,
    DecisionNews,
    Lease,
    apply_args,
    apply_keys,
    decode_decision,
    decode_explained,
    decode_task,
    decode_usage,
    encode_news,
    encode_usage,
    new_epoch,
)
from gateway.distributed.redis_client import RedisArg, RedisClient
from gateway.distributed.redis_keys import NEWS, SHARDS, Shard, shard_of
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
ATTEMPTS = 50
PAUSE_S = 0.001
"""How often an update is made again because somebody else came first, and how much longer it waits each time."""

WRITER_RETENTION_S = 86_400

T = TypeVar("T")
Changing = Callable[[Mapping[str, TaskRecord]], Mapping[str, StateChange]]


@dataclass(frozen=True, slots=True)
class StagedUpdate:
    """What Store.update is asked for, of one shard."""

    tasks: Sequence[str]
    change: Changing
    paces: Mapping[str, bytes]


class RedisStore:
    """See gateway.state.store.Store. Any number of programs may share one. Nothing is connected before it is needed."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client
        self._shards: int | None = None
        self._writer = secrets.token_hex(8)
        self._number = 0
        self._unwritten: dict[tuple[str, str], tuple[int, list[RedisArg]]] = {}

    @property
    def shards(self) -> int:
        """How many shards there are. Raises StateError."""
        if self._shards is None:
            self._client.execute("SET", SHARDS, self._client.shards_wanted, "NX")
            self._shards = int(self._client.execute("GET", SHARDS))
        return self._shards

    def reassert_shard_count(self) -> None:
        """Says again how many there are, to a Redis that may have been emptied. Raises StateError."""
        self._client.execute("SET", SHARDS, self.shards, "NX")

    def shard_of_task(self, task: str) -> Shard:
        """The shard of a task. Raises StateError."""
        return Shard(shard_of(task, self.shards))

    def update_task(
        self, tasks: Sequence[str], change: Changing, sampling_states: Mapping[str, bytes] = NO_SAMPLING_STATES
    ) -> None:
        """See Store.update; all or nothing for the tasks of each shard."""
        by_shard: dict[Shard, tuple[list[str], dict[str, bytes]]] = {}
        for task in tasks:
            by_shard.setdefault(self.shard_of_task(task), ([], {}))[0].append(task)
        for task, pace in sampling_states.items():
            by_shard.setdefault(self.shard_of_task(task), ([], {}))[1][task] = pace
        for shard, (of_shard, its_paces) in by_shard.items():
            write_update(self._client, shard, StagedUpdate(of_shard, change, its_paces))

    def read_task(self, task: str) -> TaskRecord:
        """See Store.stored."""
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
        """See Store.ring."""
        return list(self._client.execute("LRANGE", self.shard_of_task(task).ring_key(task), 0, -1))

    def sampling_states(self, tasks: Sequence[str]) -> Mapping[str, bytes]:
        """See Store.paces."""
        found = self._client.pipeline([("HGET", self.shard_of_task(task).task_key(task), "pace") for task in tasks])
        return {task: pace for task, pace in zip(tasks, found, strict=True) if pace}

    def task_names(self) -> Sequence[str]:
        """See Store.names."""
        found = self._client.pipeline([("ZRANGE", shard.tasks_key, 0, -1) for shard in self.all_shards()])
        return sorted(name.decode() for some in found for name in some)

    def read_decisions(self, after: str = "", limit: int | None = None) -> Mapping[str, Decision]:
        """See Store.decisions."""
        first = f"({after}" if after else "-"
        page = ("LIMIT", 0, limit) if limit is not None else ()
        shards = self.all_shards()
        listed = self._client.pipeline([("ZRANGE", shard.tasks_key, first, "+", "BYLEX", *page) for shard in shards])
        tasks = [[name.decode() for name in some] for some in listed]
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
        """See Store.history."""
        return [
            decode_decision(task, data)
            for data in self._client.execute("LRANGE", self.shard_of_task(task).changes_key(task), 0, -1)
        ]

    def forget_task(self, task: str) -> bool:
        """See Store.forget; the gateways are told."""
        return forget_in_shard(self._client, self.shard_of_task(task), task)

    def add_usage(self, rows: UsageRows) -> None:
        """See Store.spend. Rows that are taken are kept until they are written, under a number by which Redis knows
        what it has seen before.
        """
        self._write_spent()
        self._number += 1
        self._unwritten = {place: (self._number, words) for place, words in encode_usage(rows).items()}
        with suppress(StateError):  # they are no longer the caller's to give back; the next call comes to them first
            self._write_spent()

    def _write_spent(self) -> None:
        for (kind, name), (number, words) in list(self._unwritten.items()):
            keys = [redis_keys.usage_key(kind, name), redis_keys.usage_writers_key(kind, name)]
            self._client.execute("SADD", redis_keys.usage_names_key(kind), name)
            self._client.eval_script(scripts.SPEND, keys, [self._writer, number, WRITER_RETENTION_S, *words])
            del self._unwritten[kind, name]

    def read_usage(self) -> UsageRows:
        """See Store.spent."""
        return self.usage_of([(kind, name) for kind in ("key", "task") for name in self._spenders(kind)])

    def usage_of(self, who: Sequence[tuple[str, str]]) -> UsageRows:
        """What some keys and tasks, (kind, name), spent. Raises StateError."""
        answers = self._client.pipeline([("HGETALL", redis_keys.usage_key(kind, name)) for kind, name in who])
        rows: dict[tuple[str, str, str], UsageTotals] = {}
        for (kind, name), found in zip(who, answers, strict=True):
            rows |= {(kind, name, day): spent for day, spent in decode_usage(found).items()}
        return rows

    def created_keys(self) -> Sequence[StoredKey]:
        """See Store.created_keys."""
        kept = [_read(data, StoredKey) for data in self._client.execute("HGETALL", redis_keys.KEYS).values()]
        return sorted(kept, key=lambda key: (key.created_at, key.name))

    def add_key(self, key: StoredKey) -> bool:
        """See Store.add_key."""
        is_new = bool(self._client.execute("HSETNX", redis_keys.KEYS, key.name, msgspec.msgpack.encode(key)))
        return self._changed("keys", is_new)

    def remove_key(self, name: str) -> bool:
        """See Store.remove_key."""
        return self._changed("keys", bool(self._client.execute("HDEL", redis_keys.KEYS, name)))

    def current_policies(self) -> Sequence[StoredPolicy]:
        """See Store.policies."""
        tasks = sorted(name.decode() for name in self._client.execute("SMEMBERS", redis_keys.POLICIES))
        latest = [history[-1] for history in map(self.policy_history, tasks) if history]
        return sorted(latest, key=lambda policy: policy.task)

    def policy_history(self, task: str) -> Sequence[StoredPolicy]:
        """See Store.policy_history."""
        found = self._client.execute("HGETALL", redis_keys.policy_key(task))
        kept = [_read(data, StoredPolicy) for version, data in found.items() if version != b"latest"]
        return sorted(kept, key=lambda policy: policy.version)

    def put_policy(self, policy: StoredPolicy) -> bool:
        """See Store.put_policy."""
        words: list[RedisArg] = [policy.version, msgspec.msgpack.encode(policy), MAX_POLICY_VERSIONS]
        self._client.execute("SADD", redis_keys.POLICIES, policy.task)
        return self._changed(
            "policies", bool(self._client.eval_script(scripts.PUT_POLICY, [redis_keys.policy_key(policy.task)], words))
        )

    def close(self) -> None:
        """See Store.close."""
        with suppress(StateError):
            self._write_spent()
        self._client.close_connections()

    def all_shards(self) -> Sequence[Shard]:
        """All of them, in order. Raises StateError."""
        return [Shard(number) for number in range(self.shards)]

    def _changed(self, what: str, is_so: bool) -> bool:
        """Tells the others, who look at names.CHANGES."""
        if is_so:
            self._client.execute("HINCRBY", redis_keys.CHANGES, what, 1)
        return is_so

    def _spenders(self, kind: str) -> Iterable[str]:
        return sorted(name.decode() for name in self._client.execute("SMEMBERS", redis_keys.usage_names_key(kind)))


def write_update(
    client: RedisClient,
    shard: Shard,
    update: StagedUpdate,
    hold: Lease | None = None,
    batch: AckBatch = EMPTY_BATCH,
) -> None:
    """Store.update for tasks of one shard, by one Lua call; made again if another has come in between.

    Raises StateError; LeaseLost where the hold is no longer good.
    """
    for attempt in range(ATTEMPTS):
        time.sleep(attempt * PAUSE_S)
        found = client.pipeline([("HMGET", shard.task_key(task), *FIELDS) for task in update.tasks])
        before = {task: decode_task(task, fields) for task, fields in zip(update.tasks, found, strict=True)}
        changes = update.change(before)
        words = apply_args(shard, hold or NO_LEASE, batch, before, changes, update.paces)
        code, _ = client.eval_script(scripts.APPLY, apply_keys(shard, [*changes, *update.paces]), words)
        if code in DONE:
            return
        if code in LOST:
            raise LeaseLost(f"shard {shard.number}: {LOST[code]}")
    raise StateError(f"shard {shard.number}: its tasks change faster than they can be written")


def forget_in_shard(client: RedisClient, shard: Shard, task: str) -> bool:
    """Removes all that is known of a task, and tells the gateways. False if nothing was. Raises StateError."""
    keys = [
        shard.info_key,
        shard.decisions_key,
        shard.tasks_key,
        shard.task_key(task),
        shard.ring_key(task),
        shard.changes_key(task),
    ]
    words: list[RedisArg] = [task, NEWS, shard.number, encode_news(DecisionNews((), (task,))), new_epoch()]
    return bool(client.eval_script(scripts.FORGET, keys, words))


class LeaseLost(StateError):
    """A shard is another scorer's now, or its tasks are scored with a newer pack."""


DONE = (0, 4)
"""Written now, or before: by a call whose answer was lost."""

LOST = {1: "another scorer has it", 2: "it is scored with a newer pack"}


def _read(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise StateError(f"a {kind.__name__} in the state cannot be read: {error}") from error
