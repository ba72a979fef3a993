"""One shard at work: what its stream gives goes through a Scorer, in order, and is settled with what it changed."""

import json
import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from gateway.distributed.codec import Batch, Settled
from gateway.distributed.leases import HeldStore, Parked, Taken
from gateway.distributed.store import HoldLost
from gateway.distributed.stream_entries import TEXT, Asked, Entry, read_question
from gateway.errors import StateError
from gateway.scorer.background import Aside
from gateway.scorer.messages import DryRun, Forget, Look, Observation, Question, Rate, Reply, Seed, TaskPolicy
from gateway.scorer.scorer import Scorer
from gateway.state.store import Store
from routing.errors import RoutingError

log = logging.getLogger("benchroute.scorer")

AT_ONCE = 64
"""Inputs embedded in one call."""

TRIES = 3


@dataclass(frozen=True, slots=True)
class Work:
    """What scorers work with: a pack, and what holds for tasks.

    pack_version: of the fleet's active pack; 0 for a file. govern: told of a task's policy by whoever changes it.
    aside: where things are looked at.
    """

    pack_version: int
    scorer: Callable[[Store], Scorer]
    govern: Callable[[str, TaskPolicy], None] = lambda task, policy: None
    aside: Aside = field(default_factory=Aside)


class Desk:
    """A held shard."""

    def __init__(self, store: HeldStore, work: Work, name: str, left: Taken | None = None) -> None:
        """left: a batch that was taken and could not be settled yet."""
        self.store = store
        self.work = work
        self.left = left
        self._name = name
        self._scorer = work.scorer(store)

    def renew(self, moved: Callable[[], None]) -> None:
        """Brings the sums of all tasks up to the open pack. moved: is called again and again.

        Raises HoldLost, StateError.
        """
        basis = self._scorer.basis
        if self.store.basis != basis:
            stale = self.store.stale(basis)
            for start in range(0, len(stale), AT_ONCE):
                self._scorer.renew_all(stale[start : start + AT_ONCE])
                moved()
            if stale:
                log.info("shard %d: %d tasks scored again", self.store.held.number, len(stale))
        self.store.renewed(basis)

    def serve(self) -> bool:
        """Scores the next batch. False where there is none. Raises HoldLost, StateError; then it is taken up again."""
        taken = self.store.still_in_hand(self.left) if self.left and self.left.entries else Taken(())
        if not taken.entries:
            taken = self.store.take(self._name, AT_ONCE)
        if not taken.entries:
            self.left = None
            return False
        self.left = taken
        if taken.tries > TRIES:
            self._park(taken, "it has ended its scorer, or failed, three times")
        else:
            self._through(taken)
        self.left = None
        return True

    def _through(self, taken: Taken) -> None:
        settled = 0
        for run in _runs(taken.entries):
            if run[0].is_question:
                self._answer(run[0])
            else:
                self._score(run)
            settled += len(run)
            self.left = Taken(taken.entries[settled:], taken.tries)

    def _score(self, run: Sequence[Entry]) -> None:
        """Raises HoldLost, StateError. What fails in another way stays where it is, and comes again one by one."""
        observations = [Observation(entry.task, _messages(entry.body)) for entry in run]
        inputs, faults = self._scorer.read(observations)
        done = 0
        try:
            while done < len(run):
                part = self._scorer.part(inputs[done:])
                of_part = run[done : done + part.size]
                wrong = {place - done for place in faults}
                self.store.batch = Batch([entry.id for entry in of_part], _settled(of_part, wrong, part.skipped))
                self._scorer.take(part)
                self.store.settle()
                done += part.size
        except StateError:
            raise
        except Exception:  # the edge of a background job: one bad batch must not end the scorer
            log.exception("shard %d: %d inputs could not be scored", self.store.held.number, len(run) - done)

    def _answer(self, entry: Entry) -> None:
        asked = read_question(entry.body)
        self.store.batch = Batch([entry.id])
        if isinstance(asked.question, Look):
            self.store.settle()  # it is asked again if nothing comes of it
            self.work.aside.put(lambda: self._tell(asked, self._replied(asked.question)))
            return
        reply = self._replied(asked.question)
        self.store.settle()
        self._tell(asked, reply)

    def _tell(self, asked: Asked, reply: Reply) -> None:
        self.store.answer(asked.channel, msgspec.msgpack.encode(reply))

    def _replied(self, question: Question) -> Reply:
        try:
            return self._reply(question)
        except HoldLost:
            raise
        except (ValueError, StateError, RoutingError) as error:
            return Reply(question.id, error=str(error))
        except Exception:  # as above
            log.exception("%s failed", type(question).__name__)
            return Reply(question.id, error="the scorer failed; its log says why")

    def _reply(self, question: Question) -> Reply:
        if isinstance(question, Look):
            return Reply(question.id, self._scorer.look(question))
        if isinstance(question, Seed):
            return Reply(question.id, self._scorer.seed(question)[1])
        if isinstance(question, Rate):
            return Reply(question.id, self._scorer.rate(question)[1])
        if isinstance(question, DryRun):
            return Reply(question.id, self._scorer.dry_run(question))
        if isinstance(question, Forget):
            return Reply(question.id, {"known": self._scorer.forget(question.task)})
        self.work.govern(question.task, question.policy)
        return Reply(question.id, {"decided": len(self._scorer.govern(question.task, question.policy))})

    def _park(self, taken: Taken, reason: str) -> None:
        entry = taken.entries[0]
        shard, place = self.store.held.number, entry.id.decode()
        log.error("shard %d: observation %s of task %s is put aside: %s", shard, place, entry.task, reason)
        self.store.park(entry, Parked(shard, place, entry.task, time.time(), TRIES, reason, entry.body))


def _messages(body: bytes) -> bytes:
    return json.dumps(body[1:].decode("utf-8", "replace")).encode() if body[:1] == TEXT else body[1:]


def _runs(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """Observations in a row, and every question by itself."""
    run: list[Entry] = []
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


def _settled(run: Sequence[Entry], faults: Collection[int], skipped: Collection[int]) -> list[Settled]:
    by_producer: dict[str, list[int]] = {}
    for place, entry in enumerate(run):
        done = by_producer.setdefault(entry.producer, [0, 0, 0, 0])
        done[0] = entry.number
        done[2 if place in faults else 1] += 1
        done[3] += place in skipped
    return [Settled(producer, *numbers) for producer, numbers in by_producer.items()]
