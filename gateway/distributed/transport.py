"""What a gateway has to do with Redis, in a thread of its own: hands observations on, hears decisions, looks around.

Every method here may wait for Redis; none is called by the request path, nor by the event loop.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.distributed import redis_keys, scripts
from gateway.distributed.codec import News, decision, new_epoch, read_news
from gateway.distributed.outbox import Outbox, Tally
from gateway.distributed.producer import FIELDS, OTHER_EPOCH, Outcome, Sending
from gateway.distributed.redis_client import Client, Subscription, Word
from gateway.distributed.redis_keys import Shard, replies, shard_of
from gateway.distributed.store import RedisStore
from gateway.distributed.stream_entries import JSON, TEXT
from gateway.scorer.input_text import NoMessages, text_of
from gateway.scorer.messages import TaskDecision
from gateway.scorer.observation_queue import Counts

log = logging.getLogger("benchroute.fleet")

AT_ONCE = 256
"""Observations of a shard in one Lua call."""

LARGE_BYTES = 16 * 1024
"""What is larger, pictures for instance, is sent as the text that an embedder would read of it."""

KEPT_A_SHARD = 10_000
MISSING = -1


@dataclass(frozen=True, slots=True)
class Hearing:
    """What is done with what is heard. told: decisions in the order in which they were made. whole: all of a shard's,
    and whether a task that is not among them is gone. forgotten: tasks. replied: an answer's bytes. wanted: those of
    what another gateway looks for.
    """

    told: Callable[[Sequence[TaskDecision]], None]
    whole: Callable[[Mapping[str, TaskDecision], Callable[[str], bool]], None]
    forgotten: Callable[[Sequence[str]], None]
    replied: Callable[[bytes], None]
    wanted: Callable[[bytes], None] = lambda data: None


@dataclass(slots=True)
class Heard:
    """How far a shard's news have been heard."""

    epoch: str = ""
    revision: int = MISSING


class Courier:
    """One gateway's. Its methods raise StateError while Redis is away, and go on where they were when it is back."""

    def __init__(
        self,
        name: str,
        client: Client,
        outbox: Outbox,
        input_of: Callable[[str], str],
        hearing: Hearing,
        most: int,
    ) -> None:
        """input_of: which of a request's messages are a task's input. most: observations that may wait in a shard."""
        self.name = name
        self.backlog = 0
        """Observations that wait in all shards, at the last look."""
        self._most = most
        self.has_missed = False
        """Whether news did not follow on those before: then it is time to look."""
        self._client = client
        self._outbox = outbox
        self._input_of = input_of
        self._hearing = hearing
        self._store = RedisStore(client)
        self._sending: dict[int, Sending] = {}
        self._heard: dict[int, Heard] = {}
        self._listening: Subscription | None = None

    def send(self) -> bool:
        """Hands on what has been observed. Whether there may be more."""
        shards = self._store.shards
        if all(not sending.unsent(1) for sending in self._sending.values()):
            for seen in self._outbox.take(AT_ONCE * 4):
                number = shard_of(seen.task, shards)
                self._sending.setdefault(number, Sending()).push(seen.task, self._body(seen.task, seen.messages))
        for number, sending in self._sending.items():
            while waiting := sending.unsent(AT_ONCE):
                shard = Shard(number)
                keys = [shard.stream, shard.about, shard.producers, shard.seen, shard.counts]
                code, epoch, last, _ = self._client.run(
                    scripts.ADD, keys, sending.words(self.name, new_epoch(), waiting, self._most)
                )
                sending.answered(code, epoch.decode(), last)
            sending.trim(KEPT_A_SHARD)
        return self._outbox.waits

    def ask(self, task: str, body: bytes) -> None:
        """Puts a question behind what has been observed of a task."""
        self.send()
        shard = self._store.shard(task)
        self._client.run(scripts.ASK, [shard.stream, shard.about], [task, body])

    def settle(self, counts: Counts, tally: Tally) -> bool:
        """Looks what became of what was sent. Whether anything is still open."""
        numbers = [number for number, sending in self._sending.items() if sending.next_number - 1 > sending.done]
        fields = [f"{self.name}:{field}" for field in FIELDS]
        commands: list[Sequence[Word]] = []
        for shard in map(Shard, numbers):
            # The epoch after the counts: if it is still the one that is known, so was it when they were read.
            commands += [("HMGET", shard.counts, *fields), ("HGET", shard.about, "epoch")]
        found = self._client.ask_all(commands)
        for number, values, epoch in zip(numbers, found[::2], found[1::2], strict=True):
            sending = self._sending[number]
            if (epoch or b"").decode() != sending.epoch:
                sending.answered(OTHER_EPOCH, (epoch or b"").decode(), 0)
                continue
            done, *rest = (int(value or 0) for value in values)
            sending.settled(done, Outcome(*rest))
        total = sum((sending.outcome for sending in self._sending.values()), Outcome())
        counts.observed, counts.faults, counts.skipped = total.observed, total.faults, total.skipped
        for reason, count in (("backlog_full", total.dropped), ("parked", total.parked)):
            if count:
                counts.dropped[reason] = count
        tally.before = sum(sending.before.settled for sending in self._sending.values())
        tally.write()
        return self.open_observations > 0

    @property
    def open_observations(self) -> int:
        """Taken out of the outbox, and not known to be settled."""
        return sum(sending.next_number - 1 - sending.now.settled for sending in self._sending.values())

    def listen(self) -> None:
        """From now on news are heard; what was said before is looked up by `look`."""
        self.deafen()
        self._listening = self._client.subscribe(redis_keys.NEWS, redis_keys.FINDS, replies(self.name))

    def deafen(self) -> None:
        """Hears no more."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.close()

    def hear(self, limit_s: float) -> bool:
        """The next piece of news, waited for this long at most. Whether there was any."""
        if self._listening is None:
            self.listen()
        assert self._listening is not None  # noqa: S101 - just made
        found = self._listening.next(limit_s)
        if found is None:
            return False
        channel, data = found
        if channel == redis_keys.NEWS:
            self._take(data)
        elif channel == redis_keys.FINDS:
            self._hearing.wanted(data)
        else:
            self._hearing.replied(data)
        return True

    def look(self) -> None:
        """Looks whether news were missed, of which nobody tells, and catches up on the shards where they were."""
        self.has_missed = False
        self._store.insist()
        shards = self._store.every_shard()
        found = self._client.ask_all([("HMGET", shard.about, "epoch", "revision", "waiting") for shard in shards])
        self.backlog = sum(int(waiting or 0) for _, _, waiting in found)
        for shard, (epoch, revision, _) in zip(shards, found, strict=True):
            heard = self._heard.setdefault(shard.number, Heard())
            now = (epoch or b"").decode(), int(revision or 0)
            if now != (heard.epoch, heard.revision):
                self._catch_up(shard, *now)

    def _take(self, data: bytes) -> None:
        head, _, body = data.partition(b"\n")
        number, epoch, revision = head.decode().split(" ")
        heard, at = self._heard.get(int(number)), int(revision)
        if heard is None:
            self.has_missed = True
            return
        if (epoch, at) == (heard.epoch, heard.revision) or (epoch == heard.epoch and at < heard.revision):
            return  # heard already
        if heard.epoch != epoch or at != heard.revision + 1:
            self.has_missed = True
            return
        news: News = read_news(body)
        heard.revision = at
        if news.forgotten:
            self._hearing.forgotten(news.forgotten)
        if news.decisions:
            self._hearing.told(news.decisions)

    def _catch_up(self, shard: Shard, epoch: str, revision: int) -> None:
        heard = self._heard[shard.number]
        if revision < heard.revision and epoch == heard.epoch:
            return  # asked before what was heard meanwhile
        kept = {task.decode(): decision(data) for task, data in self._client.scan(shard.decisions)}
        told = {
            task: TaskDecision(task, made.version, made.n, made.model, made.reason, made.ranking)
            for task, made in kept.items()
        }
        # An empty Redis knows of no decision: those that were made before it hold until it does.
        shards = self._store.shards if heard.epoch in ("", epoch) else 0
        self._hearing.whole(told, lambda task: bool(shards) and shard_of(task, shards) == shard.number)
        self._heard[shard.number] = Heard(epoch, revision)

    def _body(self, task: str, messages: bytes) -> bytes:
        if len(messages) <= LARGE_BYTES:
            return JSON + messages
        rule = self._input_of(task)
        try:
            text = text_of(messages, rule)
        except NoMessages:
            return JSON + b"null"  # a fault, as the whole would be
        return JSON + b"[]" if text is None else TEXT + text.encode("utf-8", "surrogatepass")
