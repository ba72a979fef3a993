"""A backend's stream on its way to the client: as it came, and one that broke never looks like one that ended."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import is_
from typing import TYPE_CHECKING, Protocol

from gateway.errors import RequestError
from gateway.http.chunks import chunk_payload
from gateway.http.endpoints import MESSAGES, RESPONSES
from gateway.http.error_envelope import JSON
from gateway.http.headers import Headers, first_value
from gateway.http.sse import KEEPALIVE_COMMENT
from gateway.http.stream_protocol import StreamOutcome
from gateway.http.token_usage import Usage
from gateway.proxy.backend_errors import to_request_error
from gateway.proxy.response_cache import CacheSlot
from gateway.proxy.stream_inspector import StreamEnd, StreamInspector, stream_interrupted
from gateway.proxy.usage_estimate import estimate_usage, raise_output
from gateway.upstream.errors import TimedOut, UpstreamFault, UpstreamProtocolError
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
        keepalive_s: Silence after which the client gets a comment.
        deadline: Of the whole response, by the exchange's clock.
        hides_usage: Only the gateway has asked it for usage.
    """

    target: BackendState
    handle: ResponseHandle
    headers: Headers
    idle_s: float
    keepalive_s: float
    deadline: float
    hides_usage: bool


class StreamRelay:
    """Relay of a stream from its first byte on: the handler of the rest of the response."""

    __slots__ = (
        "_capture", "_clock", "_commented_until", "_deadline", "_exchange", "_handle", "_headers", "_held_at",
        "_held_s", "_idle_s", "_inspector", "_keepalive_s", "_quiet_s", "_request", "_silent_since", "_slot", "_target",
        "_write", "_write_chunk",
    )  # fmt: skip

    def __init__(
        self, exchange: "Exchange", answer: Answering, slot: CacheSlot | None, request: UpstreamRequest
    ) -> None:
        """slot: in the response cache. request: what was asked."""
        self._inspector = StreamInspector(exchange.endpoint, answer.hides_usage)
        self._request = request
        self._exchange, self._headers = exchange, answer.headers
        self._target: BackendState | None = answer.target
        self._handle: ResponseHandle | None = answer.handle
        self._slot = slot
        self._capture = exchange.record.capture
        is_kept = slot is not None or self._capture is not None
        self._write: WritePiece = self._write_and_keep if is_kept else exchange.writer.write_piece
        self._write_chunk = None if is_kept else exchange.writer.write_chunk
        self._clock: Callable[[], float] = exchange.context.deadlines.clock
        self._idle_s, self._keepalive_s, self._deadline = answer.idle_s, answer.keepalive_s, answer.deadline
        # Until something has to be done: the client gets a comment, or the backend's time is over.
        self._quiet_s = min(answer.idle_s, answer.keepalive_s)
        self._silent_since = self._commented_until = 0.0
        self._held_at: float | None = None
        self._held_s = 0.0

    def on_head(self, status: int, headers: Headers) -> None:
        """Do nothing: the head has come before."""

    def on_chunk(self, chunk: bytes) -> None:
        """Pass a whole chunk on as it came: the path of nearly every token, so it calls nothing it can do itself."""
        if self._write_chunk is None or not self._inspector.passes_chunk(chunk):
            self.on_data(chunk_payload(chunk), chunk)
            return
        try:
            if not self._write_chunk(chunk):
                self._hold_back()
                return
            # For every token, so without min(), whose call costs more than the comparison.
            due = self._clock() + self._quiet_s
            self._exchange.due = due if due < self._deadline else self._deadline
        except Exception:
            self._exchange.fail_internally()

    def on_data(self, data: bytes, chunk: bytes | None = None) -> None:
        """Pass a piece on. chunk: the same as it came, where it came as one chunk."""
        self.on_chunks((data,), chunk)

    def on_chunks(self, pieces: Sequence[bytes], chunks: bytes | None) -> None:
        """Pass pieces on, in one write. chunks: the same as they came, where they came as chunks."""
        try:
            shown = [self._inspector.feed(piece) for piece in pieces]
            data = shown[0] if len(shown) == 1 else b"".join(shown)
            if data and not self._write(data, chunks if all(map(is_, shown, pieces)) else None):
                self._hold_back()
                return
            self._exchange.due = min(self._clock() + self._quiet_s, self._deadline)
        except Exception:
            self._exchange.fail_internally()

    def on_complete(self) -> None:
        """End the response, whose stream may lack its last event."""
        self._handle = None
        self._end(UpstreamProtocolError("ended its stream without its last event"), is_clean=True)

    def on_error(self, fault: UpstreamFault) -> None:
        """End the response in its middle, unless its last event had come."""
        self._drop_handle()
        self._end(fault, is_clean=False)

    def on_deadline(self, now: float) -> None:
        """Give a sign of life in the backend's place, or end a response whose backend is silent for too long.

        Whatever a backend sends counts as life, be it a comment or white space, and sets `due` anew.
        """
        exchange = self._exchange
        # Still as it was set here: the same silence goes on.
        if exchange.due != self._commented_until:
            self._silent_since = exchange.due - self._quiet_s
        over_at = min(self._silent_since + self._idle_s, self._deadline)
        if now >= over_at:
            self.on_error(TimedOut("fell silent in the middle of its stream"))
            return
        self._commented_until = exchange.due = min(now + self._keepalive_s, over_at)
        if self._inspector.is_at_boundary and not exchange.writer.write_piece(KEEPALIVE_COMMENT):
            self._hold_back()

    def resume_reading(self) -> None:
        """Go on after a client that read slowly has caught up."""
        if self._held_at is not None and self._handle is not None:
            now, since, self._held_at = self._clock(), self._held_at, None
            # The time was the client's: the backend gets it back.
            self._held_s += now - since
            self._deadline += now - since
            self._exchange.due = min(now + self._quiet_s, self._deadline)
            self._handle.resume_reading()

    def abort(self) -> StreamEnd:
        """End the backend's work. Return how far its stream has come."""
        self._drop_handle()
        self._end_attempt(None)
        end = self._inspector.read_end(is_clean=False)
        self._record_usage(end.outcome)
        return end

    def _end(self, fault: UpstreamFault, is_clean: bool) -> None:
        """End the response. What goes wrong after the last event harms nobody: the client has all it asked for."""
        exchange, end = self._exchange, self._inspector.read_end(is_clean)
        # Before anything is written: the next request must see the backend's load, and its breaker, as they are now.
        is_broken = end.outcome is not StreamOutcome.COMPLETE
        self._end_attempt(None if is_broken and self._was_held_back() else is_broken)
        try:
            if end.rest:
                self._write(end.rest, None)
            self._record_usage(end.outcome)
            if exchange.endpoint is RESPONSES:
                # Its first event may have come in pieces; the last one names it too.
                exchange.context.pipeline.record_made(exchange.record, self._inspector.tail)
            if end.outcome is StreamOutcome.BROKEN:
                exchange.fail(_stream_error(fault), end, str(fault))
                return
            if end.outcome is StreamOutcome.COMPLETE:
                self._complete()
            else:
                # The backend's own error is a valid end: nothing is added to it, and nothing cut off.
                exchange.record.stream_error = "ended its stream with an error event"
            exchange.writer.write_end()
            exchange.finish(exchange.keep_alive)
        except Exception:
            exchange.fail_internally()

    def _was_held_back(self) -> bool:
        """Return whether the backend had to wait for the client for long enough to give up."""
        now = self._clock()
        return self._held_s + (0.0 if self._held_at is None else now - self._held_at) > HELD_BACK_S

    def _complete(self) -> None:
        self._exchange.record.is_complete = True
        # Only a complete stream is cached: a hit sends it as one body, which cannot break off any more.
        if self._slot is not None:
            content_type = first_value(self._headers, b"content-type") or JSON
            self._slot.commit_response(self._exchange.record.model, content_type)

    def _end_attempt(self, is_fault: bool | None) -> None:
        target, self._target = self._target, None
        if target is not None:
            target.on_finish(is_fault)

    def _record_usage(self, outcome: StreamOutcome) -> None:
        """Record the usage that the stream has reported so far, or an estimate: what was delivered is booked."""
        inspector, body = self._inspector, self._request.body
        report = inspector.find_usage()
        # Anthropic's first event has the input, and one token of output as a placeholder.
        if isinstance(report, Usage) and body.operation is MESSAGES and outcome is not StreamOutcome.COMPLETE:
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
        """Write a piece that goes to the response cache or the request log too."""
        if self._slot is not None:
            self._slot.append_chunk(data)
        if self._capture is not None:
            self._capture.add_piece(data)
        return self._exchange.writer.write_piece(data, chunk)


def _stream_error(fault: UpstreamFault) -> RequestError:
    """Return the error of a stream that broke: in the provider's own words where litellm has raised them."""
    if fault.response is None:
        return stream_interrupted(fault)
    return to_request_error(fault.response.status, fault.response.body)
