"""Embedded scorer client: a child process on a socket, started again when it dies.

What the scorer has not acknowledged when it dies is lost and counted; what still waits in the queue goes to the next.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from gateway.decision import Decision
from gateway.errors import InvalidRequest, PackRejected, ScorerUnavailable
from gateway.observability.metrics import ScorerStats
from gateway.scorer.batch_size import BatchSize
from gateway.scorer.client import ScorerClient
from gateway.scorer.embedded import framing
from gateway.scorer.embedded.process import ScorerProcess
from gateway.scorer.messages import (
    BATCH_SIZE,
    BatchCounts,
    BatchDone,
    Configure,
    FromScorer,
    Inspect,
    Observations,
    PackReady,
    PackRefused,
    Ping,
    Pong,
    Question,
    Reply,
    SetPolicy,
    TaskPolicy,
    TasksEvicted,
)
from gateway.scorer.observation_queue import ObservationQueue
from gateway.scorer.question_gate import NOT_ANSWERED
from gateway.state.store import Eviction

log = logging.getLogger("benchroute.scorer")

BATCH_BYTES = 512 * 1024
"""Of large inputs few at a time: what a batch is written into is then memory that was used before."""

GATHER_S = 0.01
"""Time in which observations gather behind a batch: else every request wakes a task, which writes to the socket."""

NO_RESPONSE = "The router is unavailable: the scorer's process does not respond."

MAX_UNREAD_BYTES = 64 * 1024 * 1024
"""Written to a scorer that does not read: a stopped process gets no more questions."""


@dataclass(frozen=True, slots=True)
class ScorerTimeouts:
    """Seconds.

    Attributes:
        first_restart_s, max_restart_s: the pause before a restart doubles from one to the other.
        steady_s: a scorer that ran so long restarts after the first pause again.
        answer_s: for a question.
        respond_s: for a sign of life, where a question only reads.
        drain_s: for what is left of the observations once the gateway stops.
    """

    first_restart_s: float = 0.5
    max_restart_s: float = 30.0
    steady_s: float = 60.0
    answer_s: float = 120.0
    respond_s: float = 5.0
    drain_s: float = 10.0


class EmbeddedScorerClient(ScorerClient):
    """One scorer process, for as long as the gateway runs."""

    def __init__(
        self,
        settings: Configure,
        on_decisions: Callable[[Sequence[Decision]], None],
        queue: Callable[[ScorerStats], ObservationQueue] = ObservationQueue,
        timeouts: ScorerTimeouts | None = None,
        nice: int = 0,
        on_evicted: Callable[[Sequence[Eviction]], None] = lambda evicted: None,
    ) -> None:
        """on_decisions: receives decisions in order. on_evicted: receives evictions.

        nice: niceness of the process, see gateway.processes.priority.
        """
        self._timeouts = timeouts or ScorerTimeouts()
        super().__init__("loading the embedder and the pack", self._timeouts.answer_s)
        self._nice = nice
        self._settings = settings
        self._on_decisions = on_decisions
        self._on_evicted = on_evicted
        self._queue = queue(self.counts)
        self._reload: asyncio.Future[None] | None = None
        self._in_flight = 0
        self._batch = BatchSize()
        self._scored = BatchCounts()
        self._progress = asyncio.Event()
        self._skips_pending = False
        self._heard_at = 0.0
        self._process: ScorerProcess | None = None
        self._running: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The scorer's process, None while there is none."""
        return self._process.process.pid if self._process else None

    async def start(self, settings: Configure | None = None) -> None:
        """Start a scorer; returns at once. settings: in place of those given to the constructor."""
        self._settings = settings or self._settings
        self._running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End the scorer after what has been observed; what it cannot score in time is lost and logged."""
        if self._running is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeouts.drain_s):
                while self.status != "down" and (self.counts.queued or self._in_flight) and not self._skips_pending:
                    self._progress.clear()
                    await self._progress.wait()
        if left := self.counts.queued + self._in_flight:
            log.warning("%d pending inputs dropped at shutdown", left)
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    def skip_pending(self) -> None:
        """Let `stop` drop what has not been scored."""
        self._skips_pending = True
        self._progress.set()

    def observe_input(self, task: str, messages: bytes, key: str | None = None) -> None:
        """Hand on a request's `messages` (JSON). Never waits, never raises. key: name of the API key that sent it."""
        self._queue.put_observation(task, messages, key)

    async def set_policy(self, task: str, policy: TaskPolicy) -> None:
        """Score a task by another policy; a scorer that is down gets it with its settings when it starts.

        Raises InvalidRequest for what its pack cannot do, with the policy before still in force; ScorerUnavailable.
        """
        before = self._settings
        self._settings = msgspec.structs.replace(before, tasks={**before.tasks, task: policy})
        if self.status == "ready":
            try:
                await self._ask_policy(task, policy)
            except InvalidRequest:
                self._settings = before
                raise
        elif self._process is not None:
            # It was sent the settings of before when it started, and reads this after them.
            self._send(SetPolicy(self._replies.next_id(), task, policy))

    async def reload(self, settings: Configure) -> None:
        """Score with another pack, or other settings.

        Raises PackRejected, with the old ones still in use, or ScorerUnavailable.
        """
        if self._process is None or self._reload is not None:
            raise ScorerUnavailable(f"the scorer is {self.status}: {self.message}")
        self._reload = asyncio.get_running_loop().create_future()
        try:
            self._send(settings)
            await asyncio.wait_for(self._reload, self._timeouts.answer_s)
            self._settings = settings
        except TimeoutError as error:
            raise ScorerUnavailable(f"the scorer did not answer within {self._timeouts.answer_s:g} s") from error
        finally:
            self._reload = None

    def _send_question(self, question: Question) -> None:
        assert self._process is not None  # noqa: S101 - callers look at the status first
        if self._process.writer.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self.counts.questions_dropped[NOT_ANSWERED] += 1
            raise ScorerUnavailable(NO_RESPONSE)
        self._send(question)
        if isinstance(question, Inspect):
            # What only reads is not worth waiting for a process that is stopped; a busy one answers the ping at once.
            self._ping_for(question.id)

    def _ping_for(self, number: int) -> None:
        """Ask for a sign of life, and look in a while whether there was one."""
        loop = asyncio.get_running_loop()
        self._send(Ping())
        loop.call_later(self._timeouts.respond_s, self._check_response, number, loop.time())

    def _check_response(self, number: int, asked_at: float) -> None:
        """Fail a question, and those that wait behind it, if the scorer has said nothing since it was asked."""
        if self._process is None or not self._replies.is_waiting(number):
            return
        if self._heard_at >= asked_at:
            # Again: what was heard may have been on its way when the process was stopped, or that comes later.
            self._ping_for(number)
        else:
            self.counts.questions_dropped[NOT_ANSWERED] += 1
            self._replies.fail(number, NO_RESPONSE)
            self._background_gate.refuse_waiting(NO_RESPONSE)

    def _send(self, message: msgspec.Struct) -> None:
        assert self._process is not None  # noqa: S101 - callers look at the status first
        self._process.writer.write(framing.encode_frame(message))

    async def _run(self) -> None:
        """Run one scorer after the other, with a growing pause between them."""
        pause_s = self._timeouts.first_restart_s
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            try:
                await self._run_scorer()
            except Exception:  # a mistake of ours; without another try nothing would be scored any more
                log.exception("the connection to the scorer failed")
                self._mark_down("its connection failed, see the log")
            if loop.time() - started > self._timeouts.steady_s:
                pause_s = self._timeouts.first_restart_s
            log.warning("the scorer is down (%s); restarting it in %g s", self.message, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._timeouts.max_restart_s)
            self.counts.restarts += 1

    async def _run_scorer(self) -> None:
        """Run one scorer from its start to its end."""
        try:
            self._process = await ScorerProcess.start_process(self._nice)
        except OSError as error:
            self._mark_down(f"it cannot be started: {error}")
            return
        pump = asyncio.create_task(self._pump_observations(self._process))
        try:
            self._send(self._settings)
            while (message := await framing.read_frame(self._process.reader)) is not None:
                self._on_message(message)
                await asyncio.sleep(0)  # a pack's change sends thousands at once: requests come between
        except framing.FrameError as error:
            log.error("cannot read from the scorer: %s", error)
        finally:
            pump.cancel()
            process, self._process = self._process, None
            self._mark_down("it ended")
            await asyncio.shield(process.end_process())
            self.message = f"it ended with code {process.process.returncode}"

    async def _pump_observations(self, process: ScorerProcess) -> None:
        """Send what is queued, as long as the scorer keeps up."""
        while True:
            while self.status != "ready" or self._in_flight >= self._batch.in_flight:
                self._progress.clear()
                await self._progress.wait()
            await self._queue.wait_filled()
            items = self._queue.take_batch(BATCH_SIZE, BATCH_BYTES)
            self._in_flight += len(items)
            process.writer.write(framing.encode_frame(Observations(items)))
            await process.writer.drain()
            if not self._queue.has_pending:
                await asyncio.sleep(GATHER_S)

    def _on_message(self, message: FromScorer) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        if isinstance(message, BatchDone):
            self._in_flight -= message.received
            self._batch.record_batch(message.received, message.took_s)
            self._scored += message.counts
            self.counts.scored, self.counts.scoring_s = self._scored, self.counts.scoring_s + message.took_s
            self._on_decisions(message.decisions)
        elif isinstance(message, Reply):
            self._replies.resolve(message)
        elif isinstance(message, TasksEvicted):
            self._on_evicted(message.items)
        elif isinstance(message, Pong):
            pass  # that it came is what it says
        elif isinstance(message, PackReady):
            self.status, self.message = "ready", ""
            if self._reload is not None and not self._reload.done():
                self._reload.set_result(None)
        else:
            self._on_refusal(message)
        self._progress.set()

    def _on_refusal(self, refused: PackRefused) -> None:
        """Handle a refused pack: at the start the scorer has none; later the old one stays in use."""
        message = f"pack {refused.pack} is refused: {refused.message}"
        if self.status != "ready":
            self.status, self.message = "down", message
        if self._reload is not None and not self._reload.done():
            self._reload.set_exception(PackRejected(message))

    def _mark_down(self, message: str) -> None:
        self.status, self.message = "down", message
        self._progress.set()
        if self._in_flight:
            self.counts.dropped["scorer_died"] += self._in_flight
            self._in_flight = 0
        self._replies.fail_all(f"the scorer is down: {message}")
        if self._reload is not None and not self._reload.done():
            self._reload.set_exception(ScorerUnavailable(f"the scorer is down: {message}"))
