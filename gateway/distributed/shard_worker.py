"""One shard at work: its stream goes through a ScorerService in order, and is acknowledged with what it changed."""

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import msgspec

from gateway.distributed.codec import TEXT, AckBatch, AckCounts, QueuedQuestion, StreamEntry, decode_question
from gateway.distributed.leases import DeadLetter, LeasedStore, PendingBatch
from gateway.distributed.redis_keys import shard_of
from gateway.errors import StateError
from gateway.scorer.background import MAX_JOBS, BackgroundExecutor
from gateway.scorer.eviction import EVICTION_INTERVAL_S
from gateway.scorer.messages import BATCH_SIZE, BackgroundQuestion, DryRun, Observation, Reply, busy_reply
from gateway.scorer.sampling import BatchPart
from gateway.scorer.service import ScorerService
from gateway.scorer.stepwise import StepwiseJobs
from gateway.state.store import Store

log = logging.getLogger("benchroute.scorer")

MAX_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class ScoringContext:
    """A pack and the settings of tasks, for all shards of a scorer.

    Attributes:
        pack_version: the number of the pack's activation; 0 for a file.
        service: makes a shard's service on its store.
        background: answers inspections.
        stepwise: answers dry runs, a batch of inputs between two batches of observations.
    """

    pack_version: int
    service: Callable[[Store], ScorerService]
    background: BackgroundExecutor = field(default_factory=BackgroundExecutor)
    stepwise: StepwiseJobs = field(default_factory=StepwiseJobs)


class ShardWorker:
    """Transport of a ScorerService over one leased shard."""

    def __init__(
        self,
        store: LeasedStore,
        work: ScoringContext,
        name: str,
        left: PendingBatch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """left: a batch that was read and could not be acknowledged yet. clock: in seconds, of evictions."""
        self._clock = clock
        self._evicted_at = float("-inf")
        self.store = store
        self.work = work
        self.left = left
        self._name = name
        self._service = work.service(store)

    def rescore_stale(self, on_progress: Callable[[], None]) -> None:
        """Bring the sums of all tasks up to the open pack, and decide the tasks that are declared to be a dataset.

        on_progress: called after every few tasks. Raises LeaseLost, StateError.
        """
        version = self._service.tasks.sums_version
        if self.store.sums_version != version:
            stale = self.store.tasks_with_old_sums(version)
            for start in range(0, len(stale), BATCH_SIZE):
                self._service.scorer.rescore_tasks(stale[start : start + BATCH_SIZE])
                on_progress()
            if stale:
                log.info("shard %d: %d tasks scored again", self.store.shard.number, len(stale))
        declared = self._service.tasks.declared_tasks()
        mine = [task for task in declared if shard_of(task, self.store.shards) == self.store.shard.number]
        self._service.scorer.decide_declared(mine)
        self.store.mark_current(version)

    def evict_tasks(self) -> None:
        """Evict the shard's tasks that are beyond a limit. Raises StateError."""
        if self._clock() - self._evicted_at >= EVICTION_INTERVAL_S:
            self._evicted_at = self._clock()
            self._service.evictor.evict_tasks()

    def serve_batch(self) -> bool:
        """Score the next batch. False where there is none.

        Raises LeaseLost, StateError; the next call goes on with what is not acknowledged.
        """
        batch = self.store.read_unacked(self.left) if self.left and self.left.entries else PendingBatch(())
        if not batch.entries:
            batch = self.store.read_batch(self._name, BATCH_SIZE)
        if not batch.entries:
            self.left = None
            return False
        self.left = batch
        if batch.tries > MAX_ATTEMPTS:
            self._dead_letter(batch.entries[0])
        else:
            self._process_batch(batch)
        self.left = None
        return True

    def _process_batch(self, batch: PendingBatch) -> None:
        done = 0
        for run in _split_runs(batch.entries):
            if run[0].is_question:
                self._answer(run[0])
            else:
                observations = [Observation(entry.task, _messages(entry.body)) for entry in run]
                self._service.apply(observations, partial(self._acknowledge, run))
            done += len(run)
            self.left = PendingBatch(batch.entries[done:], batch.tries)

    @contextmanager
    def _acknowledge(self, run: Sequence[StreamEntry], part: BatchPart) -> Iterator[None]:
        """Acknowledge a part with its write, in one Lua call: either both survive a crash, or neither."""
        entries = run[part.start : part.start + part.size]
        self.store.batch = AckBatch([entry.id for entry in entries], _ack_counts(run, part))
        yield
        self.store.ack_batch()  # where nothing was written, as of observations without a text

    def _answer(self, entry: StreamEntry) -> None:
        self.store.batch = AckBatch([entry.id])
        try:
            asked = decode_question(entry.body)
        except StateError as error:
            # Of a later version's gateway, which gives it up after a while; nothing else in the shard waits for it.
            log.error("shard %d: %s", self.store.shard.number, error)
            self.store.ack_batch()
            return
        if isinstance(asked.question, BackgroundQuestion):
            self.store.ack_batch()  # first: an inspection that ends the scorer must not end the next one too
            if not self.work.background.submit_job(
                lambda: self._send(asked, self._service.answer(asked.question).reply)
            ):
                self._send(asked, busy_reply(asked.question))
            return
        if isinstance(asked.question, DryRun):
            self.store.ack_batch()
            if len(self.work.stepwise) >= MAX_JOBS:
                self._send(asked, busy_reply(asked.question))
                return
            self.work.stepwise.add_job(self._service.answer_in_steps(asked.question, partial(self._send, asked)))
            return
        reply = self._service.answer(asked.question).reply
        self.store.ack_batch()
        self._send(asked, reply)

    def _send(self, asked: QueuedQuestion, reply: Reply) -> None:
        self.store.send_reply(asked.channel, msgspec.msgpack.encode(reply))

    def _dead_letter(self, entry: StreamEntry) -> None:
        shard, place = self.store.shard.number, entry.id.decode()
        log.error(
            "shard %d: observation %s of task %s moved to the dead-letter list after %d failed attempts",
            shard,
            place,
            entry.task,
            MAX_ATTEMPTS,
        )
        reason = f"its scorer ended, or failed, {MAX_ATTEMPTS} times"
        letter = DeadLetter(shard, place, entry.task, time.time(), MAX_ATTEMPTS, reason, entry.body)
        self.store.dead_letter(entry, letter)


def _messages(body: bytes) -> bytes:
    return json.dumps(body[1:].decode("utf-8", "replace")).encode() if body[:1] == TEXT else body[1:]


def _split_runs(entries: Sequence[StreamEntry]) -> Iterator[Sequence[StreamEntry]]:
    """Yield observations in a row together, and every question by itself: it is answered in its place."""
    run: list[StreamEntry] = []
    for entry in entries:
        if entry.is_question:
            if run:
                yield run
            run = []
            yield [entry]
        else:
            run.append(entry)
    if run:
        yield run


def _ack_counts(run: Sequence[StreamEntry], part: BatchPart) -> list[AckCounts]:
    by_producer: dict[str, list[int]] = {}
    for place in range(part.start, part.start + part.size):
        by_producer.setdefault(run[place].producer, []).append(place)
    # A producer's numbers rise in its shard's stream, so its last place has the highest.
    return [
        AckCounts(producer, run[places[-1]].number, part.count_places(places))
        for producer, places in by_producer.items()
    ]
