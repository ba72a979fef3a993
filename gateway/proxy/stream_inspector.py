"""What is looked at of a stream on its way to the client."""

from gateway.errors import UpstreamFailed, UpstreamTimeout
from gateway.http.endpoints import Endpoint
from gateway.http.sse import StreamEndDetector, UsageEventFilter
from gateway.http.token_usage import StreamTail, Usage
from gateway.upstream.errors import TimedOut, UpstreamFault

USAGE, NO_USAGE = b'"usage"', b'"usage":null'
"""OpenAI writes the latter into every event before the one that tells."""


class StreamInspector:
    """One stream. end: whether it has ended as it should."""

    __slots__ = ("_between_events", "_hidden", "_tail", "end")

    def __init__(self, operation: Endpoint, hides_usage: bool) -> None:
        """hides_usage: the client is not to see what only the gateway asked for."""
        self.end = StreamEndDetector(operation)
        self._tail = StreamTail()
        self._hidden = UsageEventFilter() if hides_usage else None
        self._between_events = True

    def feed(self, chunk: bytes) -> bytes:
        """What of the stream may go on now; nothing where all of it is held or taken out."""
        self.end.feed(chunk)
        is_whole = chunk.endswith(b"\n\n")
        if is_whole and self._between_events and not _may_tell(chunk):  # nearly always
            return chunk
        self._between_events = is_whole
        self._tail.feed(chunk)
        return chunk if self._hidden is None else self._hidden.feed(chunk)

    def flush(self) -> bytes:
        """What is still held when the stream has ended."""
        return b"" if self._hidden is None else self._hidden.flush()

    def find_usage(self) -> Usage | None:
        """What the stream says of itself."""
        return self._tail.find_usage()


def _may_tell(events: bytes) -> bool:
    """Whether usage may be told in here."""
    return USAGE in events and events.count(USAGE) != events.count(NO_USAGE)


def stream_interrupted(fault: UpstreamFault) -> UpstreamFailed:
    """What a client is told in the middle of a stream."""
    told = UpstreamTimeout if isinstance(fault, TimedOut) else UpstreamFailed
    return told(f"the stream broke off: the backend {fault}", code="stream_interrupted")
