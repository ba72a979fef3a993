"""gateway.state.store.Store on Redis. What it says of one shard is one Lua call; what it says of several is not one piece."""

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from gateway.distributed import redis_keys, scripts
from gateway.distributed.codec import (
    FIELDS,
    NO_BATCH,
    Batch,
    Hold,
    News,
    apply_arguments,
    apply_keys,
    decision,
    new_epoch,
    news_bytes,
    stored,
)
from gateway.distributed.money import spent_rows, spent_words
from gateway.distributed.redis_client import Client, Word
from gateway.distributed.redis_keys import NEWS, SHARDS, Shard, shard_of
from gateway.errors import StateError
from gateway.state.store import NO_PACES, POLICIES_KEPT, Change, Stored, StoredDecision, StoredKey, StoredPolicy
from gateway.usage.ledger import Spent, SpentRows

ANYBODY = Hold(pack=2**53)
ATTEMPTS = 50
PAUSE_S = 0.001
"""How often an update is made again because somebody else came first, and how much longer it waits each time."""

WRITERS_KEPT_S = 86_400

T = TypeVar("T")
Changing = Callable[[Mapping[str, Stored]], Mapping[str, Change]]


@dataclass(frozen=True, slots=True)
class Update:
    """What Store.update is asked for, of one shard."""

    tasks: Sequence[str]
    change: Changing
    paces: Mapping[str, bytes]


class RedisStore:
    """See gateway.state.store.Store. Any number of programs may share one. Nothing is connected before it is needed."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._shards: int | None = None
        self._writer = secrets.token_hex(8)
        self._number = 0
        self._unwritten: dict[tuple[str, str], tuple[int, list[Word]]] = {}

    @property
    def shards(self) -> int:
        """How many shards there are. Raises StateError."""
        if self._shards is None:
            self._client.ask("SET", SHARDS, self._client.shards_wanted, "NX")
            self._shards = int(self._client.ask("GET", SHARDS))
        return self._shards

    def insist(self) -> None:
        """Says again how many there are, to a Redis that may have been emptied. Raises StateError."""
        self._client.ask("SET", SHARDS, self.shards, "NX")

    def shard(self, task: str) -> Shard:
        """The shard of a task. Raises StateError."""
        return Shard(shard_of(task, self.shards))

    def update(self, tasks: Sequence[str], change: Changing, paces: Mapping[str, bytes] = NO_PACES) -> None:
        """See Store.update; all or nothing for the tasks of each shard."""
        by_shard: dict[Shard, tuple[list[str], dict[str, bytes]]] = {}
        for task in tasks:
            by_shard.setdefault(self.shard(task), ([], {}))[0].append(task)
        for task, pace in paces.items():
            by_shard.setdefault(self.shard(task), ([], {}))[1][task] = pace
        for shard, (of_shard, its_paces) in by_shard.items():
            write(self._client, shard, Update(of_shard, change, its_paces))

    def stored(self, task: str) -> Stored:
        """See Store.stored."""
        return stored(self._client.ask("HMGET", self.shard(task).task(task), *FIELDS))

    def accounts(self, tasks: Sequence[str]) -> Mapping[str, StoredDecision]:
        """See Store.accounts."""
        asked = [("HMGET", self.shard(task).task(task), "decision", "account") for task in tasks]
        found = zip(tasks, self._client.ask_all(asked), strict=True)
        return {task: decision(made, account) for task, (made, account) in found if made is not None}

    def ring(self, task: str) -> Sequence[bytes]:
        """See Store.ring."""
        return list(self._client.ask("LRANGE", self.shard(task).ring(task), 0, -1))

    def paces(self, tasks: Sequence[str]) -> Mapping[str, bytes]:
        """See Store.paces."""
        found = self._client.ask_all([("HGET", self.shard(task).task(task), "pace") for task in tasks])
        return {task: pace for task, pace in zip(tasks, found, strict=True) if pace}

    def names(self) -> Sequence[str]:
        """See Store.names."""
        found = self._client.ask_all([("ZRANGE", shard.tasks, 0, -1) for shard in self.every_shard()])
        return sorted(name.decode() for some in found for name in some)

    def decisions(self, after: str = "", limit: int | None = None) -> Mapping[str, StoredDecision]:
        """See Store.decisions."""
        first = f"({after}" if after else "-"
        page = ("LIMIT", 0, limit) if limit is not None else ()
        shards = self.every_shard()
        listed = self._client.ask_all([("ZRANGE", shard.tasks, first, "+", "BYLEX", *page) for shard in shards])
        tasks = [[name.decode() for name in some] for some in listed]
        asked = [(shard, some) for shard, some in zip(shards, tasks, strict=True) if some]
        answers = self._client.ask_all([("HMGET", shard.decisions, *some) for shard, some in asked])
        found = {
            task: decision(data)
            for (_, some), kept in zip(asked, answers, strict=True)
            for task, data in zip(some, kept, strict=True)
            if data is not None
        }
        return {task: found[task] for task in sorted(found)[:limit]}

    def history(self, task: str) -> Sequence[StoredDecision]:
        """See Store.history."""
        return [decision(data) for data in self._client.ask("LRANGE", self.shard(task).turns(task), 0, -1)]

    def forget(self, task: str) -> bool:
        """See Store.forget; the gateways are told."""
        return forget(self._client, self.shard(task), task)

    def spend(self, rows: SpentRows) -> None:
        """See Store.spend. Rows that are taken are kept until they are written, under a number by which Redis knows
        what it has seen before.
        """
        self._write_spent()
        self._number += 1
        self._unwritten = {place: (self._number, words) for place, words in spent_words(rows).items()}
        with suppress(StateError):  # they are no longer the caller's to give back; the next call comes to them first
            self._write_spent()

    def _write_spent(self) -> None:
        for (kind, name), (number, words) in list(self._unwritten.items()):
            keys = [redis_keys.spent(kind, name), redis_keys.spent_writers(kind, name)]
            self._client.ask("SADD", redis_keys.spent_names(kind), name)
            self._client.run(scripts.SPEND, keys, [self._writer, number, WRITERS_KEPT_S, *words])
            del self._unwritten[kind, name]

    def spent(self) -> SpentRows:
        """See Store.spent."""
        return self.spent_by([(kind, name) for kind in ("key", "task") for name in self._spenders(kind)])

    def spent_by(self, who: Sequence[tuple[str, str]]) -> SpentRows:
        """What some keys and tasks, (kind, name), spent. Raises StateError."""
        answers = self._client.ask_all([("HGETALL", redis_keys.spent(kind, name)) for kind, name in who])
        rows: dict[tuple[str, str, str], Spent] = {}
        for (kind, name), found in zip(who, answers, strict=True):
            rows |= {(kind, name, day): spent for day, spent in spent_rows(found).items()}
        return rows

    def created_keys(self) -> Sequence[StoredKey]:
        """See Store.created_keys."""
        kept = [_read(data, StoredKey) for data in self._client.ask("HGETALL", redis_keys.KEYS).values()]
        return sorted(kept, key=lambda key: (key.created_at, key.name))

    def add_key(self, key: StoredKey) -> bool:
        """See Store.add_key."""
        is_new = bool(self._client.ask("HSETNX", redis_keys.KEYS, key.name, msgspec.msgpack.encode(key)))
        return self._changed("keys", is_new)

    def remove_key(self, name: str) -> bool:
        """See Store.remove_key."""
        return self._changed("keys", bool(self._client.ask("HDEL", redis_keys.KEYS, name)))

    def policies(self) -> Sequence[StoredPolicy]:
        """See Store.policies."""
        tasks = sorted(name.decode() for name in self._client.ask("SMEMBERS", redis_keys.POLICIES))
        latest = [history[-1] for history in map(self.policy_history, tasks) if history]
        return sorted(latest, key=lambda policy: policy.task)

    def policy_history(self, task: str) -> Sequence[StoredPolicy]:
        """See Store.policy_history."""
        found = self._client.ask("HGETALL", redis_keys.policy(task))
        kept = [_read(data, StoredPolicy) for version, data in found.items() if version != b"latest"]
        return sorted(kept, key=lambda policy: policy.version)

    def put_policy(self, policy: StoredPolicy) -> bool:
        """See Store.put_policy."""
        words: list[Word] = [policy.version, msgspec.msgpack.encode(policy), POLICIES_KEPT]
        self._client.ask("SADD", redis_keys.POLICIES, policy.task)
        return self._changed(
            "policies", bool(self._client.run(scripts.PUT_POLICY, [redis_keys.policy(policy.task)], words))
        )

    def close(self) -> None:
        """See Store.close."""
        with suppress(StateError):
            self._write_spent()
        self._client.close()

    def every_shard(self) -> Sequence[Shard]:
        """All of them, in order. Raises StateError."""
        return [Shard(number) for number in range(self.shards)]

    def _changed(self, what: str, is_so: bool) -> bool:
        """Tells the others, who look at names.CHANGES."""
        if is_so:
            self._client.ask("HINCRBY", redis_keys.CHANGES, what, 1)
        return is_so

    def _spenders(self, kind: str) -> Iterable[str]:
        return sorted(name.decode() for name in self._client.ask("SMEMBERS", redis_keys.spent_names(kind)))


def write(
    client: Client,
    shard: Shard,
    update: Update,
    hold: Hold | None = None,
    batch: Batch = NO_BATCH,
) -> None:
    """Store.update for tasks of one shard, by one Lua call; made again if another has come in between.

    Raises StateError; HoldLost where the hold is no longer good.
    """
    for attempt in range(ATTEMPTS):
        time.sleep(attempt * PAUSE_S)
        found = client.ask_all([("HMGET", shard.task(task), *FIELDS) for task in update.tasks])
        before = {task: stored(fields) for task, fields in zip(update.tasks, found, strict=True)}
        changes = update.change(before)
        words = apply_arguments(shard, hold or ANYBODY, batch, before, changes, update.paces)
        code, _ = client.run(scripts.APPLY, apply_keys(shard, [*changes, *update.paces]), words)
        if code in DONE:
            return
        if code in LOST:
            raise HoldLost(f"shard {shard.number}: {LOST[code]}")
    raise StateError(f"shard {shard.number}: its tasks change faster than they can be written")


def forget(client: Client, shard: Shard, task: str) -> bool:
    """Removes all that is known of a task, and tells the gateways. False if nothing was. Raises StateError."""
    keys = [shard.about, shard.decisions, shard.tasks, shard.task(task), shard.ring(task), shard.turns(task)]
    words: list[Word] = [task, NEWS, shard.number, news_bytes(News((), (task,))), new_epoch()]
    return bool(client.run(scripts.FORGET, keys, words))


class HoldLost(StateError):
    """A shard is another scorer's now, or its tasks are scored with a newer pack."""


DONE = (0, 4)
"""Written now, or before: by a call whose answer was lost."""

LOST = {1: "another scorer has it", 2: "it is scored with a newer pack"}


def _read(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise StateError(f"a {kind.__name__} in the state cannot be read: {error}") from error
