"""The state machine of a request, from its head to the last byte of its response, behind both entrances.

It is fed by gateway.proxy.protocol (sockets) and by gateway.proxy.asgi_adapter (ASGI), which differ in nothing but how
bytes come and go. The backend's side is gateway.proxy.upstream_call. Nothing here waits: what has to happen later
happens when the deadline timer calls.
"""

import logging
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import RequestError, ShuttingDown
from gateway.http import error_envelope, read_body
from gateway.http.asgi import RawHeaders
from gateway.http.endpoints import Endpoint
from gateway.http.headers import RequestHead
from gateway.http.sse import EVENT_STREAM, format_error_event
from gateway.http.stream_protocol import StreamOutcome
from gateway.keys.auth import Principal
from gateway.proxy.deadlines import DeadlineTimer
from gateway.proxy.exchange_state import CONNECTING, DONE, READING, TRANSITIONS, ExchangeState
from gateway.proxy.pipeline import Pipeline, internal_error
from gateway.proxy.responses import HTTP_OK, UNBUFFERED_HEADERS, error_headers
from gateway.proxy.stream_inspector import StreamEnd
from gateway.proxy.upstream_call import UpstreamCall

log = logging.getLogger("benchroute.request")

SHUTDOWN_ERROR = ShuttingDown("the gateway is shutting down, and this took longer than it could wait")

CUT_DELAY_S = 0.1
"""Time for a client to read an error event before its connection is closed."""

UNBEGUN = StreamEnd(StreamOutcome.BROKEN)
"""Of a stream in which nothing but comments has been written."""


@dataclass(frozen=True, slots=True)
class ExchangeContext:
    """State that all requests share.

    Attributes:
        body_timeout_s: From a request's head to the last byte of its body.
        keep_alive: False while the gateway drains: responses ask clients to open another connection.
    """

    pipeline: Pipeline
    deadlines: DeadlineTimer
    body_timeout_s: float = read_body.BODY_TOTAL_S
    keep_alive: bool = True


class ResponseWriter(Protocol):
    """The client's side of a request."""

    def write_head(self, status: int, headers: RawHeaders, lines: bytes, body: bytes | None, keep_alive: bool) -> None:
        """Write the head, and the body where it is there in one piece.

        lines: more headers, each ended by CRLF. body: None for one that comes in pieces.
        """

    def write_piece(self, data: bytes, chunk: bytes | None = None) -> bool:
        """Write a piece of the body, not empty. Return whether the client takes more.

        chunk: the same with its framing, where it came as one chunk.
        """

    def write_chunk(self, chunk: bytes) -> bool:
        """Write a piece of the body that came as one whole chunk, with its framing. Returns the same."""

    def write_end(self) -> None:
        """Write the end of a body in pieces."""

    def finish(self, keep_alive: bool, /) -> None:
        """End the response. Without keep_alive the connection is closed, be the response complete or not."""


class Exchange:
    """A request and its response.

    Attributes:
        due: By the deadline timer's clock, when something has to happen if nothing else does.
        keep_alive: The client's connection may be used again; a server that stops takes it back.
        more_body: The request has not been read to its end.
    """

    __slots__ = (
        "_began_at", "_body", "_call", "_principal", "_received_at", "_size", "context", "due", "endpoint", "head",
        "keep_alive", "more_body", "record", "state", "writer",
    )  # fmt: skip

    def __init__(
        self, context: ExchangeContext, writer: ResponseWriter, endpoint: Endpoint, head: RequestHead, keep_alive: bool
    ) -> None:
        self.state, self.more_body, self._size = READING, True, 0
        self.context, self.writer, self.endpoint, self.head = context, writer, endpoint, head
        self.keep_alive = keep_alive and context.keep_alive
        self.record = context.pipeline.start_request(head, endpoint)
        self._body: list[bytes] = []
        self._principal: Principal | None = None
        self._call: UpstreamCall | None = None
        self._began_at = self._received_at = now = context.deadlines.clock()
        pause_s, total_s = read_body.BODY_TIMEOUT_S, context.body_timeout_s
        self.due = now + (pause_s if pause_s < total_s else total_s)
        context.deadlines.watch(self)

    def enter(self, state: ExchangeState) -> None:
        """Go to another state."""
        assert state in TRANSITIONS[self.state], f"{self.state} -> {state}"  # noqa: S101 - a mistake of ours
        self.state = state

    @property
    def response_started(self) -> bool:
        """Return whether the head has been written."""
        return self.record.status != 0

    @property
    def response_complete(self) -> bool:
        """Return whether nothing more is written."""
        return self.state is DONE

    # The request

    def start(self) -> None:
        """Authenticate, before the body is read: nobody without a key fills the gateway's memory."""
        try:
            self._principal = self.context.pipeline.authenticate(self.head, self.record)
        except RequestError as error:
            self.fail(error)
        except Exception:
            self.fail_internally()

    def on_request_body(self, body: bytes) -> None:
        """Take more of the request's body."""
        # Refused: the rest is read and dropped, for most clients read no response until they have sent all.
        if self.state is not READING:
            return
        self._received_at = self.context.deadlines.clock()
        self._body.append(body)
        self._size += len(body)
        if self._size > self.context.pipeline.max_body_bytes:
            self.fail(read_body.payload_too_large(self.context.pipeline.max_body_bytes))

    def on_request_complete(self) -> None:
        """Route the request, which is complete."""
        pieces, self._body = self._body, []
        self.on_whole_body(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def on_whole_body(self, body: bytes) -> None:
        """Route the request, and answer it or send it to its first backend. body: not larger than the limit."""
        self.more_body = False
        if self.state is not READING or self._principal is None:
            return
        try:
            routed = self.context.pipeline.parse_and_route(body, self.head, self._principal, self.record)
            if routed.slot is not None and (cached := routed.slot.cached_response()) is not None:
                self.record.cached_model = cached.model
                self.send_whole(HTTP_OK, [(b"content-type", cached.content_type)], cached.body)
                return
            self._call = UpstreamCall(self, routed)
            self.enter(CONNECTING)
            self._call.ask_backend(None, self._call.started)
        except RequestError as error:
            self.fail(error)
        except Exception:
            self.fail_internally()

    # What else can happen

    def on_deadline(self, now: float) -> None:
        """Act on what did not come in time."""
        if self.state is READING:
            self._check_body(now)
        elif self._call is not None:
            self._call.on_deadline(now)
        else:
            self.finish(keep_alive=False)

    def on_writable(self) -> None:
        """Go on: the client, who did not take more, does now."""
        if self._call is not None:
            self._call.resume_reading()

    def on_disconnect(self) -> None:
        """End the backend's work: nobody would read the response."""
        if self.state is not DONE:
            self._end_call()
            self._close()

    def abort(self) -> None:
        """Answer in words: the gateway stops, and this took longer than it could wait."""
        end = self._end_call()
        if not self.record.status:
            # Nothing has been sent: a 503 with all headers, which clients retry at another gateway.
            self.keep_alive = False
            self.fail(SHUTDOWN_ERROR)
            return
        if end is not None and end.outcome is not StreamOutcome.BROKEN:
            self.record.is_complete = True
            self.writer.write_end()
        elif not self.record.stream_error:
            self.record.aborted_status = SHUTDOWN_ERROR.status
            self._write_error(SHUTDOWN_ERROR, end or UNBEGUN)
        self.finish(keep_alive=False)

    def _check_body(self, now: float) -> None:
        """Fail a body that pauses, or trickles, for too long."""
        # The deadline moves here, where it would have been missed, and not with every piece.
        self.due, error = read_body.body_deadline(self._began_at, self._received_at, self.context.body_timeout_s)
        if self.due <= now:
            # The rest of the body may still come, and must not be taken for a request (RFC 9110, 15.5.9).
            self.keep_alive = False
            self.fail(error)

    # The response

    def send_whole(self, status: int, headers: RawHeaders, body: bytes) -> None:
        """Send a response in one piece."""
        lines = self.record.begin_whole(status, body)
        self.writer.write_head(status, headers, lines, body, self.keep_alive)
        self.finish(self.keep_alive)

    def begin_stream(self, headers: RawHeaders) -> None:
        """Send the head of a stream, unless a comment has been sent before."""
        if not self.record.status:
            lines = self.record.begin_response(HTTP_OK)
            self.writer.write_head(HTTP_OK, [*headers, *UNBUFFERED_HEADERS], lines, None, self.keep_alive)

    def send_comment(self, comment: bytes) -> None:
        """Send a sign of life, the backend's or the gateway's, so that hops on the way do not cut off a waiting client.

        The first one commits to status 200; from then on errors are events in the stream.
        """
        self.begin_stream([(b"content-type", EVENT_STREAM)])
        self.writer.write_piece(comment)

    def fail(self, error: RequestError, end: StreamEnd | None = None, reason: str | None = None) -> None:
        """Send an error of our own: an event where a stream has begun, which then has no end.

        end: of that stream. reason: for the log, where it is not the error's message.
        """
        self.record.error = error.message
        if not self.record.status:
            body = error_envelope.encode_error(error, self.endpoint)
            self.send_whole(error.status, error_headers(error), body)
            return
        # No last chunk follows: to a client that does not parse the event, the response must look cut off.
        self.record.stream_error = reason or error.message
        self._write_error(error, end or UNBEGUN)
        # Not at once: a client whose body is a stream of the WHATWG's loses what it has not read when it is cut off.
        self._call, self.due = None, self.context.deadlines.clock() + CUT_DELAY_S

    def fail_internally(self) -> None:
        """End a request that the gateway failed: the client gets an error, the log the traceback."""
        log.exception("%s failed inside the gateway", self.record.request_id)
        if self.state is not DONE and not self.record.stream_error:
            self.fail(internal_error(self.record), self._end_call())

    def finish(self, keep_alive: bool) -> None:
        """End the response; everything of it has been written."""
        # In this order: the writer may begin the connection's next request before it returns.
        self._close()
        self.writer.finish(keep_alive)

    def _write_error(self, error: RequestError, end: StreamEnd) -> None:
        self.writer.write_piece(format_error_event(error, self.endpoint, end.is_at_boundary, end.sequence))

    def _end_call(self) -> StreamEnd | None:
        """End the backend's work. Return how far its stream has come, if there is one."""
        return None if self._call is None else self._call.abort()

    def _close(self) -> None:
        self.enter(DONE)
        self.context.deadlines.unwatch(self)
        # The client's connection holds this request until the next one: let go of what was said.
        self._body, self._call = [], None
        self.context.pipeline.finish_request(self.record)


def end_slow_reader(exchange: Exchange, limit_s: float) -> None:
    """End the request of a client that leaves its response unread. limit_s: how long it was waited for."""
    if exchange.state is not DONE:
        # Not a fault of the backend: neither its breaker nor the counts of broken streams move.
        log.warning("%s: the client read nothing for %g s: connection closed", exchange.record.request_id, limit_s)
        exchange.on_disconnect()
