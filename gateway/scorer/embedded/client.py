"""The gateway's end of scoring: hands on observations, takes decisions, and starts the scorer again when it dies.

Nothing the request path calls here waits or raises. What the scorer has not acknowledged when it dies is lost and
counted; what still waits in the queue goes to the next one.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import msgspec

from gateway.errors import InvalidRequest, PackRejected, ScorerUnavailable
from gateway.scorer.embedded import framing
from gateway.scorer.embedded.process import ScorerProcess
from gateway.scorer.messages import (
    BatchDone,
    Configure,
    Decision,
    DryRun,
    ForgetTask,
    FromScorer,
    Inspect,
    InspectView,
    Observations,
    PackReady,
    PackRefused,
    Question,
    Reply,
    ScoredResponse,
    SeedInputs,
    SetPolicy,
    SubmitFeedback,
    TaskPolicy,
)
from gateway.scorer.observation_queue import ObservationQueue, ObservationStats
from gateway.scorer.pending_replies import PendingReplies

log = logging.getLogger("benchroute.scorer")

T = TypeVar("T")

BATCH_SIZE = 64
BATCH_BYTES = 512 * 1024
"""Of large inputs few at a time: what a batch is written into is then memory that was used before."""

MAX_IN_FLIGHT = 256
"""Observations sent and not yet acknowledged: enough to keep the scorer busy, few enough to lose."""


@dataclass(frozen=True, slots=True)
class ScorerTimeouts:
    """Seconds. The pause before a restart doubles from first_s to longest_s, and starts over after steady_s of work.

    last_s: what is left of the observations may take, once the gateway stops.
    """

    first_restart_s: float = 0.5
    max_restart_s: float = 30.0
    steady_s: float = 60.0
    answer_s: float = 120.0
    drain_s: float = 10.0


class EmbeddedScorerClient:
    """One scorer, for as long as the gateway runs."""

    def __init__(
        self,
        start: Configure,
        decided: Callable[[Sequence[Decision]], None],
        queue: Callable[[ObservationStats], ObservationQueue] = ObservationQueue,
        patience: ScorerTimeouts | None = None,
        nice: int = 0,
    ) -> None:
        """decided: receives decisions in order. nice: niceness of the scorer, see gateway.processes.priority."""
        self._nice = nice
        self.status: Literal["starting", "ready", "down"] = "starting"
        self.message = "loading the embedder and the pack"
        self.counts = ObservationStats()
        self._start = start
        self._decided = decided
        self._queue = queue(self.counts)
        self._patience = patience or ScorerTimeouts()
        self._replies = PendingReplies()
        self._reload: asyncio.Future[None] | None = None
        self._in_flight = 0
        self._moved = asyncio.Event()
        self._process: ScorerProcess | None = None
        self._running: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The scorer's process, None while there is none."""
        return self._process.process.pid if self._process else None

    async def start(self, start: Configure | None = None) -> None:
        """Begins to run a scorer; returns at once. start: in place of the one from before."""
        self._start = start or self._start
        self._running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ends the scorer, after what has been observed; what it cannot score in time is lost, and the log says so."""
        if self._running is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience.drain_s):
                while self.status != "down" and (self.counts.queued or self._in_flight):
                    self._moved.clear()
                    await self._moved.wait()
        if left := self.counts.queued + self._in_flight:
            log.warning("%d inputs were not scored before the end", left)
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    def observe_input(self, task: str, messages: bytes) -> None:
        """Hands on a request's `messages` (JSON). Never waits, never raises."""
        self._queue.put_observation(task, messages)

    async def seed_task(
        self, task: str, texts: Sequence[str], outcomes: Sequence[Mapping[str, float]] = ()
    ) -> Mapping[str, Any]:
        """Adds inputs to a task. Raises ScorerUnavailable, InvalidRequest."""
        return await self._ask(SeedInputs(self._replies.next_id(), task, texts, outcomes))

    async def submit_feedback(self, task: str, answers: Sequence[ScoredResponse]) -> Mapping[str, Any]:
        """Adds scores of a task's answers. Raises ScorerUnavailable, InvalidRequest."""
        return await self._ask(SubmitFeedback(self._replies.next_id(), task, answers))

    async def find_response(self, request: str) -> None:
        """There are no other gateways that could know an answer."""

    async def dry_run(
        self, texts: Sequence[str], task: str | None = None, candidates: Sequence[str] | None = None
    ) -> Mapping[str, Any]:
        """Decides without storing anything. Raises ScorerUnavailable, InvalidRequest."""
        return await self._ask(DryRun(self._replies.next_id(), texts, task, candidates))

    async def forget_task(self, task: str) -> bool:
        """Removes all that is known of a task; False if nothing was. Raises ScorerUnavailable."""
        return bool((await self._ask(ForgetTask(self._replies.next_id(), task)))["known"])

    async def inspect_pack(
        self,
        at: InspectView,
        task: str = "",
        pack: str = "",
        n: int = 0,
    ) -> Mapping[str, Any]:
        """Shows what only arrays can tell. Raises ScorerUnavailable, InvalidRequest."""
        return await self._ask(Inspect(self._replies.next_id(), at, task, pack, n))

    async def set_policy(self, task: str, policy: TaskPolicy) -> None:
        """Holds a task to another policy. A scorer that is not there now is told when it starts.

        Raises InvalidRequest for what its pack cannot do, with the policy before still in force; ScorerUnavailable.
        """
        before, message = self._start, SetPolicy(self._replies.next_id(), task, policy)
        self._start = msgspec.structs.replace(before, tasks={**before.tasks, task: policy})
        if self.status == "ready":
            try:
                await self._ask(message)
            except InvalidRequest:
                self._start = before
                raise
        elif self._process is not None:  # it has been sent its Start already, and will come to this after it
            self._send(message)

    async def reload(self, start: Configure) -> None:
        """Works with another pack, or other settings. Raises PackRejected, with the old ones still in use, or
        ScorerUnavailable.
        """
        if self._process is None or self._reload is not None:
            raise ScorerUnavailable(f"the scorer is {self.status}: {self.message}")
        self._reload = asyncio.get_running_loop().create_future()
        try:
            self._send(start)
            await self._in_time(self._reload)
            self._start = start
        finally:
            self._reload = None

    async def _ask(self, message: Question) -> Mapping[str, Any]:
        if self.status != "ready":
            raise ScorerUnavailable(f"the scorer is {self.status}: {self.message}")
        return await self._replies.request_reply(message.id, lambda: self._send(message), self._patience.answer_s)

    async def _in_time(self, answer: "asyncio.Future[T]") -> T:
        try:
            return await asyncio.wait_for(answer, self._patience.answer_s)
        except TimeoutError as error:
            raise ScorerUnavailable("the scorer does not answer") from error

    def _send(self, message: msgspec.Struct) -> None:
        assert self._process is not None  # noqa: S101 - callers look at the status first
        self._process.writer.write(framing.encode_frame(message))

    async def _run(self) -> None:
        """A scorer after the other, with a growing pause between them."""
        pause_s = self._patience.first_restart_s
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            try:
                await self._one()
            except Exception:  # a mistake of ours; without another try nothing would be scored any more
                log.exception("the scorer's link failed")
                self._fell("its link failed, see the log")
            if loop.time() - begun > self._patience.steady_s:
                pause_s = self._patience.first_restart_s
            log.warning("the scorer is down (%s); another one starts in %g s", self.message, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._patience.max_restart_s)
            self.counts.restarts += 1

    async def _one(self) -> None:
        """One scorer from its start to its end."""
        try:
            self._process = await ScorerProcess.start_process(self._nice)
        except OSError as error:
            self._fell(f"it cannot be started: {error}")
            return
        pump = asyncio.create_task(self._pump(self._process))
        try:
            self._send(self._start)
            while (message := await framing.read_frame(self._process.reader)) is not None:
                self._take(message)
        except framing.FrameError as error:
            log.error("the scorer sent %s", error)
        finally:
            pump.cancel()
            process, self._process = self._process, None
            self._fell("it ended")
            await asyncio.shield(process.end_process())
            self.message = f"it ended with code {process.process.returncode}"

    async def _pump(self, process: ScorerProcess) -> None:
        """Sends what is queued, as long as the scorer keeps up."""
        while True:
            while self.status != "ready" or self._in_flight >= MAX_IN_FLIGHT:
                self._moved.clear()
                await self._moved.wait()
            items = await self._queue.take_batch(BATCH_SIZE, BATCH_BYTES)
            self._in_flight += len(items)
            process.writer.write(framing.encode_frame(Observations(items)))
            await process.writer.drain()

    def _take(self, message: FromScorer) -> None:
        if isinstance(message, BatchDone):
            self._in_flight -= message.observed
            self.counts.observed += message.observed - message.errors
            self.counts.errors += message.errors
            self.counts.scoring_s += message.took_s
            self.counts.skipped += message.skipped
            self._decided(message.decisions)
        elif isinstance(message, Reply):
            self._replies.resolve(message)
        elif isinstance(message, PackReady):
            self.status, self.message = "ready", ""
            if self._reload is not None and not self._reload.done():
                self._reload.set_result(None)
        else:
            self._refused(message)
        self._moved.set()

    def _refused(self, refused: PackRefused) -> None:
        """A pack that is refused at the start leaves the scorer without one; later, the old one stays."""
        if self.status != "ready":
            self.status, self.message = "down", f"pack {refused.pack} is refused: {refused.message}"
        if self._reload is not None and not self._reload.done():
            self._reload.set_exception(PackRejected(f"pack {refused.pack} is refused: {refused.message}"))

    def _fell(self, message: str) -> None:
        self.status, self.message = "down", message
        self._moved.set()
        if self._in_flight:
            self.counts.dropped["scorer_died"] += self._in_flight
            self._in_flight = 0
        self._replies.fail_all(f"the scorer is down: {message}")
        if self._reload is not None and not self._reload.done():
            self._reload.set_exception(ScorerUnavailable(f"the scorer is down: {message}"))
