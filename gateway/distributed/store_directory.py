"""Templates of system prompts, and names and targets of tasks, in Redis, shared by all gateways."""

import secrets
from collections.abc import Sequence

import msgspec

from gateway.distributed.redis_client import RedisArg, RedisClient, translate_content
from gateway.distributed.redis_keys import KeySpace
from gateway.distributed.scripts import Script
from gateway.task_records import StoredTemplate, TaskEntry, TemplatePlace

MAX_READ = 500
"""Templates that are read at once."""

_encode = msgspec.msgpack.Encoder().encode
_template_of = msgspec.msgpack.Decoder(StoredTemplate).decode
_entry_of = msgspec.msgpack.Decoder(TaskEntry).decode


class RedisDirectory:
    """The part of a store that says which requests belong to which task."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client
        self._keys: KeySpace = client.keys

    def read_templates(self, after: TemplatePlace) -> tuple[Sequence[StoredTemplate], TemplatePlace]:
        """Return the templates that were stored after a place, and the present one; all where the life is another."""
        now = self._read_place()
        if now == after:
            return [], now
        # Not beyond `now`: what comes meanwhile has a later revision, and is read the next time.
        first = f"({after.revision}" if now.life == after.life else "-inf"
        tasks = self._client.execute("ZRANGE", self._keys.templates("log"), first, now.revision, "BYSCORE")
        found: list[StoredTemplate] = []
        for start in range(0, len(tasks), MAX_READ):
            found += self._read_some(tasks[start : start + MAX_READ])
        return found, now

    def _read_place(self) -> TemplatePlace:
        place = self._keys.templates("place")
        revision, life = self._client.execute("HMGET", place, "revision", "life")
        with translate_content(place):
            return TemplatePlace(int(revision or 0), (life or b"").decode())

    def _read_some(self, tasks: Sequence[bytes]) -> list[StoredTemplate]:
        data = self._keys.templates("data")
        records = self._client.execute("HMGET", data, *tasks)
        births = self._client.execute("HMGET", self._keys.templates("born"), *tasks)
        with translate_content(data):
            return [
                msgspec.structs.replace(_template_of(record), born=int(born or 0))
                for record, born in zip(records, births, strict=True)
                if record is not None
            ]

    def put_templates(self, changed: Sequence[StoredTemplate], removed: Sequence[str]) -> None:
        """Store templates, and delete others by their tasks."""
        keys = [self._keys.templates(part) for part in ("place", "log", "data", "born")]
        for one in changed:
            words: list[RedisArg] = [one.task, one.born, one.base, secrets.token_hex(8), _encode(one)]
            self._client.eval_script(PUT_TEMPLATE, keys, words)
        if removed:
            self._client.execute("ZREM", keys[1], *removed)
            self._client.execute("HDEL", keys[2], *removed)
            self._client.execute("HDEL", keys[3], *removed)

    def task_entries(self) -> Sequence[TaskEntry]:
        """Return the entries of all tasks that have one, by task."""
        stored = self._client.execute("HVALS", self._keys.task_entries)
        with translate_content(self._keys.task_entries):
            return sorted(map(_entry_of, stored), key=lambda one: one.task)

    def put_entries(self, entries: Sequence[TaskEntry]) -> None:
        """Store tasks' entries; one without name and target is deleted."""
        kept = [one for one in entries if one.name is not None or one.merged_into is not None]
        gone = [one.task for one in entries if one.name is None and one.merged_into is None]
        words: list[RedisArg] = [word for one in kept for word in (one.task, _encode(one))]
        if words:
            self._client.execute("HSET", self._keys.task_entries, *words)
        if gone:
            self._client.execute("HDEL", self._keys.task_entries, *gone)
        if entries:
            # Others poll this number, since a published message could be lost.
            self._client.execute("HINCRBY", self._keys.changes, "tasks", 1)


PUT_TEMPLATE = Script("""#!lua
-- Stores a template under the next revision. Its first revision stays, also where it was deleted, or lost, meanwhile.
-- KEYS: place log data born  ARGV: task, first revision or 0, revision that its gateway knew, life to begin, record
local born = tonumber(ARGV[2])
local now = tonumber(redis.call('HGET', KEYS[1], 'revision') or '0')
now = math.max(now, born, tonumber(ARGV[3])) + 1
redis.call('HSET', KEYS[1], 'revision', now)
redis.call('HSETNX', KEYS[1], 'life', ARGV[4])
redis.call('HSETNX', KEYS[4], ARGV[1], born > 0 and born or now)
redis.call('HSET', KEYS[3], ARGV[1], ARGV[5])
redis.call('ZADD', KEYS[2], now, ARGV[1])
return now
""")
