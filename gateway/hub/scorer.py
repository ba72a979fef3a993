"""Scorer client of a worker: the scorer is its parent's, and works for all workers."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import msgspec

from gateway.decision import Decision
from gateway.errors import PackRejected, ScorerUnavailable
from gateway.hub.link import ParentLink
from gateway.hub.messages import FoundResponse, LocateResponse, ReloadScorer, ScorerState, StartScorer, TasksForgotten
from gateway.proxy.recent_responses import ResponseRecord
from gateway.scorer.client import ScorerClient
from gateway.scorer.messages import (
    BATCH_SIZE,
    BatchDone,
    Configure,
    Observations,
    Question,
    SetPolicy,
    TaskPolicy,
    TasksEvicted,
)
from gateway.scorer.observation_queue import ObservationQueue
from gateway.sharing.node import FindOwnResponse
from gateway.state.store import Eviction

log = logging.getLogger("benchroute.scorer")

BATCH_BYTES = 512 * 1024
FLUSH_S = 0.025
"""How long an observation waits for others to be sent with."""

ANSWER_S, FIND_S, DRAIN_S = 120.0, 2.0, 10.0
"""Seconds for a question, for another worker's answer to a request, and for what is left at the end."""

Status = Literal["starting", "ready", "down"]


@dataclass(frozen=True, slots=True)
class ScorerHandlers:
    """Receivers of what the scorer does. Called in the event loop.

    Attributes:
        on_decisions: decisions in order.
        on_evicted: evictions.
        on_forgotten: tasks that another worker has deleted.
    """

    on_decisions: Callable[[Sequence[Decision]], None]
    on_evicted: Callable[[Sequence[Eviction]], None]
    on_forgotten: Callable[[Sequence[str]], None]


class WorkerScorerClient(ScorerClient):
    """The parent's scorer, for as long as this worker runs."""

    def __init__(self, link: ParentLink, settings: Configure, handlers: ScorerHandlers) -> None:
        """settings: with which the scorer starts, unless another worker has started it."""
        super().__init__("connecting to the parent process", ANSWER_S)
        self.find_own_response: FindOwnResponse = lambda request: None
        """Finds one of this worker's responses for others that search for it."""
        self._replies = link.replies
        self._link = link
        self._settings = settings
        self._queue = ObservationQueue(self.counts)
        self._pid: int | None = None
        self._known = ScorerState("starting", "")
        self._pumping: asyncio.Task[None] | None = None
        link.handlers[BatchDone] = lambda message: handlers.on_decisions(message.decisions)
        link.handlers[TasksEvicted] = lambda message: handlers.on_evicted(message.items)
        link.handlers[TasksForgotten] = lambda message: handlers.on_forgotten(message.tasks)
        link.handlers[ScorerState] = self._on_state
        link.handlers[LocateResponse] = self._on_find

    @property
    def pid(self) -> int | None:
        """The scorer's process, None while there is none."""
        return self._pid

    async def start(self, settings: Configure | None = None) -> None:
        """Begin to hand on observations; returns at once."""
        self._link.send(StartScorer(settings or self._settings))
        self._pumping = asyncio.create_task(self._pump())

    async def stop(self) -> None:
        """Hand on what has been observed, and stop."""
        if self._pumping is None:
            return
        self._pumping.cancel()
        await asyncio.gather(self._pumping, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self._send_pending()
        if left := self.counts.queued:
            log.warning("%d pending inputs dropped at shutdown", left)

    def observe_input(self, task: str, messages: bytes, key: str | None = None) -> None:
        """Hand on a request's `messages` (JSON). Never waits, never raises. key: name of the API key that sent it."""
        self._queue.put_observation(task, messages, key)

    async def set_policy(self, task: str, policy: TaskPolicy) -> None:
        """Score a task by another policy; a scorer that is down gets it with its settings when it starts.

        Raises InvalidRequest for what its pack cannot do, ScorerUnavailable.
        """
        if self.status == "ready":
            await self._ask_policy(task, policy)
        else:
            self._link.send(SetPolicy(self._replies.next_id(), task, policy))

    async def reload(self, settings: Configure) -> None:
        """Score with another pack, or other settings.

        Raises PackRejected, with the old ones still in use, or ScorerUnavailable.
        """
        number = self._replies.next_id()
        try:
            reply = await self._replies.request_reply(
                number, lambda: self._link.send(ReloadScorer(number, settings)), ANSWER_S
            )
        except TimeoutError as error:
            raise ScorerUnavailable(f"the scorer did not answer within {ANSWER_S:g} s") from error
        if reply["refused"] is not None:
            raise PackRejected(reply["refused"])

    async def find_response(self, request: str) -> ResponseRecord | None:
        """Return another worker's answer to a request; None where none tells of one in time."""
        number = self._replies.next_id()
        try:
            found = await self._replies.request_reply(
                number, lambda: self._link.send(LocateResponse(number, request)), FIND_S
            )
        except (ScorerUnavailable, TimeoutError):
            return None
        return msgspec.convert(found["answer"], ResponseRecord)

    def _send_question(self, question: Question) -> None:
        self._link.send(question)

    async def _pump(self) -> None:
        while True:
            await self._queue.wait_filled()
            # Requests of the next moment come with it: a message costs both ends more than what is in it.
            await asyncio.sleep(FLUSH_S)
            await self._send_pending()

    async def _send_pending(self) -> None:
        while self._queue.has_pending:
            self._link.send(Observations(self._queue.take_batch(BATCH_SIZE, BATCH_BYTES)))
            await self._link.drain()

    def _on_state(self, state: ScorerState) -> None:
        self.status, self.message, self._pid = cast("Status", state.status), state.message, state.pid
        counts, before = self.counts, self._known
        counts.scored, counts.restarts, counts.scoring_s = state.scored, state.restarts, state.scoring_s
        counts.backlog = state.queued
        # On top of what this worker's own queue has dropped.
        for reason in {*before.dropped, *state.dropped}:
            counts.dropped[reason] += state.dropped.get(reason, 0) - before.dropped.get(reason, 0)
        self._known = state

    def _on_find(self, find: LocateResponse) -> None:
        """Answer another worker's search where this one has the response; else stay silent."""
        found = self.find_own_response(find.request)
        if found is not None:
            self._link.send(FoundResponse(find.worker, find.id, found))
