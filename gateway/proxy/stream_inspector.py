"""Inspection of a stream on its way to the client: its end, its usage, and the usage event that is hidden."""

from gateway.errors import UpstreamFailed, UpstreamTimeout
from gateway.http.endpoints import Endpoint
from gateway.http.sse import StreamEndDetector, UsageEventFilter
from gateway.http.token_usage import StreamTail, UsageReport
from gateway.proxy.usage_estimate import estimate_stream_tokens
from gateway.upstream.errors import TimedOut, UpstreamFault

USAGE, NO_USAGE = b'"usage"', b'"usage":null'
"""OpenAI writes the latter into every event before the one that reports usage."""


class StreamInspector:
    """Inspector of a stream.

    Attributes:
        end: Detects whether it is complete.
    """

    __slots__ = ("_between_events", "_chunks", "_hidden", "_sample", "_tail", "end")

    def __init__(self, operation: Endpoint, hides_usage: bool) -> None:
        """hides_usage: only the gateway asked for the usage event, so the client does not get it."""
        self.end = StreamEndDetector(operation)
        self._tail = StreamTail()
        self._hidden = UsageEventFilter() if hides_usage else None
        self._between_events = True
        self._chunks, self._sample = 0, b""

    def feed(self, chunk: bytes) -> bytes:
        """Return what of the stream goes on now; b"" where all of it is held or taken out."""
        self.end.feed(chunk)
        # All that an estimate needs, should the stream report nothing: how many there were, and what one looks like.
        self._chunks += 1
        self._sample = chunk
        is_whole = chunk.endswith(b"\n\n")
        # Nearly always: whole events without usage. They are neither copied nor looked at again. Written out, since a
        # call would cost more than the test.
        if is_whole and self._between_events and (USAGE not in chunk or chunk.count(USAGE) == chunk.count(NO_USAGE)):
            return chunk
        self._between_events = is_whole
        # Pieces of events go here too: usage may be cut in two by a segment's end.
        self._tail.feed(chunk)
        return chunk if self._hidden is None else self._hidden.feed(chunk)

    def flush(self) -> bytes:
        """Return what is held when the stream has ended."""
        return b"" if self._hidden is None else self._hidden.flush()

    @property
    def tail(self) -> bytes:
        """The last events, among them the one that reports usage."""
        return self._tail.content

    def find_usage(self) -> UsageReport:
        """Return the usage that the stream has reported so far."""
        return self._tail.find_usage()

    def estimate_output_tokens(self) -> int:
        """Return the estimated output of the stream so far, for one that reports none."""
        return estimate_stream_tokens(self._chunks, self._sample)


def stream_interrupted(fault: UpstreamFault) -> UpstreamFailed:
    """Return the error of a stream that broke in its middle."""
    error = UpstreamTimeout if isinstance(fault, TimedOut) else UpstreamFailed
    return error(f"the stream broke off: the backend {fault}", code="stream_interrupted")
