"""A scorer's share of the shards: acquires leases, scores what is in the shards, renews, releases.

Every shard has one holder at a time, which reads its observations in order; so decisions are what a single program
would have made of the same inputs. A scorer that dies loses its shards when their leases expire. What it had read is
read again by the next holder, one by one: an observation that ends its scorer three times becomes a dead letter.
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
from gateway.distributed.shard_worker import ScoringContext, ShardWorker
from gateway.distributed.store import LeaseLost, RedisStore
from gateway.errors import StateError

log = logging.getLogger("benchroute.scorer")


@dataclass(frozen=True, slots=True)
class WorkerIntervals:
    """Seconds.

    Attributes:
        idle_s, longest_idle_s: between polls of empty shards, growing from one to the other.
        rebalance_s: between checks of how shards are shared.
        retry_s: after an error.
        stuck_s: without progress for so long, leases are not renewed.
        lease_ms: length of a lease, in milliseconds.
    """

    idle_s: float = 0.02
    longest_idle_s: float = 0.1
    rebalance_s: float = 0.5
    retry_s: float = 0.5
    stuck_s: float = 120.0
    lease_ms: int = LEASE_MS


class ScorerWorker:
    """One scorer. Its main loop runs in the thread that calls `run_until`."""

    def __init__(
        self,
        client: RedisClient,
        name: str,
        current: Callable[[], ScoringContext | None],
        clock: Callable[[], float],
        intervals: WorkerIntervals | None = None,
        retention: int = 0,
    ) -> None:
        """current: returns the pack to score with now, None while there is none; called often. clock: seconds.

        retention: scored observations that stay in a shard's stream.
        """
        self._client = client
        self._name = name
        self._current = current
        self._clock = clock
        self._intervals = intervals or WorkerIntervals()
        self._retention = retention
        self._workers: dict[int, ShardWorker] = {}
        self._progress_at = clock()
        self._rebalanced_at = -1e9
        self._shards = RedisStore(client)

    def run_until(self, ended: threading.Event) -> None:
        """Score until `ended` is set; then release the shards, so that others have them at once."""
        threading.Thread(target=self._renew_leases, args=(ended,), name="leases", daemon=True).start()
        idle_s = self._intervals.idle_s
        while not ended.is_set():
            self._mark_progress()
            try:
                was_busy = self._serve_shards()
            except StateError as error:
                log.warning("%s; trying again", error)
                ended.wait(self._intervals.retry_s)
                continue
            if was_busy:
                idle_s = self._intervals.idle_s
                continue
            ended.wait(idle_s)
            idle_s = min(1.1 * idle_s, self._intervals.longest_idle_s)
        for worker in self._workers.values():
            worker.store.release_lease()
        deregister(self._client, redis_keys.SCORERS, self._name)

    def _serve_shards(self) -> bool:
        """Serve one batch of every shard. Return whether there was any."""
        if self._clock() - self._rebalanced_at >= self._intervals.rebalance_s:
            self._rebalance()
            self._rebalanced_at = self._clock()
        was_busy = False
        for number, worker in list(self._workers.items()):
            self._mark_progress()
            try:
                was_busy |= worker.serve_batch()
                worker.evict_tasks()
            except LeaseLost as error:
                log.info("%s", error)
                self._workers.pop(number, None)
            was_busy |= worker.work.stepwise.run_step()
        return was_busy

    def _rebalance(self) -> None:
        """Take this scorer's share: the shards whose number modulo the number of scorers is its place among them.

        Every scorer computes the same from the same heartbeats; while they disagree, leases decide.
        """
        work = self._current()
        if work is None:
            return
        scorers = send_heartbeat(self._client, redis_keys.SCORERS, self._name)
        place = scorers.index(self._name)
        mine = {number for number in range(self._shards.shards) if number % len(scorers) == place}
        # Released first: another scorer waits for them.
        for number in [number for number in self._workers if number not in mine]:
            self._workers.pop(number).store.release_lease()
        for number in sorted(mine):
            worker = self._workers.get(number)
            # Another pack: the same lease, a new worker.
            if worker is None or worker.work is not work:
                self._acquire_shard(number, work, worker)

    def _acquire_shard(self, number: int, work: ScoringContext, before: ShardWorker | None) -> None:
        lease = before.store.lease.lease if before else ""
        store = acquire_lease(
            self._client,
            self._shards.numbered_shard(number),
            self._name,
            Lease(lease, work.pack_version, self._intervals.lease_ms, self._retention),
        )
        if store is None:
            self._workers.pop(number, None)
            return
        worker = ShardWorker(store, work, self._name, left=before.left if before else None)
        self._workers[number] = worker
        try:
            worker.rescore_stale(self._mark_progress)
        except StateError:
            del self._workers[number]
            raise

    def _mark_progress(self) -> None:
        self._progress_at = self._clock()

    def _renew_leases(self, ended: threading.Event) -> None:
        """Renew leases while the main loop makes progress: the thread of the leases."""
        # A quarter of a lease: three renewals may be lost before another scorer takes the shard.
        while not ended.wait(self._intervals.lease_ms / 4000):
            # An embedder that hangs must not keep its shards; one batch of a large model takes seconds, not minutes.
            if self._clock() - self._progress_at > self._intervals.stuck_s:
                continue
            for worker in list(self._workers.values()):
                with suppress(StateError):
                    renew_lease(self._client, worker.store)
            with suppress(StateError):
                if self._workers:
                    send_heartbeat(self._client, redis_keys.SCORERS, self._name)
