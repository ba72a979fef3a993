"""The backend's side of a request: asks backends as the failover plan says, and receives the response.

A response in one piece is held until it is complete, since another backend can still answer in its place; a stream
until it says something (gateway.proxy.stream_opening). From then on gateway.proxy.stream_relay passes it on, and what
fails is the client's to see.
"""

from collections.abc import Callable

from gateway.http.error_envelope import JSON
from gateway.http.headers import Headers, first_value
from gateway.http.sse import KEEPALIVE_COMMENT, is_event_stream
from gateway.http.token_usage import parse_usage
from gateway.proxy.backend_errors import send_backend_error
from gateway.proxy.error_reader import ERROR_BODY_S, ErrorReader
from gateway.proxy.exchange_state import CONNECTING, STREAMING
from gateway.proxy.responses import HTTP_OK, client_headers
from gateway.proxy.stream_inspector import StreamEnd
from gateway.proxy.stream_opening import begins_with_text
from gateway.proxy.stream_relay import Answering, StreamRelay
from gateway.proxy.stream_start import StreamStart
from gateway.proxy.upstream_attempts import UpstreamAttempts
from gateway.proxy.usage_estimate import estimate_response
from gateway.proxy.whole_answers import A_CHOICE, find_fault
from gateway.upstream.errors import (
    ErrorResponse,
    TimedOut,
    UpstreamFault,
    UpstreamProtocolError,
    is_failover_status,
    response_too_large,
)


class UpstreamCall(UpstreamAttempts):
    """The responses of one request's attempts: the handler of each, until one of them answers."""

    __slots__ = ("_head",)

    def fail_attempt(self, fault: UpstreamFault) -> None:
        """Note that this attempt came to nothing, and go on with the plan."""
        self._start = None
        super().fail_attempt(fault)

    # The response: gateway.upstream.interface.ResponseHandler

    def on_head(self, status: int, headers: Headers) -> None:
        """Receive the head. A status that another backend may well not give is a fault."""
        self._head = status, headers
        if is_failover_status(status):
            self.read_error(ErrorReader(status, headers, self.end_error))
            return
        self._is_events = status == HTTP_OK and is_event_stream(headers)

    def on_data(self, data: bytes, chunk: bytes | None = None) -> None:
        """Receive a piece of a response that may still be replaced by another; of a stream, its first."""
        try:
            if self._is_events:
                self._open_stream(data)
                return
            self._body.append(data)
            self._size += len(data)
            if self._size > self.exchange.context.pipeline.max_response_bytes:
                self.on_error(response_too_large(self.exchange.context.pipeline.max_response_bytes))
        except Exception:
            self.exchange.fail_internally()

    def on_complete(self) -> None:
        """Receive the end of the response."""
        self._handle = None
        try:
            if self._is_events:
                self.fail_attempt(UpstreamProtocolError("ended its stream before it said anything"))
            else:
                self._end_whole()
        except Exception:
            self.exchange.fail_internally()

    def on_error(self, fault: UpstreamFault) -> None:
        """Receive the reason why nothing more comes; of timeouts too, which the exchange finds out itself."""
        if self._reader is not None:
            self.end_error()
            return
        try:
            self._drop_handle()
            self.fail_attempt(fault)
        except Exception:
            self.exchange.fail_internally()

    def end_unsaid(self, fault: UpstreamFault) -> None:
        """Receive the end of a stream that has said nothing, and why it is no answer."""
        self._handle = None
        try:
            self.fail_attempt(fault)
        except Exception:
            self.exchange.fail_internally()

    def _end_whole(self) -> None:
        status, headers = self._head
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        exchange, slot = self.exchange, self._routed.slot
        is_json, usage = parse_usage(body)
        # A captive portal's or a proxy's HTML with status 200 is no response; another backend may have one.
        if status == HTTP_OK and not is_json:
            self.fail_attempt(UpstreamProtocolError("answered what is no JSON object"))
            return
        if status == HTTP_OK and body.find(A_CHOICE) < 0:
            fault = find_fault(exchange.endpoint, headers, body)
            if fault is not None:
                self.fail_attempt(fault)
                return
        self._accept_response(body)
        self._end_attempt(is_fault=False)
        # A comment has committed to a stream, and a whole document cannot go into it.
        if exchange.record.status or status >= 400:
            send_backend_error(exchange, status, ErrorResponse(status, headers, body))
            return
        if status == HTTP_OK:
            request, accounting = self._routed.request.body, exchange.context.pipeline.accounting
            accounting.record_usage(exchange.record, usage, estimate_response, request, body)
        if slot is not None and status == HTTP_OK:
            slot.append_chunk(body)
            slot.commit_response(exchange.record.model, first_value(headers, b"content-type") or JSON)
        exchange.send_whole(status, client_headers(headers, exchange), body)

    def _open_stream(self, data: bytes) -> None:
        """Take the first piece of a stream: nearly always it says something."""
        if begins_with_text(self.exchange.endpoint, data):
            self.begin_stream(data)
            return
        assert self._handle is not None  # noqa: S101 - it answers
        self._start = start = StreamStart(self, *self._head)
        self._handle.set_handler(start)
        start.on_data(data)

    def wait_for_life(self, idle: Callable[[], bytes]) -> None:
        """Wait for more of a stream that has said nothing yet: what has come of it is a sign of life.

        idle: returns those that may pass on already.
        """
        now = self._clock()
        self._next_due = min(now + self._timeouts.between_chunks_s, self._plan.started + self._timeouts.total_s)
        if self.exchange.record.status and (signs := idle()):
            self.exchange.send_comment(signs)
            self._comment_at = now + self._keepalive_s
        self.exchange.due = min(self._next_due, self._comment_at)

    def read_error(self, reader: ErrorReader) -> None:
        """Read an error to its end, which may be the last word."""
        assert self._handle is not None  # noqa: S101 - it answers
        self._reader = reader
        self._handle.set_handler(reader)
        self._next_due = min(self._next_due, self._clock() + ERROR_BODY_S)
        self.exchange.due = min(self._next_due, self._comment_at)

    def end_error(self) -> None:
        """Go on with the plan: nothing more is read of an error."""
        reader, self._reader = self._reader, None
        assert reader is not None  # noqa: S101 - it calls
        try:
            if reader.is_complete:
                self._handle = None
            self._drop_handle()
            self.fail_attempt(reader.make_fault())
        except Exception:
            self.exchange.fail_internally()

    def begin_stream(self, first: bytes) -> None:
        """Relay a stream that has said something."""
        assert self._target is not None  # noqa: S101 - it answers
        assert self._handle is not None  # noqa: S101 - it answers
        exchange, routed, headers = self.exchange, self._routed, self._head[1]
        self._accept_response(first)
        exchange.begin_stream(client_headers(headers, exchange))
        exchange.enter(STREAMING)
        deadline = self._plan.started + self._timeouts.total_s
        body, target = routed.request, self._target
        answer = Answering(
            target, self._handle, headers, self._timeouts.between_chunks_s, self._keepalive_s, deadline,
            body.with_usage and target.backend.asks_for_usage,
        )  # fmt: skip
        self._relay = StreamRelay(exchange, answer, routed.slot, routed.request)
        # The connection calls the relay itself: a token goes through one call less.
        self._handle.set_handler(self._relay)
        self._handle = self._target = None
        self._relay.on_data(first)

    # What else can happen

    def on_deadline(self, now: float) -> None:
        """Act on what did not come in time: a byte, the end of a pause, a sign of life."""
        if self._relay is not None:
            self._relay.on_deadline(now)
        elif now < self._next_due:
            self._count_waiting(now)
            idle = b"" if self._start is None else self._start.take_idle()
            self.exchange.send_comment(idle or KEEPALIVE_COMMENT)
            self._comment_at = now + self._keepalive_s
            self.exchange.due = min(self._next_due, self._comment_at)
        elif self._target is not None:
            self.on_error(TimedOut("did not answer in time"))
        else:
            self._count_waiting(now)
            self.exchange.enter(CONNECTING)
            self.ask_backend(None, now)

    def resume_reading(self) -> None:
        """Go on after a client that read slowly has caught up."""
        if self._relay is not None:
            self._relay.resume_reading()

    def abort(self) -> StreamEnd | None:
        """End the backend's work, which says nothing about its health. Return how far its stream has come."""
        if self._relay is not None:
            return self._relay.abort()
        self._count_waiting(self._clock())
        self._drop_handle()
        self._end_attempt(is_fault=None)
        return None
