"""One request on the express lane: a reader of its backend's answer, and the writer of its client's.

reading ──► waiting ──► streaming ──► over
   │           │            └─ what fails here is told by an event, and the connection ends in the middle
   └───────────┴──► handed over to the lane: what fails here, or is not for this lane
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import RequestError
from gateway.http import error_envelope
from gateway.http.asgi import RawHeaders
from gateway.http.endpoints import Endpoint
from gateway.http.headers import Headers, response_headers
from gateway.http.request_head import RequestHead
from gateway.http.sse import EVENT_STREAM, StreamEndDetector, format_error_event
from gateway.http.token_usage import parse_usage
from gateway.proxy.deadlines import DeadlineTimer
from gateway.proxy.inflight import SHUTDOWN_ERROR, InflightRequests
from gateway.proxy.pipeline import Pipeline, RoutedRequest, internal_error
from gateway.proxy.responses import HTTP_OK, UNBUFFERED_HEADERS, normalize_error, upstream_refusal
from gateway.proxy.sse_keepalive import KEEPALIVE_COMMENT
from gateway.proxy.stream_inspector import StreamInspector, stream_interrupted
from gateway.upstream.async_response import MAX_RESPONSE_BYTES, is_event_stream
from gateway.upstream.connection import Connection
from gateway.upstream.errors import (
    StaleConnection,
    TimedOut,
    UpstreamFault,
    UpstreamProtocolError,
    error_status,
    is_failover_status,
)
from gateway.upstream.failover import Attempt
from gateway.upstream.load_balancer import BackendState
from gateway.upstream.openai_backend import OpenAIBackend

log = logging.getLogger("benchroute.request")

NEVER = float("inf")
UPLOAD_TIMEOUT_S = 1.0
"""How long a body may take to come on this lane; the other one is more patient."""


@dataclass(frozen=True, slots=True)
class ExchangeContext:
    """What requests on this lane work with."""

    pipeline: Pipeline
    inflight: InflightRequests
    deadlines: DeadlineTimer


class ResponseWriter(Protocol):
    """The connection that a request came on."""

    def write_head(self, status: int, headers: RawHeaders, lines: bytes, body: bytes | None, keep_alive: bool) -> None:
        """The answer's head, lines being the rest of its headers, and its body; None for one that comes in pieces."""

    def write_piece(self, data: bytes, written: bytes | None = None) -> bool:
        """A piece of the body, not empty, and the chunk it is, if it came as one. Whether the client takes more."""

    def write_end(self) -> None:
        """The end of a body in pieces."""

    def finish_response(self, keep_alive: bool) -> None:
        """Nothing more of this answer comes."""

    def hand_over(self, exchange: "Exchange", step: RoutedRequest | RequestError | None) -> None:
        """The lane goes on with it; None where not even its body has come."""


class Exchange:
    """One request. See uvicorn's RequestResponseCycle, in whose place it stands, for the first four.

    due: by time.monotonic(), when something has to happen if nothing else does.
    """

    __slots__ = (
        "_began", "_client", "_comment_at", "_connecting", "_deadline", "_first_due", "_is_events", "_limits",
        "_parts", "_passing", "_sent_at", "_size", "_step", "_upstream", "_watched",
        "came", "due", "express", "head", "headers", "keep_alive", "more_body", "operation", "progress",
        "response_complete", "response_started",
    )  # fmt: skip

    def __init__(
        self,
        express: ExchangeContext,
        client: ResponseWriter,
        operation: Endpoint,
        headers: RawHeaders,
        head: RequestHead,
        keep_alive: bool,
    ) -> None:
        """headers: of this request; head: what they say, but for the length of its body."""
        self.response_complete = self.response_started = False
        self.more_body = True
        self.keep_alive = keep_alive
        self.headers, self.head = headers, head
        self.operation = operation
        self.due = time.monotonic() + UPLOAD_TIMEOUT_S
        self.progress = express.pipeline.start_request(head, operation)
        self.express, self._client = express, client
        self._parts: list[bytes] = []
        self._size = 0
        self._step: RoutedRequest | None = None
        self._watched: BackendState | None = None
        self._upstream: Connection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._passing: StreamInspector | None = None
        self._is_events = False
        express.deadlines.watch(self)

    # The request

    def on_request_body(self, body: bytes) -> None:
        """More of the request's body."""
        self._parts.append(body)

    def body_so_far(self) -> bytes:
        """The request's body as far as it has come."""
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    def on_request_complete(self) -> None:
        """The request is complete."""
        self.more_body = False
        if self.response_complete:  # it was cut
            return
        lane, progress = self.express.pipeline, self.progress
        try:
            principal = lane.authenticate(self.head, progress)
            step = lane.parse_and_route(self.body_so_far(), self.head, principal, progress)
            self._forward(step)
        except RequestError as error:
            self._hand_over(error)
        except Exception:
            self._fail_inside()

    def _forward(self, step: RoutedRequest) -> None:
        """Asks the first backend, where it is one that this lane can ask."""
        lane, model = self.express.pipeline, step.route.ranking[0]
        watched = None if step.slot is not None else lane.failover.pick_backend(model)
        backend = watched.backend if watched is not None else None
        if watched is None or not isinstance(backend, OpenAIBackend) or not backend.supports_endpoint(self.operation):
            self._hand_over(step)
            return
        self._step, self._watched, self._parts = step, watched, []
        self._limits = lane.failover.timeouts_for(model, step.timeout_overrides)
        self._set_deadlines(lane.failover.start_request(self.progress.trail), step.call.body.is_stream)
        self._sent_at = time.perf_counter()
        watched.on_start()
        written = backend.build_request(step.call)
        kept = backend.origin.take_idle()
        if kept is not None:
            self._upstream = kept
            kept.send_request(written, self)
        else:
            self._connecting = asyncio.get_running_loop().create_task(self._connect(backend, written))

    def _set_deadlines(self, started: float, is_stream: bool) -> None:
        limits, every_s = self._limits, self.express.pipeline.keepalive_s
        self._deadline = started + limits.total_s
        self._first_due = min(started + limits.first_byte_s, self._deadline)
        self._comment_at = started + every_s if is_stream and every_s is not None else NEVER
        self.due = min(self._first_due, self._comment_at)

    async def _connect(self, backend: OpenAIBackend, written: Sequence[bytes]) -> None:
        try:
            made = await backend.origin.open_connection(self._limits.connect_s)
        except UpstreamFault as fault:
            self._connecting = None
            self.on_error(fault)
            return
        self._connecting, self._upstream = None, made
        made.send_request(written, self)

    # The backend's answer: see gateway.upstream.connection.Reader

    def on_head(self, status: int, headers: Headers) -> None:
        """See Reader."""
        if is_failover_status(status):
            self.on_error(error_status(status, headers))
            return
        self.came = status, headers
        self._is_events = status == HTTP_OK and is_event_stream(headers)

    def on_data(self, data: bytes, written: bytes | None = None) -> None:
        """See Reader."""
        passing = self._passing
        try:
            if passing is not None:
                shown = passing.feed(data)
                self._passed(not shown or self._client.write_piece(shown, written if shown is data else None))
            elif self._is_events:
                self._begin_stream(data)
            else:
                self._parts.append(data)
                self._size += len(data)
                if self._size > MAX_RESPONSE_BYTES:
                    self.on_error(UpstreamProtocolError(f"answered more than {MAX_RESPONSE_BYTES} bytes"))
        except Exception:
            self._fail_inside()

    def on_complete(self) -> None:
        """See Reader."""
        self._upstream = None
        try:
            if self._passing is not None:
                self._end_stream(self._passing, None)
            elif self._is_events:
                self.on_error(UpstreamProtocolError("ended its stream before the first event"))
            else:
                self._end_whole()
        except Exception:
            self._fail_inside()

    def on_error(self, fault: UpstreamFault) -> None:
        """See Reader. Here too for what is found out by others than the connection."""
        try:
            self._leave_backend()
            if self._passing is not None:
                self._end_stream(self._passing, fault)
            elif self._step is not None and self._watched is not None:
                self._note(None if isinstance(fault, StaleConnection) else fault)
                self._hand_over(self._step)
        except Exception:
            self._fail_inside()

    def _end_whole(self) -> None:
        status, headers = self.came
        body, progress = self.body_so_far(), self.progress
        is_json, usage = parse_usage(body)
        if status == HTTP_OK and not is_json:
            self.on_error(UpstreamProtocolError("answered what is no JSON object"))
            return
        self._note_answer()
        self._finished(is_fault=False)
        if progress.status:  # a stream was promised by the first sign of life
            self._hand_over(upstream_refusal(status, body))
            return
        self.express.pipeline.accounting.record_usage(progress, usage)
        shown, body = normalize_error(status, response_headers(headers), body, self.operation)
        progress.is_complete = True
        self._client.write_head(status, shown, progress.begin_response(status), body, self.keep_alive)
        self._over(self.keep_alive)

    def _begin_stream(self, first: bytes) -> None:
        assert self._step is not None  # noqa: S101 - asked
        self._note_answer()
        self._begin_events(response_headers(self.came[1]))
        self._passing = StreamInspector(self.operation, self._step.call.with_usage)
        shown = self._passing.feed(first)
        self._passed(not shown or self._client.write_piece(shown))

    def _begin_events(self, headers: list[tuple[bytes, bytes]]) -> None:
        if not self.response_started:
            self.response_started = True
            told = self.progress.begin_response(HTTP_OK)
            self._client.write_head(HTTP_OK, [*headers, *UNBUFFERED_HEADERS], told, None, self.keep_alive)

    def _passed(self, takes_more: bool) -> None:
        """A client that reads slowly holds the backend back: little piles up here."""
        if not takes_more and self._upstream is not None:
            self._upstream.pause_reading()
            self.due = NEVER
            return
        due, deadline = time.monotonic() + self._limits.between_chunks_s, self._deadline
        self.due = due if due < deadline else deadline

    def _end_stream(self, passing: StreamInspector, fault: UpstreamFault | None) -> None:
        if held := passing.flush():
            self._client.write_piece(held)
        self.express.pipeline.accounting.record_usage(self.progress, passing.find_usage())
        is_done = passing.end.is_done  # what goes wrong after the last event harms nobody
        if is_done:
            self.progress.is_complete = True
            self._client.write_end()
        else:
            fault = fault or UpstreamProtocolError("ended its stream without its last event")
            self.progress.stream_error = str(fault)
            self._client.write_piece(format_error_event(stream_interrupted(fault), passing.end))
        self._finished(is_fault=not is_done)
        self._over(is_done and self.keep_alive)

    # What else can happen

    def on_deadline(self, now: float) -> None:
        """See Sweep."""
        if self.more_body:
            self._hand_over(None)
        elif self._passing is not None:
            self.on_error(TimedOut("fell silent in the middle of its stream"))
        elif now >= self._first_due:
            self.on_error(TimedOut("did not answer in time"))
        else:
            self._begin_events([(b"content-type", EVENT_STREAM)])
            self._client.write_piece(KEEPALIVE_COMMENT)
            self._comment_at = now + (self.express.pipeline.keepalive_s or NEVER)
            self.due = min(self._first_due, self._comment_at)

    def on_writable(self) -> None:
        """The client, who did not take more, does now."""
        if self._upstream is not None and self._passing is not None:
            self.due = min(time.monotonic() + self._limits.between_chunks_s, self._deadline)
            self._upstream.resume_reading()

    def on_disconnect(self) -> None:
        """Nobody would read the answer: the backend should stop making it."""
        self._leave_backend()
        self._finished(is_fault=None)
        self._close()

    def abort(self) -> None:
        """The gateway stops, and this took longer than it could wait. See Sweep."""
        passing, progress = self._passing, self.progress
        self._leave_backend()
        self._finished(is_fault=None)
        if not self.response_started:
            told = error_envelope.encode_error(SHUTDOWN_ERROR, self.operation)
            headers = [(b"content-type", error_envelope.JSON)]
            self._client.write_head(
                SHUTDOWN_ERROR.status, headers, progress.begin_response(SHUTDOWN_ERROR.status), told, False
            )
        elif passing is not None and passing.end.is_done:
            self._client.write_end()
        else:
            self._client.write_piece(
                format_error_event(SHUTDOWN_ERROR, passing.end if passing else StreamEndDetector(self.operation))
            )
        self._over(keep_alive=False)

    def _note_answer(self) -> None:
        assert self._step is not None  # noqa: S101 - asked
        assert self._watched is not None  # noqa: S101 - asked
        trail = self.progress.trail
        trail.waited_s += time.perf_counter() - self._sent_at
        trail.attempts.append(Attempt(self._watched.model, self._watched.backend.name))
        self.express.pipeline.response_started(self._step, self.progress)

    def _note(self, fault: UpstreamFault | None) -> None:
        """An attempt that came to nothing. None: one that does not count."""
        assert self._watched is not None  # noqa: S101 - asked
        self.progress.trail.waited_s += time.perf_counter() - self._sent_at
        if fault is not None:
            self.progress.trail.attempts.append(Attempt(self._watched.model, self._watched.backend.name, fault))
        self._finished(is_fault=None if fault is None else True)

    def _finished(self, is_fault: bool | None) -> None:
        watched, self._watched = self._watched, None
        if watched is not None:
            watched.on_finish(is_fault)

    def _leave_backend(self) -> None:
        upstream, self._upstream = self._upstream, None
        connecting, self._connecting = self._connecting, None
        if upstream is not None:
            upstream.abort()
        if connecting is not None:
            connecting.cancel()

    def _fail_inside(self) -> None:
        """The edge of a request: whatever went wrong, the client gets an answer, the log the reason."""
        log.exception("%s failed inside the gateway", self.progress.request_id)
        self._leave_backend()
        self._finished(is_fault=None)
        if not self.response_complete:
            self._hand_over(internal_error(self.progress))

    def _hand_over(self, step: RoutedRequest | RequestError | None) -> None:
        self.express.deadlines.unwatch(self)
        if step is None:
            self.express.pipeline.accounting.metrics.in_flight -= 1
        self._client.hand_over(self, step)

    def _over(self, keep_alive: bool) -> None:
        self.response_complete = True
        self._close()
        self._client.finish_response(keep_alive)

    def _close(self) -> None:
        """Its connection may be idle for long: what was said is let go."""
        self.express.deadlines.unwatch(self)
        self._parts, self._step, self._passing = [], None, None
        self.express.pipeline.finish_request(self.progress)
