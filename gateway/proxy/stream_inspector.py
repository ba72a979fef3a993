"""Inspection of a stream on its way to the client: its end, its usage, and the usage event that is hidden."""

from gateway.errors import UpstreamFailed, UpstreamTimeout
from gateway.http.endpoints import Endpoint
from gateway.http.sse import StreamEndDetector, UsageEventFilter
from gateway.http.token_usage import StreamTail, Usage
from gateway.upstream.errors import TimedOut, UpstreamFault

USAGE, NO_USAGE = b'"usage"', b'"usage":null'
"""OpenAI writes the latter into every event before the one that reports usage."""


class StreamInspector:
    """Inspector of a stream.

    Attributes:
        end: Detects whether it is complete.
    """

    __slots__ = ("_between_events", "_hidden", "_tail", "end")

    def __init__(self, operation: Endpoint, hides_usage: bool) -> None:
        """hides_usage: only the gateway asked for the usage event, so the client does not get it."""
        self.end = StreamEndDetector(operation)
        self._tail = StreamTail()
        self._hidden = UsageEventFilter() if hides_usage else None
        self._between_events = True

    def feed(self, chunk: bytes) -> bytes:
        """Return what of the stream goes on now; b"" where all of it is held or taken out."""
        self.end.feed(chunk)
        is_whole = chunk.endswith(b"\n\n")
        # Nearly always: whole events without usage. They are neither copied nor looked at again.
        if is_whole and self._between_events and not _may_report_usage(chunk):
            return chunk
        self._between_events = is_whole
        # Pieces of events go here too: usage may be cut in two by a segment's end.
        self._tail.feed(chunk)
        return chunk if self._hidden is None else self._hidden.feed(chunk)

    def flush(self) -> bytes:
        """Return what is held when the stream has ended."""
        return b"" if self._hidden is None else self._hidden.flush()

    def find_usage(self) -> Usage | None:
        """Return the usage that the stream has reported so far."""
        return self._tail.find_usage()


def _may_report_usage(events: bytes) -> bool:
    """Return whether usage may be reported in here."""
    return USAGE in events and events.count(USAGE) != events.count(NO_USAGE)


def stream_interrupted(fault: UpstreamFault) -> UpstreamFailed:
    """Return the error of a stream that broke in its middle."""
    error = UpstreamTimeout if isinstance(fault, TimedOut) else UpstreamFailed
    return error(f"the stream broke off: the backend {fault}", code="stream_interrupted")
