"""Leases of shards with fencing tokens, the batches they give, and the store as the lease's holder writes it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import msgspec

from gateway.distributed import scripts
from gateway.distributed.codec import EMPTY_BATCH, AckBatch, Lease, StreamEntry, new_epoch, parse_entries
from gateway.distributed.redis_client import RedisArg, RedisClient, translate_content
from gateway.distributed.redis_keys import GROUP, Shard
from gateway.distributed.store import Changing, LeaseLost, RedisStore, StagedUpdate, write_update
from gateway.distributed.store_records import decode_names
from gateway.errors import StateError
from gateway.state.store import NO_SAMPLING_STATES

LEASE_MS = 5000
"""How long a shard waits for a holder that has died or hangs. Renewal is four times as frequent."""

HEARTBEAT_MS = 5000
MAX_DEAD_LETTERS = 1000


@dataclass(frozen=True, slots=True)
class PendingBatch:
    """Entries that were delivered and not acknowledged, oldest first. tries: deliveries of the first, with this one."""

    entries: Sequence[StreamEntry]
    tries: int = 1


class DeadLetter(msgspec.Struct, frozen=True):
    """An observation that could not be scored.

    Attributes:
        id: of its entry in the shard's stream.
        at: Unix time in seconds of its last attempt.
        tries: attempts.
        body: the observation, as it was in the stream.
    """

    shard: int
    id: str
    task: str
    at: float
    tries: int
    reason: str
    body: bytes


class LeasedStore(RedisStore):
    """One shard, written by the holder of its lease. `batch`: what the next update acknowledges with its changes."""

    def __init__(self, client: RedisClient, shard: Shard, lease: Lease, sums_version: str) -> None:
        super().__init__(client)
        self.shard = shard
        self.lease = lease
        self.batch: AckBatch = EMPTY_BATCH
        self.sums_version = sums_version
        """What all sums in the shard are known to be made with."""

    def update_task(
        self,
        tasks: Sequence[str],
        change: Changing,
        sampling_states: Mapping[str, bytes] = NO_SAMPLING_STATES,
        used_at: float | None = None,
        removed: Sequence[str] = (),
    ) -> None:
        """Write what `change` returns and acknowledge `batch`, in one Lua call. Raises LeaseLost, StateError.

        removed: tasks of any shard that are deleted then.
        """
        update = StagedUpdate(tasks, change, sampling_states, used_at)
        write_update(self._client, self.shard, update, self.lease, self.batch)
        # Only now: a call that fails is made again with the same entries, by which Redis knows what it has seen.
        self.batch = EMPTY_BATCH
        for task in removed:
            self.forget_task(task)

    def ack_batch(self) -> None:
        """Acknowledge what no update has acknowledged. Raises LeaseLost, StateError."""
        if self.batch is not EMPTY_BATCH:
            self.update_task([], lambda _: {})

    def tasks_with_old_sums(self, sums_version: str) -> Sequence[str]:
        """Return the tasks whose sums are made with something else. Raises StateError."""
        tasks = decode_names(self._client.execute("ZRANGE", self.shard.tasks_key, 0, -1))
        versions: list[bytes | None] = []
        for start in range(0, len(tasks), 1000):
            some = tasks[start : start + 1000]
            versions += self._client.pipeline([("HGET", self.shard.task_key(task), "basis") for task in some])
        return [task for task, found in zip(tasks, versions, strict=True) if found != sums_version.encode()]

    def _own_shards(self) -> Sequence[Shard]:
        return [self.shard]

    def mark_current(self, sums_version: str) -> None:
        """Record that all sums in the shard are made with this. Raises LeaseLost, StateError."""
        keys = [self.shard.lease_key, self.shard.info_key]
        if not self._client.eval_script(scripts.MARK_CURRENT, keys, [self.lease.lease, self.lease.pack, sums_version]):
            raise LeaseLost(f"shard {self.shard.number}: another scorer has it, or a newer pack")
        self.sums_version = sums_version

    def read_batch(self, consumer: str, count: int) -> PendingBatch:
        """Return the next batch, empty where nothing waits. Raises LeaseLost, StateError."""
        shard = self.shard
        arguments: list[RedisArg] = [self.lease.lease, self.lease.lease_ms, GROUP, consumer, count]
        keys = [shard.stream_key, shard.info_key, shard.lease_key]
        found = self._client.eval_script(scripts.READ_BATCH, keys, arguments)
        if found[0] == 0:
            raise LeaseLost(f"shard {shard.number}: another scorer has it")
        return PendingBatch(parse_entries(found[2]), found[1])

    def read_unacked(self, batch: PendingBatch) -> PendingBatch:
        """Return what of a batch is not acknowledged: a call whose answer was lost may have done a part of it.

        Questions are answered again, acknowledged or not: their reply may have been lost. Raises StateError.
        """
        ids = [entry.id for entry in batch.entries]
        pending = set(
            self._client.eval_script(scripts.PENDING, [self.shard.stream_key], [GROUP, ids[0], ids[-1], len(ids)])
        )
        return PendingBatch([entry for entry in batch.entries if entry.is_question or entry.id in pending], batch.tries)

    def dead_letter(self, entry: StreamEntry, letter: DeadLetter) -> None:
        """Move an entry to the dead-letter list. Raises LeaseLost, StateError."""
        shard = self.shard
        keys = [shard.stream_key, shard.info_key, shard.lease_key, shard.counts_key, shard.dead_letters_key]
        arguments: list[RedisArg] = [self.lease.lease, GROUP, entry.id, entry.producer, entry.number]
        arguments += [MAX_DEAD_LETTERS, msgspec.msgpack.encode(letter)]
        if not self._client.eval_script(scripts.DEAD_LETTER, keys, arguments):
            raise LeaseLost(f"shard {shard.number}: another scorer has it")

    def send_reply(self, channel: str, reply: bytes) -> None:
        """Publish a reply. Raises StateError."""
        self._client.execute("PUBLISH", channel, reply)

    def release_lease(self) -> None:
        """Give the shard up, so that another scorer has it at once."""
        with suppress(StateError):
            self._client.eval_script(scripts.RELEASE_LEASE, [self.shard.lease_key], [self.lease.lease])


def acquire_lease(client: RedisClient, shard: Shard, name: str, terms: Lease) -> LeasedStore | None:
    """Acquire a shard, or return None where another scorer has it, or a newer pack. Raises StateError.

    terms: of the lease; its token is the one from before, if this scorer has the shard already.
    """
    arguments: list[RedisArg] = [name, terms.lease, terms.lease_ms, new_epoch(), GROUP]
    lease, pack, sums_version = client.eval_script(
        scripts.ACQUIRE_LEASE, [shard.lease_key, shard.info_key, shard.stream_key], arguments
    )
    if lease is None:
        return None
    if terms.pack == 0:  # a pack of the scorer's own file: activations in Redis do not count
        with translate_content(shard.info_key):
            terms = replace(terms, pack=int(pack))
    with translate_content(shard.info_key):
        store = LeasedStore(client, shard, replace(terms, lease=lease.decode()), sums_version.decode())
        current = int(pack)
    if terms.pack < current:
        store.release_lease()
        return None
    return store


def renew_lease(client: RedisClient, store: LeasedStore) -> None:
    """Extend a lease to its full length. Raises StateError."""
    client.eval_script(scripts.RENEW_LEASE, [store.shard.lease_key], [store.lease.lease, store.lease.lease_ms])


def send_heartbeat(client: RedisClient, kind: str, name: str) -> Sequence[str]:
    """Register as live, and return all that are, sorted. kind: redis_keys.GATEWAYS or SCORERS. Raises StateError."""
    live = client.eval_script(scripts.HEARTBEAT, [client.keys.live(kind)], [name, HEARTBEAT_MS])
    return decode_names(live)


def deregister(client: RedisClient, kind: str, name: str) -> None:
    """Remove one from the live ones."""
    with suppress(StateError):
        client.execute("ZREM", client.keys.live(kind), name)


def count_live(client: RedisClient, kind: str) -> int:
    """Return the number of live ones. Raises StateError."""
    return len(client.eval_script(scripts.HEARTBEAT, [client.keys.live(kind)], ["", HEARTBEAT_MS]))


def list_dead_letters(client: RedisClient, shards: Sequence[Shard]) -> list[DeadLetter]:
    """Return dead letters shard by shard, oldest first. Raises StateError."""
    found = client.pipeline([("LRANGE", shard.dead_letters_key, 0, -1) for shard in shards])
    with translate_content("a dead letter"):
        return [msgspec.msgpack.decode(data, type=DeadLetter) for some in found for data in some]
