"""Inspection of a stream on its way to the client: its events, its usage, and how it has ended."""

from collections import deque

import msgspec

from gateway.errors import UpstreamFailed, UpstreamTimeout
from gateway.http.chunks import chunk_payload
from gateway.http.endpoints import Endpoint
from gateway.http.hidden_usage import USAGE, remove_usage
from gateway.http.sse_events import EVENT_ENDS, EventSplitter, parse_event
from gateway.http.stream_protocol import DONE, StreamOutcome, find_outcome, next_sequence_number, read_json
from gateway.http.token_usage import StreamTail, UsageReport
from gateway.proxy.usage_estimate import estimate_stream_tokens
from gateway.upstream.errors import TimedOut, UpstreamFault

NO_USAGE = b'"usage":null'
"""OpenAI writes this into every event before the one that reports usage."""

RECENT_PIECES = 16
"""Pieces of a stream's end from which its outcome is read: a last chunk for every choice, usage, `[DONE]`."""

EVENT_END = b"\n\n"
FRAMED_ENDS = tuple(end + b"\r\n" for end in EVENT_ENDS)
"""Ends of an event that is a chunk, or the end of one."""


class StreamEnd(msgspec.Struct, frozen=True, gc=False):
    """The end of a stream, or how far it has come.

    Attributes:
        outcome: By the rules of its protocol.
        rest: What is still to be written: an event without the empty line behind it.
        is_at_boundary: What has been written ends with an event's end.
        sequence: Sequence number of the next event of /v1/responses.
    """

    outcome: StreamOutcome
    rest: bytes = b""
    is_at_boundary: bool = True
    sequence: int = 0


class StreamInspector:
    """Inspector of a stream: of what it takes, whole events go on."""

    __slots__ = (
        "_framed", "_hides_usage", "_is_between", "_keep", "_keep_framed", "_operation", "_pieces", "_recent",
        "_splitter", "_tail",
    )  # fmt: skip

    def __init__(self, operation: Endpoint, hides_usage: bool) -> None:
        """hides_usage: only the gateway asked for usage, so the client does not get it."""
        self._operation = operation
        self._tail = StreamTail()
        self._hides_usage = hides_usage
        self._splitter = EventSplitter()
        self._is_between = True
        self._pieces = 0
        self._recent: deque[bytes] = deque(maxlen=RECENT_PIECES)
        self._keep = self._recent.append
        # Chunks as they came, after those of _recent; they are unwrapped once somebody wants to read them.
        self._framed: deque[bytes] = deque(maxlen=RECENT_PIECES)
        self._keep_framed = self._framed.append

    @property
    def is_at_boundary(self) -> bool:
        """True if what has been returned ends with an event's end."""
        return self._splitter.is_at_boundary

    def feed(self, chunk: bytes) -> bytes:
        """Return what of the stream goes on now; b"" where all of it is held or taken out."""
        if self._framed:
            self._unwrap_chunks()
        # Nearly always: whole events without usage. They are neither copied nor parsed.
        if self._is_between and chunk.endswith(EVENT_ENDS) and (USAGE not in chunk or self._reports_nothing(chunk)):
            # All that an estimate needs, should the stream report nothing: how many there were, and the last ones.
            self._pieces += 1
            self._keep(chunk)
            return chunk
        return self._feed_unusual(chunk)

    def passes_chunk(self, chunk: bytes) -> bool:
        """Take a whole chunk with its framing, if all of it goes on; else return False, and `feed` is to take it."""
        # Not `in`, which tries to take the bytes for a number first: that exception would cost as much as all the rest.
        if self._is_between and chunk.endswith(FRAMED_ENDS) and chunk.find(USAGE) < 0:
            self._pieces += 1
            self._keep_framed(chunk)
            return True
        return False

    def read_end(self, is_clean: bool) -> StreamEnd:
        """Return how the stream has ended. is_clean: by its framing."""
        rest = self._splitter.take_rest()
        if rest and not _is_readable(rest):
            # Half an event would be read as broken JSON, before the error that follows.
            rest = b""
        self._unwrap_chunks()
        recent = [*self._recent, rest] if rest else list(self._recent)
        outcome = find_outcome(self._operation, recent, is_clean)
        sequence = 0
        if outcome is StreamOutcome.BROKEN:
            rest = rest if is_clean else b""
            sequence = next_sequence_number(recent)
        elif rest and (parse_event(rest).data or b"").strip() not in (b"", DONE):
            # Clients dispatch an event at the empty line behind it; only [DONE] is read without one.
            rest = rest.rstrip(b"\r\n") + EVENT_END
        if rest and self._hides_usage:
            rest = remove_usage(rest)
        is_at_boundary = self.is_at_boundary and (not rest or rest.endswith(EVENT_ENDS))
        return StreamEnd(outcome, rest, is_at_boundary, sequence)

    @property
    def tail(self) -> bytes:
        """The last events, among them the one that reports usage."""
        return self._tail.content

    def find_usage(self) -> UsageReport:
        """Return the usage that the stream has reported so far."""
        return self._tail.find_usage()

    def estimate_output_tokens(self) -> int:
        """Return the estimated output of the stream so far, for one that reports none."""
        self._unwrap_chunks()
        return estimate_stream_tokens(self._pieces, self._recent[-1] if self._recent else b"")

    def _unwrap_chunks(self) -> None:
        self._recent.extend([chunk_payload(chunk) for chunk in self._framed])
        self._framed.clear()

    def _reports_nothing(self, chunk: bytes) -> bool:
        return not self._hides_usage and chunk.count(USAGE) == chunk.count(NO_USAGE)

    def _feed_unusual(self, chunk: bytes) -> bytes:
        """Take a piece that is cut within an event, or that may report usage."""
        # All of it: usage may be cut in two by a segment's end.
        self._tail.feed(chunk)
        complete = self._splitter.feed(chunk)
        self._is_between = self._splitter.is_empty
        if not complete:
            return b""
        self._pieces += 1
        self._keep(complete)
        shown = remove_usage(complete) if self._hides_usage else complete
        # The same object, where nothing has changed: its framing can be used again.
        return chunk if shown == chunk else shown


def _is_readable(rest: bytes) -> bool:
    data = parse_event(rest).data
    return data is None or data.strip() == DONE or read_json(data) is not None


def stream_interrupted(fault: UpstreamFault) -> UpstreamFailed:
    """Return the error of a stream that broke in its middle."""
    error = UpstreamTimeout if isinstance(fault, TimedOut) else UpstreamFailed
    return error(f"the stream broke off: the backend {fault}", code="stream_interrupted")
