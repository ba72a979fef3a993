"""A gateway's end of a fleet: observations out, decisions in. What EmbeddedScorerClient is to one machine.

Nothing that the request path calls waits or raises. Redis is spoken to by one thread, which hands what it hears to the
event loop. While Redis is away, or no scorer is there, requests go by the last decisions and say router-unavailable.
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
from typing import Any, Literal, Protocol

import msgspec

from gateway.distributed import redis_keys
from gateway.distributed.crash_counters import close_crash_counter, count_lost_observations, open_crash_counter
from gateway.distributed.leases import count_live, deregister, send_heartbeat
from gateway.distributed.outbox import Outbox
from gateway.distributed.redis_client import RedisClient
from gateway.distributed.redis_keys import replies_channel
from gateway.distributed.stream_entries import encode_question
from gateway.distributed.transport import EventHandlers, RedisTransport
from gateway.errors import ScorerUnavailable, StateError
from gateway.proxy.recent_responses import RecentResponses, ResponseRecord
from gateway.scorer.messages import (
    Configure,
    Decision,
    DryRun,
    ForgetTask,
    Inspect,
    InspectView,
    Question,
    Reply,
    ScoredResponse,
    SeedInputs,
    SetPolicy,
    SubmitFeedback,
    TaskPolicy,
)
from gateway.scorer.observation_queue import ObservationStats
from gateway.scorer.pending_replies import PendingReplies

log = logging.getLogger("benchroute.fleet")

LOOP_CALL_TIMEOUT_S = 5.0

PeriodicJob = Callable[[], None]
"""Something else that the thread does when it looks around; may raise StateError."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """Seconds. flush_s: how long an observation waits for others. look_s: between looks around.

    answer_s: for a question; find_s: until an answer that nobody has told of is given up. last_s: what is left of the
    observations may take once the gateway stops.
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
    """What the configuration says. cache: a folder for tallies, None for none. backlog: observations that may wait in
    a shard.
    """

    cache_dir: Path | None = None
    max_backlog: int = 10_000
    intervals: Intervals = field(default_factory=Intervals)


class FindResponse(msgspec.Struct, frozen=True, array_like=True):
    """Who knows this request's answer? channel: where the Reply of that id is awaited."""

    channel: str
    id: int
    request: str


class DecisionSubscriber(Protocol):
    """Who follows the decisions. Called in the event loop."""

    def apply_decisions(self, decisions: Sequence[Decision]) -> None:
        """Decisions in the order in which they were made."""

    def replace_shard(self, decisions: Mapping[str, Decision], gone: Callable[[str], bool]) -> None:
        """All decisions of a shard. gone: whether a task that is not among them is to be forgotten."""

    def forget_tasks(self, tasks: Sequence[str]) -> None:
        """Tasks that start cold again."""


class DistributedScorerClient:
    """For as long as the gateway runs."""

    pid = None
    """No process of the gateway's own scores."""

    def __init__(
        self,
        client: RedisClient,
        table: DecisionSubscriber,
        input_of: Callable[[str], str],
        terms: ClientSettings | None = None,
    ) -> None:
        """input_of: which of a request's messages are a task's input."""
        self.status: Literal["starting", "ready", "down"] = "starting"
        self.message = "looking for Redis"
        self.counts = ObservationStats()
        self.periodic_jobs: list[PeriodicJob] = []
        self.frequent_jobs: list[PeriodicJob] = []
        """What is done with every look around, and what is done several times a second."""
        self.recent_responses: RecentResponses | None = None
        """What this gateway has answered of late, for others that ask."""
        self.gateways = 1
        """How many there are, this one among them."""
        self._terms = terms or ClientSettings()
        self._client = client
        self._table = table
        self.name = secrets.token_hex(8)
        self._tally = open_crash_counter(self._terms.cache_dir, self.name)
        self._outbox = Outbox(self.counts, self._tally)
        hearing = EventHandlers(self._told, self._whole, self._forgotten, self._replied, self._wanted)
        self._courier = RedisTransport(self.name, client, self._outbox, input_of, hearing, self._terms.max_backlog)
        self._replies = PendingReplies()
        self._questions: deque[tuple[str, Question]] = deque()
        self._finds: deque[FindResponse] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._looked = self._settled = float("-inf")
        self._has_counted = False

    async def start(self, start: Configure | None = None) -> None:
        """Begins to look for Redis; returns at once. What scorers work with is their own affair."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Ends, after what has been observed is settled; what cannot be in time is counted by who starts next."""
        self._ended.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        self._loop = None

    def observe_input(self, task: str, messages: bytes) -> None:
        """Hands on a request's `messages` (JSON). Never waits, never raises."""
        self._outbox.put_observation(task, messages)

    async def seed_task(
        self, task: str, texts: Sequence[str], outcomes: Sequence[Mapping[str, float]] = ()
    ) -> Mapping[str, Any]:
        """Adds inputs to a task. Raises ScorerUnavailable, InvalidRequest."""
        return await self._ask(task, SeedInputs(self._replies.next_id(), task, texts, outcomes))

    async def submit_feedback(self, task: str, answers: Sequence[ScoredResponse]) -> Mapping[str, Any]:
        """Adds scores of a task's answers. Raises ScorerUnavailable, InvalidRequest."""
        return await self._ask(task, SubmitFeedback(self._replies.next_id(), task, answers))

    async def find_response(self, request: str) -> ResponseRecord | None:
        """An answer that another gateway gave; None where none of them tells of it in time."""
        if self.gateways == 1:
            return None
        asked = FindResponse(replies_channel(self.name), self._replies.next_id(), request)
        try:
            found = await self._replies.request_reply(
                asked.id, lambda: self._finds.append(asked), self._terms.intervals.find_s
            )
        except ScorerUnavailable:
            return None
        return msgspec.convert(found["answer"], ResponseRecord)

    async def dry_run(
        self, texts: Sequence[str], task: str | None = None, candidates: Sequence[str] | None = None
    ) -> Mapping[str, Any]:
        """Decides without storing anything. Raises ScorerUnavailable, InvalidRequest."""
        number = self._replies.next_id()
        return await self._ask(task or f"{self.name}/{number}", DryRun(number, texts, task, candidates))

    async def forget_task(self, task: str) -> bool:
        """Removes all that is known of a task; False if nothing was. Raises ScorerUnavailable."""
        return bool((await self._ask(task, ForgetTask(self._replies.next_id(), task)))["known"])

    async def inspect_pack(
        self,
        at: InspectView,
        task: str = "",
        pack: str = "",
        n: int = 0,
    ) -> Mapping[str, Any]:
        """Shows what only arrays can tell. Raises ScorerUnavailable, InvalidRequest."""
        number = self._replies.next_id()
        return await self._ask(task or f"{self.name}/{number}", Inspect(number, at, task, pack, n))

    async def set_policy(self, task: str, policy: TaskPolicy) -> None:
        """Holds a task to another policy; scorers that are not there now read it when they start."""
        if self.status == "ready":
            await self._ask(task, SetPolicy(self._replies.next_id(), task, policy))

    async def reload(self, start: Configure) -> None:
        """Scorers read a changed configuration themselves: tell them, too (SIGHUP)."""

    async def _ask(self, task: str, question: Question) -> Mapping[str, Any]:
        if self.status != "ready":
            raise ScorerUnavailable(f"the scorers are {self.status}: {self.message}")
        waiting = (task, question)
        return await self._replies.request_reply(
            question.id, lambda: self._questions.append(waiting), self._terms.intervals.answer_s
        )

    def _run(self) -> None:
        """The thread."""
        rhythm, last = self._terms.intervals, float("inf")
        while time.monotonic() < last:
            if self._ended.is_set():
                last = min(last, time.monotonic() + rhythm.drain_s)
                if self.status != "ready" or not self._is_open():
                    break
            try:
                self._turn()
            except StateError as error:
                self._fell(str(error))
            except Exception:  # the edge of a background job
                log.exception("the fleet's thread failed, and goes on")
                self._fell("its thread failed; the log says why")
        self._end()

    def _turn(self) -> None:
        """Once round: out with what was observed, in with what is new, and now and then a look around."""
        rhythm, courier = self._terms.intervals, self._courier
        waits = courier.send_observations()
        while self._questions:
            task, question = self._questions.popleft()
            courier.send_question(task, encode_question(replies_channel(self.name), question))
        while self._finds:
            self._client.execute("PUBLISH", redis_keys.FINDS, msgspec.msgpack.encode(self._finds.popleft()))
        limit_s = 0.0 if waits else rhythm.flush_s
        while courier.poll_events(limit_s):
            limit_s = 0.0
        now = time.monotonic()
        if now - self._settled >= rhythm.sync_s:
            courier.sync_counts(self.counts, self._tally)
            for job in self.frequent_jobs:
                job()
            self._settled = now
        if now - self._looked >= rhythm.refresh_s or courier.has_missed:
            self._look()
            self._looked = now

    def _look(self) -> None:
        self._courier.refresh_shards()
        self.counts.backlog = self._courier.backlog
        if not self._has_counted:
            if lost := count_lost_observations(self._client, self._terms.cache_dir):
                self.counts.dropped["gateway_died"] += lost
            self._has_counted = True
        self.gateways = max(1, len(send_heartbeat(self._client, redis_keys.GATEWAYS, self.name)))
        scorers = count_live(self._client, redis_keys.SCORERS)
        for job in self.periodic_jobs:
            job()
        if scorers and self.status != "ready":
            log.info("Redis answers, and %d scorers are there", scorers)
        self.status, self.message = ("ready", "") if scorers else ("down", "no scorer is there")

    def _fell(self, message: str) -> None:
        if self.status != "down" or self.message != message:
            log.warning("decisions stay as they are: %s", message)
        self.status, self.message = "down", message
        self._courier.unsubscribe()
        self._looked = float("-inf")
        self._ended.wait(self._terms.intervals.retry_s)

    def _is_open(self) -> bool:
        return self._outbox.has_pending or self._courier.open_observations > 0

    def _end(self) -> None:
        is_open = self._is_open()
        if is_open:
            log.warning("some inputs were not scored, or not known to be, before the end")
        deregister(self._client, redis_keys.GATEWAYS, self.name)
        self._courier.unsubscribe()
        close_crash_counter(self._terms.cache_dir, self.name, self._tally, not is_open)
        self._client.close_connections()

    def _told(self, decisions: Sequence[Decision]) -> None:
        self._in_loop(self._table.apply_decisions, decisions)

    def _whole(self, decisions: Mapping[str, Decision], gone: Callable[[str], bool]) -> None:
        self._in_loop(self._table.replace_shard, decisions, gone)

    def _forgotten(self, tasks: Sequence[str]) -> None:
        self._in_loop(self._table.forget_tasks, tasks)

    def _replied(self, data: bytes) -> None:
        self._in_loop(self._replies.resolve, msgspec.msgpack.decode(data, type=Reply))

    def _wanted(self, data: bytes) -> None:
        """Another gateway looks for an answer. Who does not know it is silent."""
        wanted = msgspec.msgpack.decode(data, type=FindResponse)
        found = self.recent_responses.find_response(wanted.request) if self.recent_responses is not None else None
        if found is not None:
            reply = Reply(wanted.id, {"answer": found})
            self._client.execute("PUBLISH", wanted.channel, msgspec.msgpack.encode(reply))

    def _in_loop(self, what: Callable[..., None], *arguments: object) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(what, *arguments)

    def run_in_loop(self, what: Callable[[], Any]) -> Any:
        """Does something in the event loop, for a job, and returns what it returns. Raises StateError if it is gone."""
        loop = self._loop
        if loop is None or loop.is_closed():
            raise StateError("the gateway ends")

        async def do() -> Any:
            return what()

        try:
            return asyncio.run_coroutine_threadsafe(do(), loop).result(LOOP_CALL_TIMEOUT_S)
        except TimeoutError as error:
            raise StateError("the event loop does not come to it") from error
