"""What a gateway has to do with Redis, in a thread of its own: hands observations on, hears decisions, looks around.

Every method here may wait for Redis; none is called by the request path, nor by the event loop.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.decision import Decision
from gateway.distributed import redis_keys, scripts
from gateway.distributed.codec import JSON, TEXT, DecisionNews, decode_decision, decode_news, new_epoch
from gateway.distributed.crash_counters import CrashCounter
from gateway.distributed.producer import FIELDS, OTHER_EPOCH, DeliveryCounts, ShardProducer
from gateway.distributed.redis_client import RedisArg, RedisClient, Subscription
from gateway.distributed.redis_keys import Shard, replies_channel, shard_of
from gateway.distributed.store import RedisStore
from gateway.scorer.input_text import NoInputText, extract_text
from gateway.scorer.observation_queue import ObservationQueue, ObservationStats

log = logging.getLogger("benchroute.distributed")

MAX_BATCH = 256
"""Observations of a shard in one Lua call."""

LARGE_BYTES = 16 * 1024
"""What is larger, pictures for instance, is sent as the text that an embedder would read of it."""

STREAM_TRIM_LENGTH = 10_000
MISSING_GROUP = -1


@dataclass(frozen=True, slots=True)
class EventHandlers:
    """What is done with what is heard. told: decisions in the order in which they were made. whole: all of a shard's,
    and whether a task that is not among them is gone. forgotten: tasks. replied: an answer's bytes. wanted: those of
    what another gateway looks for.
    """

    on_decisions: Callable[[Sequence[Decision]], None]
    on_shard: Callable[[Mapping[str, Decision], Callable[[str], bool]], None]
    on_forgotten: Callable[[Sequence[str]], None]
    on_reply: Callable[[bytes], None]
    on_find: Callable[[bytes], None] = lambda data: None


@dataclass(slots=True)
class ShardCursor:
    """How far a shard's news have been heard."""

    epoch: str = ""
    revision: int = MISSING_GROUP


class RedisTransport:
    """One gateway's. Its methods raise StateError while Redis is away, and go on where they were when it is back."""

    def __init__(
        self,
        name: str,
        client: RedisClient,
        queue: ObservationQueue,
        input_of: Callable[[str], str],
        hearing: EventHandlers,
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
        self._queue = queue
        self._input_of = input_of
        self._hearing = hearing
        self._store = RedisStore(client)
        self._sending: dict[int, ShardProducer] = {}
        self._heard: dict[int, ShardCursor] = {}
        self._listening: Subscription | None = None

    def send_observations(self) -> bool:
        """Hands on what has been observed. Whether there may be more."""
        shards = self._store.shards
        if all(not sending.unsent_entries(1) for sending in self._sending.values()):
            for seen in self._queue.take_batch(MAX_BATCH * 4):
                number = shard_of(seen.task, shards)
                self._sending.setdefault(number, ShardProducer()).push_observation(
                    seen.task, self._body(seen.task, seen.messages)
                )
        for number, sending in self._sending.items():
            while waiting := sending.unsent_entries(MAX_BATCH):
                shard = Shard(number)
                keys = [shard.stream_key, shard.info_key, shard.producers_key, shard.seen_key, shard.counts_key]
                code, epoch, last, _ = self._client.eval_script(
                    scripts.ADD, keys, sending.script_args(self.name, new_epoch(), waiting, self._most)
                )
                sending.on_add_reply(code, epoch.decode(), last)
            sending.trim_acked(STREAM_TRIM_LENGTH)
        return self._queue.has_pending

    def send_question(self, task: str, body: bytes) -> None:
        """Puts a question behind what has been observed of a task."""
        self.send_observations()
        shard = self._store.shard_of_task(task)
        self._client.eval_script(scripts.ASK, [shard.stream_key, shard.info_key], [task, body])

    def sync_counts(self, counts: ObservationStats, tally: CrashCounter) -> bool:
        """Looks what became of what was sent. Whether anything is still open."""
        numbers = [number for number, sending in self._sending.items() if sending.next_number - 1 > sending.done]
        fields = [f"{self.name}:{field}" for field in FIELDS]
        commands: list[Sequence[RedisArg]] = []
        for shard in map(Shard, numbers):
            # The epoch after the counts: if it is still the one that is known, so was it when they were read.
            commands += [("HMGET", shard.counts_key, *fields), ("HGET", shard.info_key, "epoch")]
        found = self._client.pipeline(commands)
        for number, values, epoch in zip(numbers, found[::2], found[1::2], strict=True):
            sending = self._sending[number]
            if (epoch or b"").decode() != sending.epoch:
                sending.on_add_reply(OTHER_EPOCH, (epoch or b"").decode(), 0)
                continue
            done, *rest = (int(value or 0) for value in values)
            sending.on_ack(done, DeliveryCounts(*rest))
        total = sum((sending.delivery_counts for sending in self._sending.values()), DeliveryCounts())
        counts.observed, counts.errors, counts.skipped = total.observed, total.faults, total.skipped
        for reason, count in (("backlog_full", total.dropped), ("parked", total.parked)):
            if count:
                counts.dropped[reason] = count
        tally.before = sum(sending.before.total_acked for sending in self._sending.values())
        tally.write_counts()
        return self.open_observations > 0

    @property
    def open_observations(self) -> int:
        """Taken out of the outbox, and not known to be settled."""
        return sum(sending.next_number - 1 - sending.now.total_acked for sending in self._sending.values())

    def subscribe_events(self) -> None:
        """From now on news are heard; what was said before is looked up by `look`."""
        self.unsubscribe()
        self._listening = self._client.subscribe(redis_keys.NEWS, redis_keys.FINDS, replies_channel(self.name))

    def unsubscribe(self) -> None:
        """Hears no more."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.close_subscription()

    def poll_events(self, limit_s: float) -> bool:
        """The next piece of news, waited for this long at most. Whether there was any."""
        if self._listening is None:
            self.subscribe_events()
        assert self._listening is not None  # noqa: S101 - just made
        found = self._listening.next_message(limit_s)
        if found is None:
            return False
        channel, data = found
        if channel == redis_keys.NEWS:
            self._take(data)
        elif channel == redis_keys.FINDS:
            self._hearing.on_find(data)
        else:
            self._hearing.on_reply(data)
        return True

    def refresh_shards(self) -> None:
        """Looks whether news were missed, of which nobody tells, and catches up on the shards where they were."""
        self.has_missed = False
        self._store.reassert_shard_count()
        shards = self._store.all_shards()
        found = self._client.pipeline([("HMGET", shard.info_key, "epoch", "revision", "waiting") for shard in shards])
        self.backlog = sum(int(waiting or 0) for _, _, waiting in found)
        for shard, (epoch, revision, _) in zip(shards, found, strict=True):
            heard = self._heard.setdefault(shard.number, ShardCursor())
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
        news: DecisionNews = decode_news(body)
        heard.revision = at
        if news.forgotten:
            self._hearing.on_forgotten(news.forgotten)
        if news.decisions:
            self._hearing.on_decisions(news.decisions)

    def _catch_up(self, shard: Shard, epoch: str, revision: int) -> None:
        heard = self._heard[shard.number]
        if revision < heard.revision and epoch == heard.epoch:
            return  # asked before what was heard meanwhile
        found = ((task.decode(), data) for task, data in self._client.scan_keys(shard.decisions_key))
        decisions = {task: decode_decision(task, data) for task, data in found}
        # An empty Redis knows of no decision: those that were made before it hold until it does.
        shards = self._store.shards if heard.epoch in ("", epoch) else 0
        self._hearing.on_shard(decisions, lambda task: bool(shards) and shard_of(task, shards) == shard.number)
        self._heard[shard.number] = ShardCursor(epoch, revision)

    def _body(self, task: str, messages: bytes) -> bytes:
        if len(messages) <= LARGE_BYTES:
            return JSON + messages
        rule = self._input_of(task)
        try:
            text = extract_text(messages, rule)
        except NoInputText:
            return JSON + b"null"  # a fault, as the whole would be
        return JSON + b"[]" if text is None else TEXT + text.encode("utf-8", "surrogatepass")
