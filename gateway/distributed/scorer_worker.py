"""A scorer of a fleet: holds its share of the shards, and scores what comes in them.

Every shard has one holder at a time, which takes its observations in their order; so decisions are what a single
program would have made of the same inputs. Who dies loses its shards after a while, and what it had in hand is taken
again by the next holder, one by one: if the same one ends its scorer three times, it is put aside.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from gateway.distributed import redis_keys
from gateway.distributed.codec import Lease
from gateway.distributed.leases import LEASE_MS, acquire_lease, deregister, renew_lease, send_heartbeat
from gateway.distributed.redis_client import RedisClient
from gateway.distributed.redis_keys import Shard
from gateway.distributed.shard_worker import ScoringContext, ShardWorker
from gateway.distributed.store import LeaseLost, RedisStore
from gateway.errors import StateError

log = logging.getLogger("benchroute.scorer")


@dataclass(frozen=True, slots=True)
class WorkerIntervals:
    """Seconds. idle_s: between looks at shards in which nothing waits, longest_idle_s after a while of that.

    hold_s: between looks at who holds what. stuck_s: a scorer that has not moved for so long keeps its shards no more.
    """

    idle_s: float = 0.02
    longest_idle_s: float = 0.1
    rebalance_s: float = 0.5
    retry_s: float = 0.5
    stuck_s: float = 120.0
    lease_ms: int = LEASE_MS


class ScorerWorker:
    """One scorer. Its main loop runs in the thread that calls `run`."""

    def __init__(
        self,
        client: RedisClient,
        name: str,
        current: Callable[[], ScoringContext | None],
        clock: Callable[[], float],
        pace: WorkerIntervals | None = None,
        kept: int = 0,
    ) -> None:
        """current: the pack to work with now, None while there is none; asked often. clock: seconds, monotonic.

        kept: how many scored observations stay in a shard's stream.
        """
        self._client = client
        self._name = name
        self._current = current
        self._clock = clock
        self._pace = pace or WorkerIntervals()
        self._kept = kept
        self._desks: dict[int, ShardWorker] = {}
        self._moved = clock()
        self._looked = -1e9
        self._shards = RedisStore(client)

    def run_until(self, ended: threading.Event) -> None:
        """Until it is told to end; then its shards are free at once."""
        threading.Thread(target=self._keep, args=(ended,), name="leases", daemon=True).start()
        idle_s = self._pace.idle_s
        while not ended.is_set():
            self._tick()
            try:
                was_busy = self._step()
            except StateError as error:
                log.warning("%s; trying again", error)
                ended.wait(self._pace.retry_s)
                continue
            if was_busy:
                idle_s = self._pace.idle_s
                continue
            ended.wait(idle_s)
            idle_s = min(1.1 * idle_s, self._pace.longest_idle_s)
        for desk in self._desks.values():
            desk.store.release_lease()
        deregister(self._client, redis_keys.SCORERS, self._name)

    def _step(self) -> bool:
        """One round over the shards. Whether there was anything to do."""
        if self._clock() - self._looked >= self._pace.rebalance_s:
            self._hold_share()
            self._looked = self._clock()
        was_busy = False
        for number, desk in list(self._desks.items()):
            self._tick()
            try:
                was_busy |= desk.serve_batch()
            except LeaseLost as error:
                log.info("%s", error)
                self._desks.pop(number, None)
        return was_busy

    def _hold_share(self) -> None:
        """Every scorer's shards are those whose number, over the number of scorers, leaves its place among them."""
        work = self._current()
        if work is None:
            return
        scorers = send_heartbeat(self._client, redis_keys.SCORERS, self._name)
        place = scorers.index(self._name)
        mine = {number for number in range(self._shards.shards) if number % len(scorers) == place}
        for number in [number for number in self._desks if number not in mine]:
            self._desks.pop(number).store.release_lease()
        for number in sorted(mine):
            desk = self._desks.get(number)
            if desk is None or desk.work is not work:
                self._take_up(number, work, desk)

    def _take_up(self, number: int, work: ScoringContext, before: ShardWorker | None) -> None:
        lease = before.store.lease.lease if before else ""
        store = acquire_lease(
            self._client, Shard(number), self._name, Lease(lease, work.pack_version, self._pace.lease_ms, self._kept)
        )
        if store is None:
            self._desks.pop(number, None)
            return
        desk = ShardWorker(store, work, self._name, left=before.left if before else None)
        self._desks[number] = desk
        try:
            desk.rescore_stale(self._tick)
        except StateError:
            del self._desks[number]
            raise

    def _tick(self) -> None:
        self._moved = self._clock()

    def _keep(self, ended: threading.Event) -> None:
        """Holds last while the main loop moves, however long it embeds."""
        while not ended.wait(self._pace.lease_ms / 4000):
            if self._clock() - self._moved > self._pace.stuck_s:
                continue
            for desk in list(self._desks.values()):
                with suppress(StateError):
                    renew_lease(self._client, desk.store)
            with suppress(StateError):
                if self._desks:
                    send_heartbeat(self._client, redis_keys.SCORERS, self._name)
