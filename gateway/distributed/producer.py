"""Idempotent producer of one gateway and one shard: observations are numbered, stored until acknowledged, sent again.

Plain bookkeeping without a connection. Numbers have no gaps. Redis stores the last number of every gateway, so that
what is sent again after an unclear failure is added once. Where Redis comes back without what it had (empty, or
without its last second), everything that is not acknowledged is sent again.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from gateway.distributed.redis_client import RedisArg
from gateway.scorer.messages import BatchCounts

ADDED, OTHER_EPOCH, GAP = 0, 1, 2
"""Codes that scripts.ADD returns."""


class DeliveryCounts(msgspec.Struct, frozen=True):
    """Outcome of a gateway's observations in a shard, as Redis counts them.

    Attributes:
        scored: by scorers.
        dropped: because the shard's backlog was full.
        parked: moved to the dead-letter list.
    """

    scored: BatchCounts = BatchCounts()
    dropped: int = 0
    parked: int = 0

    def __add__(self, other: "DeliveryCounts") -> "DeliveryCounts":
        return DeliveryCounts(self.scored + other.scored, self.dropped + other.dropped, self.parked + other.parked)

    @property
    def total_acked(self) -> int:
        """All observations that Redis no longer holds for a scorer."""
        return self.scored.observed + self.scored.errors + self.dropped + self.parked


NO_DELIVERIES = DeliveryCounts()


@dataclass(frozen=True, slots=True)
class Sequenced:
    """A numbered observation. key: name of the API key that sent it."""

    number: int
    task: str
    body: bytes
    key: str | None = None


@dataclass(slots=True)
class ShardProducer:
    """One gateway's observations of one shard.

    Attributes:
        epoch: the life of Redis that numbers count in.
        added: the highest number that Redis is known to have.
        next_number: of the next observation.
        gap_is_meant: the next call may leave numbers out, of observations that are not stored any more.
        before: outcomes in former lives of Redis.
        now: outcomes in this one.
        acked: the highest number that is acknowledged.
        unacked: observations that may have to be sent again, oldest first.
        by_key: their number, by API key.
    """

    epoch: str = ""
    added: int = 0
    next_number: int = 1
    gap_is_meant: bool = False
    before: DeliveryCounts = NO_DELIVERIES
    now: DeliveryCounts = NO_DELIVERIES
    acked: int = 0
    unacked: deque[Sequenced] = field(default_factory=deque)
    by_key: Counter[str | None] = field(default_factory=Counter)

    @property
    def delivery_counts(self) -> DeliveryCounts:
        """Outcomes in all lives of Redis."""
        return self.before + self.now

    def push_observation(self, task: str, body: bytes, key: str | None = None) -> None:
        """Number one more observation."""
        self.unacked.append(Sequenced(self.next_number, task, body, key))
        self.by_key[key] += 1
        self.next_number += 1

    def unsent_entries(self, count: int) -> Sequence[Sequenced]:
        """Return observations that Redis does not have yet, oldest first."""
        waiting = self.next_number - 1 - self.added
        first = max(0, len(self.unacked) - waiting)
        return [self.unacked[place] for place in range(first, min(first + count, len(self.unacked)))]

    def on_add_reply(self, code: int, epoch: str, last: int) -> None:
        """Take in what scripts.ADD returned. last: the highest number that Redis has."""
        if code == OTHER_EPOCH:
            self._start_epoch(epoch)
        elif code == GAP:
            self._go_back(last)
        else:
            self.added, self.gap_is_meant = last, False

    def on_ack(self, acked: int, counts: DeliveryCounts) -> None:
        """Take in the shard's counts. acked: the highest number that a scorer has acknowledged."""
        self.acked, self.now = acked, counts
        while self.unacked and self.unacked[0].number <= acked:
            self._forget_oldest()

    def script_args(self, producer: str, new_epoch: str, entries: Sequence[Sequenced], backlog: int) -> list[RedisArg]:
        """Return the arguments of scripts.ADD. backlog: how many observations may wait in the shard."""
        arguments: list[RedisArg] = [
            self.epoch,
            new_epoch,
            producer,
            entries[0].number,
            int(self.gap_is_meant),
            backlog,
        ]
        for one in entries:
            arguments += [one.task, one.body]
        return arguments

    def trim_acked(self, count: int) -> None:
        """Forget what Redis has beyond so many: they could be sent again only if it lost them."""
        while len(self.unacked) > count and self.unacked[0].number <= self.added:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        key = self.unacked.popleft().key
        self.by_key[key] -= 1
        if not self.by_key[key]:
            del self.by_key[key]

    def _start_epoch(self, epoch: str) -> None:
        """Begin another life of Redis: what was not acknowledged in the one before is numbered anew and sent again.

        What is not stored here any more is lost with the old life. Acknowledgements beyond the highest number that is
        acknowledged in order were drops from the backlog, which takes the oldest that no scorer holds: as many of the
        rest are left out.
        """
        first = self.unacked[0].number if self.unacked else self.next_number
        forgotten, out_of_order = first - 1 - self.acked, max(0, self.now.total_acked - self.acked)
        again = list(self.unacked)[max(0, out_of_order - forgotten) :]
        lost = DeliveryCounts(dropped=max(0, forgotten - out_of_order))
        # Of this life nothing comes any more; its counts stay, since metrics must not fall.
        self.before, self.now = self.before + self.now + lost, NO_DELIVERIES
        self.unacked = deque(Sequenced(place, one.task, one.body, one.key) for place, one in enumerate(again, 1))
        self.by_key = Counter(one.key for one in again)
        self.epoch, self.added, self.acked, self.next_number = epoch, 0, 0, len(again) + 1

    def _go_back(self, last: int) -> None:
        """Send again what Redis has lost of its last second (appendfsync everysec)."""
        self.added = max(last, self.unacked[0].number - 1 if self.unacked else last)
        # What is lost there and not stored here leaves a gap, which Redis would refuse for ever.
        self.gap_is_meant = self.added > last
