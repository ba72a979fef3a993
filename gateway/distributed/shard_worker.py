"""One shard at work: what its stream gives goes through a Scorer, in order, and is settled with what it changed."""

import json
import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from gateway.distributed.codec import AckBatch, AckCounts
from gateway.distributed.leases import DeadLetter, LeasedStore, PendingBatch
from gateway.distributed.store import LeaseLost
from gateway.distributed.stream_entries import TEXT, QueuedQuestion, StreamEntry, decode_question
from gateway.errors import StateError
from gateway.scorer.background import BackgroundExecutor
from gateway.scorer.messages import (
    DryRun,
    ForgetTask,
    Inspect,
    Observation,
    Question,
    Reply,
    SeedInputs,
    SubmitFeedback,
    TaskPolicy,
)
from gateway.scorer.scorer import Scorer
from gateway.state.store import Store
from routing.errors import RoutingError

log = logging.getLogger("benchroute.scorer")

BATCH_SIZE = 64
"""Inputs embedded in one call."""

MAX_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class ScoringContext:
    """What scorers work with: a pack, and what holds for tasks.

    pack_version: of the fleet's active pack; 0 for a file. govern: told of a task's policy by whoever changes it.
    aside: where things are looked at.
    """

    pack_version: int
    scorer: Callable[[Store], Scorer]
    set_policy: Callable[[str, TaskPolicy], None] = lambda task, policy: None
    background: BackgroundExecutor = field(default_factory=BackgroundExecutor)


class ShardWorker:
    """A held shard."""

    def __init__(self, store: LeasedStore, work: ScoringContext, name: str, left: PendingBatch | None = None) -> None:
        """left: a batch that was taken and could not be settled yet."""
        self.store = store
        self.work = work
        self.left = left
        self._name = name
        self._scorer = work.scorer(store)

    def rescore_stale(self, moved: Callable[[], None]) -> None:
        """Brings the sums of all tasks up to the open pack. moved: is called again and again.

        Raises LeaseLost, StateError.
        """
        basis = self._scorer.basis
        if self.store.basis != basis:
            stale = self.store.tasks_with_old_sums(basis)
            for start in range(0, len(stale), BATCH_SIZE):
                self._scorer.rescore_tasks(stale[start : start + BATCH_SIZE])
                moved()
            if stale:
                log.info("shard %d: %d tasks scored again", self.store.held.number, len(stale))
        self.store.mark_current(basis)

    def serve_batch(self) -> bool:
        """Scores the next batch. False where there is none. Raises LeaseLost, StateError; then it is taken up again."""
        taken = self.store.read_unacked(self.left) if self.left and self.left.entries else PendingBatch(())
        if not taken.entries:
            taken = self.store.read_batch(self._name, BATCH_SIZE)
        if not taken.entries:
            self.left = None
            return False
        self.left = taken
        if taken.tries > MAX_ATTEMPTS:
            self._park(taken, "it has ended its scorer, or failed, three times")
        else:
            self._through(taken)
        self.left = None
        return True

    def _through(self, taken: PendingBatch) -> None:
        settled = 0
        for run in _runs(taken.entries):
            if run[0].is_question:
                self._answer(run[0])
            else:
                self._score(run)
            settled += len(run)
            self.left = PendingBatch(taken.entries[settled:], taken.tries)

    def _score(self, run: Sequence[StreamEntry]) -> None:
        """Raises LeaseLost, StateError. What fails in another way stays where it is, and comes again one by one."""
        observations = [Observation(entry.task, _messages(entry.body)) for entry in run]
        inputs, faults = self._scorer.parse_inputs(observations)
        done = 0
        try:
            while done < len(run):
                part = self._scorer.next_batch(inputs[done:])
                of_part = run[done : done + part.size]
                wrong = {place - done for place in faults}
                self.store.batch = AckBatch([entry.id for entry in of_part], _settled(of_part, wrong, part.skipped))
                self._scorer.apply_batch(part)
                self.store.ack_batch()
                done += part.size
        except StateError:
            raise
        except Exception:  # the edge of a background job: one bad batch must not end the scorer
            log.exception("shard %d: %d inputs could not be scored", self.store.held.number, len(run) - done)

    def _answer(self, entry: StreamEntry) -> None:
        asked = decode_question(entry.body)
        self.store.batch = AckBatch([entry.id])
        if isinstance(asked.question, Inspect):
            self.store.ack_batch()  # it is asked again if nothing comes of it
            self.work.background.submit_job(lambda: self._tell(asked, self._replied(asked.question)))
            return
        reply = self._replied(asked.question)
        self.store.ack_batch()
        self._tell(asked, reply)

    def _tell(self, asked: QueuedQuestion, reply: Reply) -> None:
        self.store.send_reply(asked.channel, msgspec.msgpack.encode(reply))

    def _replied(self, question: Question) -> Reply:
        try:
            return self._reply(question)
        except LeaseLost:
            raise
        except (ValueError, StateError, RoutingError) as error:
            return Reply(question.id, error=str(error))
        except Exception:  # as above
            log.exception("%s failed", type(question).__name__)
            return Reply(question.id, error="the scorer failed; its log says why")

    def _reply(self, question: Question) -> Reply:
        if isinstance(question, Inspect):
            return Reply(question.id, self._scorer.inspect_pack(question))
        if isinstance(question, SeedInputs):
            return Reply(question.id, self._scorer.seed_task(question)[1])
        if isinstance(question, SubmitFeedback):
            return Reply(question.id, self._scorer.add_feedback(question)[1])
        if isinstance(question, DryRun):
            return Reply(question.id, self._scorer.dry_run(question))
        if isinstance(question, ForgetTask):
            return Reply(question.id, {"known": self._scorer.forget_task(question.task)})
        self.work.set_policy(question.task, question.policy)
        return Reply(question.id, {"decided": len(self._scorer.set_policy(question.task, question.policy))})

    def _park(self, taken: PendingBatch, reason: str) -> None:
        entry = taken.entries[0]
        shard, place = self.store.held.number, entry.id.decode()
        log.error("shard %d: observation %s of task %s is put aside: %s", shard, place, entry.task, reason)
        self.store.dead_letter(
            entry, DeadLetter(shard, place, entry.task, time.time(), MAX_ATTEMPTS, reason, entry.body)
        )


def _messages(body: bytes) -> bytes:
    return json.dumps(body[1:].decode("utf-8", "replace")).encode() if body[:1] == TEXT else body[1:]


def _runs(entries: Sequence[StreamEntry]) -> Iterator[Sequence[StreamEntry]]:
    """Observations in a row, and every question by itself."""
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


def _settled(run: Sequence[StreamEntry], faults: Collection[int], skipped: Collection[int]) -> list[AckCounts]:
    by_producer: dict[str, list[int]] = {}
    for place, entry in enumerate(run):
        done = by_producer.setdefault(entry.producer, [0, 0, 0, 0])
        done[0] = entry.number
        done[2 if place in faults else 1] += 1
        done[3] += place in skipped
    return [AckCounts(producer, *numbers) for producer, numbers in by_producer.items()]
