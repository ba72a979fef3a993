"""Server-sent events (WHATWG HTML, 9.2), as OpenAI streams them: `data: {…}` events and a last `data: [DONE]`."""

from gateway.errors import RequestError
from gateway.wire.envelope import envelope

EVENT_STREAM = b"text/event-stream"
DONE = b"data: [DONE]"
_TAIL = 64


class StreamEnd:
    """Watches a stream go past and knows whether it has ended as it should."""

    def __init__(self) -> None:
        self._tail = b""

    def saw(self, chunk: bytes) -> None:
        """More of the stream."""
        self._tail = chunk[-_TAIL:] if len(chunk) >= _TAIL else (self._tail + chunk)[-_TAIL:]

    @property
    def is_done(self) -> bool:
        """Whether the last event was [DONE]."""
        last = self._tail.rstrip(b"\r\n").rpartition(b"\n")[2].rpartition(b"\r")[2]
        return last.strip().replace(b"data:[", b"data: [") == DONE

    @property
    def at_boundary(self) -> bool:
        """Whether the next byte begins an event."""
        return not self._tail or self._tail.replace(b"\r\n", b"\n").replace(b"\r", b"\n").endswith(b"\n\n")


def error_event(error: RequestError, end: StreamEnd) -> bytes:
    """An event that tells of an error; closes a half-written one before it."""
    return (b"" if end.at_boundary else b"\n\n") + b"data: " + envelope(error) + b"\n\n"
