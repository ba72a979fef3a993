"""What is looked at of a stream on its way to the client."""

from gateway.errors import UpstreamFailed, UpstreamTimeout
from gateway.http.endpoints import Operation
from gateway.http.sse import StreamEnd
from gateway.http.token_usage import Tail, Usage
from gateway.http.usage_filter import UsageHidden
from gateway.upstream.errors import TimedOut, UpstreamFault

USAGE, NO_USAGE = b'"usage"', b'"usage":null'
"""OpenAI writes the latter into every event before the one that tells."""


class Passing:
    """One stream. end: whether it has ended as it should."""

    __slots__ = ("_between_events", "_hidden", "_tail", "end")

    def __init__(self, operation: Operation, hides_usage: bool) -> None:
        """hides_usage: the client is not to see what only the gateway asked for."""
        self.end = StreamEnd(operation)
        self._tail = Tail()
        self._hidden = UsageHidden() if hides_usage else None
        self._between_events = True

    def through(self, chunk: bytes) -> bytes:
        """What of the stream may go on now; nothing where all of it is held or taken out."""
        self.end.saw(chunk)
        is_whole = chunk.endswith(b"\n\n")
        if is_whole and self._between_events and not _may_tell(chunk):  # nearly always
            return chunk
        self._between_events = is_whole
        self._tail.saw(chunk)
        return chunk if self._hidden is None else self._hidden.through(chunk)

    def rest(self) -> bytes:
        """What is still held when the stream has ended."""
        return b"" if self._hidden is None else self._hidden.rest()

    def usage(self) -> Usage | None:
        """What the stream says of itself."""
        return self._tail.usage()


def _may_tell(events: bytes) -> bool:
    """Whether usage may be told in here."""
    return USAGE in events and events.count(USAGE) != events.count(NO_USAGE)


def broken_off(fault: UpstreamFault) -> UpstreamFailed:
    """What a client is told in the middle of a stream."""
    told = UpstreamTimeout if isinstance(fault, TimedOut) else UpstreamFailed
    return told(f"the stream broke off: the backend {fault}", code="stream_interrupted")
