"""A gateway's observations of one shard on their way into Redis: numbered, kept until they are settled, sent again.

Plain bookkeeping without a connection. Numbers have no gaps. Redis keeps the last number of every gateway, so that what
is sent again after an unclear failure is added once. Where Redis comes back without what it had been given (empty, or
without its last second), everything that is not known to be settled is given to it again.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.distributed.redis_client import RedisArg

ADDED, OTHER_EPOCH, GAP = 0, 1, 2
"""What scripts.ADD answers."""

FIELDS = ("done", "observed", "faults", "dropped", "parked", "skipped")


@dataclass(frozen=True, slots=True)
class DeliveryCounts:
    """What became of observations. skipped: of those observed, not embedded."""

    observed: int = 0
    faults: int = 0
    dropped: int = 0
    parked: int = 0
    skipped: int = 0

    def __add__(self, other: "DeliveryCounts") -> "DeliveryCounts":
        return DeliveryCounts(
            self.observed + other.observed,
            self.faults + other.faults,
            self.dropped + other.dropped,
            self.parked + other.parked,
            self.skipped + other.skipped,
        )

    @property
    def total_acked(self) -> int:
        """All of them."""
        return self.observed + self.faults + self.dropped + self.parked


NO_DELIVERIES = DeliveryCounts()


@dataclass(frozen=True, slots=True)
class Sequenced:
    """An observation in its place."""

    number: int
    task: str
    body: bytes


@dataclass(slots=True)
class ShardProducer:
    """One shard's. added: the highest number that Redis is known to have."""

    epoch: str = ""
    added: int = 0
    next_number: int = 1
    gap_is_meant: bool = False
    before: DeliveryCounts = NO_DELIVERIES
    """Of former lives of Redis."""
    now: DeliveryCounts = NO_DELIVERIES
    done: int = 0
    kept: deque[Sequenced] = field(default_factory=deque)

    @property
    def delivery_counts(self) -> DeliveryCounts:
        """What has become of them so far."""
        return self.before + self.now

    def push_observation(self, task: str, body: bytes) -> None:
        """One more."""
        self.kept.append(Sequenced(self.next_number, task, body))
        self.next_number += 1

    def unsent_entries(self, most: int) -> Sequence[Sequenced]:
        """What Redis does not have yet, oldest first."""
        waiting = self.next_number - 1 - self.added
        first = max(0, len(self.kept) - waiting)
        return [self.kept[place] for place in range(first, min(first + most, len(self.kept)))]

    def on_add_reply(self, code: int, epoch: str, last: int) -> None:
        """What scripts.ADD said. last: the highest number that Redis has."""
        if code == OTHER_EPOCH:
            self._begin(epoch)
        elif code == GAP:
            self._go_back(last)
        else:
            self.added, self.gap_is_meant = last, False

    def on_ack(self, done: int, outcome: DeliveryCounts) -> None:
        """What the shard's counts say. done: the highest number that a scorer has settled."""
        self.done, self.now = done, outcome
        while self.kept and self.kept[0].number <= done:
            self.kept.popleft()

    def script_args(self, producer: str, new_epoch: str, numbered: Sequence[Sequenced], most: int) -> list[RedisArg]:
        """The arguments of scripts.ADD. most: how many may wait in the shard."""
        words: list[RedisArg] = [self.epoch, new_epoch, producer, numbered[0].number, int(self.gap_is_meant), most]
        for one in numbered:
            words += [one.task, one.body]
        return words

    def trim_acked(self, most: int) -> None:
        """Keeps no more of what Redis has already than this."""
        while len(self.kept) > most and self.kept[0].number <= self.added:
            self.kept.popleft()

    def _begin(self, epoch: str) -> None:
        """Another life of Redis. What was not settled in the one before is numbered anew and sent again.

        What is not kept any more is lost with it. Of the rest as many are left out as were dropped from the backlog
        while others before them still waited.
        """
        first = self.kept[0].number if self.kept else self.next_number
        gone, beyond = first - 1 - self.done, max(0, self.now.total_acked - self.done)
        again = list(self.kept)[max(0, beyond - gone) :]
        self.before = self.before + self.now + DeliveryCounts(dropped=max(0, gone - beyond))
        self.now = NO_DELIVERIES
        self.kept = deque(Sequenced(place, one.task, one.body) for place, one in enumerate(again, 1))
        self.epoch, self.added, self.done, self.next_number = epoch, 0, 0, len(again) + 1

    def _go_back(self, last: int) -> None:
        """Redis has lost the last of what it had."""
        self.added = max(last, self.kept[0].number - 1 if self.kept else last)
        self.gap_is_meant = self.added > last
