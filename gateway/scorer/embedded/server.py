"""The scorer of one gateway, on a socket to it.

A thread reads the socket; the main loop scores whatever has arrived in one batch and answers. The process ends after
its batch when the gateway closes the socket, and within two seconds when the gateway dies, whatever it is at.
"""

import logging
import queue
import signal
import socket
import threading
import time
from functools import partial
from pathlib import Path

import msgspec

from gateway.errors import StateError
from gateway.processes.startup import configure_process
from gateway.scorer.background import BackgroundExecutor
from gateway.scorer.batch_size import BatchSize
from gateway.scorer.embedded.framing import FrameError, encode_frame, read_frame_blocking
from gateway.scorer.eviction import EVICTION_INTERVAL_S
from gateway.scorer.messages import (
    BackgroundQuestion,
    BatchCounts,
    BatchDone,
    Configure,
    DryRun,
    Observation,
    Observations,
    PackReady,
    PackRefused,
    Ping,
    Pong,
    Question,
    Reply,
    TasksEvicted,
    busy_reply,
)
from gateway.scorer.service import OpenPack, ScorerService, open_pack
from gateway.scorer.stepwise import StepwiseJobs
from gateway.state.sqlite import open_store
from gateway.state.store import Store
from routing.errors import RoutingError

TASKS_AT_ONCE = 50
"""Decisions or evictions of one message: the gateway applies it at once, in about a millisecond."""

log = logging.getLogger("benchroute.scorer")

Received = Configure | Observations | Question | None
"""Messages for the main loop; None ends it."""


class EmbeddedScorer:
    """Transport of a ScorerService over a socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received: queue.SimpleQueue[Received] = queue.SimpleQueue()
        self._store: Store | None = None
        self._pack: OpenPack | None = None
        self._service: ScorerService | None = None
        self._background = BackgroundExecutor()
        self._stepwise = StepwiseJobs()
        self._batch = BatchSize()
        self._evicted_at = float("-inf")
        # Replies to inspections and pings are sent by threads of their own; two frames must not be mixed on the socket.
        self._sending = threading.Lock()

    def run_until_closed(self) -> None:
        """Serve the gateway until it closes the socket or dies."""
        threading.Thread(target=self._read_socket, name="reader", daemon=True).start()
        unread: Received = None
        while (message := unread or self._next_message()) is not None:
            unread = None
            self._evict_tasks()
            if isinstance(message, Observations):
                items, unread = self._collect_batch(list(message.items))
                self._observe(items)
            elif isinstance(message, Configure):
                self._configure(message)
            else:
                self._take_question(message)
            # In turn with messages: neither keeps the other waiting.
            self._stepwise.run_step()

    def _next_message(self) -> Received:
        """Wait for a message; meanwhile, go on with what is done in steps, and evict tasks."""
        while True:
            try:
                return self._received.get(block=not self._stepwise, timeout=EVICTION_INTERVAL_S)
            except queue.Empty:
                self._stepwise.run_step()
                self._evict_tasks()

    def _take_question(self, question: Question) -> None:
        if isinstance(question, DryRun) and self._service is not None:
            self._stepwise.add_job(self._service.answer_in_steps(question, self._send))
        elif not isinstance(question, BackgroundQuestion):
            self._answer(question, self._service)
        # Bound now: the pack may be replaced before the background thread comes to the question.
        elif not self._background.submit_job(partial(self._answer, question, self._service)):
            self._send(busy_reply(question))

    def _evict_tasks(self) -> None:
        if self._service is None or time.monotonic() - self._evicted_at < EVICTION_INTERVAL_S:
            return
        self._evicted_at = time.monotonic()
        try:
            if evicted := self._service.evictor.evict_tasks():
                for start in range(0, len(evicted), TASKS_AT_ONCE):
                    self._send(TasksEvicted(evicted[start : start + TASKS_AT_ONCE]))
        except StateError as error:
            log.warning("tasks cannot be evicted, trying again: %s", error)

    def _read_socket(self) -> None:
        try:
            while (message := read_frame_blocking(self._connection)) is not None:
                if isinstance(message, Ping):  # by this thread, which no batch and no pack keeps busy
                    self._send(Pong())
                else:
                    self._received.put(message)
        except (FrameError, OSError) as error:
            log.error("cannot read from the gateway: %s", error)
        self._received.put(None)

    def _collect_batch(self, items: list[Observation]) -> tuple[list[Observation], Received]:
        """Add the observations that have arrived since, up to the first message of another kind, which is returned."""
        while len(items) < self._batch.size:
            try:
                message = self._received.get_nowait()
            except queue.Empty:
                break
            if not isinstance(message, Observations):
                if message is None:
                    self._received.put(None)
                return items, message
            items += message.items
        return items, None

    def _observe(self, items: list[Observation]) -> None:
        lost = BatchDone((), len(items), BatchCounts(errors=len(items)))
        if self._service is None:
            self._send(lost)
            return
        try:
            done = self._service.apply(items)
            self._batch.record_batch(len(items), done.took_s)
            self._send(done)
        except StateError as error:
            log.error("%d inputs could not be stored: %s", len(items), error)
            self._send(lost)

    def _configure(self, settings: Configure) -> None:
        """Score with this pack and these settings from now on. A pack that is refused changes nothing."""
        try:
            self._store = self._store or open_store(settings.state_url)
            pack = open_pack(Path(settings.pack), settings.routing, self._pack)
            service = ScorerService(pack, self._store, settings)
            decisions = service.rescore_stale()
        except (RoutingError, StateError) as error:
            log.error("pack %s is refused: %s", settings.pack, error)
            self._send(PackRefused(settings.pack, str(error)))
            return
        self._pack, self._service = pack, service
        if decisions:
            log.info("%d tasks scored again with %s", len(decisions), settings.pack)
        for start in range(0, len(decisions), TASKS_AT_ONCE):
            self._send(BatchDone(decisions[start : start + TASKS_AT_ONCE]))
        self._send(PackReady(settings.pack, pack.hash))

    def _answer(self, question: Question, service: ScorerService | None) -> None:
        if service is None:
            self._send(Reply(question.id, error="no pack is open"))
            return
        answer = service.answer(question)
        if answer.decisions:  # before the reply: who has it is routed by them
            self._send(BatchDone(answer.decisions))
        self._send(answer.reply)

    def _send(self, message: msgspec.Struct) -> None:
        try:
            with self._sending:
                self._connection.sendall(encode_frame(message))
        except OSError:
            self._received.put(None)  # the gateway is gone


def serve_gateway(descriptor: int) -> None:
    """Run the scorer on a socket. descriptor: of the socket."""
    # The gateway closes the socket once it has sent its last observation; a signal to the whole process group must not
    # end the scorer before that.
    configure_process(signals={signal.SIGINT: signal.SIG_IGN, signal.SIGTERM: signal.SIG_IGN})
    with socket.socket(fileno=descriptor) as connection:
        EmbeddedScorer(connection).run_until_closed()
