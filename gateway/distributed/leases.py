"""A scorer's hold on shards: leases with fences, the batches they give, and the store as their holder sees it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import msgspec

from gateway.distributed import scripts
from gateway.distributed.codec import NO_BATCH, Batch, Hold, new_epoch
from gateway.distributed.redis_client import Client, Word
from gateway.distributed.redis_keys import GROUP, Shard
from gateway.distributed.store import Changing, HoldLost, RedisStore, Update, write
from gateway.distributed.stream_entries import Entry, entries_of
from gateway.errors import StateError
from gateway.state.store import NO_PACES

LEASE_MS = 5000
"""How long a shard waits for a holder that has died or hangs."""

PRESENT_MS = 5000
PARKED_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Taken:
    """A batch, oldest first. tries: how often its first entry has been taken, this time included."""

    entries: Sequence[Entry]
    tries: int = 1


class Parked(msgspec.Struct, frozen=True):
    """An observation that nobody could score. at: Unix time in seconds; reason: what is known of why."""

    shard: int
    id: str
    task: str
    at: float
    tries: int
    reason: str
    body: bytes


class HeldStore(RedisStore):
    """One shard for the one who holds it. `batch`: what the next update settles with its changes."""

    def __init__(self, client: Client, shard: Shard, hold: Hold, basis: str) -> None:
        super().__init__(client)
        self.held = shard
        self.hold = hold
        self.batch: Batch = NO_BATCH
        self.basis = basis
        """What all sums in the shard are made with, as far as anybody has seen to it."""

    def update(self, tasks: Sequence[str], change: Changing, paces: Mapping[str, bytes] = NO_PACES) -> None:
        """See Store.update. Raises HoldLost too."""
        write(self._client, self.held, Update(tasks, change, paces), self.hold, self.batch)
        self.batch = NO_BATCH

    def settle(self) -> None:
        """Settles what no update has settled. Raises HoldLost, StateError."""
        if self.batch is not NO_BATCH:
            self.update([], lambda _: {})

    def stale(self, basis: str) -> Sequence[str]:
        """The tasks whose sums are made with something else. Raises StateError."""
        tasks = [name.decode() for name in self._client.ask("ZRANGE", self.held.tasks, 0, -1)]
        found: list[bytes | None] = []
        for start in range(0, len(tasks), 1000):
            some = tasks[start : start + 1000]
            found += self._client.ask_all([("HGET", self.held.task(task), "basis") for task in some])
        return [task for task, made in zip(tasks, found, strict=True) if made != basis.encode()]

    def renewed(self, basis: str) -> None:
        """All sums are made with this now. Raises HoldLost, StateError."""
        keys = [self.held.lease, self.held.about]
        if not self._client.run(scripts.RENEWED, keys, [self.hold.lease, self.hold.pack, basis]):
            raise HoldLost(f"shard {self.held.number}: another scorer has it, or a newer pack")
        self.basis = basis

    def take(self, consumer: str, most: int) -> Taken:
        """The next batch; nothing in it where nothing waits. Raises HoldLost, StateError."""
        shard = self.held
        words: list[Word] = [self.hold.lease, self.hold.lease_ms, GROUP, consumer, most]
        found = self._client.run(scripts.TAKE, [shard.stream, shard.about, shard.lease], words)
        if found[0] == 0:
            raise HoldLost(f"shard {shard.number}: another scorer has it")
        return Taken(entries_of(found[2]), found[1])

    def still_in_hand(self, taken: Taken) -> Taken:
        """What of a batch is not settled: a call whose answer was lost may have settled some. Raises StateError.

        Questions are answered again.
        """
        ids = [entry.id for entry in taken.entries]
        unsettled = set(self._client.run(scripts.PENDING, [self.held.stream], [GROUP, ids[0], ids[-1], len(ids)]))
        return Taken([entry for entry in taken.entries if entry.is_question or entry.id in unsettled], taken.tries)

    def park(self, entry: Entry, parked: Parked) -> None:
        """Puts an entry aside. Raises HoldLost, StateError."""
        shard = self.held
        keys = [shard.stream, shard.about, shard.lease, shard.counts, shard.parked]
        told = msgspec.msgpack.encode(parked)
        words: list[Word] = [self.hold.lease, GROUP, entry.id, entry.producer, entry.number, PARKED_KEPT, told]
        if not self._client.run(scripts.PARK, keys, words):
            raise HoldLost(f"shard {shard.number}: another scorer has it")

    def answer(self, channel: str, reply: bytes) -> None:
        """Tells who asked. Raises StateError."""
        self._client.ask("PUBLISH", channel, reply)

    def release(self) -> None:
        """Somebody else may have it."""
        with suppress(StateError):
            self._client.run(scripts.RELEASE, [self.held.lease], [self.hold.lease])


def hold(client: Client, shard: Shard, name: str, terms: Hold) -> HeldStore | None:
    """Takes a shard, None where another has it. terms: of the hold, its lease left out. Raises StateError."""
    words: list[Word] = [name, terms.lease, terms.lease_ms, new_epoch(), GROUP]
    lease, pack, basis = client.run(scripts.LEASE, [shard.lease, shard.about, shard.stream], words)
    if lease is None:
        return None
    if terms.pack == 0:  # a pack of the scorer's own file: whatever was active before is over
        terms = replace(terms, pack=int(pack))
    store = HeldStore(client, shard, replace(terms, lease=lease.decode()), basis.decode())
    if terms.pack < int(pack):
        store.release()
        return None
    return store


def keep(client: Client, store: HeldStore) -> None:
    """Makes a hold last. Raises StateError."""
    client.run(scripts.KEEP, [store.held.lease], [store.hold.lease, store.hold.lease_ms])


def present(client: Client, kind: str, name: str) -> Sequence[str]:
    """Says that one is there, and hears who else is, in order. kind: names.GATEWAYS, SCORERS. Raises StateError."""
    return sorted(other.decode() for other in client.run(scripts.PRESENT, [kind], [name, PRESENT_MS]))


def gone(client: Client, kind: str, name: str) -> None:
    """Says good-bye."""
    with suppress(StateError):
        client.ask("ZREM", kind, name)


def there(client: Client, kind: str) -> int:
    """How many are there. Raises StateError."""
    return len(client.run(scripts.PRESENT, [kind], ["", PRESENT_MS]))


def parked(client: Client, shards: Sequence[Shard]) -> list[Parked]:
    """What was put aside, shard by shard, oldest first. Raises StateError."""
    found = client.ask_all([("LRANGE", shard.parked, 0, -1) for shard in shards])
    return [msgspec.msgpack.decode(data, type=Parked) for some in found for data in some]
