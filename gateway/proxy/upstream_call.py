"""The backend's side of a request: asks backends as the failover plan says, and receives the response.

A response in one piece is held until it is complete, since another backend can still answer in its place. A stream is
passed on from its first byte, by gateway.proxy.stream_relay: from then on what fails is the client's to see.
"""

from functools import partial
from typing import TYPE_CHECKING

from gateway.http.error_envelope import JSON
from gateway.http.forwarding import response_headers
from gateway.http.headers import Headers, first_value
from gateway.http.sse import StreamEndDetector, is_event_stream
from gateway.http.token_usage import parse_usage
from gateway.proxy.exchange_state import CONNECTING, STREAMING, WAITING
from gateway.proxy.pipeline import RoutedRequest
from gateway.proxy.responses import HTTP_OK, normalize_error, upstream_refusal
from gateway.proxy.stream_relay import NEVER, Answering, StreamRelay
from gateway.proxy.usage_estimate import estimate_response
from gateway.upstream.errors import (
    TimedOut,
    UpstreamFault,
    UpstreamProtocolError,
    error_status,
    is_failover_status,
    response_too_large,
)
from gateway.upstream.failover import Try, Wait
from gateway.upstream.interface import ResponseHandle
from gateway.upstream.load_balancer import BackendState, is_backend_fault

if TYPE_CHECKING:
    from gateway.proxy.exchange import Exchange


class UpstreamCall:
    """The attempts of one request, one after the other: the handler of their responses.

    Attributes:
        started: By the exchange's clock.
    """

    __slots__ = (
        "_body", "_clock", "_comment_at", "_exchange", "_handle", "_head", "_is_events", "_next_due", "_plan",
        "_relay", "_routed", "_size", "_target", "_timeouts", "_waiting_since",
        "started",
    )  # fmt: skip

    def __init__(self, exchange: "Exchange", routed: RoutedRequest) -> None:
        pipeline, clock = exchange.context.pipeline, exchange.context.deadlines.clock
        now, every_s = clock(), pipeline.keepalive_s
        self._exchange, self._routed, self._clock = exchange, routed, clock
        self._plan = pipeline.failover.start_plan(
            routed.route.ranking, routed.timeout_overrides, exchange.record.trail, now, routed.placement
        )
        self._comment_at = now + every_s if every_s is not None and routed.request.body.is_stream else NEVER
        self._handle: ResponseHandle | None = None
        self._target: BackendState | None = None  # None in a pause
        self._relay: StreamRelay | None = None
        self._waiting_since = self.started = now

    def ask_backend(self, fault: UpstreamFault | None, now: float) -> None:
        """Take the plan's next step. fault: of the attempt before, None for the first and after a pause."""
        exchange, request = self._exchange, self._routed.request
        self._waiting_since = now
        while isinstance(step := self._plan.next(fault, now), Try):
            self._target, self._timeouts = target, timeouts = step.target, step.timeouts
            self._body: list[bytes] = []
            self._size = 0
            self._is_events = False
            target.on_start()
            # The handler is not called before this returns, so no state is overtaken.
            try:
                self._handle = target.backend.start(request, self, timeouts.connect_s, step.is_fresh)
            except UpstreamFault as error:
                fault = error
                self._end_attempt(is_backend_fault(error))
                continue
            due, deadline = now + timeouts.first_byte_s, self._plan.started + timeouts.total_s
            self._wait_until(due if due < deadline else deadline)
            return
        if isinstance(step, Wait):
            self._wait_until(now + step.seconds)
        else:
            exchange.fail(step.error)

    def _wait_until(self, due: float) -> None:
        """Wait for the first byte, or for the end of a pause."""
        self._next_due = due
        self._exchange.due = due if due < self._comment_at else self._comment_at
        self._exchange.enter(WAITING)

    # The response: gateway.upstream.interface.ResponseHandler

    def on_head(self, status: int, headers: Headers) -> None:
        """Receive the head. A status that another backend may well not give is a fault."""
        if is_failover_status(status):
            # Its body is not read: the connection is closed, which costs a handshake only where backends fail.
            self.on_error(error_status(status, headers))
            return
        self._head = status, headers
        self._is_events = status == HTTP_OK and is_event_stream(headers)

    def on_data(self, data: bytes, chunk: bytes | None = None) -> None:
        """Receive a piece of a response that may still be replaced by another; of a stream, its first."""
        try:
            if self._is_events:
                self._begin_stream(data)
                return
            self._body.append(data)
            self._size += len(data)
            if self._size > self._exchange.context.pipeline.max_response_bytes:
                self.on_error(response_too_large(self._exchange.context.pipeline.max_response_bytes))
        except Exception:
            self._exchange.fail_internally()

    def on_complete(self) -> None:
        """Receive the end of the response."""
        self._handle = None
        try:
            if self._is_events:
                self._fail_attempt(UpstreamProtocolError("ended its stream before the first event"))
            else:
                self._end_whole()
        except Exception:
            self._exchange.fail_internally()

    def on_error(self, fault: UpstreamFault) -> None:
        """Receive the reason why nothing more comes; of timeouts too, which the exchange finds out itself."""
        try:
            self._drop_handle()
            self._fail_attempt(fault)
        except Exception:
            self._exchange.fail_internally()

    def _end_whole(self) -> None:
        status, headers = self._head
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        exchange, slot, rules = self._exchange, self._routed.slot, self._exchange.context.pipeline.forwarding.response
        is_json, usage = parse_usage(body)
        # A captive portal's or a proxy's HTML with status 200 is no response; another backend may have one.
        if status == HTTP_OK and not is_json:
            self._fail_attempt(UpstreamProtocolError("answered what is no JSON object"))
            return
        self._accept_response(body)
        self._end_attempt(is_fault=False)
        if exchange.record.status:
            # A comment has committed to a stream, and a whole document cannot go into it.
            exchange.fail(upstream_refusal(status, body))
            return
        if status == HTTP_OK:
            estimate = partial(estimate_response, self._routed.request.body, body)
            exchange.context.pipeline.accounting.record_usage(exchange.record, usage, estimate)
        shown, body = normalize_error(status, response_headers(headers, rules), body, exchange.endpoint)
        if slot is not None and status == HTTP_OK:
            slot.append_chunk(body)
            slot.commit_response(exchange.record.model, first_value(headers, b"content-type") or JSON)
        exchange.send_whole(status, shown, body)

    def _begin_stream(self, first: bytes) -> None:
        assert self._target is not None  # noqa: S101 - it answers
        assert self._handle is not None  # noqa: S101 - it answers
        exchange, routed, headers = self._exchange, self._routed, self._head[1]
        self._accept_response(first)
        exchange.begin_stream(response_headers(headers, exchange.context.pipeline.forwarding.response))
        exchange.enter(STREAMING)
        deadline = self._plan.started + self._timeouts.total_s
        answer = Answering(self._target, self._handle, headers, self._timeouts.between_chunks_s, deadline)
        self._relay = StreamRelay(exchange, answer, routed.slot, routed.request)
        # The connection calls the relay itself: a token goes through one call less.
        self._handle.set_handler(self._relay)
        self._handle = self._target = None
        self._relay.on_data(first)

    # What else can happen

    def on_deadline(self, now: float) -> None:
        """Act on what did not come in time: a byte, the end of a pause, a sign of life."""
        if self._relay is not None:
            self._relay.on_error(TimedOut("fell silent in the middle of its stream"))
        elif now < self._next_due:
            self._count_waiting(now)
            self._exchange.send_comment()
            self._comment_at = now + (self._exchange.context.pipeline.keepalive_s or NEVER)
            self._exchange.due = min(self._next_due, self._comment_at)
        elif self._target is not None:
            self.on_error(TimedOut("did not answer in time"))
        else:
            self._count_waiting(now)
            self._exchange.enter(CONNECTING)
            self.ask_backend(None, now)

    def resume_reading(self) -> None:
        """Go on after a client that read slowly has caught up."""
        if self._relay is not None:
            self._relay.resume_reading()

    def abort(self) -> StreamEndDetector | None:
        """End the backend's work, which says nothing about its health. Return how far its stream has come."""
        if self._relay is not None:
            return self._relay.abort()
        self._count_waiting(self._clock())
        self._drop_handle()
        self._end_attempt(is_fault=None)
        return None

    def _accept_response(self, data: bytes) -> None:
        """Note that this attempt is the one that answers. data: a whole response, or the first of a stream."""
        exchange = self._exchange
        exchange.record.trail.waited_s += self._clock() - self._waiting_since
        self._plan.record_answer()
        exchange.context.pipeline.response_started(self._routed, exchange.record, data)

    def _fail_attempt(self, fault: UpstreamFault) -> None:
        """Note that this attempt came to nothing, and go on with the plan."""
        now = self._clock()
        self._count_waiting(now)
        self._end_attempt(is_backend_fault(fault))
        self._exchange.enter(CONNECTING)
        self.ask_backend(fault, now)

    def _count_waiting(self, now: float) -> None:
        """Count time spent for the backend, or in a pause: it is no overhead of the gateway's."""
        self._exchange.record.trail.waited_s += now - self._waiting_since
        self._waiting_since = now

    def _end_attempt(self, is_fault: bool | None) -> None:
        target, self._target = self._target, None
        if target is not None:
            target.on_finish(is_fault)

    def _drop_handle(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.abort()
