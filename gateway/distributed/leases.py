"""A scorer's hold on shards: leases with fences, the batches they give, and the store as their holder sees it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import msgspec

from gateway.distributed import scripts
from gateway.distributed.codec import EMPTY_BATCH, AckBatch, Lease, StreamEntry, new_epoch, parse_entries
from gateway.distributed.redis_client import RedisArg, RedisClient
from gateway.distributed.redis_keys import GROUP, Shard
from gateway.distributed.store import Changing, LeaseLost, RedisStore, StagedUpdate, write_update
from gateway.errors import StateError
from gateway.state.store import NO_SAMPLING_STATES

LEASE_MS = 5000
"""How long a shard waits for a holder that has died or hangs."""

HEARTBEAT_MS = 5000
MAX_DEAD_LETTERS = 1000


@dataclass(frozen=True, slots=True)
class PendingBatch:
    """A batch, oldest first. tries: how often its first entry has been taken, this time included."""

    entries: Sequence[StreamEntry]
    tries: int = 1


class DeadLetter(msgspec.Struct, frozen=True):
    """An observation that nobody could score. at: Unix time in seconds; reason: what is known of why."""

    shard: int
    id: str
    task: str
    at: float
    tries: int
    reason: str
    body: bytes


class LeasedStore(RedisStore):
    """One shard for the one who holds it. `batch`: what the next update settles with its changes."""

    def __init__(self, client: RedisClient, shard: Shard, hold: Lease, basis: str) -> None:
        super().__init__(client)
        self.held = shard
        self.lease = hold
        self.batch: AckBatch = EMPTY_BATCH
        self.basis = basis
        """What all sums in the shard are made with, as far as anybody has seen to it."""

    def update_task(
        self, tasks: Sequence[str], change: Changing, sampling_states: Mapping[str, bytes] = NO_SAMPLING_STATES
    ) -> None:
        """See Store.update. Raises LeaseLost too."""
        write_update(self._client, self.held, StagedUpdate(tasks, change, sampling_states), self.lease, self.batch)
        self.batch = EMPTY_BATCH

    def ack_batch(self) -> None:
        """Settles what no update has settled. Raises LeaseLost, StateError."""
        if self.batch is not EMPTY_BATCH:
            self.update_task([], lambda _: {})

    def tasks_with_old_sums(self, basis: str) -> Sequence[str]:
        """The tasks whose sums are made with something else. Raises StateError."""
        tasks = [name.decode() for name in self._client.execute("ZRANGE", self.held.tasks_key, 0, -1)]
        found: list[bytes | None] = []
        for start in range(0, len(tasks), 1000):
            some = tasks[start : start + 1000]
            found += self._client.pipeline([("HGET", self.held.task_key(task), "basis") for task in some])
        return [task for task, made in zip(tasks, found, strict=True) if made != basis.encode()]

    def mark_current(self, basis: str) -> None:
        """All sums are made with this now. Raises LeaseLost, StateError."""
        keys = [self.held.lease_key, self.held.info_key]
        if not self._client.eval_script(scripts.MARK_CURRENT, keys, [self.lease.lease, self.lease.pack, basis]):
            raise LeaseLost(f"shard {self.held.number}: another scorer has it, or a newer pack")
        self.basis = basis

    def read_batch(self, consumer: str, most: int) -> PendingBatch:
        """The next batch; nothing in it where nothing waits. Raises LeaseLost, StateError."""
        shard = self.held
        words: list[RedisArg] = [self.lease.lease, self.lease.lease_ms, GROUP, consumer, most]
        found = self._client.eval_script(scripts.READ_BATCH, [shard.stream_key, shard.info_key, shard.lease_key], words)
        if found[0] == 0:
            raise LeaseLost(f"shard {shard.number}: another scorer has it")
        return PendingBatch(parse_entries(found[2]), found[1])

    def read_unacked(self, taken: PendingBatch) -> PendingBatch:
        """What of a batch is not settled: a call whose answer was lost may have settled some. Raises StateError.

        Questions are answered again.
        """
        ids = [entry.id for entry in taken.entries]
        unsettled = set(
            self._client.eval_script(scripts.PENDING, [self.held.stream_key], [GROUP, ids[0], ids[-1], len(ids)])
        )
        return PendingBatch(
            [entry for entry in taken.entries if entry.is_question or entry.id in unsettled], taken.tries
        )

    def dead_letter(self, entry: StreamEntry, parked: DeadLetter) -> None:
        """Puts an entry aside. Raises LeaseLost, StateError."""
        shard = self.held
        keys = [shard.stream_key, shard.info_key, shard.lease_key, shard.counts_key, shard.dead_letters_key]
        told = msgspec.msgpack.encode(parked)
        words: list[RedisArg] = [
            self.lease.lease,
            GROUP,
            entry.id,
            entry.producer,
            entry.number,
            MAX_DEAD_LETTERS,
            told,
        ]
        if not self._client.eval_script(scripts.DEAD_LETTER, keys, words):
            raise LeaseLost(f"shard {shard.number}: another scorer has it")

    def send_reply(self, channel: str, reply: bytes) -> None:
        """Tells who asked. Raises StateError."""
        self._client.execute("PUBLISH", channel, reply)

    def release_lease(self) -> None:
        """Somebody else may have it."""
        with suppress(StateError):
            self._client.eval_script(scripts.RELEASE_LEASE, [self.held.lease_key], [self.lease.lease])


def acquire_lease(client: RedisClient, shard: Shard, name: str, terms: Lease) -> LeasedStore | None:
    """Takes a shard, None where another has it. terms: of the hold, its lease left out. Raises StateError."""
    words: list[RedisArg] = [name, terms.lease, terms.lease_ms, new_epoch(), GROUP]
    lease, pack, basis = client.eval_script(
        scripts.ACQUIRE_LEASE, [shard.lease_key, shard.info_key, shard.stream_key], words
    )
    if lease is None:
        return None
    if terms.pack == 0:  # a pack of the scorer's own file: whatever was active before is over
        terms = replace(terms, pack=int(pack))
    store = LeasedStore(client, shard, replace(terms, lease=lease.decode()), basis.decode())
    if terms.pack < int(pack):
        store.release_lease()
        return None
    return store


def renew_lease(client: RedisClient, store: LeasedStore) -> None:
    """Makes a hold last. Raises StateError."""
    client.eval_script(scripts.RENEW_LEASE, [store.held.lease_key], [store.lease.lease, store.lease.lease_ms])


def send_heartbeat(client: RedisClient, kind: str, name: str) -> Sequence[str]:
    """Says that one is there, and hears who else is, in order. kind: names.GATEWAYS, SCORERS. Raises StateError."""
    return sorted(other.decode() for other in client.eval_script(scripts.HEARTBEAT, [kind], [name, HEARTBEAT_MS]))


def deregister(client: RedisClient, kind: str, name: str) -> None:
    """Says good-bye."""
    with suppress(StateError):
        client.execute("ZREM", kind, name)


def count_live(client: RedisClient, kind: str) -> int:
    """How many are there. Raises StateError."""
    return len(client.eval_script(scripts.HEARTBEAT, [kind], ["", HEARTBEAT_MS]))


def list_dead_letters(client: RedisClient, shards: Sequence[Shard]) -> list[DeadLetter]:
    """What was put aside, shard by shard, oldest first. Raises StateError."""
    found = client.pipeline([("LRANGE", shard.dead_letters_key, 0, -1) for shard in shards])
    return [msgspec.msgpack.decode(data, type=DeadLetter) for some in found for data in some]
