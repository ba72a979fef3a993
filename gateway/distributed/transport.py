"""Everything that a gateway exchanges with Redis: observations and questions out, decisions and replies in.

Every method may wait for Redis; only the client's thread calls them, never the request path or the event loop.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.decision import Decision
from gateway.distributed import scripts
from gateway.distributed.codec import (
    JSON,
    TEXT,
    DecisionNews,
    decode_decision,
    decode_deliveries,
    decode_news,
    new_epoch,
)
from gateway.distributed.crash_counters import CrashCounter
from gateway.distributed.producer import OTHER_EPOCH, DeliveryCounts, ShardProducer
from gateway.distributed.redis_client import RedisArg, RedisClient, Subscription, translate_content
from gateway.distributed.redis_keys import Shard, shard_of
from gateway.distributed.store import RedisStore
from gateway.observability.metrics import ScorerStats
from gateway.scorer.input_text import NoInputText, extract_text
from gateway.scorer.messages import BATCH_SIZE, Observation
from gateway.scorer.observation_queue import ObservationQueue
from gateway.state.store import Eviction

log = logging.getLogger("benchroute.distributed")

MAX_BATCH = 256
"""Observations of a shard in one Lua call: a few milliseconds, in which Redis does nothing else."""

LARGE_BYTES = 16 * 1024
"""Larger ones, pictures for instance, are sent as the text that an embedder reads of them."""

MAX_UNACKED = 10_000
"""Observations of a shard that can be sent again to a Redis that lost them."""

KEY_WINDOW = 4 * BATCH_SIZE
"""Observations of an API key that a gateway has in a shard's stream, which is first in first out: another key's wait
behind these. The rest of a flood waits in the gateway, where keys take turns. Without API keys nobody else waits.
"""

MAX_HOLD_S = 60.0
"""Seconds without an acknowledgement after which a key is held back no longer: the stream outlives this gateway."""

UNKNOWN_REVISION = -1


@dataclass(frozen=True, slots=True)
class EventHandlers:
    """Handlers of what Redis publishes. Called in the client's thread.

    Attributes:
        on_decisions: decisions in the order in which they were made.
        on_shard: all of a shard's decisions, and whether a task that is not among them is gone.
        on_forgotten: forgotten tasks.
        on_evicted: those of them that were evicted.
        on_reply: an encoded reply.
        on_find: an encoded search for a response.
    """

    on_decisions: Callable[[Sequence[Decision]], None]
    on_shard: Callable[[Mapping[str, Decision], Callable[[str], bool]], None]
    on_forgotten: Callable[[Sequence[str]], None]
    on_reply: Callable[[bytes], None]
    on_find: Callable[[bytes], None] = lambda data: None
    on_evicted: Callable[[Sequence[Eviction]], None] = lambda evicted: None


@dataclass(slots=True)
class ShardCursor:
    """The latest news of a shard that this gateway has applied."""

    epoch: str = ""
    revision: int = UNKNOWN_REVISION


class RedisTransport:
    """One gateway's exchange with Redis. Methods raise StateError in an outage, and go on where they were."""

    def __init__(
        self,
        name: str,
        client: RedisClient,
        queue: ObservationQueue,
        input_of: Callable[[str], str],
        handlers: EventHandlers,
        max_backlog: int,
    ) -> None:
        """input_of: the messages that are a task's input. max_backlog: observations that may wait in a shard."""
        self.name = name
        self.backlog = 0
        """Observations waiting in all shards, at the last refresh."""
        self.has_missed = False
        """News were lost on their way: shards are to be refreshed now."""
        self.is_held_back = False
        """A key has its window full: acknowledgements are to be read soon."""
        self.has_scorers = False
        """Somebody scores what is sent. Otherwise the streams, which outlive this gateway, take all there is."""
        # By shard: the last acknowledged number, and since when it has been that.
        self._held: dict[int, tuple[int, float]] = {}
        self._max_backlog = max_backlog
        self._client = client
        self._queue = queue
        self._input_of = input_of
        self._handlers = handlers
        self._store = RedisStore(client)
        self._producers: dict[int, ShardProducer] = {}
        self._cursors: dict[int, ShardCursor] = {}
        self._subscription: Subscription | None = None

    def send_observations(self) -> bool:
        """Send what has been observed. Return whether there may be more."""
        # What is left of an outage goes first. Only then is more taken out of the queue, which is bounded; a producer
        # is not.
        if all(not producer.unsent_entries(1) for producer in self._producers.values()):
            self._take_observations(self._store.shards)
        for number, producer in self._producers.items():
            self._send_unsent(self._store.numbered_shard(number), producer)
            producer.trim_acked(MAX_UNACKED)
        return self._queue.has_pending and not self.is_held_back

    def _take_observations(self, shards: int) -> None:
        """Take observations out of the queue, of no key more than its window of each shard."""
        self.is_held_back = False
        taken, now = Counter[tuple[int, str]](), time.monotonic()

        def admit(seen: Observation) -> bool:
            if seen.key is None or not self.has_scorers:
                return True
            number = shard_of(seen.task, shards)
            window = self._producer_of(number).by_key[seen.key] + taken[number, seen.key]
            if window >= KEY_WINDOW and self._holds_back(number, now):
                self.is_held_back = True
                return False
            taken[number, seen.key] += 1
            return True

        # Encoded afterwards: the queue is locked while it is emptied, and requests must not wait for it.
        for seen in self._queue.take_batch(MAX_BATCH * 4, admit=admit):
            producer = self._producer_of(shard_of(seen.task, shards))
            producer.push_observation(seen.task, self._encode_body(seen.task, seen.messages), seen.key)

    def _holds_back(self, number: int, now: float) -> bool:
        """Return True while a shard acknowledges what it gets, or has only just ceased to."""
        acked = self._producer_of(number).acked
        before, since = self._held.setdefault(number, (acked, now))
        if acked != before:
            self._held[number] = acked, now
            return True
        return now - since < MAX_HOLD_S

    def _producer_of(self, number: int) -> ShardProducer:
        return self._producers.setdefault(number, ShardProducer())

    def _send_unsent(self, shard: Shard, producer: ShardProducer) -> None:
        keys = [shard.stream_key, shard.info_key, shard.producers_key, shard.seen_key, shard.counts_key]
        while entries := producer.unsent_entries(MAX_BATCH):
            arguments = producer.script_args(self.name, new_epoch(), entries, self._max_backlog)
            code, epoch, last, _ = self._client.eval_script(scripts.ADD, keys, arguments)
            # A call whose answer is lost is made again with the same numbers, of which Redis leaves out what it has.
            with translate_content(shard.info_key):
                known = epoch.decode()
            producer.on_add_reply(code, known, last)

    def send_question(self, task: str, body: bytes) -> bool:
        """Append a question behind what has been sent of a task; False where the shard's stream is full."""
        self.send_observations()
        shard = self._store.shard_of_task(task)
        arguments: list[RedisArg] = [task, body, self._max_backlog]
        return self._client.eval_script(scripts.ASK, [shard.stream_key, shard.info_key], arguments) is not None

    def sync_counts(self, stats: ScorerStats, counter: CrashCounter) -> bool:
        """Read the outcome of what was sent. Return whether anything is still open."""
        numbers = [number for number, producer in self._producers.items() if producer.next_number - 1 > producer.acked]
        fields = [f"{self.name}:{field}" for field in scripts.DELIVERY_FIELDS]
        commands: list[Sequence[RedisArg]] = []
        for shard in map(self._store.numbered_shard, numbers):
            # The epoch is read after the counts: if it is still the known one, so it was when they were read.
            commands += [("HMGET", shard.counts_key, *fields), ("HGET", shard.info_key, "epoch")]
        found = self._client.pipeline(commands)
        for number, values, data in zip(numbers, found[::2], found[1::2], strict=True):
            producer = self._producers[number]
            with translate_content(f"counts of shard {number}"):
                epoch, deliveries = (data or b"").decode(), decode_deliveries(values)
            if epoch != producer.epoch:
                producer.on_add_reply(OTHER_EPOCH, epoch, 0)
                continue
            producer.on_ack(*deliveries)
        total = sum((producer.delivery_counts for producer in self._producers.values()), DeliveryCounts())
        stats.scored = total.scored
        for reason, count in (("backlog_full", total.dropped), ("parked", total.parked)):
            if count:
                stats.dropped[reason] = count
        counter.before = sum(producer.before.total_acked for producer in self._producers.values())
        counter.write_counts()
        return self.open_observations > 0

    @property
    def open_observations(self) -> int:
        """Observations taken out of the queue and not acknowledged."""
        return sum(producer.next_number - 1 - producer.now.total_acked for producer in self._producers.values())

    def subscribe_events(self) -> None:
        """Subscribe to news from now on; earlier ones are found by `refresh_shards`."""
        self.unsubscribe()
        keys = self._client.keys
        self._subscription = self._client.subscribe(keys.news, keys.finds, keys.replies_channel(self.name))

    def unsubscribe(self) -> None:
        """End the subscription."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            subscription.close_subscription()

    def poll_events(self, timeout_s: float) -> bool:
        """Handle the next event, waiting this long at most. Return whether there was one."""
        if self._subscription is None:
            self.subscribe_events()
        assert self._subscription is not None  # noqa: S101 - just made
        found = self._subscription.next_message(timeout_s)
        if found is None:
            return False
        channel, data = found
        if channel == self._client.keys.news:
            self._on_news(data)
        elif channel == self._client.keys.finds:
            self._handlers.on_find(data)
        else:
            self._handlers.on_reply(data)
        return True

    def refresh_shards(self) -> None:
        """Catch up on shards whose news were missed: pub/sub neither stores nor repeats a message."""
        self.has_missed = False
        self._store.reassert_shard_count()
        shards = self._store.all_shards()
        found = self._client.pipeline([("HMGET", shard.info_key, "epoch", "revision", "waiting") for shard in shards])
        with translate_content("the state of shards"):
            self.backlog = sum(int(waiting or 0) for _, _, waiting in found)
            read = [((epoch or b"").decode(), int(revision or 0)) for epoch, revision, _ in found]
        for shard, now in zip(shards, read, strict=True):
            cursor = self._cursors.setdefault(shard.number, ShardCursor())
            if now != (cursor.epoch, cursor.revision):
                self._catch_up(shard, *now)

    def _on_news(self, data: bytes) -> None:
        with translate_content("a message"):
            head, _, body = data.partition(b"\n")
            number, epoch, text = head.decode().split(" ")
            cursor, revision = self._cursors.get(int(number)), int(text)
        if cursor is None:
            self.has_missed = True
            return
        # Published before a refresh that has read the same or later decisions already.
        if epoch == cursor.epoch and revision <= cursor.revision:
            return
        # Revisions of a shard have no gaps: one that does not follow means that others were lost.
        if cursor.epoch != epoch or revision != cursor.revision + 1:
            self.has_missed = True
            return
        news: DecisionNews = decode_news(body)
        cursor.revision = revision
        if news.forgotten:
            self._handlers.on_forgotten(news.forgotten)
        if news.evicted:
            self._handlers.on_evicted(news.evicted)
        if news.decisions:
            self._handlers.on_decisions(news.decisions)

    def _catch_up(self, shard: Shard, epoch: str, revision: int) -> None:
        cursor = self._cursors[shard.number]
        # News came while the revision was read: what it announced is applied.
        if revision < cursor.revision and epoch == cursor.epoch:
            return
        found = self._client.scan_keys(shard.decisions_key)
        with translate_content(shard.decisions_key):
            decisions = {task.decode(): decode_decision(task.decode(), data) for task, data in found}
        # An empty Redis has no decisions: those made before it hold until it has, so nothing counts as gone.
        shards = self._store.shards if cursor.epoch in ("", epoch) else 0
        self._handlers.on_shard(decisions, lambda task: bool(shards) and shard_of(task, shards) == shard.number)
        self._cursors[shard.number] = ShardCursor(epoch, revision)

    def _encode_body(self, task: str, messages: bytes) -> bytes:
        if len(messages) <= LARGE_BYTES:
            return JSON + messages
        try:
            text = extract_text(messages, self._input_of(task))
        except NoInputText:
            return JSON + b"null"  # counts as an error there, as the whole body would
        return JSON + b"[]" if text is None else TEXT + text.encode("utf-8", "surrogatepass")
