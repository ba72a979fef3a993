"""A backend's stream on its way to the client: as it came, and one that broke never looks like one that ended."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gateway.http.endpoints import MESSAGES, RESPONSES
from gateway.http.error_envelope import JSON
from gateway.http.headers import Headers, first_value
from gateway.http.sse import StreamEndDetector
from gateway.http.token_usage import Usage
from gateway.proxy.response_cache import CacheSlot
from gateway.proxy.stream_inspector import StreamInspector, stream_interrupted
from gateway.proxy.usage_estimate import estimate_usage, raise_output
from gateway.upstream.errors import UpstreamFault, UpstreamProtocolError
from gateway.upstream.interface import ResponseHandle, UpstreamRequest
from gateway.upstream.load_balancer import BackendState

if TYPE_CHECKING:
    from gateway.proxy.exchange import Exchange

NEVER = float("inf")

HELD_BACK_S = 1.0
"""A backend held back for longer than this may have given up: that its stream broke then says nothing about it."""


class WritePiece(Protocol):
    """The type of ResponseWriter.write_piece."""

    def __call__(self, data: bytes, chunk: bytes | None = None) -> bool:
        """Write a piece of a body."""


@dataclass(frozen=True, slots=True)
class Answering:
    """A backend whose stream has begun.

    Attributes:
        idle_s: Limit of the time between two chunks.
        deadline: Of the whole response, by the exchange's clock.
    """

    target: BackendState
    handle: ResponseHandle
    headers: Headers
    idle_s: float
    deadline: float


class StreamRelay:
    """Relay of a stream from its first byte on: the handler of the rest of the response."""

    __slots__ = (
        "_clock", "_deadline", "_exchange", "_handle", "_headers", "_held_at", "_held_s", "_idle_s", "_inspector",
        "_request", "_slot", "_target", "_write",
    )  # fmt: skip

    def __init__(
        self, exchange: "Exchange", answer: Answering, slot: CacheSlot | None, request: UpstreamRequest
    ) -> None:
        """slot: in the response cache. request: what was asked; with_usage hides the usage event from the client."""
        self._inspector = StreamInspector(exchange.endpoint, request.with_usage)
        self._request = request
        self._exchange, self._headers = exchange, answer.headers
        self._target: BackendState | None = answer.target
        self._handle: ResponseHandle | None = answer.handle
        self._slot = slot
        self._write: WritePiece = exchange.writer.write_piece if slot is None else self._write_and_keep
        self._clock: Callable[[], float] = exchange.context.deadlines.clock
        self._idle_s, self._deadline = answer.idle_s, answer.deadline
        self._held_at: float | None = None
        self._held_s = 0.0

    def on_head(self, status: int, headers: Headers) -> None:
        """Do nothing: the head has come before."""

    def on_data(self, data: bytes, chunk: bytes | None = None) -> None:
        """Pass a piece on: the path of every token, so it calls nothing that it can do itself."""
        try:
            shown = self._inspector.feed(data)
            if shown and not self._write(shown, chunk if shown is data else None):
                self._hold_back()
                return
            # For every token, so without min(), whose call costs more than the comparison.
            due = self._clock() + self._idle_s
            self._exchange.due = due if due < self._deadline else self._deadline
        except Exception:
            self._exchange.fail_internally()

    def on_complete(self) -> None:
        """End the response, whose stream may lack its last event."""
        self._handle = None
        self._end(UpstreamProtocolError("ended its stream without its last event"))

    def on_error(self, fault: UpstreamFault) -> None:
        """End the response in its middle, unless its last event had come."""
        self._drop_handle()
        self._end(fault)

    def resume_reading(self) -> None:
        """Go on after a client that read slowly has caught up."""
        if self._held_at is not None and self._handle is not None:
            now, since, self._held_at = self._clock(), self._held_at, None
            # The time was the client's: the backend gets it back.
            self._held_s += now - since
            self._deadline += now - since
            self._exchange.due = min(now + self._idle_s, self._deadline)
            self._handle.resume_reading()

    def abort(self) -> StreamEndDetector:
        """End the backend's work. Return how far its stream has come."""
        self._drop_handle()
        self._end_attempt(None)
        self._record_usage()
        return self._inspector.end

    def _end(self, fault: UpstreamFault) -> None:
        """End the response. What goes wrong after the last event harms nobody: the client has all it asked for."""
        exchange, inspector, is_done = self._exchange, self._inspector, self._inspector.end.is_done
        # Before anything is written: the next request must see the backend's load, and its breaker, as they are now.
        self._end_attempt(None if self._was_held_back() and not is_done else not is_done)
        try:
            if held := inspector.flush():
                self._write(held, None)
            self._record_usage()
            if exchange.endpoint is RESPONSES:
                # Its first event may have come in pieces; the last one names it too.
                exchange.context.pipeline.record_made(exchange.record, inspector.tail)
            if not is_done:
                exchange.fail(stream_interrupted(fault), inspector.end, str(fault))
                return
            exchange.record.is_complete = True
            # Only a complete stream is cached: a hit sends it as one body, which cannot break off any more.
            if self._slot is not None:
                content_type = first_value(self._headers, b"content-type") or JSON
                self._slot.commit_response(exchange.record.model, content_type)
            exchange.writer.write_end()
            exchange.finish(exchange.keep_alive)
        except Exception:
            exchange.fail_internally()

    def _was_held_back(self) -> bool:
        """Return whether the backend had to wait for the client for long enough to give up."""
        now = self._clock()
        return self._held_s + (0.0 if self._held_at is None else now - self._held_at) > HELD_BACK_S

    def _end_attempt(self, is_fault: bool | None) -> None:
        target, self._target = self._target, None
        if target is not None:
            target.on_finish(is_fault)

    def _record_usage(self) -> None:
        """Record the usage that the stream has reported so far, or an estimate: what was delivered is booked."""
        inspector, body = self._inspector, self._request.body
        report = inspector.find_usage()
        # Anthropic's first event has the input, and one token of output as a placeholder.
        if isinstance(report, Usage) and body.operation is MESSAGES and not inspector.end.is_done:
            report = raise_output(report, inspector.estimate_output_tokens())
        self._exchange.context.pipeline.accounting.record_usage(
            self._exchange.record, report, lambda: estimate_usage(body, inspector.estimate_output_tokens())
        )

    def _hold_back(self) -> None:
        """Pause the backend for a client that reads slowly: little piles up here, and no deadline passes meanwhile."""
        # No deadline here: the time is the client's, and the connection's own timer limits it.
        if self._handle is not None and self._held_at is None:
            self._held_at = self._clock()
            self._handle.pause_reading()
            self._exchange.due = NEVER

    def _drop_handle(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.abort()

    def _write_and_keep(self, data: bytes, chunk: bytes | None = None) -> bool:
        """Write a piece that goes to the response cache too."""
        if self._slot is not None:
            self._slot.append_chunk(data)
        return self._exchange.writer.write_piece(data, chunk)
