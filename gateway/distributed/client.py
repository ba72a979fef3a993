"""A gateway's end of a fleet: observations out, decisions in. What ScorerLink is to one machine.

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
from gateway.distributed.crash_counters import close_tally, count_dead, open_tally
from gateway.distributed.leases import gone, present, there
from gateway.distributed.outbox import Outbox
from gateway.distributed.redis_client import Client
from gateway.distributed.redis_keys import replies
from gateway.distributed.stream_entries import question_bytes
from gateway.distributed.transport import Courier, Hearing
from gateway.errors import ScorerUnavailable, StateError
from gateway.proxy.recent_responses import Answered, RecentAnswers
from gateway.scorer.messages import (
    DryRun,
    Forget,
    Govern,
    Look,
    Question,
    Rate,
    Rated,
    Reply,
    Seed,
    Start,
    TaskDecision,
    TaskPolicy,
)
from gateway.scorer.observation_queue import Counts
from gateway.scorer.pending_replies import Replies

log = logging.getLogger("benchroute.fleet")

IN_LOOP_S = 5.0

Job = Callable[[], None]
"""Something else that the thread does when it looks around; may raise StateError."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds. flush_s: how long an observation waits for others. look_s: between looks around.

    answer_s: for a question; find_s: until an answer that nobody has told of is given up. last_s: what is left of the
    observations may take once the gateway stops.
    """

    flush_s: float = 0.025
    settle_s: float = 0.25
    look_s: float = 1.0
    retry_s: float = 0.5
    answer_s: float = 30.0
    find_s: float = 2.0
    last_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Terms:
    """What the configuration says. cache: a folder for tallies, None for none. backlog: observations that may wait in
    a shard.
    """

    cache: Path | None = None
    backlog: int = 10_000
    rhythm: Rhythm = field(default_factory=Rhythm)


class Find(msgspec.Struct, frozen=True, array_like=True):
    """Who knows this request's answer? channel: where the Reply of that id is awaited."""

    channel: str
    id: int
    request: str


class Table(Protocol):
    """Who follows the decisions. Called in the event loop."""

    def told(self, decisions: Sequence[TaskDecision]) -> None:
        """Decisions in the order in which they were made."""

    def whole(self, decisions: Mapping[str, TaskDecision], gone: Callable[[str], bool]) -> None:
        """All decisions of a shard. gone: whether a task that is not among them is to be forgotten."""

    def forgotten(self, tasks: Sequence[str]) -> None:
        """Tasks that start cold again."""


class FleetLink:
    """For as long as the gateway runs."""

    pid = None
    """No process of the gateway's own scores."""

    def __init__(
        self, client: Client, table: Table, input_of: Callable[[str], str], terms: Terms | None = None
    ) -> None:
        """input_of: which of a request's messages are a task's input."""
        self.status: Literal["starting", "ready", "down"] = "starting"
        self.message = "looking for Redis"
        self.counts = Counts()
        self.jobs: list[Job] = []
        self.often: list[Job] = []
        """What is done with every look around, and what is done several times a second."""
        self.answered: RecentAnswers | None = None
        """What this gateway has answered of late, for others that ask."""
        self.gateways = 1
        """How many there are, this one among them."""
        self._terms = terms or Terms()
        self._client = client
        self._table = table
        self.name = secrets.token_hex(8)
        self._tally = open_tally(self._terms.cache, self.name)
        self._outbox = Outbox(self.counts, self._tally)
        hearing = Hearing(self._told, self._whole, self._forgotten, self._replied, self._wanted)
        self._courier = Courier(self.name, client, self._outbox, input_of, hearing, self._terms.backlog)
        self._replies = Replies()
        self._questions: deque[tuple[str, Question]] = deque()
        self._finds: deque[Find] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._looked = self._settled = float("-inf")
        self._has_counted = False

    async def start(self, start: Start | None = None) -> None:
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

    def observe(self, task: str, messages: bytes) -> None:
        """Hands on a request's `messages` (JSON). Never waits, never raises."""
        self._outbox.put(task, messages)

    async def seed(
        self, task: str, texts: Sequence[str], outcomes: Sequence[Mapping[str, float]] = ()
    ) -> Mapping[str, Any]:
        """Adds inputs to a task. Raises ScorerUnavailable, InvalidRequest."""
        return await self._ask(task, Seed(self._replies.number(), task, texts, outcomes))

    async def rate(self, task: str, answers: Sequence[Rated]) -> Mapping[str, Any]:
        """Adds scores of a task's answers. Raises ScorerUnavailable, InvalidRequest."""
        return await self._ask(task, Rate(self._replies.number(), task, answers))

    async def find(self, request: str) -> Answered | None:
        """An answer that another gateway gave; None where none of them tells of it in time."""
        if self.gateways == 1:
            return None
        asked = Find(replies(self.name), self._replies.number(), request)
        try:
            found = await self._replies.to(asked.id, lambda: self._finds.append(asked), self._terms.rhythm.find_s)
        except ScorerUnavailable:
            return None
        return msgspec.convert(found["answer"], Answered)

    async def dry_run(
        self, texts: Sequence[str], task: str | None = None, candidates: Sequence[str] | None = None
    ) -> Mapping[str, Any]:
        """Decides without storing anything. Raises ScorerUnavailable, InvalidRequest."""
        number = self._replies.number()
        return await self._ask(task or f"{self.name}/{number}", DryRun(number, texts, task, candidates))

    async def forget(self, task: str) -> bool:
        """Removes all that is known of a task; False if nothing was. Raises ScorerUnavailable."""
        return bool((await self._ask(task, Forget(self._replies.number(), task)))["known"])

    async def look(
        self,
        at: Literal["outcomes", "evidence", "difference", "suggestions"],
        task: str = "",
        pack: str = "",
        n: int = 0,
    ) -> Mapping[str, Any]:
        """Shows what only arrays can tell. Raises ScorerUnavailable, InvalidRequest."""
        number = self._replies.number()
        return await self._ask(task or f"{self.name}/{number}", Look(number, at, task, pack, n))

    async def govern(self, task: str, policy: TaskPolicy) -> None:
        """Holds a task to another policy; scorers that are not there now read it when they start."""
        if self.status == "ready":
            await self._ask(task, Govern(self._replies.number(), task, policy))

    async def reload(self, start: Start) -> None:
        """Scorers read a changed configuration themselves: tell them, too (SIGHUP)."""

    async def _ask(self, task: str, question: Question) -> Mapping[str, Any]:
        if self.status != "ready":
            raise ScorerUnavailable(f"the scorers are {self.status}: {self.message}")
        waiting = (task, question)
        return await self._replies.to(question.id, lambda: self._questions.append(waiting), self._terms.rhythm.answer_s)

    def _run(self) -> None:
        """The thread."""
        rhythm, last = self._terms.rhythm, float("inf")
        while time.monotonic() < last:
            if self._ended.is_set():
                last = min(last, time.monotonic() + rhythm.last_s)
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
        rhythm, courier = self._terms.rhythm, self._courier
        waits = courier.send()
        while self._questions:
            task, question = self._questions.popleft()
            courier.ask(task, question_bytes(replies(self.name), question))
        while self._finds:
            self._client.ask("PUBLISH", redis_keys.FINDS, msgspec.msgpack.encode(self._finds.popleft()))
        limit_s = 0.0 if waits else rhythm.flush_s
        while courier.hear(limit_s):
            limit_s = 0.0
        now = time.monotonic()
        if now - self._settled >= rhythm.settle_s:
            courier.settle(self.counts, self._tally)
            for job in self.often:
                job()
            self._settled = now
        if now - self._looked >= rhythm.look_s or courier.has_missed:
            self._look()
            self._looked = now

    def _look(self) -> None:
        self._courier.look()
        self.counts.backlog = self._courier.backlog
        if not self._has_counted:
            if lost := count_dead(self._client, self._terms.cache):
                self.counts.dropped["gateway_died"] += lost
            self._has_counted = True
        self.gateways = max(1, len(present(self._client, redis_keys.GATEWAYS, self.name)))
        scorers = there(self._client, redis_keys.SCORERS)
        for job in self.jobs:
            job()
        if scorers and self.status != "ready":
            log.info("Redis answers, and %d scorers are there", scorers)
        self.status, self.message = ("ready", "") if scorers else ("down", "no scorer is there")

    def _fell(self, message: str) -> None:
        if self.status != "down" or self.message != message:
            log.warning("decisions stay as they are: %s", message)
        self.status, self.message = "down", message
        self._courier.deafen()
        self._looked = float("-inf")
        self._ended.wait(self._terms.rhythm.retry_s)

    def _is_open(self) -> bool:
        return self._outbox.waits or self._courier.open_observations > 0

    def _end(self) -> None:
        is_open = self._is_open()
        if is_open:
            log.warning("some inputs were not scored, or not known to be, before the end")
        gone(self._client, redis_keys.GATEWAYS, self.name)
        self._courier.deafen()
        close_tally(self._terms.cache, self.name, self._tally, not is_open)
        self._client.close()

    def _told(self, decisions: Sequence[TaskDecision]) -> None:
        self._in_loop(self._table.told, decisions)

    def _whole(self, decisions: Mapping[str, TaskDecision], gone: Callable[[str], bool]) -> None:
        self._in_loop(self._table.whole, decisions, gone)

    def _forgotten(self, tasks: Sequence[str]) -> None:
        self._in_loop(self._table.forgotten, tasks)

    def _replied(self, data: bytes) -> None:
        self._in_loop(self._replies.settle, msgspec.msgpack.decode(data, type=Reply))

    def _wanted(self, data: bytes) -> None:
        """Another gateway looks for an answer. Who does not know it is silent."""
        wanted = msgspec.msgpack.decode(data, type=Find)
        found = self.answered.find(wanted.request) if self.answered is not None else None
        if found is not None:
            reply = Reply(wanted.id, {"answer": found})
            self._client.ask("PUBLISH", wanted.channel, msgspec.msgpack.encode(reply))

    def _in_loop(self, what: Callable[..., None], *arguments: object) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(what, *arguments)

    def done_in_loop(self, what: Callable[[], Any]) -> Any:
        """Does something in the event loop, for a job, and returns what it returns. Raises StateError if it is gone."""
        loop = self._loop
        if loop is None or loop.is_closed():
            raise StateError("the gateway ends")

        async def do() -> Any:
            return what()

        try:
            return asyncio.run_coroutine_threadsafe(do(), loop).result(IN_LOOP_S)
        except TimeoutError as error:
            raise StateError("the event loop does not come to it") from error
