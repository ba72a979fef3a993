"""The parent's end: one embedded scorer, one set of common buckets, and news between the workers.

It keeps what must be one: the scorer, the buckets, the changes that a worker that starts has to learn. All of it is in
memory; what has to outlive the parent is in the state's file.
"""

import asyncio
import logging
import socket
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

from gateway.decision import Decision
from gateway.errors import InvalidRequest, PackRejected, ScorerUnavailable
from gateway.hub.messages import (
    ConfigChanged,
    Events,
    ExchangeQuotas,
    FoundResponse,
    LocateResponse,
    NoteActive,
    Peers,
    Publish,
    ReloadScorer,
    ScorerState,
    StartScorer,
    TasksForgotten,
    ToParent,
    read_from_worker,
)
from gateway.scorer.embedded.client import EmbeddedScorerClient
from gateway.scorer.embedded.framing import FrameError, encode_frame
from gateway.scorer.messages import (
    BatchDone,
    Configure,
    ForgetTask,
    MergeTasks,
    Observations,
    Question,
    Reply,
    SetPolicy,
    TasksEvicted,
)
from gateway.sharing.buckets import CommonBuckets
from gateway.sharing.limits import LimitEvent
from gateway.state.store import Eviction

log = logging.getLogger("benchroute.workers")

STATE_INTERVAL_S = 0.1
MAX_EVENTS = 20_000
MAX_UNREAD_BYTES = 64 * 1024 * 1024
"""Written to a worker that does not read: one that was stopped is ended, and another one starts."""

NO_SCORER = "the scorer is starting"


class Hub:
    """What the workers of one machine have in common. Lives in one event loop."""

    def __init__(self, nice: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        """nice: niceness of the scorer, see gateway.processes.priority. clock: seconds."""
        self._nice = nice
        self._clock = clock
        self._scorer: EmbeddedScorerClient | None = None
        self._workers: dict[int, asyncio.StreamWriter] = {}
        self._told: dict[int, ScorerState] = {}
        self._buckets = CommonBuckets()
        self._events: deque[tuple[float, LimitEvent]] = deque(maxlen=MAX_EVENTS)
        self._config: ConfigChanged | None = None
        self._reloading = asyncio.Lock()
        self._jobs: set[asyncio.Task[None]] = set()

    async def serve_worker(self, number: int, connection: socket.socket) -> None:
        """Serve a worker until it has gone. number: from 1; another process of that number takes its place."""
        reader, writer = await asyncio.open_connection(sock=connection)
        self._join(number, writer)
        try:
            while (message := await read_from_worker(reader)) is not None:
                self._on_message(number, message)
        except FrameError as error:
            log.error("cannot read from worker %d: %s", number, error)
        finally:
            writer.close()
            if self._workers.get(number) is writer:
                del self._workers[number]
                self._tell_peers()

    async def run(self) -> None:
        """Tell the workers of the scorer's state, until cancelled."""
        while True:
            self._tell_state()
            await asyncio.sleep(STATE_INTERVAL_S)

    async def stop(self) -> None:
        """End the scorer after what it was given. Called once the workers have ended."""
        if self._scorer is not None:
            await self._scorer.stop()
        for writer in self._workers.values():
            writer.close()

    def skip_pending(self) -> None:
        """Let `stop` drop what has not been scored."""
        if self._scorer is not None:
            self._scorer.skip_pending()

    def _join(self, number: int, writer: asyncio.StreamWriter) -> None:
        self._workers[number] = writer
        self._told.pop(number, None)
        self._tell_peers()
        now = self._clock()
        self._send(number, Events([(now - at, event) for at, event in self._events]))
        if self._config is not None:
            self._send(number, self._config)

    def _tell_peers(self) -> None:
        self._broadcast(Peers(len(self._workers)))

    def _on_message(self, number: int, message: ToParent) -> None:
        if isinstance(message, Observations):
            if self._scorer is not None:
                for item in message.items:
                    self._scorer.observe_input(item.task, item.messages, item.key)
        elif isinstance(message, Publish):
            self._events.append((self._clock(), message.event))
            self._broadcast(Events([(0.0, message.event)]), but=number)
        elif isinstance(message, NoteActive):
            active = self._buckets.active_keys(message.used, self._now_ms())
            self._send(number, Reply(message.id, {"active": active}))
        elif isinstance(message, ExchangeQuotas):
            count = max(1, len(self._workers))
            shares = self._buckets.exchange_quotas(message.gateway, count, message.usages, self._now_ms())
            self._send(number, Reply(message.id, {"shares": shares}))
        elif isinstance(message, LocateResponse):
            self._broadcast(LocateResponse(message.id, message.request, number), but=number)
        elif isinstance(message, FoundResponse):
            self._send(message.worker, Reply(message.id, {"answer": message.answer}))
        elif isinstance(message, ConfigChanged):
            self._on_config(number, message)
        elif isinstance(message, StartScorer):
            self._spawn(self._start(message.settings))
        elif isinstance(message, ReloadScorer):
            self._spawn(self._reload(number, message))
        else:
            self._spawn(self._answer(number, message))

    def _now_ms(self) -> float:
        return 1000.0 * self._clock()

    def _on_config(self, number: int, changed: ConfigChanged) -> None:
        """Keep the configuration for workers that start later. The first of a worker is no change."""
        if changed.by == "start" and self._config is not None:
            return
        self._config = msgspec.structs.replace(changed, by="start")
        if changed.for_others:
            self._broadcast(changed, but=number)

    async def _start(self, settings: Configure) -> None:
        if self._scorer is None:
            self._scorer = EmbeddedScorerClient(
                settings, self._on_decisions, nice=self._nice, on_evicted=self._on_evicted
            )
            await self._scorer.start()

    async def _reload(self, number: int, message: ReloadScorer) -> None:
        """Reload for one worker after the other: each reads a changed configuration by itself."""
        refused = None
        try:
            async with self._reloading:
                if self._scorer is None:
                    raise ScorerUnavailable(NO_SCORER)
                await self._scorer.reload(message.settings)
        except PackRejected as error:
            refused = str(error)
        except ScorerUnavailable as error:
            self._send(number, Reply(message.id, error=error.message, is_busy=True))
            return
        self._send(number, Reply(message.id, {"refused": refused}))

    async def _answer(self, number: int, question: Question) -> None:
        scorer = self._scorer
        if scorer is None:
            self._send(number, Reply(question.id, error=NO_SCORER, is_busy=True))
        elif isinstance(question, SetPolicy):
            self._send(number, await self._set_policy(scorer, question))
        else:
            reply = await scorer.relay_question(question)
            if reply.document is not None and isinstance(question, ForgetTask | MergeTasks):
                gone = [question.task] if isinstance(question, ForgetTask) else list(question.sources)
                self._broadcast(TasksForgotten(gone), but=number)
            self._send(number, reply)

    async def _set_policy(self, scorer: EmbeddedScorerClient, question: SetPolicy) -> Reply:
        try:
            await scorer.set_policy(question.task, question.policy)
        except InvalidRequest as error:
            return Reply(question.id, error=error.message)
        except ScorerUnavailable as error:
            return Reply(question.id, error=error.message, is_busy=True)
        return Reply(question.id, {})

    def _on_decisions(self, decisions: Sequence[Decision]) -> None:
        if decisions:
            self._broadcast(BatchDone(decisions))

    def _on_evicted(self, evicted: Sequence[Eviction]) -> None:
        self._broadcast(TasksEvicted(evicted))

    def _tell_state(self) -> None:
        """Tell every worker what has changed of the scorer. The first of them gets its counts too."""
        scorer = self._scorer
        if scorer is None:
            return
        counts = scorer.counts
        bare = ScorerState(scorer.status, scorer.message, scorer.pid)
        full = msgspec.structs.replace(
            bare,
            scored=counts.scored,
            restarts=counts.restarts,
            queued=counts.queued,
            scoring_s=counts.scoring_s,
            dropped=dict(counts.dropped),
        )
        for place, number in enumerate(sorted(self._workers)):
            state = bare if place else full
            if self._told.get(number) != state:
                self._told[number] = state
                self._send(number, state)

    def _broadcast(self, message: msgspec.Struct, but: int = 0) -> None:
        for number in list(self._workers):
            if number != but:
                self._send(number, message)

    def _send(self, number: int, message: msgspec.Struct) -> None:
        writer = self._workers.get(number)
        if writer is None or writer.is_closing():
            return
        if writer.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            log.error("worker %d reads nothing: its connection is closed, and it is restarted", number)
            writer.transport.abort()
            return
        writer.write(encode_frame(message))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        job = asyncio.create_task(work)
        self._jobs.add(job)
        job.add_done_callback(self._on_done)

    def _on_done(self, job: "asyncio.Task[None]") -> None:
        self._jobs.discard(job)
        if not job.cancelled() and (error := job.exception()) is not None:
            log.error("a worker's question failed", exc_info=error)
