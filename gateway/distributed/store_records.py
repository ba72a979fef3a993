"""Usage, keys and policies in Redis, shared by all gateways."""

import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TypeVar

import msgspec

from gateway.distributed import redis_keys, scripts
from gateway.distributed.codec import decode_usage, encode_usage
from gateway.distributed.redis_client import RedisArg, RedisClient
from gateway.errors import StateError
from gateway.state.store import MAX_POLICY_VERSIONS, StoredKey, StoredPolicy
from gateway.usage.ledger import UsageRows, UsageTotals

WRITER_RETENTION_S = 86_400

T = TypeVar("T")


class RedisRecords:
    """The part of a store that gateways write: what was spent, and what admins have set."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client
        self._writer = secrets.token_hex(8)
        self._number = 0
        self._unwritten: dict[tuple[str, str], tuple[int, list[RedisArg]]] = {}

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
            keys = [redis_keys.usage_key(kind, name), redis_keys.usage_writers_key(kind, name)]
            self._client.execute("SADD", redis_keys.usage_names_key(kind), name)
            # Money is added once however often a call is made: Redis remembers this writer's last number.
            self._client.eval_script(scripts.SPEND, keys, [self._writer, number, WRITER_RETENTION_S, *arguments])
            del self._unwritten[kind, name]

    def fold_usage(self, tasks: Sequence[str]) -> None:
        """Do nothing: usage stays by task, since no call changes two keys of a Cluster at once."""

    def read_usage(self) -> UsageRows:
        """Return all stored usage."""
        return self.usage_of([(kind, name) for kind in ("key", "task") for name in self._usage_names(kind)])

    def usage_of(self, who: Sequence[tuple[str, str]]) -> UsageRows:
        """Return the usage of some keys and tasks. who: (kind, name) of each."""
        answers = self._client.pipeline([("HGETALL", redis_keys.usage_key(kind, name)) for kind, name in who])
        rows: dict[tuple[str, str, str], UsageTotals] = {}
        for (kind, name), found in zip(who, answers, strict=True):
            rows |= {(kind, name, day): spent for day, spent in decode_usage(found).items()}
        return rows

    def created_keys(self) -> Sequence[StoredKey]:
        """Return the created keys, oldest first."""
        keys = [_decode(data, StoredKey) for data in self._client.execute("HGETALL", redis_keys.KEYS).values()]
        return sorted(keys, key=lambda key: (key.created_at, key.name))

    def add_key(self, key: StoredKey) -> bool:
        """Store a key. Return False if there is one of that name already."""
        is_new = bool(self._client.execute("HSETNX", redis_keys.KEYS, key.name, msgspec.msgpack.encode(key)))
        return self._announce("keys", is_new)

    def remove_key(self, name: str) -> bool:
        """Delete a key. Return False if there is none of that name."""
        return self._announce("keys", bool(self._client.execute("HDEL", redis_keys.KEYS, name)))

    def current_policies(self) -> Sequence[StoredPolicy]:
        """Return the latest policy of every task that ever had one, by task."""
        tasks = sorted(name.decode() for name in self._client.execute("SMEMBERS", redis_keys.POLICIES))
        latest = [history[-1] for history in map(self.policy_history, tasks) if history]
        return sorted(latest, key=lambda policy: policy.task)

    def policy_history(self, task: str) -> Sequence[StoredPolicy]:
        """Return the last MAX_POLICY_VERSIONS policies of a task, oldest first."""
        found = self._client.execute("HGETALL", redis_keys.policy_key(task))
        policies = [_decode(data, StoredPolicy) for version, data in found.items() if version != b"latest"]
        return sorted(policies, key=lambda policy: policy.version)

    def put_policy(self, policy: StoredPolicy) -> bool:
        """Store a task's next policy. Return False, and store nothing, unless its version follows the latest."""
        words: list[RedisArg] = [policy.version, msgspec.msgpack.encode(policy), MAX_POLICY_VERSIONS]
        # Listed before it is written: a name without a policy is skipped, a policy without its name would be lost.
        self._client.execute("SADD", redis_keys.POLICIES, policy.task)
        return self._announce(
            "policies", bool(self._client.eval_script(scripts.PUT_POLICY, [redis_keys.policy_key(policy.task)], words))
        )

    def _announce(self, kind: str, has_changed: bool) -> bool:
        # Others poll this number, since a published message could be lost.
        if has_changed:
            self._client.execute("HINCRBY", redis_keys.CHANGES, kind, 1)
        return has_changed

    def _usage_names(self, kind: str) -> Iterable[str]:
        return sorted(name.decode() for name in self._client.execute("SMEMBERS", redis_keys.usage_names_key(kind)))


def _decode(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise StateError(f"a stored {kind.__name__} cannot be read: {error}") from error
