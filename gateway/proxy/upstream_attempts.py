"""The attempts of a request at backends, one after the other, as the failover plan says."""

from typing import TYPE_CHECKING

from gateway.proxy.backend_errors import send_last_word
from gateway.proxy.error_reader import ErrorReader
from gateway.proxy.exchange_state import CONNECTING, WAITING
from gateway.proxy.pipeline import RoutedRequest
from gateway.proxy.stream_relay import NEVER, StreamRelay
from gateway.upstream.errors import UpstreamFault
from gateway.upstream.failover import FailoverPlan, Try, Wait
from gateway.upstream.interface import ResponseHandle
from gateway.upstream.load_balancer import BackendState, is_backend_fault

if TYPE_CHECKING:
    from gateway.proxy.exchange import Exchange
    from gateway.proxy.stream_start import StreamStart


class UpstreamAttempts:
    """The attempts of one request. gateway.proxy.upstream_call receives their responses.

    Attributes:
        exchange: The request that they are for.
        started: By its clock.
    """

    __slots__ = (
        "_body", "_clock", "_comment_at", "_handle", "_is_events", "_keepalive_s", "_next_due", "_plan", "_reader",
        "_relay", "_routed", "_size", "_start", "_target", "_timeouts", "_waiting_since",
        "exchange", "started",
    )  # fmt: skip

    def __init__(self, exchange: "Exchange", routed: RoutedRequest) -> None:
        pipeline, clock = exchange.context.pipeline, exchange.context.deadlines.clock
        now, every_s = clock(), pipeline.keepalive_s
        self._keepalive_s = NEVER if every_s is None or not routed.request.body.is_stream else every_s
        self.exchange, self._routed, self._clock = exchange, routed, clock
        self._plan = FailoverPlan(
            pipeline.failover, routed.route.ranking, routed.timeout_overrides, exchange.record.trail, now,
            routed.placement,
        )  # fmt: skip
        self._comment_at = now + self._keepalive_s
        self._handle: ResponseHandle | None = None
        self._target: BackendState | None = None  # None in a pause
        # Here, for a call to another constructor would cost more than all of these.
        self._start: StreamStart | None = None
        self._reader: ErrorReader | None = None
        self._relay: StreamRelay | None = None
        self._waiting_since = self.started = now

    def ask_backend(self, fault: UpstreamFault | None, now: float) -> None:
        """Take the plan's next step. fault: of the attempt before, None for the first and after a pause."""
        exchange, request = self.exchange, self._routed.request
        self._waiting_since = now
        while isinstance(step := self._plan.next(fault, now), Try):
            self._target, self._timeouts = target, timeouts = step.target, step.timeouts
            self._body: list[bytes] = []
            self._size = 0
            self._is_events = False
            target.on_start()
            # The handler is not called before this returns, so no state is overtaken.
            try:
                self._handle = target.backend.start(
                    request,
                    self,  # type: ignore[arg-type]  # a handler: only UpstreamCall is ever made
                    timeouts.connect_s,
                    step.is_fresh,
                )
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
            send_last_word(exchange, step)

    def _wait_until(self, due: float) -> None:
        """Wait for the first byte, or for the end of a pause."""
        self._next_due = due
        self.exchange.due = due if due < self._comment_at else self._comment_at
        self.exchange.enter(WAITING)

    def fail_attempt(self, fault: UpstreamFault) -> None:
        """Note that this attempt came to nothing, and go on with the plan."""
        now = self._clock()
        self._count_waiting(now)
        self._end_attempt(is_backend_fault(fault))
        self.exchange.enter(CONNECTING)
        self.ask_backend(fault, now)

    def _accept_response(self, data: bytes) -> None:
        """Note that this attempt is the one that answers. data: a whole response, or the first of a stream."""
        exchange, now = self.exchange, self._clock()
        exchange.record.trail.waited_s += now - self._waiting_since
        self._plan.record_answer(now)
        exchange.context.pipeline.response_started(self._routed, exchange.record, data)

    def _count_waiting(self, now: float) -> None:
        """Count time spent for the backend, or in a pause: it is no overhead of the gateway's."""
        self.exchange.record.trail.waited_s += now - self._waiting_since
        self._waiting_since = now

    def _end_attempt(self, is_fault: bool | None) -> None:
        target, self._target = self._target, None
        if target is not None:
            target.on_finish(is_fault)

    def _drop_handle(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.abort()
