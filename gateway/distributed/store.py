"""State store on Redis, shared by any number of processes; see gateway.state.store.Store for the contract.

Every write to one shard is one Lua call; operations over several shards are not atomic.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from gateway.decision import Decision, ExplainedDecision
from gateway.distributed import scripts
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
    encode_news,
    new_epoch,
)
from gateway.distributed.redis_client import RedisArg, RedisClient, translate_content
from gateway.distributed.redis_keys import Shard, shard_of
from gateway.distributed.state_copy import StateCopy
from gateway.distributed.store_directory import RedisDirectory
from gateway.distributed.store_history import RedisHistory
from gateway.distributed.store_records import RedisRecords, decode_names
from gateway.errors import StateError
from gateway.state.store import (
    ALL_TASKS,
    NO_SAMPLING_STATES,
    Eviction,
    StateChange,
    TaskFilter,
    TaskRecord,
)

NO_LEASE = Lease(pack=2**53)
"""Its pack is newer than any: an update without a lease is never refused for being of an older pack."""

ATTEMPTS = 50
PAUSE_S = 0.001
"""Attempts of an update that another writer came before, and how much longer each one waits."""

MAX_PIPELINED = 1000
"""Commands that are sent together: their answers are in memory at once."""

AFTER_EVERY_ID = "\x7f"
"""Greater than every character of a task ID."""


Changing = Callable[[Mapping[str, TaskRecord]], Mapping[str, StateChange]]


@dataclass(frozen=True, slots=True)
class StagedUpdate:
    """An update of some tasks of one shard, before it is made. used_at: of those with a sampling state alone."""

    tasks: Sequence[str]
    change: Changing
    sampling_states: Mapping[str, bytes]
    used_at: float | None = None


class RedisStore(RedisRecords, RedisHistory, RedisDirectory):
    """A gateway.state.store.Store. Connects when it is first used, so that a gateway starts without Redis."""

    def __init__(self, client: RedisClient, copy: StateCopy | None = None) -> None:
        """copy: takes in what is read and written, for a Redis that loses it; None for none."""
        RedisRecords.__init__(self, client, copy)
        RedisHistory.__init__(self, client)
        self._shards: int | None = None

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
        self,
        tasks: Sequence[str],
        change: Changing,
        sampling_states: Mapping[str, bytes] = NO_SAMPLING_STATES,
        used_at: float | None = None,
        removed: Sequence[str] = (),
    ) -> None:
        """Read these tasks, and write what `change` returns for them: all or nothing for those of one shard.

        removed: tasks of any shard that are deleted then.
        """
        # A Lua call reaches one node of a Cluster, so tasks of several shards cannot be written in one.
        by_shard: dict[Shard, tuple[list[str], dict[str, bytes]]] = {}
        for task in tasks:
            by_shard.setdefault(self.shard_of_task(task), ([], {}))[0].append(task)
        for task, pace in sampling_states.items():
            by_shard.setdefault(self.shard_of_task(task), ([], {}))[1][task] = pace
        for shard, (of_shard, states) in by_shard.items():
            write_update(self._client, shard, StagedUpdate(of_shard, change, states, used_at))
        for task in removed:
            self.forget_task(task)

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

    def outdated_tasks(self, sums_version: str) -> Sequence[str]:
        """Return the tasks whose sums are of another version, or whose decision rests on no input, sorted."""
        names = self.task_names()
        found: list[str] = []
        for start in range(0, len(names), MAX_PIPELINED):
            some = names[start : start + MAX_PIPELINED]
            commands = [("HMGET", self.shard_of_task(task).task_key(task), "basis", "decision") for task in some]
            for task, (basis, data) in zip(some, self._client.pipeline(commands), strict=True):
                is_unfounded = data is not None and decode_decision(task, data).n == 0
                if is_unfounded or basis != sums_version.encode():
                    found.append(task)
        return found

    def read_decisions(self, listed: TaskFilter = ALL_TASKS) -> Mapping[str, Decision]:
        """Return decisions by task, sorted by name, of those listed; without explanations."""
        # Every shard lists the first names it has; the first of all of them are among these.
        shards = self.all_shards()
        names = self._searched_names(shards, listed) if listed.search else self._first_names(shards, listed)
        tasks = [decode_names(some) for some in names]
        asked = [(shard, some) for shard, some in zip(shards, tasks, strict=True) if some]
        answers = self._client.pipeline([("HMGET", shard.decisions_key, *some) for shard, some in asked])
        found = {
            task: decode_decision(task, data)
            for (_, some), kept in zip(asked, answers, strict=True)
            for task, data in zip(some, kept, strict=True)
            if data is not None
        }
        return {task: found[task] for task in sorted(found)[: listed.limit]}

    def _first_names(self, shards: Sequence[Shard], listed: TaskFilter) -> Sequence[Sequence[bytes]]:
        """Return the first names of every shard, in order."""
        first = f"[{listed.prefix}" if listed.prefix > listed.after else f"({listed.after}" if listed.after else "-"
        last = f"({listed.prefix}{AFTER_EVERY_ID}" if listed.prefix else "+"
        page = ("LIMIT", 0, listed.limit) if listed.limit is not None else ()
        commands = [("ZRANGE", shard.tasks_key, first, last, "BYLEX", *page) for shard in shards]
        found: list[Sequence[bytes]] = self._client.pipeline(commands)
        return found

    def _searched_names(self, shards: Sequence[Shard], listed: TaskFilter) -> Sequence[Sequence[bytes]]:
        """Return the first names of every shard that contain a text, in order."""
        # Redis looks at every name, a thousand at a time, and sends those that match.
        pattern = "".join(f"[{one.lower()}{one.upper()}]" if one.isalpha() else one for one in listed.search)
        found = []
        for shard in shards:
            names = decode_names(set(self._client.scan_members(shard.tasks_key, f"*{pattern}*")))
            found.append([name.encode() for name in names if listed.matches(name)][: listed.limit])
        return found

    def decision_changes(self, task: str) -> Sequence[Decision]:
        """Return the most recent decisions that changed a task's model, oldest first; without explanations."""
        return [
            decode_decision(task, data)
            for data in self._client.execute("LRANGE", self.shard_of_task(task).changes_key(task), 0, -1)
        ]

    def forget_task(self, task: str) -> bool:
        """Delete a task but for its policy. Return False if nothing was stored of it."""
        return forget_in_shard(self._client, self.shard_of_task(task), task)

    def evict_tasks(self, evicted: Sequence[Eviction]) -> None:
        """Delete tasks but for their policies, and what was spent on them."""
        for one in evicted:
            forget_in_shard(self._client, self.shard_of_task(one.task), one.task, one)

    def count_tasks(self) -> int:
        """Return the number of tasks."""
        return sum(self._client.pipeline([("ZCARD", shard.tasks_key) for shard in self._own_shards()]))

    def least_recently_used(self, limit: int, before: float | None = None) -> Sequence[str]:
        """Return the tasks that were used least recently, least recent first. before: used before this time."""
        last = "+inf" if before is None else f"({before!r}"
        words = ("-inf", last, "BYSCORE", "LIMIT", 0, limit, "WITHSCORES")
        found = self._client.pipeline([("ZRANGE", shard.used_key, *words) for shard in self._own_shards()])
        pairs = [pair for some in found for pair in zip(some[1::2], some[::2], strict=True)]
        with translate_content("a name"):
            return [name.decode() for _, name in sorted((float(at), name) for at, name in pairs)[:limit]]

    def recently_used(self, limit: int, before: tuple[float, str] | None = None) -> Sequence[tuple[float, str]]:
        """Return the tasks by their last use, most recent first, with its time. before: behind this one."""
        first = "+inf" if before is None else repr(before[0])
        # More than are asked for: those used at the time of `before` come again.
        words = (first, "-inf", "BYSCORE", "REV", "LIMIT", 0, limit + MAX_PIPELINED, "WITHSCORES")
        found = self._client.pipeline([("ZRANGE", shard.used_key, *words) for shard in self.all_shards()])
        with translate_content("a name"):
            pairs = [
                (float(at), name.decode()) for some in found for name, at in zip(some[::2], some[1::2], strict=True)
            ]
        return sorted((pair for pair in pairs if before is None or pair < before), reverse=True)[:limit]

    def tasks_without_use(self, limit: int) -> Sequence[str]:
        """Return tasks of earlier versions, which did not store when a task was used."""
        shards = self._own_shards()
        counts = self._client.pipeline([("ZCARD", key) for one in shards for key in (one.tasks_key, one.used_key)])
        behind = [shard for shard, all_, used in zip(shards, counts[::2], counts[1::2], strict=True) if all_ > used]
        found = self._client.pipeline([("ZDIFF", 2, shard.tasks_key, shard.used_key) for shard in behind])
        return decode_names(name for some in found for name in some)[:limit]

    def touch_tasks(self, used: Mapping[str, float]) -> None:
        """Store when tasks were used, by task; Unix time in seconds."""
        self._client.pipeline(
            [("ZADD", self.shard_of_task(task).used_key, repr(at), task) for task, at in used.items()]
        )

    def _own_shards(self) -> Sequence[Shard]:
        """Return the shards whose tasks this store evicts."""
        return self.all_shards()

    def close(self) -> None:
        """Close the store."""
        with suppress(StateError):
            self._write_usage()
            self.write_history()
        self._client.close_connections()

    def all_shards(self) -> Sequence[Shard]:
        """Return all shards, in order. Raises StateError."""
        return [self.numbered_shard(number) for number in range(self.shards)]


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
        arguments = apply_args(shard, lease or NO_LEASE, batch, before, changes, update.sampling_states, update.used_at)
        keys = apply_keys(shard, [*changes, *update.sampling_states])
        code, _ = client.eval_script(scripts.APPLY, keys, arguments)
        if code in DONE:
            return
        if code in LOST:
            raise LeaseLost(f"shard {shard.number}: {LOST[code]}")
    raise StateError(f"shard {shard.number}: update given up after {ATTEMPTS} conflicts with other writers")


def forget_in_shard(client: RedisClient, shard: Shard, task: str, evicted: Eviction | None = None) -> bool:
    """Delete a task and publish that. Return False if nothing was stored of it. Raises StateError.

    evicted: where it was not deleted by anybody.
    """
    keys = [
        shard.info_key,
        shard.decisions_key,
        shard.tasks_key,
        shard.task_key(task),
        shard.ring_key(task),
        shard.changes_key(task),
        shard.used_key,
    ]
    news = DecisionNews((), (task,), () if evicted is None else (evicted,))
    words: list[RedisArg] = [task, shard.keys.news, shard.number, encode_news(news), new_epoch()]
    return bool(client.eval_script(scripts.FORGET, keys, words))


class LeaseLost(StateError):
    """Another scorer has the shard now, or its tasks are scored with a newer pack."""


DONE = (0, 4)
"""Codes of scripts.APPLY: written now, or by an earlier call whose answer was lost."""

LOST = {1: "another scorer has it", 2: "it is scored with a newer pack"}
