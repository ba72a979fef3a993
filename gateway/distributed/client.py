"""Distributed scorer client: observations into Redis' streams, decisions out of its news.

One thread speaks to Redis and hands events to the event loop. While Redis is away, or no scorer is registered, requests
follow the last decisions and say router-unavailable.
"""

import asyncio
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from gateway.decision import Decision
from gateway.distributed import redis_keys
from gateway.distributed.codec import encode_question
from gateway.distributed.crash_counters import close_crash_counter, count_lost_observations, open_crash_counter
from gateway.distributed.leases import count_live, deregister, send_heartbeat
from gateway.distributed.redis_client import RedisClient, translate_content
from gateway.distributed.transport import EventHandlers, RedisTransport
from gateway.errors import ScorerUnavailable, StateError
from gateway.proxy.recent_responses import ResponseRecord
from gateway.scorer.client import ScorerClient
from gateway.scorer.messages import Configure, Question, Reply, TaskPolicy, busy_reply
from gateway.scorer.observation_queue import ObservationQueue
from gateway.scorer.question_gate import QUEUE_FULL, QuestionLimits
from gateway.sharing.event_loop import run_in_loop
from gateway.sharing.node import FindOwnResponse
from gateway.state.store import Eviction

log = logging.getLogger("benchroute.distributed")

PART, PAUSE_S = 50, 0.001
"""Decisions that are applied at once, and the pause between: with 1,000 models a part takes 3 ms."""

MAX_UNSENT = 1000
"""Searches and questions that wait for a thread that Redis keeps waiting; they have timed out before they are sent."""

QUESTIONS = QuestionLimits(in_flight=16)
"""More at once than to one embedded scorer: several scorers answer."""

Message = TypeVar("Message")
PeriodicJob = Callable[[], None]
"""Other work of the thread; may raise StateError."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """Seconds.

    Attributes:
        flush_s: how long an observation waits for others to be sent with.
        sync_s: between counts of what was acknowledged, and frequent jobs.
        refresh_s: between checks of shards, scorers and gateways, and periodic jobs.
        retry_s: after an error.
        answer_s: for a question.
        find_s: for another gateway's answer to a request.
        drain_s: for what is left of the observations once the gateway stops.
    """

    flush_s: float = 0.025
    sync_s: float = 0.25
    refresh_s: float = 1.0
    retry_s: float = 0.5
    answer_s: float = 30.0
    find_s: float = 2.0
    drain_s: float = 10.0


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """The configuration's part.

    Attributes:
        cache_dir: a folder for crash counters, None for none.
        max_backlog: observations that may wait in a shard.
    """

    cache_dir: Path | None = None
    max_backlog: int = 10_000
    intervals: Intervals = field(default_factory=Intervals)


class FindResponse(msgspec.Struct, frozen=True, array_like=True):
    """A search for the gateway that answered a request. channel: where the Reply of that id is awaited."""

    channel: str
    id: int
    request: str


def decode_message(data: bytes, kind: type[Message]) -> Message:
    """Decode what was published. Raises StateError."""
    with translate_content("a message"):
        return msgspec.msgpack.decode(data, type=kind)


class DecisionSubscriber(Protocol):
    """Receiver of decisions. Called in the event loop."""

    def apply_decisions(self, decisions: Sequence[Decision]) -> None:
        """Apply decisions in the order in which they were made."""

    def replace_decisions(self, decisions: Sequence[Decision]) -> None:
        """Apply some of a shard's decisions, which are no news."""

    def task_names(self) -> Sequence[str]:
        """Return the tasks that have a decision. Called in another thread."""

    def forget_tasks(self, tasks: Sequence[str]) -> None:
        """Forget tasks, which start cold again."""

    def record_evictions(self, evicted: Sequence[Eviction]) -> None:
        """Record which of the forgotten tasks were evicted."""


class DistributedScorerClient(ScorerClient):
    """Scorers behind Redis, for as long as the gateway runs."""

    def __init__(
        self,
        client: RedisClient,
        table: DecisionSubscriber,
        input_of: Callable[[str], str],
        settings: ClientSettings | None = None,
    ) -> None:
        """input_of: which of a request's messages are a task's input."""
        self._settings = settings or ClientSettings()
        super().__init__("connecting to Redis", self._settings.intervals.answer_s, QUESTIONS)
        self.name = secrets.token_hex(8)
        self.periodic_jobs: list[PeriodicJob] = []
        """Run every refresh_s."""
        self.frequent_jobs: list[PeriodicJob] = []
        """Run every sync_s."""
        self.find_own_response: FindOwnResponse = lambda request: None
        """Finds one of this gateway's responses, in the event loop, for other gateways that search for it."""
        self.gateways = 1
        """Live gateways, this one among them."""
        self._client = client
        self._table = table
        self._counter = open_crash_counter(self._settings.cache_dir, self.name)
        self._queue = ObservationQueue(self.counts, journal=self._counter)
        handlers = EventHandlers(
            lambda decisions: self._call_in_parts(table.apply_decisions, decisions),
            self._replace_shard,
            lambda tasks: self._call_in_parts(table.forget_tasks, tasks),
            lambda data: self._call_loop(self._replies.resolve, decode_message(data, Reply)),
            self._on_find,
            lambda evicted: self._call_loop(table.record_evictions, evicted),
        )
        self._transport = RedisTransport(self.name, client, self._queue, input_of, handlers, self._settings.max_backlog)
        self._questions: deque[Question] = deque()
        self._finds: deque[FindResponse] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._refreshed = self._synced = float("-inf")
        self._has_counted_lost = False

    async def start(self, settings: Configure | None = None) -> None:
        """Start the thread; returns at once. Scorers have their own configuration, so `settings` is not used."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="distributed", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Stop once what has been observed is acknowledged; what is not in time is counted by the next gateway."""
        self._ended.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        self._loop = None

    def observe_input(self, task: str, messages: bytes, key: str | None = None) -> None:
        """Hand on a request's `messages` (JSON). Never waits, never raises. key: name of the API key that sent it."""
        self._queue.put_observation(task, messages, key)

    async def set_policy(self, task: str, policy: TaskPolicy) -> None:
        """Score a task by another policy; scorers that are down read it from Redis when they start."""
        if self.status == "ready":
            await self._ask_policy(task, policy)

    async def reload(self, settings: Configure) -> None:
        """Do nothing: scorers read a changed configuration themselves, upon SIGHUP."""

    async def find_response(self, request: str) -> ResponseRecord | None:
        """Return another gateway's answer to a request; None where no gateway tells of one in time."""
        if self.gateways == 1 or len(self._finds) >= MAX_UNSENT:
            return None
        find = FindResponse(self._client.keys.replies_channel(self.name), self._replies.next_id(), request)
        try:
            found = await self._replies.request_reply(
                find.id, lambda: self._finds.append(find), self._settings.intervals.find_s
            )
        except (ScorerUnavailable, TimeoutError):
            return None
        return msgspec.convert(found["answer"], ResponseRecord)

    def run_in_loop(self, work: Callable[[], Any]) -> Any:
        """Run a job's work in the event loop and return its result. Raises StateError if the loop is gone or busy."""
        return run_in_loop(self._loop, work)

    def _send_question(self, question: Question) -> None:
        if len(self._questions) >= MAX_UNSENT:
            self.counts.questions_dropped[QUEUE_FULL] += 1
            raise ScorerUnavailable("The router is unavailable: Redis does not respond.")
        self._questions.append(question)

    def _run(self) -> None:
        """Work until the gateway stops: the thread."""
        intervals, deadline = self._settings.intervals, float("inf")
        while time.monotonic() < deadline:
            if self._ended.is_set():
                deadline = min(deadline, time.monotonic() + intervals.drain_s)
                if self.status != "ready" or not self._is_open():
                    break
            try:
                self._tick()
            except StateError as error:
                self._mark_down(str(error))
            except Exception:  # the edge of a background job
                log.exception("the Redis thread failed, and goes on")
                self._mark_down("the Redis thread failed, see the log")
        self._close()

    def _tick(self) -> None:
        """Send what was observed and asked, handle what is new, and run the jobs whose time has come."""
        intervals, transport = self._settings.intervals, self._transport
        has_more = transport.send_observations()
        while self._questions:
            question = self._questions.popleft()
            # A question about no task may go to any shard; the gateway's own name spreads them.
            task = question.task or f"{self.name}/{question.id}"
            encoded = encode_question(self._client.keys.replies_channel(self.name), question)
            if not transport.send_question(task, encoded):
                self.counts.questions_dropped[QUEUE_FULL] += 1
                self._call_loop(self._replies.resolve, busy_reply(question))
        while self._finds:
            self._client.execute("PUBLISH", self._client.keys.finds, msgspec.msgpack.encode(self._finds.popleft()))
        # Waiting for news is the pause in which observations gather.
        timeout_s = 0.0 if has_more else intervals.flush_s
        while transport.poll_events(timeout_s):
            timeout_s = 0.0
        now = time.monotonic()
        if transport.is_held_back or now - self._synced >= intervals.sync_s:
            transport.sync_counts(self.counts, self._counter)
            for job in self.frequent_jobs:
                job()
            self._synced = now
        if now - self._refreshed >= intervals.refresh_s or transport.has_missed:
            self._refresh()
            self._refreshed = now

    def _refresh(self) -> None:
        self._transport.refresh_shards()
        self.counts.backlog = self._transport.backlog
        if not self._has_counted_lost:
            if lost := count_lost_observations(self._client, self._settings.cache_dir):
                self.counts.dropped["gateway_died"] += lost
            self._has_counted_lost = True
        self.gateways = max(1, len(send_heartbeat(self._client, redis_keys.GATEWAYS, self.name)))
        scorers = count_live(self._client, redis_keys.SCORERS)
        self._transport.has_scorers = scorers > 0
        for job in self.periodic_jobs:
            job()
        if scorers and self.status != "ready":
            log.info("connected to Redis; %d scorers are registered", scorers)
        self.status, self.message = ("ready", "") if scorers else ("down", "no scorer is registered in Redis")

    def _mark_down(self, message: str) -> None:
        if self.status != "down" or self.message != message:
            log.warning("routing by the last decisions: %s", message)
        self.status, self.message = "down", message
        self._transport.unsubscribe()
        self._refreshed = float("-inf")
        self._ended.wait(self._settings.intervals.retry_s)

    def _is_open(self) -> bool:
        return self._queue.has_pending or self._transport.open_observations > 0

    def _close(self) -> None:
        is_open = self._is_open()
        if is_open:
            log.warning("some inputs were not acknowledged before the gateway stopped")
        deregister(self._client, redis_keys.GATEWAYS, self.name)
        self._transport.unsubscribe()
        close_crash_counter(self._settings.cache_dir, self.name, self._counter, not is_open)
        self._client.close_connections()

    def _on_find(self, data: bytes) -> None:
        """Answer another gateway's search where this one has the response; else stay silent."""
        find = decode_message(data, FindResponse)
        try:
            # In the event loop, which owns the records of requests that have just ended.
            found = self.run_in_loop(lambda: self.find_own_response(find.request))
        except StateError:
            return  # busy or stopping: no outage of Redis, and the other gateway's search ends by itself
        if found is not None:
            reply = Reply(find.id, {"answer": found})
            self._client.execute("PUBLISH", find.channel, msgspec.msgpack.encode(reply))

    def _replace_shard(self, decisions: Mapping[str, Decision], is_gone: Callable[[str], bool]) -> None:
        """Apply all decisions of a shard: what takes long in this thread, the rest in parts that hold the loop 1 ms.

        is_gone: true of a task that is to be forgotten unless it is among them.
        """
        gone = [task for task in self._table.task_names() if task not in decisions and is_gone(task)]
        self._call_in_parts(self._table.forget_tasks, gone)
        self._call_in_parts(self._table.replace_decisions, list(decisions.values()))

    def _call_in_parts(self, call: Callable[[Sequence[Any]], None], rows: Sequence[Any]) -> None:
        for start in range(0, len(rows), PART):
            self._call_loop(call, rows[start : start + PART])
            if start + PART < len(rows):
                time.sleep(PAUSE_S)  # requests come between

    def _call_loop(self, call: Callable[..., None], *arguments: object) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(call, *arguments)
