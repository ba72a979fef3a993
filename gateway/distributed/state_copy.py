"""A gateway's last copy of what must survive a Redis that comes back empty, or older: keys, policies, usage.

What decides that Redis was emptied is the life in the installation's record. Every gateway then writes its copy back:

* usage: what Redis has since is added to the greatest copy of any gateway, whose last writer knows the exact sum. Redis
  remembers what was written back, so a second gateway adds only what its copy has beyond that.
* keys: those that are missing or older, but for revoked secrets: Redis, and with it every gateway, remembers these.
* policies: a task's latest version, unless there is a later one.
* names and targets of tasks: those that are missing.

A Redis that is only older (a snapshot, a replica that lagged) shows in sums that fall: they are raised to the copy.
"""

import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from gateway.distributed import scripts
from gateway.distributed.codec import split_days
from gateway.distributed.redis_client import RedisArg, RedisClient, translate_content
from gateway.distributed.usage_scripts import RESTORE_USAGE, USAGE_FIELDS
from gateway.state.store import StoredKey, StoredPolicy, StoredSecret
from gateway.task_records import TaskEntry

log = logging.getLogger("benchroute.distributed")

MAX_TASKS = 10_000
"""Tasks whose usage is kept, the most recently charged. Keys, whose budgets depend on it, are all kept."""

MAX_DAYS = 62
"""Days of usage kept of a key or task: this month's and the last's."""

MAX_REVOKED = 10_000
PIPELINE_SIZE = 500
NOTHING = (0,) * len(USAGE_FIELDS)
EMPTIED, OLDER = "emptied", "older"

DayCounts = tuple[int, ...]
"""Numbers of one day, in the order of usage_scripts.USAGE_FIELDS."""


@dataclass(slots=True)
class Sums:
    """A key's or task's usage as Redis has it. token: the life of these sums, empty where none has begun."""

    token: bytes
    days: Mapping[str, DayCounts]


NO_SUMS = Sums(b"", {})


class StateCopy:
    """Copies of one gateway; shared by its threads."""

    def __init__(self) -> None:
        self.has_regressed = False
        """A sum in Redis is less than it was: data is lost."""
        self.exchange = threading.Lock()
        """Held around a call and `keep_usage` of its answer, so that sums arrive in the order in which they rose."""
        self._lock = threading.Lock()
        self._usage: OrderedDict[tuple[str, str], Sums] = OrderedDict()
        self._keys: Mapping[str, StoredKey] = {}
        self._policies: Mapping[str, StoredPolicy] = {}
        self._entries: Sequence[TaskEntry] = ()
        self._revoked: set[str] = set()
        self._life = ""

    def keep_keys(self, keys: Iterable[StoredKey], revoked: Iterable[str]) -> None:
        """Replace the copy of the keys. revoked: see `revocation`."""
        with self._lock:
            self._keys = {key.name: key for key in keys}
            self._revoked.update(revoked)

    def keep_policies(self, policies: Iterable[StoredPolicy]) -> None:
        """Replace the copy of the policies, the latest of each task."""
        with self._lock:
            self._policies = {policy.task: policy for policy in policies}

    def keep_entries(self, entries: Sequence[TaskEntry]) -> None:
        """Replace the copy of the names and targets of tasks."""
        with self._lock:
            self._entries = entries

    def keep_revocations(self, marks: Iterable[str]) -> None:
        """Remember that secrets were revoked. marks: see `revocation`."""
        with self._lock:
            self._revoked.update(marks)

    def keep_usage(self, kind: str, name: str, sums: Sums, added: Mapping[str, DayCounts]) -> None:
        """Take in sums as Redis has them. added: what this gateway has just added to them, by day.

        Without `added`, `sums` are of all days.
        """
        with self._lock:
            if self.has_regressed:
                return  # until the loss is dealt with: these may be sums of another life
            known = self._usage.get((kind, name), NO_SUMS)
            days = sums.days if added else dict.fromkeys(known.days, NOTHING) | dict(sums.days)
            if known.token not in (b"", sums.token) or _falls(known.days, added, days):
                self.has_regressed = True
                return
            self._put(kind, name, Sums(sums.token, {**known.days, **days}))

    def _put(self, kind: str, name: str, sums: Sums) -> None:
        self._usage[kind, name] = Sums(sums.token, {day: sums.days[day] for day in sorted(sums.days)[-MAX_DAYS:]})
        self._usage.move_to_end((kind, name))
        self._trim()

    def _trim(self) -> None:
        if len(self._usage) <= MAX_TASKS:
            return
        oldest = next((place for place in self._usage if place[0] == "task"), None)
        if oldest is not None:
            del self._usage[oldest]

    def follow_life(self, client: RedisClient) -> str:
        """Return the life of the data in Redis, in which this gateway's copy is written back. Raises StateError."""
        record = client.join_installation()
        life = record.life if record else ""
        if self._life and life != self._life:
            log.warning("Redis was emptied: this gateway writes keys, policies and usage back")
            self._write_back(client, EMPTIED)
        elif self.has_regressed:
            log.warning("Redis lost its latest changes: this gateway writes keys, policies and usage back")
            self._write_back(client, OLDER)
        self._life, self.has_regressed = life, False
        return life

    def _write_back(self, client: RedisClient, mode: str) -> None:
        with self._lock:
            self.has_regressed = True  # nothing of the new life may mix with the copy before it is written back
            usage = list(self._usage.items())
            keys, policies, revoked = list(self._keys.values()), list(self._policies.values()), sorted(self._revoked)
            entries = self._entries
        write_back_keys(client, keys, revoked)
        for policy in policies:
            words: list[RedisArg] = [policy.version, msgspec.msgpack.encode(policy)]
            client.execute("SADD", client.keys.policies, policy.task)
            client.eval_script(scripts.RESTORE_POLICY, [client.keys.policy(policy.task)], words)
        # One that was set since is the later one.
        client.pipeline(
            [("HSETNX", client.keys.task_entries, one.task, msgspec.msgpack.encode(one)) for one in entries]
        )
        for (kind, name), sums in usage:
            written = _write_back_usage(client, kind, name, sums, mode)
            with self._lock:
                self._put(kind, name, written)
        for kind in ("keys", "policies", "tasks"):
            client.execute("HINCRBY", client.keys.changes, kind, 1)


def revocation(name: str, secret: StoredSecret) -> str:
    """Return what is remembered of a revoked secret: a later key of its name has another one."""
    return f"{secret.sha256.lower()} {name}"


def write_back_keys(client: RedisClient, keys: Sequence[StoredKey], revoked: Sequence[str]) -> None:
    """Add those of these keys that are missing or older there, but for revoked secrets. Raises StateError."""
    stored, deleted = client.keys.created_keys, client.keys.revoked_keys
    # Deletions first, and read again after the keys: whoever deletes a key does it in the same order, so of both at
    # once one sees the other.
    for start in range(0, len(revoked), PIPELINE_SIZE):
        marks: list[RedisArg] = [part for mark in revoked[start : start + PIPELINE_SIZE] for part in (0, mark)]
        client.execute("ZADD", deleted, "NX", *marks)
    # Most keys were never changed, and are as they were created or gone.
    client.pipeline([("HSETNX", stored, key.name, msgspec.msgpack.encode(key)) for key in keys if not key.version])
    for key in keys:
        if key.version:
            client.eval_script(scripts.RESTORE_KEY, [stored], [key.name, key.version, msgspec.msgpack.encode(key)])
    gone = set(read_revocations(client))
    for data in client.execute("HVALS", stored):
        with translate_content(stored):
            key = msgspec.msgpack.decode(data, type=StoredKey)
        left = without_secrets(key, gone)
        if left is None:
            client.execute("HDEL", stored, key.name)
        elif left is not key:
            client.execute("HSET", stored, key.name, msgspec.msgpack.encode(left))


def without_secrets(key: StoredKey, revoked: Collection[str]) -> StoredKey | None:
    """Return a key without its revoked secrets, None if it has no other."""
    left = tuple(one for one in key.all_secrets if revocation(key.name, one) not in revoked)
    if len(left) == len(key.all_secrets):
        return key
    return msgspec.structs.replace(key, sha256=left[-1].sha256, secrets=left) if left else None


def read_revocations(client: RedisClient) -> list[str]:
    """Return the deletions that Redis remembers. Raises StateError."""
    marks = client.execute("ZRANGE", client.keys.revoked_keys, 0, -1)
    with translate_content(client.keys.revoked_keys):
        return [mark.decode() for mark in marks]


def _write_back_usage(client: RedisClient, kind: str, name: str, copy: Sums, mode: str) -> Sums:
    """Write a copy back, and return the sums that Redis has then."""
    keys = [client.keys.usage(kind, name), client.keys.usage_restored(kind, name)]
    words: list[RedisArg] = []
    for day, counts in copy.days.items():
        words += [day, *counts]
    client.execute("SADD", client.keys.usage_names(kind), name)
    token, *sums = client.eval_script(RESTORE_USAGE, keys, [mode, secrets.token_hex(8), copy.token, *words])
    return Sums(token, split_days(words, sums))


def _falls(known: Mapping[str, DayCounts], added: Mapping[str, DayCounts], days: Mapping[str, DayCounts]) -> bool:
    """Return True if sums are less than what was known and added: they only rise, so Redis has lost a part."""
    return any(
        now < old + more
        for day, counts in days.items()
        for now, old, more in zip(counts, known.get(day, NOTHING), added.get(day, NOTHING), strict=True)
    )
