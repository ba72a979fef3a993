"""Usage, keys and policies in Redis, shared by all gateways."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from typing import TypeVar

import msgspec

from gateway.distributed import scripts, usage_scripts
from gateway.distributed.codec import decode_day_counts, decode_usage, encode_usage, split_days
from gateway.distributed.redis_client import RedisArg, RedisClient, translate_content
from gateway.distributed.redis_keys import KeySpace
from gateway.distributed.state_copy import MAX_REVOKED, StateCopy, Sums, revocation
from gateway.errors import StateError
from gateway.state.store import MAX_POLICY_VERSIONS, StoredKey, StoredPolicy, StoredSecret
from gateway.usage.ledger import UsageRows, UsageTotals

WRITER_RETENTION_S = 86_400

MAX_SECRET_USES = 100_000

T = TypeVar("T")


class RedisRecords:
    """The part of a store that gateways write: what was spent, and what admins have set."""

    def __init__(self, client: RedisClient, copy: StateCopy | None = None) -> None:
        """copy: takes in what is read and written, for a Redis that loses it; None for none."""
        self._client = client
        self._copy = copy
        self._keys: KeySpace = client.keys
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

    def fold_usage(self, tasks: Sequence[str]) -> None:
        """Do nothing: usage stays by task, since no call changes two keys of a Cluster at once."""

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

    def replace_key(self, key: StoredKey) -> bool:
        """Store a key's next version. Return False, and store nothing, unless it follows the stored one."""
        before = self._read_key(key.name)
        if before is None or before.version + 1 != key.version:
            return False
        remaining = {one.number for one in key.all_secrets}
        self._remember_revocations(key.name, [one for one in before.all_secrets if one.number not in remaining])
        words: list[RedisArg] = [key.name, key.version, msgspec.msgpack.encode(key)]
        return self._announce("keys", bool(self._client.eval_script(scripts.PUT_KEY, [self._keys.created_keys], words)))

    def remove_key(self, name: str) -> bool:
        """Delete a key. Return False if there is none of that name."""
        key = self._read_key(name)
        if key is None:
            return False
        self._remember_revocations(name, key.all_secrets)
        return self._announce("keys", bool(self._client.execute("HDEL", self._keys.created_keys, name)))

    def _read_key(self, name: str) -> StoredKey | None:
        data = self._client.execute("HGET", self._keys.created_keys, name)
        return None if data is None else _decode(data, StoredKey)

    def _remember_revocations(self, name: str, secrets: Sequence[StoredSecret]) -> None:
        """Note revoked secrets before they go: gateways write back what they miss after a loss, and leave these out."""
        if not secrets:
            return
        now = int(self._client.execute("TIME")[0])
        marks = [revocation(name, one) for one in secrets]
        words: list[RedisArg] = [part for mark in marks for part in (now, mark)]
        self._client.execute("ZADD", self._keys.revoked_keys, *words)
        self._client.execute("ZREMRANGEBYRANK", self._keys.revoked_keys, 0, -MAX_REVOKED - 1)
        if self._copy is not None:
            self._copy.keep_revocations(marks)

    def record_secret_uses(self, used: Mapping[str, float]) -> None:
        """Store when secrets were last used, unless a later time is stored."""
        words: list[RedisArg] = [part for secret, at in used.items() for part in (at, secret)]
        if words:
            self._client.execute("ZADD", self._keys.secret_uses, "GT", *words)
            self._client.execute("ZREMRANGEBYRANK", self._keys.secret_uses, 0, -MAX_SECRET_USES - 1)

    def secret_uses(self, secrets: Sequence[str]) -> Mapping[str, float]:
        """Return when these secrets were last used, of those that ever were."""
        if not secrets:
            return {}
        found = self._client.execute("ZMSCORE", self._keys.secret_uses, *secrets)
        with translate_content(self._keys.secret_uses):
            return {one: float(at) for one, at in zip(secrets, found, strict=True) if at is not None}

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

    def _announce(self, kind: str, has_changed: bool) -> bool:
        # Others poll this number, since a published message could be lost.
        if has_changed:
            self._client.execute("HINCRBY", self._keys.changes, kind, 1)
        return has_changed

    def _usage_names(self, kind: str) -> Iterable[str]:
        return decode_names(self._client.execute("SMEMBERS", self._keys.usage_names(kind)))


def decode_names(names: Iterable[bytes]) -> list[str]:
    """Decode names, sorted. Raises StateError."""
    with translate_content("a name"):
        return sorted(name.decode() for name in names)


def _decode(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise StateError(f"a stored {kind.__name__} cannot be read: {error}") from error
